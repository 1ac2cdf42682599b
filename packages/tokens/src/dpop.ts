/** DPoP: proofs (RFC 9449 §4) and server nonces (§8, §9). */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { setBounded } from '@postern/core/boundedMap'
import { concat, equal, u64, utf8 } from '@postern/core/bytes'
import type { CryptoPort, HmacKey, Now, SignAlg, VerifyKey } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { thumbprint } from '@postern/core/jwk'
import { type Jws, type KnownHeaders, readJws, verifyJws } from '@postern/core/jws'
import type { KeyRing } from '@postern/core/keyRing'
import type { Clock, Random } from '@postern/core/runtime'
import { tuple } from '@postern/core/tuple'
import { sameTarget } from './internal/target.js'
import { numericDate, proofRules, textClaim } from './jose.js'

/** A proof that fits its request. */
export interface Proof {
  /** Thumbprint of its key (RFC 7638, SHA-256). */
  readonly jkt: string
  readonly jwk: JsonWebKey
  readonly jti: string
  /** Seconds, as claimed. */
  readonly iat: number
  readonly nonce: string | null
  /** Exporter of the sealed channel the request came through, when the proof names one (payload binding). */
  readonly ekm: string | null
  readonly claims: JsonObject
}

export interface ProofInput {
  /** The `DPoP` header. */
  readonly jwt: string
  readonly method: string
  /** The *configured* absolute URL of the resource or endpoint, not what the request claims. */
  readonly url: string
  /** The access token the proof goes with: `ath` must be its hash. */
  readonly accessToken?: string
  /** The same as its hash already: base64url of its SHA-256. */
  readonly accessTokenHash?: string
  /** The thumbprint it must be made with: `cnf.jkt` or the instance's key. */
  readonly boundTo?: string
  /**
   * `required`: a good nonce, `iat` then decides nothing (phone clocks are wrong). `optional`: a nonce, when there, must be good; otherwise
   * `iat` within `windowMs`. `caller`: the caller judges `proof.nonce`.
   */
  readonly nonce: 'required' | 'optional' | 'caller'
  /** Default 60,000. */
  readonly windowMs?: number
}

export interface ProofPorts {
  readonly clock: Clock
  readonly crypto: CryptoPort
  readonly nonces: Nonces
  /** Default ES256, EdDSA, Ed25519. */
  readonly algs?: readonly SignAlg[]
  /** Headers that passed before; for proofs under these `algs` alone. */
  readonly known?: KnownHeaders
  /** Prepares the proof's key, perhaps from a cache; default `crypto.verifyKey`. */
  readonly prepare?: (alg: SignAlg, jwk: JsonWebKey, jkt: string) => Now<VerifyKey>
}

const MAX_JTI = 128

/**
 * The checks of RFC 9449 §4.3, but single use: the caller puts the `jti` into its commit or its set, last of all, so that a proof that
 * fails for any other reason does not burn the honest party's.
 * @throws PosternError `dpop.proof` (why, in `reason`) | `dpop.nonce`
 */
export async function verifyProof(input: ProofInput, ports: ProofPorts): Promise<Proof> {
  const { jwt, method, url, accessToken, accessTokenHash, boundTo, nonce: duty, windowMs = 60_000 } = input
  const { clock, crypto, nonces, prepare = crypto.verifyKey } = ports
  const proof = await readProof(jwt, prepare, ports) //                                          RFC 9449 §4.3: checks 2 to 7
  const { htm, htu, nonce, ath, ekm } = proof.claims
  if (htm !== method) throw refuse('method') //                                                      8
  if (typeof htu !== 'string' || !sameTarget(htu, url)) throw refuse('target') //                    9
  if (nonce !== undefined && typeof nonce !== 'string') throw refuse('nonce')
  const good = duty !== 'caller' && nonce !== undefined && (await nonces.good(nonce))
  if (!good && (duty === 'required' || (duty === 'optional' && nonce !== undefined))) throw new PosternError('dpop.nonce') // 10
  if (!good && duty === 'optional' && !(Math.abs(clock() - proof.iat * 1000) <= windowMs)) throw refuse('stale') //      11
  const due = accessToken === undefined ? accessTokenHash : await athOf(crypto, accessToken)
  if (due !== undefined && ath !== due) throw refuse('token') //                                                    12
  if (boundTo !== undefined && proof.jkt !== boundTo) throw refuse('key') //                                        12
  if (ekm !== undefined && (typeof ekm !== 'string' || ekm.length > MAX_JTI || decodeBase64url(ekm) === null)) throw refuse('ekm')
  const { jkt, jwk, jti, iat, claims } = proof
  return { jkt, jwk, jti, iat, nonce: nonce ?? null, ekm: ekm ?? null, claims }
}

/** Of keys in headers that are kept. */
const thumbprints: WeakMap<JsonWebKey, string> = /* @__PURE__ */ new WeakMap()

