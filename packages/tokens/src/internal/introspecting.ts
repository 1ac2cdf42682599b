/** Tokens that say nothing by themselves: their issuer is asked (RFC 7662), each time, or again after seconds. */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { type JsonObject, parseJson } from '@postern/core/json'
import type { Fetch } from '@postern/core/runtime'
import { boundedBytes } from './boundedBytes.js'

/** Asks an issuer about a token. @returns its members, or `null`: it is not active. @throws PosternError `token.unavailable` */
export interface Introspect {
  (token: string): Promise<JsonObject | null>
  /** Ms that an answer is believed without asking again; 0: not at all. */
  readonly believeMs: number
}

interface Credentials {
  readonly headers?: Readonly<Record<string, string>>
  readonly form?: Readonly<Record<string, string>>
}

export interface IntrospectingOptions {
  /** The introspection endpoint: https, or http on a loopback host. Configured, never taken from a token. */
  readonly url: string
  /** The resource server's own credentials, for `client_secret_basic`; or whatever else the request needs to be authenticated. */
  readonly credentials: { readonly clientId: string; readonly clientSecret: string } | (() => Promise<Credentials>)
  readonly fetch: Fetch
  /**
   * How long an answer is believed, ms, 0–5,000. Default 0: whoever pays for a round trip does so to learn of a revocation at once, and a
   * belief of n ms lets a revoked token live n ms. An answer of "not active" is never kept.
   */
  readonly believeMs?: number
  /** When to give up; default `AbortSignal.timeout`. */
  readonly deadline?: (ms: number) => AbortSignal
}

const MAX_BYTES = 65_536
const MAX_BELIEF_MS = 5_000
const TIMEOUT_MS = 3_000
const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])$/

/**
 * An {@link Introspect} over HTTP, for `VerifierOptions.introspect`: opaque tokens, and those of issuers whose JWTs cannot be verified here.
 * A redirect, another status than 200, more than 64 KiB or no strict JSON is no answer, and no token passes without one.
 * @throws PosternError `tokens.config`
 */
export function introspecting(o: IntrospectingOptions): Introspect {
  const { url, credentials, fetch, believeMs = 0, deadline = (ms) => AbortSignal.timeout(ms) } = o
  const { protocol, hostname } = URL.canParse(url) ? new URL(url) : { protocol: '', hostname: '' }
  if (protocol !== 'https:' && !(protocol === 'http:' && LOOPBACK.test(hostname)))
    throw new PosternError('tokens.config', { publicMessage: `The introspection endpoint ${url} must be https.` })
  if (!(Number.isInteger(believeMs) && believeMs >= 0 && believeMs <= MAX_BELIEF_MS))
    throw new PosternError('tokens.config', { publicMessage: `believeMs is ${believeMs}; 0 to ${MAX_BELIEF_MS} is allowed.` })
  const authenticated: () => Promise<Credentials> =
    typeof credentials === 'function' ? credentials : async () => ({ headers: basic(credentials) })

  async function ask(token: string): Promise<JsonObject | null> {
    const { headers, form } = await authenticated()
    const reply = await fetch(url, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams({ token, token_type_hint: 'access_token', ...form }).toString(),
      redirect: 'manual',
      signal: deadline(TIMEOUT_MS),
    })
    if (reply.status !== 200) {
      await reply.body?.cancel()
      throw new Error(`status ${reply.status}`)
    }
    const members = parseJson(await boundedBytes(reply, MAX_BYTES), { maxBytes: MAX_BYTES })
    if (typeof members !== 'object' || members === null || !('active' in members)) throw new Error('no introspection response')
    return members.active === true ? (members as JsonObject) : null
  }

  async function introspect(token: string): Promise<JsonObject | null> {
    try {
      return await ask(token)
    } catch (cause) {
      throw new PosternError('token.unavailable', { cause })
    }
  }
  return Object.assign(introspect, { believeMs })
}

/** RFC 6749 §2.3.1: both halves are form-encoded first. */
function basic({
  clientId,
  clientSecret,
}: {
  readonly clientId: string
  readonly clientSecret: string
}): Readonly<Record<string, string>> {
  const pair = `${formEncoded(clientId)}:${formEncoded(clientSecret)}`
  const standard = encodeBase64url(utf8(pair)).replaceAll('-', '+').replaceAll('_', '/')
  return { authorization: `Basic ${standard}${'='.repeat((4 - (standard.length % 4)) % 4)}` }
}

function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}
