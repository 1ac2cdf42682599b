/** Resource servers: verification of access tokens and proofs, offline where it can be, step-up challenges (RFC 9470), protected-resource metadata (RFC 9728). */
import { encodeBase64url } from '@postern/core/base64url'
import { setBounded } from '@postern/core/boundedMap'
import { utf8 } from '@postern/core/bytes'
import type { CryptoPort, SignAlg, VerifyKey } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Clock, Random } from '@postern/core/runtime'
import { newRev, type Store } from '@postern/store'
import { type Nonces, type Proof, verifyProof } from './dpop.js'
import { satisfies } from './internal/acr.js'
import type { Introspect } from './internal/introspecting.js'
import { pathOf } from './internal/issuerUrl.js'
import { headerCache, keyCache } from './internal/keyCache.js'
import { merged } from './internal/merged.js'
import { nodeReplay } from './internal/nodeReplay.js'
import { invalidToken, readAnswer, readToken, type Verdict } from './internal/verdict.js'
import { DEFAULT_ALGS } from './jose.js'
import type { TokenKind } from './login.js'
import type { Places } from './places.js'

export { challengeResponse } from './internal/challengeResponse.js'
export { type Introspect, type IntrospectingOptions, introspecting } from './internal/introspecting.js'
export type { Verdict } from './internal/verdict.js'

/** Keys of an issuer by `kid`: the local ring, or a JWKS fetched by age. `null`: unknown now; a fetch never happens inside the call. */
export interface IssuerKeys {
  find(kid: string): Promise<VerifyKey | null>
}

/** What a request has proved. */
export interface Verified extends Verdict {
  readonly token: string
  readonly proof: Proof | null
  /** For the reply's `DPoP-Nonce`. */
  readonly nonce: string
  /** Ms: a revocation older than that would have refused it; `null` where only its end would. */
  readonly revocationLagMs: number | null
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
  /** The client certificate of the connection, DER, as the TLS layer verified or accepted it; never from a header (T36). */
  readonly certificate?: Uint8Array
}

/** What a host knows of revocations before the tokens end. */
export interface RevocationFeed {
  /** Whether it has heard that this token is over. Asked at every call, so from memory. */
  revoked(token: Verdict): boolean
  /** Ms: how far behind it may be now. */
  lagMs(): number
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
  /** For tokens that are no JWTs; default none. {@link introspecting} makes one. */
  readonly introspect?: Introspect
  /** Of another server's tokens, which lack our claim `kind`; `null` refuses. Default: that claim. */
  readonly kindOf?: (claims: JsonObject) => TokenKind | null
  /** Refuses what was revoked before it ends; default: nothing does. */
  readonly revocations?: RevocationFeed
}

/**
 * Judges a request: scheme, token, kind, proof or certificate, single use, scope, level, age; in this order.
 * @throws PosternError `token.missing` | `token.invalid` | `token.unavailable` | `token.scope` | `token.stepup` | `dpop.proof` | `dpop.nonce` |
 * `dpop.full`; {@link challengeResponse} makes the answer of it
 */
export type Verifier = (request: Request, need?: Need) => Promise<Verified>

const TOKEN = /^[A-Za-z0-9._~+/=-]+$/
const MAX_TOKEN = 16_384
const MAX_HEADERS = 1000