async function readProof(
  jwt: string,
  prepare: NonNullable<ProofPorts['prepare']>,
  { crypto, algs, known }: ProofPorts,
): Promise<Omit<Proof, 'nonce' | 'ekm'>> {
  try {
    const jws: Jws = readJws(jwt, proofRules(algs, known))
    const jwk = jws.jwk!
    let jkt = thumbprints.get(jwk)
    if (jkt === undefined) thumbprints.set(jwk, (jkt = await thumbprint(crypto, jwk)))
    const claims = await verifyJws(crypto, jws, await prepare(jws.alg, jwk, jkt))
    return { jkt, jwk, claims, jti: textClaim(claims, 'jti', MAX_JTI), iat: numericDate(claims.iat, 'iat') }
  } catch (cause) {
    if (isPosternError(cause, 'jws.refused', 'crypto.invalid_key')) throw refuse(cause.reason ?? 'form', cause)
    throw cause
  }
}

async function athOf(crypto: CryptoPort, accessToken: string): Promise<string> {
  return encodeBase64url(await crypto.digest('SHA-256', utf8(accessToken)))
}

function refuse(reason: string, cause?: unknown): PosternError<'dpop.proof'> {
  return new PosternError('dpop.proof', { reason: `dpop.${reason}`, cause })
}

/** Stateless nonces: base64url of `kid 4 ‖ u64(step) ‖ MAC 16`. */
export interface Nonces {
  issue(): Promise<string>
  /** Of the current time step or one of the two before. */
  good(nonce: string): Promise<boolean>
  /** How long a nonce stays good at most, ms: so long must a `jti` be remembered. */
  readonly lifeMs: number
}

/**
 * Nonces good on every node of an issuer. `role` keeps authorization server, resource server and the challenges of client attestations apart.
 * `stepMs` default 60,000, and 20,000 for `rs`, whose markers may live in a store that forgets.
 */
export function sharedNonces(o: {
  readonly keys: KeyRing
  readonly crypto: CryptoPort
  readonly clock: Clock
  readonly tenant: string
  readonly issuer: string
  readonly role: 'as' | 'rs' | 'attestation'
  readonly stepMs?: number
}): Nonces {
  const { keys, crypto, clock, tenant, issuer, role, stepMs = role === 'rs' ? 20_000 : 60_000 } = o
  const secret = (): Promise<Uint8Array> => keys.secret('postern:dpop/v1')
  return steps({ crypto, clock, stepMs, secret, scope: [tenant, issuer, role] })
}

/** Nonces of one process: the key is drawn here and forgotten with it, as its set of `jti`s is. `stepMs` default 20,000. */
export function nodeNonces(o: {
  readonly random: Random
  readonly crypto: CryptoPort
  readonly clock: Clock
  readonly stepMs?: number
}): Nonces {
  const { crypto, clock, stepMs = 20_000 } = o
  const drawn = o.random(32)
  return steps({ crypto, clock, stepMs, secret: async () => drawn, scope: ['', '', 'node'] })
}

function steps(o: {
  readonly crypto: CryptoPort
  readonly clock: Clock
  readonly stepMs: number
  readonly secret: () => Promise<Uint8Array>
  readonly scope: readonly string[]
}): Nonces {
  const { crypto, clock, stepMs, scope } = o
  const known = new Map<number, Uint8Array>()
  let prepared: Promise<{ key: HmacKey; kid: Uint8Array }> | undefined

  async function prepare(): Promise<{ key: HmacKey; kid: Uint8Array }> {
    const key = await crypto.hmacKey('SHA-256', await o.secret())
    return { key, kid: (await crypto.hmac(key, tuple('postern:dpop/v1:kid', ...scope))).slice(0, 4) }
  }
  async function at(step: number): Promise<Uint8Array> {
    const memo = known.get(step)
    if (memo !== undefined) return memo
    const { key, kid } = await (prepared ??= prepare())
    const mac = await crypto.hmac(key, tuple('postern:dpop/v1:nonce', ...scope, u64(step)))
    const nonce = concat(kid, u64(step), mac.subarray(0, 16))
    setBounded(known, step, nonce, 4)
    return nonce
  }
  const current = (): number => Math.floor(clock() / stepMs)
  let shown: { readonly step: number; readonly text: string } | undefined

  return {
    lifeMs: 3 * stepMs,
    async issue() {
      const step = current()
      if (shown?.step !== step) shown = { step, text: encodeBase64url(await at(step)) }
      return shown.text
    },
    async good(nonce) {
      // What is handed out to everyone is no secret to be compared in constant time.
      if (nonce === shown?.text && shown.step === current()) return true
      const given = nonce.length > 64 ? null : decodeBase64url(nonce)
      if (given === null) return false
      const step = current()
      for (const back of [0, 1, 2]) if (step >= back && equal(await at(step - back), given)) return true
      return false
    },
  }
}
