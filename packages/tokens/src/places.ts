/**
 * Where records live. Every atomic step stays in one partition: a grant's owner is `dev:<client_id>` for an app instance and
 * `usr:<h(subject)>` for a shared client. `h` is HMAC-SHA-256 under the tenant's naming key over a label and the value, 16 bytes of it,
 * lower-case base32: no subject appears in a key.
 */
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { KeyRing } from '@postern/core/keyRing'
import type { Op, Part } from '@postern/store'

export interface Places {
  /** `h(value)` under a label of its place; 26 characters. */
  name(label: string, value: string): Promise<string>
  device(clientId: string): Part
  user(subject: string): Promise<Part>
  owner(client: { readonly id: string; readonly kind: 'instance' | 'shared' }, subject: string): Promise<Part>
  /** `ep`: the instance's, or the user's, own epoch. */
  readonly epoch: string
  /** `ep/u/<h(sub)>`: one user on an instance. */
  userEpoch(subject: string): Promise<string>
  /** `ep/c/<h(client)>`: one client of a user. */
  clientEpoch(clientId: string): Promise<string>
  /** `ep/s/<sid>`: one browser session of a user. */
  sessionEpoch(sid: string): string
  /** The marker that makes a proof of an instance single-use, in its own partition. */
  proofOp(proof: { readonly jkt: string; readonly jti: string }, expiresAt: number): Promise<Op>
  /** The same for everyone else: partition and op. */
  sharedProofOp(
    proof: { readonly jkt: string; readonly jti: string },
    expiresAt: number,
  ): Promise<{ readonly part: Part; readonly op: Op }>
}

/** The places of one tenant. */
export declare function places(o: { readonly keys: KeyRing; readonly crypto: CryptoPort; readonly tenant: string }): Places
