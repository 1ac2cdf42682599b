/** What authenticators that take a code or an answer share: who may take a try, what stands before it, and the end of the tries. */
import type { Clock } from '@postern/core/runtime'
import type { Sealer } from '@postern/core/sealed'
import type { Op, Rec } from '@postern/store'
import type { Ceremony, Refusal, VerdictCode } from '../authenticator.js'
import { type Enrolment, type EnrolmentCause, enrolmentKey, isEnrolmentId, planLock, planRemove } from '../enrolment.js'
import { belongs, type Challenge, deviceOf, openHandle } from './challenge.js'
import { lostEnrolment } from './pinExhaustion.js'
import type { ByteReader } from './reader.js'
import { refusal, refuse } from './refusal.js'

/** Before any counter: only a device that proved its key, or a factor before this one, may take a try, so that a stranger locks nobody out. */
export function checkProven(c: Ceremony, code: VerdictCode): void {
  if (c.device === null && (c.proven ?? []).length === 0) throw refuse(code, 'nothing was proven before')
}

/** The enrolment: active and of this type, or `null` for one that is not there, whose tries look and cost the same. */
export function standing(c: Ceremony, type: string, code: VerdictCode): Enrolment | null {
  if (c.enrolment === null || !isEnrolmentId(c.enrolment.id)) throw refuse(code, 'enrolment')
  const { value } = c.enrolment
  if (value === null) return null
  if (value.type !== type) throw refuse(code, 'another type')
  if (value.status === 'removed') throw refuse('authenticator.removed', value.cause ?? 'removed')
  if (value.status === 'locked') throw refuse('authenticator.locked', value.cause ?? 'locked')
  if (value.status === 'pending') throw refuse(code, 'not confirmed')
  return value
}

/** The checks that every commit of a try begins with. */
export interface Guards {
  readonly ops: readonly Op[]
  /** What it means to lose at one of them. */
  lost(at: number, current: Rec | null): Refusal
}

/** The record that owns the partition, and the enrolment. */
export function guardsOf(c: Ceremony, code: VerdictCode): Guards {
  const own: readonly Op[] = deviceCheck(c)
  const { id, rev } = c.enrolment!
  return {
    ops: [...own, { op: 'check', key: enrolmentKey(id), rev }],
    lost: (at, current) => (at < own.length ? lostDevice(current, code) : lostEnrolment(current, code)),
  }
}

/** The record that owns the partition alone, for an enrolment that is still being made. */
export function ownGuards(c: Ceremony, code: VerdictCode): Guards {
  return { ops: deviceCheck(c), lost: (_, current) => lostDevice(current, code) }
}

/** A handle of this ceremony, which has not expired. @throws PosternError the codes given */
export async function openFresh<T extends Challenge>(
  c: Ceremony,
  o: {
    readonly seal: Sealer
    readonly clock: Clock
    readonly type: string
    readonly refused: VerdictCode
    readonly expired: VerdictCode
    readonly maxChars?: number
  },
  read: (r: ByteReader) => T,
): Promise<T> {
  const handle = await openHandle(o.seal, c, o.type, c.purpose, read, o.maxChars)
  if (handle === null || !belongs(c, handle)) throw refuse(o.refused, 'handle')
  if (handle.expiresAt <= o.clock()) throw refuse(o.expired, 'expired')
  return handle
}

/** `check d`; in a user's partition `check u`, where whoever judged its status has read it. So nobody goes on who was removed or blocked. */
export function deviceCheck(c: Ceremony): readonly Op[] {
  if (deviceOf(c) === null) return c.user === undefined ? [] : [{ op: 'check', key: 'u', rev: c.user.rev }]
  return c.device === null ? [] : [{ op: 'check', key: 'd', rev: c.device.rev }]
}

/** What it means that `d` or `u` is not what the ceremony saw. */
export function lostDevice(current: Rec | null, code: VerdictCode): Refusal {
  return current === null ? refusal('device.removed', 'owner') : refusal(code, 'owner', { next: 'again' })
}

/**
 * The end of an enrolment, in one commit: locked or removed, at the counter that was seen, so that a success in between wins.
 * @param o.rev - revision of the counter; it is not looked at where `null`
 */
export function ended(
  c: Ceremony,
  o: { readonly counter: string; readonly rev: string | null; readonly cause: EnrolmentCause; readonly remove?: boolean },
): Refusal {
  const { counter, rev, cause, remove = false } = o
  const code = remove ? 'authenticator.removed' : 'authenticator.locked'
  if (c.enrolment?.value == null) return refusal(code, cause)
  const { id, value } = c.enrolment
  const enrolled = { id, rev: c.enrolment.rev!, value }
  const at = rev === null ? {} : { rev }
  const own: readonly Op[] = deviceCheck(c)
  const ops: readonly Op[] = remove
    ? [...own, ...planRemove(enrolled, cause, [{ op: 'del', key: counter, ...at }])]
    : [...own, planLock(enrolled, cause), ...(rev === null ? [] : [{ op: 'check', key: counter, rev } as const])]
  return refusal(code, cause, {
    ops,
    event: { type: code, outcome: 'refused', authenticator: id, reason: cause },
    lost(lostAt, current) {
      if (lostAt < own.length) return lostDevice(current, code)
      if (lostAt === own.length) return lostEnrolment(current, code)
      return refusal('authenticator.superseded', 'a newer try', { next: 'again' })
    },
  })
}
