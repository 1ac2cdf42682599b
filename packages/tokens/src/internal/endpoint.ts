/** What all endpoints share: their URL, errors as JSON, a fresh nonce in every reply, an event for every refusal. */
import { type ErrorCode, isPosternError } from '@postern/core/errors'
import { withHeaders } from '@postern/core/reply'
import type { ClientAuthMethod } from '../clientAuth.js'
import type { Handler, IssuerContext } from '../issuer.js'
import { eventOf, tell } from './events.js'
import { errorReply, likeIts } from './http.js'
import { kitOf } from './kit.js'
import { wireError } from './wire.js'

/** Endpoints by name, below the issuer. */
export const paths = {
  authorize: '/authorize',
  par: '/par',
  challenge: '/authorize-challenge',
  attestationChallenge: '/attestation-challenge',
  token: '/token',
  userinfo: '/userinfo',
  introspect: '/introspect',
  revoke: '/revoke',
  register: '/register',
  device: '/device_authorization',
  ciba: '/bc-authorize',
  logout: '/logout',
  jwks: '/jwks',
} as const

export type PathName = keyof typeof paths

/** The configured URL of an endpoint; the request's own is never asked. */
export function urlOf(name: PathName, { issuer }: IssuerContext): string {
  return issuer + paths[name]
}

/** Wraps an endpoint whose callers are programs. */
export function endpoint(name: PathName, handle: Handler): Handler {
  return async (request, context) => {
    const { nonces } = kitOf(context)
    const nonce = { 'dpop-nonce': await nonces.issue() }
    const headers = context.auth === undefined ? nonce : await withAuth(nonce, context.auth, context)
    try {
      return likeIts(request, withHeaders(await handle(request, context), headers))
    } catch (error) {
      tellRefusal(name, error, context)
      const refusal = { ...headers, ...allowHeader(name, request, error), ...challengeHeader(request, error, context) }
      return likeIts(request, errorReply(error, refusal))
    }
  }
}

/** The headers of every reply, and what ways to authenticate add. */
async function withAuth(
  headers: Record<string, string>,
  methods: readonly ClientAuthMethod[],
  context: IssuerContext,
): Promise<Readonly<Record<string, string>>> {
  for (const method of methods) if (method.headers !== undefined) Object.assign(headers, await method.headers(context))
  return headers
}

/** RFC 9110 §15.5.6: a 405 says which methods there are. */
function allowHeader(name: PathName, request: Request, error: unknown): Readonly<Record<string, string>> {
  if (!isPosternError(error, 'request.method')) return {}
  if (name === 'userinfo') return { allow: 'GET, POST' }
  return { allow: name === 'register' && new URL(request.url).pathname.includes('/register/') ? 'GET, PUT, DELETE' : 'POST' }
}

function challengeHeader(request: Request, error: unknown, { issuer }: IssuerContext): Readonly<Record<string, string>> {
  const { error: word, status } = wireError(error)
  // RFC 6750 §3, for the registration access token (RFC 7592 §2).
  if (status === 401 && word === 'invalid_token') return { 'www-authenticate': 'DPoP error="invalid_token"' }
  if (status !== 401 || word !== 'invalid_client') return {}
  // RFC 6749 §5.2: the scheme the client used; a realm cannot carry a quote, nor can an issuer.
  return /^basic /i.test(request.headers.get('authorization') ?? '') ? { 'www-authenticate': `Basic realm="${issuer}"` } : {}
}

/** Answers that an honest client meets on its way. */
const ASKED_AGAIN: readonly ErrorCode[] = ['dpop.nonce', 'client.attestation_challenge', 'grant.pending']

/** The true reason goes into the event alone. An honest client's first call without a nonce is no event, nor is a poll that has to wait. */
export function tellRefusal(name: PathName, error: unknown, context: IssuerContext): void {
  const known = isPosternError(error)
  if (known && ASKED_AGAIN.includes(error.code)) return
  // Of an error that is none of ours the name alone: its message may hold anything.
  const reason = known ? (error.reason ?? error.code) : `server.failed ${error instanceof Error ? error.name : typeof error}`
  const type = known && error.code === 'dpop.proof' ? 'proof.refused' : 'token.refused'
  tell(
    eventOf(type, context, {
      outcome: known && error.status < 500 ? 'refused' : 'failure',
      reason: reason.slice(0, 128),
      detail: { endpoint: name },
    }),
    context,
  )
}
