/** A user on the instance that calls, with what he may decide by. */
import { encodeEnrolment, enrolmentKey } from '@postern/authenticators/enrolment'
import { decodeTransaction } from '@postern/authenticators/transaction/encoding'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Part } from '@postern/store'
import type { Device } from '../deviceRecord.js'
import { enrolledOn, type StoredEnrolment } from '../enrolled.js'
import { userKey } from '../partition.js'
import { PASSKEY, passkeysOf, type UserRecord, userOf } from '../passkeys.js'
import type { DeviceOptions } from './device.js'
import type { TransactionRoom } from './room.js'
import { confirmTypes, judged } from './types.js'

/** A user on the instance that calls. */
export interface Holder {
  readonly device: Device
  /** The device's partition, and his. */
  readonly own: Part
  readonly part: Part
  readonly user: UserRecord
  readonly subject: string
  readonly enrolled: readonly StoredEnrolment[]
}

export interface Holders {
  /** @throws PosternError `profile.unknown` | `user.blocked` */
  holderOf(device: Device, owner: string): Promise<Holder>
  /**
   * Which of his authenticators may decide on these bytes.
   * @param under - the enrolment whose ceremony is under way
   * @throws PosternError policy's reason | `authenticator.none_usable`
   */
  choicesOf(h: Holder, bytes: Uint8Array, under?: string | null): Promise<Choices>
}

/** Types that confirm, and what of the user's is one of them. */
export interface Choices {
  readonly types: readonly string[]
  readonly choices: readonly JsonObject[]
}

export function createHolders(room: TransactionRoom, { decider, ceiling }: Pick<DeviceOptions, 'decider' | 'ceiling'>): Holders {
  const { runtime, places, tenant, registry, data: codec } = room
  const { store, clock } = runtime

  async function holderOf(device: Device, owner: string): Promise<Holder> {
    const own = places.device(device.id)
    const part = { tenant, id: owner }
    const now = clock()
    const mine = (await enrolledOn(store, own, now)).filter(
      ({ value }) => value.owner === owner && (value.status === 'active' || value.status === 'locked'),
    )
    const [first] = mine
    const [u] = await store.read(part, [userKey.record], { now })
    const user = userOf(u ?? null)
    if (first === undefined || user === null) throw new PosternError('profile.unknown')
    if (user.status !== 'active') throw new PosternError('user.blocked')
    const passkeys = registry.get(PASSKEY) === null ? [] : await passkeysOf(store, part, now)
    const beside = passkeys.map(({ id, rev, value }) => ({
      id,
      rev,
      value,
      // As `factsOf` reads it; the passkey's own commit checks the revision.
      rec: { key: enrolmentKey(id, PASSKEY), rev, value: encodeEnrolment(value), n: 0, expiresAt: 0 },
    }))
    const { subject } = await codec.open(owner, first.value.data)
    return { device, own, part, user, subject, enrolled: [...mine, ...beside.filter(({ value }) => value.status === 'active')] }
  }

  async function choicesOf(h: Holder, bytes: Uint8Array, under: string | null = null): Promise<Choices> {
    const state = await judged(runtime, registry, h.own, h.enrolled, { owner: h.part.id, under })
    const confirming = { device: h.device, status: h.user.status, ...state }
    const types = await confirmTypes(decider, clock, confirming, decodeTransaction(bytes), ceiling(h.device))
    const choices = state.usable
      .filter(({ value }) => types.includes(value.type))
      .map(({ id, value }) => ({ id, type: value.type }))
    return { types, choices: [...(types.includes('device') ? [{ id: '', type: 'device' }] : []), ...choices] }
  }

  return { holderOf, choicesOf }
}

/** Policy's no, as the choices that it leaves. */
export function none(error: unknown): Choices {
  if (!isPosternError(error)) throw error
  return { types: [], choices: [] }
}
