/** What the client keeps: one document in two slots. A write goes to the older slot, so a crash in the middle of it leaves the other whole. */
import type { Evidence } from '@postern/attestation/evidence'
import type { PinSlot } from '@postern/authenticators/pin/client'
import { concat, equal, fromUtf8, toUnsigned, u64, utf8 } from '@postern/core/bytes'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { ClientRuntime, SecureStoragePort } from '../ports.js'

/** This installation as the server knows it. */
export interface InstanceState {
  readonly clientId: string
  readonly keyId: string
  readonly publicKey: JsonWebKey
  readonly registrationToken: string
  /** What was reported last: a change of it is told at the next start. */
  readonly reported: string
}

/** A registration whose answer has not come: sent again as it was, it gets the same client. */
export interface PendingInstance {
  readonly challenge: string
  /** base64url of 32 bytes. */
  readonly nonce: string
  readonly keyId: string
  readonly publicKey: JsonWebKey
  readonly keyEvidence: Evidence | null
}

/** A `PinSlot`, base64url where it has bytes. */
export interface PinSlotState {
  readonly enrolment: string
  readonly generation: number
  readonly suite: PinSlot['suite']
  readonly secret: string
  readonly serverPublicKey: string
}

export interface EnrolmentState {
  readonly id: string
  readonly type: string
  /** In the keystore; `null` for a PIN. */
  readonly keyId: string | null
}

export interface ProfileState {
  readonly id: string
  /** The server's name of the user on this device. */
  readonly ref: string
  /** Whether the server has confirmed its first authenticator; until then nobody sees it. */
  readonly confirmed: boolean
  readonly enrolments: readonly EnrolmentState[]
  /** Two after a change that was interrupted. */
  readonly slots: readonly PinSlotState[]
}

/** What the server must still hear. The key that proves it stays until then. */
export type Untold =
  | {
      readonly kind: 'revoke'
      readonly clientId: string
      readonly keyId: string
      readonly publicKey: JsonWebKey
      readonly token: string
    }
  | {
      readonly kind: 'unregister'
      readonly clientId: string
      readonly keyId: string
      readonly publicKey: JsonWebKey
      readonly token: string
    }

export interface ClientState {
  readonly v: 1
  readonly instance: InstanceState | null
  readonly pending: PendingInstance | null
  readonly profiles: readonly ProfileState[]
  readonly untold: readonly Untold[]
  /** Issue time of the newest bundle, and number of the newest key document, ever taken. */
  readonly bundleIat: number
  readonly keysSeq: number
}

export interface StateStore {
  /** @throws PosternError `storage.unavailable` | `storage.lost` */
  read(): Promise<ClientState>
  /** Changes run one after another. @throws PosternError `storage.unavailable` | `storage.lost` */
  update(change: (state: ClientState) => ClientState): Promise<ClientState>
  wipe(): Promise<void>
}

const slots = ['postern.state.0', 'postern.state.1'] as const
const empty: ClientState = { v: 1, instance: null, pending: null, profiles: [], untold: [], bundleIat: 0, keysSeq: 0 }

export function createState(storage: SecureStoragePort, { crypto }: ClientRuntime): StateStore {
  let known: { state: ClientState; generation: number } | null = null
  let queue: Promise<unknown> = Promise.resolve()

  async function decode(bytes: Uint8Array | null): Promise<{ state: ClientState; generation: number } | null> {
    if (bytes === null || bytes.length < 40) return null
    const [digest, rest] = [bytes.subarray(0, 32), bytes.subarray(32)]
    if (!equal(digest, await crypto.digest('SHA-256', rest))) return null
    const state = JSON.parse(fromUtf8(rest.subarray(8)) ?? 'null') as ClientState | null
    return state?.v === 1 ? { state, generation: toUnsigned(rest.subarray(0, 8)) } : null
  }

  async function load(): Promise<{ state: ClientState; generation: number }> {
    if (known !== null) return known
    const stored = [await guarded(() => storage.get(slots[0])), await guarded(() => storage.get(slots[1]))]
    const found = [await decode(stored[0]!), await decode(stored[1]!)]
    const newest = found.reduce((a, b) => (b !== null && (a === null || b.generation > a.generation) ? b : a), null)
    // Something is there and none of it reads: an empty start would silently forget every profile.
    if (newest === null && stored.some((bytes) => bytes !== null)) throw new PosternError('storage.lost', { reason: 'damaged' })
    return (known = newest ?? { state: empty, generation: 0 })
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = queue.then(work, work)
    queue = turn.catch(() => undefined)
    return turn
  }

  return {
    read: () => inTurn(async () => (await load()).state),
    update: (change) =>
      inTurn(async () => {
        const { state, generation } = await load()
        const next = { state: change(state), generation: generation + 1 }
        if (next.state === state) return state
        const rest = concat(u64(next.generation), utf8(JSON.stringify(next.state)))
        const bytes = concat(await crypto.digest('SHA-256', rest), rest)
        await guarded(() => storage.set(slots[next.generation % 2]!, bytes))
        known = next
        return next.state
      }),
    wipe: () =>
      inTurn(async () => {
        known = null
        for (const slot of slots) await guarded(() => storage.remove(slot))
      }),
  }
}

/** What a storage or keystore throws, as one of ours. */
export async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (isPosternError(cause, 'storage.unavailable', 'storage.lost')) throw cause
    throw new PosternError('storage.unavailable', { cause })
  }
}
