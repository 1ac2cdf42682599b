/** Resource servers: offline verification of access tokens and proofs, step-up challenges (RFC 9470), protected-resource metadata (RFC 9728). */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { CryptoPort, SignAlg, VerifyKey } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { readJws, verifyJws } from '@postern/core/jws'
import type { Clock, Random } from '@postern/core/runtime'
import { newRev, type Store } from '@postern/store'
import { type Nonces, type Proof, verifyProof } from './dpop.js'
import { satisfies } from './internal/acr.js'
import { keyCache } from './internal/keyCache.js'
import { nodeReplay } from './internal/nodeReplay.js'
import { accessTokenRules, DEFAULT_ALGS, numericDate, textClaim } from './jose.js'
import type { TokenKind } from './login.js'
import type { Places } from './places.js'

/** Keys of an issuer by `kid`: the local ring, or a JWKS fetched by age. `null`: unknown now; a fetch never happens inside the call. */
export interface IssuerKeys {
  find(kid: string): Promise<VerifyKey | null>
}

/** What a request has proved. */
export interface Verified {
  readonly token: string
  readonly subject: string
  readonly clientId: string
  readonly kind: TokenKind
  readonly scope: readonly string[]
  readonly acr: string | null
  readonly amr: readonly string[]
  /** Ms. */
  readonly authTime: number | null
  /** Ms. */
  readonly expiresAt: number
  readonly jkt: string | null
  readonly proof: Proof | null
  readonly claims: JsonObject
  /** For the reply's `DPoP-Nonce`. */
  readonly nonce: string
}

/** What a resource asks for. */
export interface Need {
  readonly scope?: readonly string[]
  /** Any of these, or one at least as strong where `acrOrder` is known. */
  readonly acr?: readonly string[]
  /** Seconds. */
  readonly maxAge?: number
  /** Default `user` alone. */
  readonly kind?: readonly TokenKind[]
  /** The absolute URL as configured, where it is not `origin` + the request's path. */
  readonly url?: string
}

export interface VerifierOptions {
  readonly issuer: string
  readonly audience: string
  /** Scheme, host and port as clients see them, plus the prefix under which this verifier's paths are mounted; `htu` is compared with it. */
  readonly origin: string
  readonly keys: IssuerKeys
  readonly clock: Clock
  readonly crypto: CryptoPort
  readonly nonces: Nonces
  /** `shared`: one put-if-absent a call, in a store that every node sees. `node`: `jti`s in memory, with `nodeNonces` alone; at most `max`, default 100,000. */
  readonly replay:
    | { readonly mode: 'shared'; readonly store: Store; readonly places: Places; readonly random: Random }
    | { readonly mode: 'node'; readonly max?: number }
  readonly algs?: readonly SignAlg[]
  /** Weakest first. */
  readonly acrOrder?: readonly string[]
  /** URL of the protected-resource metadata, for challenges. */
  readonly resourceMetadata?: string
  /** Verdicts kept, default 10,000. */
  readonly cache?: number
}

/**
 * Judges a request: scheme, token, proof, single use, kind, scope, level, age; in this order.
 * @throws PosternError `token.missing` | `token.invalid` | `token.scope` | `token.stepup` | `dpop.proof` | `dpop.nonce` | `dpop.full`;
 * {@link challengeResponse} makes the answer of it
 */
export type Verifier = (request: Request, need?: Need) => Promise<Verified>

type Verdict = Omit<Verified, 'proof' | 'nonce'>

