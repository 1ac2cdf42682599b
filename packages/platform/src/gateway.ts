/**
 * The gate in front of an API: opens what is sealed, verifies the token offline, asks policy, strips what a caller must not set, and hands the call to
 * a handler. It needs no platform in its process: an issuer's keys, a policy and a payload server are enough.
 */

import { encodeBase64url } from '@postern/core/base64url'
import { PosternError } from '@postern/core/errors'
import type { PayloadServer, SealedCall } from '@postern/payload/server'
import type { Compiled } from '@postern/policy/compile'
import { type Decision, decide } from '@postern/policy/evaluate'
import { encode } from '@postern/policy/facts'
import type { MobileSpec } from '@postern/policy/mobile'
import type { FactInput } from '@postern/policy/schema'
import { clockIn } from '@postern/policy/time'
import type { Runtime } from '@postern/store'
import type { TokenKind } from '@postern/tokens/login'
import { challengeResponse, createVerifier, type Verified, type VerifierOptions } from '@postern/tokens/resource'
import type { Facts } from './internal/facts.js'
import { normalisePath, otherReadings } from './internal/gateway/normalise.js'
import { stripAnswer, stripHeaders } from './internal/gateway/strip.js'
import { json } from './internal/http.js'
import type { HostContext } from './node.js'

/** A call that passed every gate: who, on which device, how it came. */
export interface VerifiedCall {
  readonly verified: Verified
  readonly sealed: SealedCall
  readonly decision: Decision
}

/** One route of an API, as data. Patterns match a whole normalised path. */
export interface Route {
  readonly match: RegExp
  readonly methods: readonly string[]
  /** The fact `resource.type`. */
  readonly resource: string
  readonly scope?: readonly string[]
  /** Token kinds; default a user's. */
  readonly kind?: readonly TokenKind[]
  /** `bound`: sealed, and the proof covers this very request, or the instance opened the session that it came in. */
  readonly sealed: 'bound' | 'required' | 'allowed'
  /** A transaction: its facts are the host's reading of the request. */
  readonly transaction?: (request: Request) => Promise<Facts>
  readonly handle: (request: Request, call: VerifiedCall) => Promise<Response>
}

export interface GatewayOptions {
  readonly runtime: Runtime
  readonly verifier: VerifierOptions
  readonly routes: readonly Route[]
  /** The policy in force, for example a {@link policyFeed}. */
  readonly policy: () => Promise<Compiled<MobileSpec>>
  /** Names of levels, weakest first. */
  readonly acr: readonly string[]
  readonly payload: PayloadServer
}

