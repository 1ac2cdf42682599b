/** Calls to the platform: each with a proof of the device key (RFC 9449), with the server's nonce, and one repetition where the nonce was old. */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { errorCodes } from '@postern/core/errorCodes'
import { type ErrorCode, PosternError } from '@postern/core/errors'
import { type JsonObject, parseJson } from '@postern/core/json'
import { signJws } from '@postern/core/jws'
import type { ClientRuntime, KeystorePort } from '../ports.js'
import { cancelled, type Operation } from './operation.js'
import { guarded } from './state.js'

/** The key that proves an instance. */
export interface ProvingKey {
  readonly keyId: string
  readonly publicKey: JsonWebKey
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below the issuer. */
  readonly path: string
  readonly key?: ProvingKey
  readonly form?: Readonly<Record<string, string>>
  readonly json?: unknown
  /** DPoP-bound token for `Authorization`. */
  readonly token?: string
  /** In place of the server's nonce: the challenge of a registration. */
  readonly nonce?: string
}

export interface Reply {
  readonly status: number
  readonly text: string
  /** The body where it is a JSON object, otherwise empty. */
  readonly body: JsonObject
}

export interface Net {
  /** Any answer below 500, whatever it says. @throws PosternError `net.*` `storage.*` `client.cancelled` */
  ask(call: Call, op: Operation): Promise<Reply>
  /** A 2xx, or throws what the server said. */
  demand(call: Call, op: Operation): Promise<Reply>
  proof(o: ProofOptions, op: Operation): Promise<string>
  /** Signs by a device key. @throws PosternError `storage.*` | `client.cancelled` */
  sign(keyId: string, op: Operation): (data: Uint8Array) => Promise<Uint8Array>
}

export interface ProofOptions {
  readonly key: ProvingKey
  readonly method: string
  readonly url: string
  readonly nonce: string | null
  readonly token?: string | undefined
  /** Exporter of the sealed request it goes into. */
  readonly ekm?: Uint8Array
}

export function createNet(o: { issuer: string; runtime: ClientRuntime; keystore: KeystorePort }): Net {
  const { issuer, keystore, runtime } = o
  const { clock, random, crypto } = runtime
  let nonce: string | null = null

  function sign(keyId: string, op: Operation) {
    return async (data: Uint8Array): Promise<Uint8Array> => {
      const outcome = await op.wait(guarded(() => keystore.sign(keyId, data, { signal: op.signal })))
      if (outcome.ok) return outcome.signature
      if (outcome.cause === 'cancelled') throw cancelled()
      throw new PosternError(outcome.cause === 'key-invalidated' ? 'storage.lost' : 'storage.unavailable', {
        reason: outcome.cause,
      })
    }
  }

  /** RFC 9449 §4.2. `iat` is the phone's clock and decides nothing where a nonce is. */
  async function proof({ key, method, url, nonce, token, ekm }: ProofOptions, op: Operation): Promise<string> {
    const { origin, pathname } = new URL(url)
    const signer = { alg: 'ES256', publicJwk: key.publicKey, sign: sign(key.keyId, op) } as const
    return signJws(
      signer,
      { typ: 'dpop+jwt', jwk: key.publicKey },
      {
        htm: method,
        htu: origin + pathname,
        iat: Math.floor(clock() / 1000),
        jti: encodeBase64url(random(16)),
        ...(nonce === null ? {} : { nonce }),
        ...(token === undefined ? {} : { ath: encodeBase64url(await crypto.digest('SHA-256', utf8(token))) }),
        ...(ekm === undefined ? {} : { ekm: encodeBase64url(ekm) }),
      },
    )
  }

  async function once(call: Call, op: Operation): Promise<{ reply: Reply; again: boolean }> {
    const { method, path, key, form, json, token } = call
    const url = issuer + path
    const headers: Record<string, string> = { accept: 'application/json' }
    if (key !== undefined) headers['dpop'] = await proof({ key, method, url, nonce: call.nonce ?? nonce, token }, op)
    if (token !== undefined) headers['authorization'] = `DPoP ${token}`
    if (form !== undefined) headers['content-type'] = 'application/x-www-form-urlencoded'
    if (json !== undefined) headers['content-type'] = 'application/json'
    const body = form !== undefined ? new URLSearchParams(form).toString() : json !== undefined ? JSON.stringify(json) : null
    const init: RequestInit = { method, headers, signal: op.signal, redirect: 'manual', cache: 'no-store' }
    const { response, text } = await op.wait(send(url, body === null ? init : { ...init, body }))
    const fresh = response.headers.get('dpop-nonce')
    if (fresh !== null) nonce = fresh
    const reply = { status: response.status, text, body: objectIn(text) }
    if (response.status === 429 || response.status === 503)
      throw new PosternError('net.limited', { reason: `status ${response.status}` })
    if (response.status >= 500) throw new PosternError('net.unreachable', { reason: `status ${response.status}` })
    const stale =
      reply.body['error'] === 'use_dpop_nonce' || /error="use_dpop_nonce"/.test(response.headers.get('www-authenticate') ?? '')
    return { reply, again: stale && fresh !== null && key !== undefined && call.nonce === undefined }
  }

  async function send(url: string, init: RequestInit): Promise<{ response: Response; text: string }> {
    try {
      const response = await runtime.fetch(url, init)
      return { response, text: await response.text() }
    } catch (cause) {
      if (init.signal?.aborted) throw cancelled()
      throw failedFetch(runtime, cause)
    }
  }

  async function ask(call: Call, op: Operation): Promise<Reply> {
    const first = await once(call, op)
    return first.again ? (await once(call, op)).reply : first.reply
  }

  return {
    ask,
    proof,
    sign,
    async demand(call, op) {
      const reply = await ask(call, op)
      if (reply.status < 200 || reply.status > 299) throw refusal(reply)
      return reply
    },
  }
}

/** A request that got no answer. */
export function failedFetch({ online }: ClientRuntime, cause: unknown): PosternError {
  return new PosternError(online?.() === false ? 'net.offline' : 'net.unreachable', { cause })
}

/** The RFC's words where a server says nothing more. */
const words: Readonly<Record<string, ErrorCode>> = {
  invalid_client: 'client.unknown',
  invalid_grant: 'grant.invalid',
  invalid_token: 'token.invalid',
  invalid_scope: 'scope.refused',
  access_denied: 'policy.denied',
  invalid_dpop_proof: 'dpop.proof',
  invalid_session: 'login.invalid_session',
  redirect_to_web: 'login.web_required',
}

/** What the server said, as an error of ours. */
export function refusal({ status, body }: Reply): PosternError {
  const { code, error } = body
  const word = typeof error === 'string' ? words[error] : undefined
  if (typeof code === 'string' && Object.hasOwn(errorCodes, code)) return new PosternError(code as ErrorCode, { status })
  if (word !== undefined) return new PosternError(word, { status })
  return new PosternError(status === 401 ? 'token.invalid' : 'request.malformed', { status, reason: `status ${status}` })
}

function objectIn(text: string): JsonObject {
  if (!text.startsWith('{')) return {}
  try {
    return parseJson(text, { maxBytes: 131_072 }) as JsonObject
  } catch (cause) {
    throw new PosternError('net.unreachable', { reason: 'the answer is not JSON', cause })
  }
}

/** A string member of an answer. @throws PosternError `net.unreachable`: whoever answered is not the platform */
export function textOf(body: JsonObject, name: string): string {
  const value = body[name]
  if (typeof value !== 'string') throw new PosternError('net.unreachable', { reason: `the answer has no ${name}` })
  return value
}
