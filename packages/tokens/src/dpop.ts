/** DPoP: proofs (RFC 9449 §4) and server nonces (§8, §9). */
import type { CryptoPort, SignAlg } from '@postern/core/cryptoPort'
import type { JsonObject } from '@postern/core/json'
import type { KeyRing } from '@postern/core/keyRing'
import type { Clock, Random } from '@postern/core/runtime'

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
  /** The thumbprint it must be made with: `cnf.jkt` or the instance's key. */
  readonly boundTo?: string
  /** `required`: a good nonce, `iat` then decides nothing. `optional`: a nonce, when there, must be good; otherwise `iat` within `windowMs`. `caller`: the caller judges `proof.nonce`. */
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
}

/**
 * The checks of RFC 9449 §4.3, but single use: the caller puts the `jti` into its commit or its set.
 * @throws PosternError `dpop.proof` (why, in `reason`) | `dpop.nonce`
 */
export declare function verifyProof(input: ProofInput, ports: ProofPorts): Promise<Proof>

/** Stateless nonces: 24 or more base64url characters that name their time step. */
export interface Nonces {
  issue(): Promise<string>
  good(nonce: string): Promise<boolean>
  /** How long a nonce stays good at most, ms: so long must a `jti` be remembered. */
  readonly lifeMs: number
}

/** Nonces good on every node of an issuer. `role` keeps authorization and resource server apart. `stepMs` default 60,000 (`as`) and 20,000 (`rs`). */
export declare function sharedNonces(o: {
  readonly keys: KeyRing
  readonly crypto: CryptoPort
  readonly clock: Clock
  readonly tenant: string
  readonly issuer: string
  readonly role: 'as' | 'rs'
  readonly stepMs?: number
}): Nonces

/** Nonces of one process: key and name are drawn here, and forgotten with it, as its set of `jti`s is. */
export declare function nodeNonces(o: {
  readonly random: Random
  readonly crypto: CryptoPort
  readonly clock: Clock
  readonly stepMs?: number
}): Nonces
