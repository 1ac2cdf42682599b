/**
 * The app's half of pin/v1. The PIN never leaves the device, and no two messages of it can be compared by the server.
 * Neither a server file nor anything of Node is behind this import.
 */
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import type { Random } from '@postern/core/runtime'
import type { Purpose } from '../authenticator.js'
import type { PinAnswer, PinStep, PinSuite } from './messages.js'

/** What the app keeps of one PIN generation, in the platform's keystore. */
export interface PinSlot {
  readonly enrolment: string
  readonly generation: number
  readonly suite: PinSuite
  /** s_g: 32 random bytes. */
  readonly secret: Uint8Array
  /** The server's long-term public key, so that no other server is accepted. */
  readonly serverPublicKey: Uint8Array
}

/** How messages travel: the host's HTTP calls. A `null` handle begins. */
export interface PinExchange {
  begin(handle: string | null, answer: PinAnswer | null): Promise<{ readonly handle: string; readonly step: PinStep }>
  /** The last answer; what the server says in return comes back to the caller. */
  finish(handle: string, answer: PinAnswer): Promise<unknown>
}

/** Key stretching; the suite fixes salt, cost and length. */
export type Ksf = (input: Uint8Array, suite: PinSuite) => Now<Uint8Array>

/** What every client function needs. */
export interface PinClientOptions {
  readonly issuer: string
  readonly tenant: string
  readonly app: string
  /** The `client_id`. */
  readonly device: string
  /** ES256 by the device key: 64 bytes r‖s. */
  readonly sign: (data: Uint8Array) => Now<Uint8Array>
  readonly exchange: PinExchange
  readonly crypto: CryptoPort
  readonly random: Random
  /** Native scrypt where the runtime has one; the default is plain JavaScript. */
  readonly ksf?: Ksf
}

/** What a right PIN yields. */
export interface PinLogin {
  /** What `exchange.finish` returned. */
  readonly result: unknown
  /** 32 bytes shared with the server for one use. */
  session(use: string): Promise<Uint8Array>
  /** 32 bytes that wrap local secrets; only the right PIN on this device gives them. */
  exportKey(use: string): Promise<Uint8Array>
}

declare const todo: never

/**
 * Creates a PIN. `pin` is 4–32 ASCII digits and wiped. Check the PIN policy first: the server never sees a PIN.
 * @param o.policyHash - names the policy that was applied; signed, ≤ 64 bytes
 * @returns the slot to keep, once the server has confirmed
 * @throws PosternError `pin.malformed` | `pin.protocol` | whatever `exchange` throws
 */
export async function enrolPin(
  o: PinClientOptions & { readonly pin: Uint8Array; readonly policyHash?: Uint8Array },
): Promise<{ readonly slot: PinSlot; readonly login: PinLogin }> {
  void o
  return todo
}

/**
 * Proves the PIN for one purpose. A wrong PIN shows here, before KE3: the attempt is spent, and the server is told.
 * @throws PosternError `pin.wrong` | `pin.malformed` | `pin.protocol` | whatever `exchange` throws
 */
export async function loginPin(
  o: PinClientOptions & {
    readonly pin: Uint8Array
    readonly slots: readonly PinSlot[]
    readonly purpose: Purpose
    readonly bind?: Uint8Array
  },
): Promise<{ readonly slot: PinSlot; readonly login: PinLogin }> {
  void o
  return todo
}

/**
 * Changes the PIN: the old one proves itself, the next generation is registered and proves itself. At every instant exactly one works.
 * `keep` must store both slots before it returns; after a crash the server's generation tells which of them lives (`loginPin` with both).
 * @throws PosternError `pin.wrong` | `pin.malformed` | `pin.protocol` | whatever `exchange` or `keep` throws
 */
export async function changePin(
  o: PinClientOptions & {
    readonly pin: Uint8Array
    readonly newPin: Uint8Array
    readonly slot: PinSlot
    readonly keep: (next: PinSlot, old: PinLogin, fresh: PinLogin) => Promise<void>
    readonly policyHash?: Uint8Array
  },
): Promise<{ readonly slot: PinSlot; readonly login: PinLogin }> {
  void o
  return todo
}