/** A {@link Verifier}. Verdicts about a token are kept by its hash until it expires; the proof is judged every time. */
export function createVerifier(options: VerifierOptions): Verifier {
  const { origin, clock, crypto, nonces, replay, acrOrder = [], cache: maxVerdicts = 10_000, algs } = options
  const verdicts = new Map<string, Verdict>()
  const prepare = keyCache(crypto, maxVerdicts)
  const spend = replay.mode === 'node' ? nodeReplay(clock, replay.max ?? 100_000) : sharedReplay(replay, clock)

  async function verdictOf(token: string): Promise<Verdict> {
    const name = encodeBase64url(await crypto.digest('SHA-256', utf8(token)))
    const known = verdicts.get(name)
    if (known !== undefined) {
      if (known.expiresAt <= clock()) throw invalid('expired')
      verdicts.delete(name)
      verdicts.set(name, known)
      return known
    }
    const fresh = await readToken(token, options)
    verdicts.set(name, fresh)
    if (verdicts.size > maxVerdicts) verdicts.delete(verdicts.keys().next().value!)
    return fresh
  }

  return async (request, need = {}) => {
    const { scope = [], acr = [], maxAge, kind = ['user'], url = origin + new URL(request.url).pathname } = need
    const [, scheme, token] = AUTHORIZATION.exec(request.headers.get('authorization') ?? '') ?? []
    if (scheme === undefined || token === undefined) throw new PosternError('token.missing')
    const verdict = await verdictOf(token)
    const { jkt } = verdict
    if ((jkt === null) === (scheme.toLowerCase() === 'dpop')) throw invalid('scheme') //             RFC 9449 §7.1 (T35)
    if (!kind.includes(verdict.kind)) throw invalid('kind')
    let proof: Proof | null = null
    if (jkt !== null) {
      const jwt = request.headers.get('dpop')
      if (jwt === null) throw new PosternError('dpop.proof', { status: 401, reason: 'dpop.missing' })
      const input = { jwt, method: request.method, url, accessToken: token, boundTo: jkt, nonce: 'required' } as const
      proof = await verifyProof(input, { clock, crypto, nonces, prepare, ...(algs && { algs }) })
      if (!(await spend(proof, clock() + nonces.lifeMs)))
        throw new PosternError('dpop.proof', { status: 401, reason: 'dpop.replayed' })
    }
    if (!scope.every((name) => verdict.scope.includes(name))) throw new PosternError('token.scope')
    if (!satisfies(verdict.acr, acr, acrOrder)) throw new PosternError('token.stepup', { reason: 'acr' })
    const tooOld = maxAge !== undefined && !(verdict.authTime !== null && clock() - verdict.authTime <= maxAge * 1000)
    if (tooOld) throw new PosternError('token.stepup', { reason: 'max_age' })
    return { ...verdict, proof, nonce: await nonces.issue() }
  }
}

const AUTHORIZATION = /^(dpop|bearer) +([A-Za-z0-9._~+/=-]+)$/i

/** RFC 9068 §4: gate, key of this issuer, signature, then the claims. */
async function readToken(token: string, { issuer, audience, keys, clock, crypto }: VerifierOptions): Promise<Verdict> {
  try {
    const jws = readJws(token, accessTokenRules())
    const key = jws.kid === null ? null : await keys.find(jws.kid)
    if (key === null) throw invalid('kid')
    const claims = await verifyJws(crypto, jws, key)
    const now = clock()
    if (claims.iss !== issuer) throw invalid('issuer')
    if (claims.aud !== audience) throw invalid('audience')
    const expiresAt = numericDate(claims.exp, 'exp') * 1000
    if (expiresAt <= now) throw invalid('expired')
    if (claims.nbf !== undefined && numericDate(claims.nbf, 'nbf') * 1000 > now) throw invalid('early')
    const kind = claims.kind
    if (kind !== 'user' && kind !== 'implicit' && kind !== 'device') throw invalid('kind')
    const cnf = (claims.cnf ?? {}) as JsonObject
    // A binding we cannot check is a binding we may not ignore (RFC 7800 §3.1).
    if (Object.keys(cnf).some((name) => name !== 'jkt')) throw invalid('cnf')
    return {
      token,
      subject: textClaim(claims, 'sub', 255),
      clientId: textClaim(claims, 'client_id', 256),
      kind,
      scope: typeof claims.scope === 'string' && claims.scope !== '' ? claims.scope.split(' ') : [],
      acr: typeof claims.acr === 'string' ? claims.acr : null,
      amr: Array.isArray(claims.amr) ? claims.amr.filter((value): value is string => typeof value === 'string') : [],
      authTime: claims.auth_time === undefined ? null : numericDate(claims.auth_time, 'auth_time') * 1000,
      expiresAt,
      jkt: cnf.jkt === undefined ? null : textClaim(cnf, 'jkt', 64),
      claims,
    }
  } catch (cause) {
    throw isPosternError(cause, 'jws.refused') ? invalid(cause.reason ?? 'form', cause) : cause
  }
}

