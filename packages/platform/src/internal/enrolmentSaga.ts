/**
 * The saga of an enrolment over two partitions: claim a place in the user's, enrol in the device's, activate, confirm. Each step is one commit; a crash
 * anywhere leaves a claim that expires and no half-user.
 */
import { activateDevice, claimDevice, devicesKey, maxDevices, readDevices, releaseDevice } from '@postern/authenticators/devices'
import { decodeEnrolment, enrolmentKey, planConfirm } from '@postern/authenticators/enrolment'
import { isPosternError, PosternError } from '@postern/core/errors'
import { newRev, type Op, type Part, type Rec, type Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { commitSettled } from '@postern/store/settle'
import type { Places } from '@postern/tokens/places'
import type { HostContext } from '../node.js'
import { enrolledOn } from './enrolled.js'
import type { EventDraft, Journal } from './journal.js'
import { userKey } from './partition.js'
import { decodeRecord, encodeRecord } from './record.js'

/** Whose enrolment, on which device. */
export interface EnrolmentPlace {
  readonly device: { readonly id: string }
  /** The device's partition, and the user's. */
  readonly part: Part
  readonly user: Part
}

export interface EnrolmentSaga {
  /** A place for the device, and the user where he is new. @throws PosternError `device.limit` | `device.removed` | `user.blocked` */
  claim(at: EnrolmentPlace): Promise<void>
  /** @throws PosternError `enrolment.expired` | `device.removed` */
  activate(at: EnrolmentPlace): Promise<void>
  /** From here on it logs in. @param draft - told in the same commit; `null` where the enrolment's own event said it all @throws PosternError `enrolment.expired` */
  confirm(at: EnrolmentPlace, id: string, draft: EventDraft | null, host: HostContext | undefined): Promise<void>
}

/** As often as the record can change at all while somebody still waits for a place: each device comes once and is activated once. */
const MAX_ROUNDS = 2 * maxDevices + 8

export function createEnrolmentSaga(o: {
  runtime: Runtime
  places: Places
  journal: Journal
  devicesPerUser: number
}): EnrolmentSaga {
  const { store, clock, random } = o.runtime

  /** A commit that is tried again on what it met: `plan` gets the records as they stand. */
  async function rewrite(
    part: Part,
    keys: readonly string[],
    plan: (...current: (Rec | null)[]) => readonly Op[],
  ): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const now = clock()
      const current = await store.read(part, keys, { now })
      const done = await commitSettled(store, part, plan(...current.map((rec) => rec ?? null)), { now, rev: newRev(random) })
      if (done.ok) return
    }
    throw new PosternError('store.overloaded')
  }

  /**
   * Takes devices off a user's list that have nothing of his: what a crash between the last two steps left, or enrolments that have ended since. By
   * the list's revision, so that a device that enrols anew meanwhile keeps its place.
   * @returns whether the list may have room now
   */
  async function sweepHalves(user: Part): Promise<boolean> {
    const now = clock()
    const [rec = null] = await store.read(user, [devicesKey], { now })
    const active = readDevices(rec, now).filter(({ status }) => status === 'active')
    const held = await Promise.all(
      active.map(async ({ id }) => {
        const enrolled = await enrolledOn(store, o.places.device(id), now)
        return enrolled.some(({ value: { owner, status } }) => owner === user.id && status !== 'removed')
      }),
    )
    const empty = active.filter((_, i) => !held[i])
    let op: Op | null = null
    for (const { id } of empty) {
      const change = releaseDevice(op === null ? rec : { ...rec!, value: (op as Op & { op: 'put' }).value }, { device: id, now })
      if (change.ok) op = change.op
    }
    if (op === null) return false
    await commitSettled(store, user, [op], { now, rev: newRev(random) })
    return true
  }

  const claimed = ({ device, user: part }: EnrolmentPlace): Promise<void> =>
    rewrite(part, [devicesKey, userKey.record], (current = null, user = null) => {
      if (user !== null && decodeRecord<{ status: string }>(user.value).status !== 'active')
        throw new PosternError('user.blocked')
      const change = claimDevice(current, { device: device.id, now: clock(), limit: o.devicesPerUser })
      if (!change.ok) throw new PosternError(change.code)
      const born: Op = {
        op: 'put',
        key: userKey.record,
        value: encodeRecord({ status: 'active', createdAt: clock() }),
        rev: null,
      }
      return [change.op, user === null ? born : { op: 'check', key: userKey.record, rev: user.rev }]
    })

  return {
    async claim(at) {
      try {
        await claimed(at)
      } catch (error) {
        if (!isPosternError(error, 'device.limit')) throw error
        // Nobody waits behind a place that nothing stands in.
        if (!(await sweepHalves(at.user))) throw error
        await claimed(at)
      }
    },
    activate: ({ device, user }) =>
      rewrite(user, [devicesKey], (current = null) => {
        const change = activateDevice(current, { device: device.id, now: clock() })
        if (!change.ok) throw new PosternError(change.code)
        return [change.op]
      }),
    async confirm({ part }, id, draft, host) {
      const events = draft === null ? [] : [o.journal.event(draft)]
      await rewrite(part, [enrolmentKey(id)], (current = null) => {
        if (current === null) throw new PosternError('enrolment.expired')
        return [planConfirm({ id, rev: current.rev, value: decodeEnrolment(current.value) }), ...events.map(eventOp)]
      })
      await o.journal.shipped(part, events, host)
    },
  }
}
