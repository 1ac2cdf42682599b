/** Resource servers: offline verification of access tokens and proofs, step-up challenges (RFC 9470), protected-resource metadata (RFC 9728). */
import type { CryptoPort, SignAlg, VerifyKey } from '@postern/core/cryptoPort'
import type { JsonObject } from '@postern/core/json'
import type { Clock } from '@postern/core/runtime'
import type { Store } from '@postern/store'
import type { Nonces, Proof } from './dpop.js'
import type { TokenKind } from './login.js'
import type { Places } from './places.js'

/** Keys of an issuer by `kid`: the local ring, or a JWKS fetched by age. `null`: unknown now; a fetch never happens inside the call. */
export interface IssuerKeys {
  find(kid: string): Promise<VerifyKey | null>
}

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
  readonly nonce: string | null
}

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
  /** `shared`: one put-if-absent a call in a store every node sees. `node`: `jti`s in memory, with `nodeNonces` alone. */
  readonly replay:
    | { readonly mode: 'shared'; readonly store: Store; readonly places: Places }
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
 * A function that judges requests.
 * @throws PosternError `token.missing` | `token.invalid` | `token.scope` | `token.stepup` | `dpop.proof` | `dpop.nonce` | `dpop.full`; {@link challengeResponse} makes the answer of it
 */
export type Verifier = (request: Request, need?: Need) => Promise<Verified>
export declare function createVerifier(options: VerifierOptions): Verifier

/** The 401, 403 or 503 that tells the client what is missing, with `WWW-Authenticate` and a fresh `DPoP-Nonce`; `null` when the error is not the verifier's. */
export declare function challengeResponse(error: unknown, o: VerifierOptions, need?: Need): Promise<Response | null>