function sharedReplay(
  { store, places, random }: Extract<VerifierOptions['replay'], { mode: 'shared' }>,
  clock: Clock,
): (proof: Proof, until: number) => Promise<boolean> {
  return async (proof, until) => {
    const { part, op } = await places.sharedProofOp(proof, until)
    return (await store.commit(part, [op], { now: clock(), rev: newRev(random) })).ok
  }
}

/** The 401, 403 or 503 that tells the client what is missing, with `WWW-Authenticate` and a fresh `DPoP-Nonce`; `null` when the error is not the verifier's. */
export async function challengeResponse(error: unknown, o: VerifierOptions, need: Need = {}): Promise<Response | null> {
  if (!isPosternError(error, ...OURS)) return null
  const headers = { 'cache-control': 'no-store', 'dpop-nonce': await o.nonces.issue() }
  if (error.code === 'dpop.full') return new Response(null, { status: 503, headers: { ...headers, 'retry-after': '1' } })
  const bearer = challenge('Bearer', error.code, o, need)
  const dpop = challenge('DPoP', error.code, o, need)
  const status = error.code === 'token.scope' ? 403 : 401
  const both = error.code === 'token.missing' ? `${dpop}, ${bearer}` : dpop
  return new Response(null, { status, headers: { ...headers, 'www-authenticate': both } })
}

const OURS = ['token.missing', 'token.invalid', 'token.scope', 'token.stepup', 'dpop.proof', 'dpop.nonce', 'dpop.full'] as const
const WORDS: Readonly<Record<(typeof OURS)[number], string | null>> = {
  'token.missing': null,
  'token.invalid': 'invalid_token',
  'token.scope': 'insufficient_scope',
  'token.stepup': 'insufficient_user_authentication',
  'dpop.proof': 'invalid_dpop_proof',
  'dpop.nonce': 'use_dpop_nonce',
  'dpop.full': null,
}

function challenge(
  scheme: 'Bearer' | 'DPoP',
  code: (typeof OURS)[number],
  { resourceMetadata, algs = DEFAULT_ALGS }: VerifierOptions,
  need: Need,
): string {
  const { scope, acr, maxAge } = need
  const stepup = code === 'token.stepup'
  const parameters: readonly (readonly [string, string | null | undefined])[] = [
    ['error', WORDS[code]],
    ['algs', scheme === 'DPoP' ? algs.join(' ') : null], //                                          RFC 9449 §7.1
    ['scope', code === 'token.scope' ? scope?.join(' ') : null], //                                  RFC 6750 §3
    ['acr_values', stepup ? acr?.join(' ') : null], //                                               RFC 9470 §3
    ['max_age', stepup && maxAge !== undefined ? String(maxAge) : null],
    ['resource_metadata', resourceMetadata], //                                                      RFC 9728 §5.1
  ]
  return `${scheme} ${parameters.flatMap(([name, value]) => (value ? [`${name}="${value}"`] : [])).join(', ')}`.trim()
}

/** The metadata of a protected resource (RFC 9728 §2), to be served at `/.well-known/oauth-protected-resource[/path]`. */
export function resourceMetadata(o: {
  readonly resource: string
  readonly authorizationServers: readonly string[]
  readonly scopes?: readonly string[]
  readonly name?: string
}): JsonObject {
  return {
    resource: o.resource,
    authorization_servers: o.authorizationServers,
    ...(o.scopes && { scopes_supported: o.scopes }),
    ...(o.name !== undefined && { resource_name: o.name }),
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: DEFAULT_ALGS,
    dpop_bound_access_tokens_required: true,
  }
}

function invalid(reason: string, cause?: unknown): PosternError<'token.invalid'> {
  return new PosternError('token.invalid', { reason: `token.${reason}`, cause })
}