/** @returns one Fetch handler for the API's origin: key document, sealed requests and plain ones */
export function createGateway(o: GatewayOptions): (request: Request, host?: HostContext) => Promise<Response> {
  const verify = createVerifier(o.verifier)
  // A pattern means a whole path, whatever its own anchors and flags are; `g` and `y` would make it remember the last call.
  const exact = o.routes.map(({ match }) => new RegExp(`^(?:${match.source})$`, match.flags.replace(/[gym]/g, '')))
  const folded = exact.map((pattern) => new RegExp(pattern.source, `${pattern.flags.replace('i', '')}i`))
  const matching = (path: string, by: readonly RegExp[]): Route | undefined => o.routes[by.findIndex((one) => one.test(path))]
  const zones = new Map<string, ReturnType<typeof clockIn>>()
  // What a step-up must reach, by the error that asks for it.
  const needs = new WeakMap<PosternError, { acr: readonly string[]; maxAge?: number }>()
  const stepUpNeed = (error: unknown) => (error instanceof PosternError ? needs.get(error) : undefined)

  return (request) => o.payload.fetch(request, (inner, sealed) => serve(inner, sealed))

  async function serve(request: Request, sealed: SealedCall): Promise<Response> {
    const { pathname } = new URL(request.url)
    const judged = normalisePath(pathname)
    if (!judged.ok) return problem(400, 'request.malformed', 'The path can be read in more than one way.')
    const found = matching(judged.path, exact)
    if (found === undefined) return problem(404, 'request.not_found', 'There is nothing at this address.')
    if ([judged.path, ...otherReadings(judged.path)].some((other) => [exact, folded].some((by) => matching(other, by) !== found)))
      return problem(400, 'request.malformed', 'The path can be read in more than one way.')
    if (!found.methods.includes(request.method))
      return problem(405, 'request.method', 'This address does not take that method.', { allow: found.methods.join(', ') })
    if (found.sealed !== 'allowed' && sealed.level === 'plain')
      return problem(403, 'payload.required', 'Calls to this address must be sealed.')
    const need = {
      ...(found.scope === undefined ? {} : { scope: found.scope }),
      ...(found.kind === undefined ? {} : { kind: found.kind }),
    }
    try {
      const verified = await verify(request, need)
      const isBound = belongs(verified, sealed)
      if (found.sealed === 'bound' && !isBound)
        return problem(403, 'payload.required', 'Calls to this address must be bound to the key that makes them.')
      const decision = await judge(found, request, verified)
      if (decision.outcome === 'require') throw new PosternError('token.stepup')
      const answer =
        decision.outcome === 'deny' ? denial(decision) : await found.handle(forwarded(request), { verified, sealed, decision })
      return withNonce(answer, verified.nonce)
    } catch (error) {
      return (
        (await challengeResponse(error, o.verifier, stepUpNeed(error) ?? need)) ??
        problem(500, 'server_error', 'Something went wrong here.')
      )
    }
  }

  async function judge(found: Route, request: Request, verified: Verified): Promise<Decision> {
    const policy = await o.policy()
    const level = verified.acr === null ? 0 : o.acr.indexOf(verified.acr) + 1
    const now = o.runtime.clock()
    const timeIn = zones.get(policy.document.zone) ?? clockIn(policy.document.zone)
    zones.set(policy.document.zone, timeIn)
    const told = (verified.claims['facts'] ?? {}) as Facts
    const facts = {
      ...timeIn(now),
      ...told,
      ...(found.transaction === undefined ? {} : await found.transaction(request.clone())),
      action: 'resource.call',
      'resource.type': found.resource,
      'resource.scope': [...verified.scope],
      'resource.transaction': found.transaction !== undefined,
      'authenticator.acr': level,
      ...(verified.authTime === null
        ? {}
        : { 'authenticator.ageSec': Math.max(0, Math.floor((now - verified.authTime) / 1000)) }),
    } as unknown as FactInput<MobileSpec>
    // Which authenticators a user has, the platform knows: here a step-up is asked for, and shown impossible there.
    const decision = decide(policy, encode(policy.schema, { ...facts, ...everyAuthenticator(policy) }))
    if (decision.outcome !== 'require' || decision.obligation === null) return decision
    const { acr, maxAgeSec } = decision.obligation
    const error = new PosternError('token.stepup')
    needs.set(error, { acr: o.acr.slice(Math.max(0, acr - 1)), ...(Number.isFinite(maxAgeSec) ? { maxAge: maxAgeSec } : {}) })
    throw error
  }

  function everyAuthenticator(policy: Compiled<MobileSpec>): Facts {
    const types = [...new Set(Object.keys(policy.levels).flatMap((set) => set.split('+')))]
    return { 'authenticator.enrolled': types, 'authenticator.usable': types, 'authenticator.locked': [] } as unknown as Facts
  }
}

/**
 * A proof made for one sealed request serves no other, and a session none but the instance that opened it.
 * @returns whether one of the two says whose this request is
 * @throws PosternError `dpop.proof`
 */
function belongs({ jkt, proof }: Verified, { ekm, binding }: SealedCall): boolean {
  const claimed = proof?.ekm ?? null
  if (claimed !== null && (ekm === null || claimed !== encodeBase64url(ekm)))
    throw new PosternError('dpop.proof', { reason: 'ekm of another request' })
  if (binding !== null && binding.jkt !== jkt) throw new PosternError('dpop.proof', { reason: 'session of another key' })
  return claimed !== null || binding !== null
}

/** The call as a handler may see it: without credentials and without headers that only a gateway writes. */
function forwarded(request: Request): Request {
  return new Request(request.url, {
    method: request.method,
    headers: stripHeaders(request.headers),
    signal: request.signal,
    ...(request.body === null ? {} : { body: request.body, duplex: 'half' }),
  } as RequestInit)
}

function withNonce(answer: Response, nonce: string | null): Response {
  const headers = stripAnswer(answer.headers)
  if (nonce !== null) headers.set('dpop-nonce', nonce)
  headers.set('cache-control', headers.get('cache-control') ?? 'no-store')
  return new Response(answer.body, { status: answer.status, headers })
}

function denial(decision: Decision): Response {
  return problem(403, decision.reason ?? 'policy.denied', 'This is not permitted.')
}

/** @see RFC 9457 */
function problem(status: number, code: string, title: string, headers: Readonly<Record<string, string>> = {}): Response {
  return json({ type: 'about:blank', status, title, code }, status, { 'content-type': 'application/problem+json', ...headers })
}