/** A {@link Verifier}. Verdicts about a token are kept by its hash until it expires; the proof is judged every time. */
export function createVerifier(options: VerifierOptions): Verifier {
  const { origin, crypto, nonces, replay, acrOrder = [], cache: maxVerdicts = 10_000, algs, revocations, introspect } = options
  let latest = 0
  // A clock that steps back makes nothing valid again (T46).
  const clock = (): number => (latest = Math.max(latest, options.clock()))
  const verdicts = new Map<string, { readonly verdict: Verdict; readonly until: number }>()
  const prepare = keyCache(crypto, maxVerdicts)
  const [proofHeaders, tokenHeaders] = [headerCache(MAX_HEADERS), headerCache(16)]
  const ports = { clock, crypto, nonces, prepare, known: proofHeaders, ...(algs && { algs }) }
  const spend = replay.mode === 'node' ? nodeReplay(clock, replay.max ?? 100_000) : sharedReplay(replay, clock)

  async function verdictOf(token: string, hash: string): Promise<Verdict> {
    const now = clock()
    const known = verdicts.get(hash)
    if (known !== undefined) {
      verdicts.delete(hash)
      if (now < known.until) {
        verdicts.set(hash, known)
        return known.verdict
      }
    }
    if (!TOKEN.test(token)) throw new PosternError('token.missing')
    const opaque = introspect !== undefined && !token.startsWith('ey')
    const verdict = opaque ? await answered(token, now, introspect) : await readToken(token, now, options, tokenHeaders)
    const until = opaque ? Math.min(verdict.expiresAt, now + introspect.believeMs) : verdict.expiresAt
    if (until > now) setBounded(verdicts, hash, { verdict, until }, maxVerdicts)
    return verdict
  }

  async function answered(token: string, now: number, ask: Introspect): Promise<Verdict> {
    const members = await ask(token)
    if (members === null) throw invalidToken('inactive')
    return readAnswer(members, now, options)
  }

  return async (request, need = {}) => {
    const { scope = [], acr = [], maxAge, kind = ['user'], certificate } = need
    const { scheme, token } = presentedIn(request.headers.get('authorization') ?? '')
    const hash = encodeBase64url(await crypto.digest('SHA-256', utf8(token)))
    const verdict = await verdictOf(token, hash)
    const { jkt, x5t } = verdict
    if ((jkt === null) === (scheme === 'dpop')) throw invalidToken('scheme') //       RFC 9449 §7.1 (T35)
    if (!kind.includes(verdict.kind)) throw invalidToken('kind')
    if (revocations?.revoked(verdict) === true) throw invalidToken('revoked')
    if (x5t !== null && (certificate === undefined || x5t !== (await thumbprintOf(certificate))))
      throw invalidToken('certificate') // RFC 8705 §3
    let proof: Proof | null = null
    if (jkt !== null) {
      const jwt = request.headers.get('dpop')
      if (jwt === null) throw new PosternError('dpop.proof', { status: 401, reason: 'dpop.missing' })
      const url = need.url ?? origin + pathOf(request.url)
      const input = { jwt, method: request.method, url, accessTokenHash: hash, boundTo: jkt, nonce: 'required' } as const
      proof = await verifyProof(input, ports)
      if (!(await spend(proof, clock() + nonces.lifeMs)))
        throw new PosternError('dpop.proof', { status: 401, reason: 'dpop.replayed' })
    }
    if (!scope.every((name) => verdict.scope.includes(name))) throw new PosternError('token.scope')
    if (!satisfies(verdict.acr, acr, acrOrder)) throw new PosternError('token.stepup', { reason: 'acr' })
    const tooOld = maxAge !== undefined && !(verdict.authTime !== null && clock() - verdict.authTime <= maxAge * 1000)
    if (tooOld) throw new PosternError('token.stepup', { reason: 'max_age' })
    const revocationLagMs = revocations === undefined ? null : revocations.lagMs()
    return merged(verdict, { token, proof, nonce: await nonces.issue(), revocationLagMs })
  }

  async function thumbprintOf(der: Uint8Array): Promise<string> {
    return encodeBase64url(await crypto.digest('SHA-256', der))
  }
}

/** RFC 6750 §2.1, RFC 9449 §7.1. @throws PosternError `token.missing` | `token.invalid` */
function presentedIn(authorization: string): { readonly scheme: string; readonly token: string } {
  const space = authorization.indexOf(' ')
  const scheme = authorization.slice(0, Math.max(space, 0)).toLowerCase()
  const token = authorization.slice(space + 1).trimStart()
  if ((scheme !== 'dpop' && scheme !== 'bearer') || token === '') throw new PosternError('token.missing')
  if (token.length > MAX_TOKEN) throw invalidToken('size')
  return { scheme, token }
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

/** The metadata of a protected resource (RFC 9728 §2), to be served at `/.well-known/oauth-protected-resource[/path]`. */
export function resourceMetadata(o: {
  readonly resource: string
  readonly authorizationServers: readonly string[]
  readonly scopes?: readonly string[]
  readonly name?: string
  /** Default true: every access token is bound to a key. */
  readonly dpopRequired?: boolean
  /** Default ES256, EdDSA, Ed25519. */
  readonly algs?: readonly SignAlg[]
  /** Types of `authorization_details` that it understands (RFC 9396). */
  readonly detailTypes?: readonly string[]
  /** Tokens may be bound to the certificate of the connection (RFC 8705). */
  readonly certificateBound?: boolean
}): JsonObject {
  return {
    resource: o.resource,
    authorization_servers: o.authorizationServers,
    ...(o.scopes && { scopes_supported: o.scopes }),
    ...(o.name !== undefined && { resource_name: o.name }),
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: o.algs ?? DEFAULT_ALGS,
    dpop_bound_access_tokens_required: o.dpopRequired ?? true,
    ...(o.detailTypes && { authorization_details_types_supported: o.detailTypes }),
    ...(o.certificateBound === true && { tls_client_certificate_bound_access_tokens: true }),
  }
}
