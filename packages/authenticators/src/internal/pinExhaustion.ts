/** The end of a PIN's attempts: one commit, one winner, by the revision of `enr/E`. */
import type { Op, Rec } from '@postern/store'
import type { Ceremony, Refusal, VerdictCode } from '../authenticator.js'
import { decodeEnrolment, planLock, planRemove } from '../enrolment.js'
import { type PinPorts, pinKey } from './pinPorts.js'
import { refusal } from './refusal.js'

/**
 * Removes or locks. A success in between rewrote `enr/E`, so this loses to it; a KE3 still on its way loses to this.
 * @param cause - failures of a whole window always lock
 */
export function exhausted(c: Ceremony, ports: PinPorts, cause: 'attempts' | 'failures'): Refusal {
  const { id, rev, value } = c.enrolment!
  const enrolled = { id, rev: rev!, value: value! }
  const remove = cause === 'attempts' && ports.onExhausted === 'remove'
  const check: Op = { op: 'check', key: 'd', rev: c.device!.rev }
  const ops = remove
    ? [check, ...planRemove(enrolled, cause, [{ op: 'del', key: pinKey(id) }])]
    : [check, planLock(enrolled, cause)]
  const code = remove ? 'authenticator.removed' : 'authenticator.locked'
  return refusal(code, cause, {
    ops,
    event: { type: code, outcome: 'refused', authenticator: id, reason: cause },
    attemptsLeft: 0,
    lost: (at, current) => (at === 1 ? lostEnrolment(current) : refusal('pin.refused', 'd', { next: 'again' })),
  })
}

/** What it means that `enr/E` is not what the ceremony saw. */
export function lostEnrolment(current: Rec | null, changed: VerdictCode = 'pin.refused'): Refusal {
  if (current === null) return refusal('authenticator.removed', 'enrolment gone')
  const { status, cause } = decodeEnrolment(current.value)
  if (status === 'removed') return refusal('authenticator.removed', cause ?? 'removed')
  if (status === 'locked') return refusal('authenticator.locked', cause ?? 'locked')
  return refusal(changed, 'enrolment changed', { next: 'again' })
}
