/** A custom authenticator's yes: the tries are given back and the new data is kept, as long as no newer try was taken. */
import type { Op } from '@postern/store'
import type { Ceremony, Verdict } from '../authenticator.js'
import { planEnrol } from '../enrolment.js'
import { checkEnrolment } from './customAnswer.js'
import { claimed } from './customCall.js'
import { openDone } from './customHandle.js'
import { type CustomPorts, customKey } from './customPorts.js'
import { pendingOf } from './pending.js'
import { refusal, refuse } from './refusal.js'
import { guardsOf, ownGuards } from './tries.js'

export async function acceptCustom(c: Ceremony, input: unknown, ports: CustomPorts): Promise<Verdict> {
  if (input !== null && input !== undefined) throw refuse('custom.failed', 'message')
  const { enrolment, attempts, amr, rev, value } = await openDone(c, ports) // type, tenant, purpose, expiry
  checkEnrolment(c, ports)
  const now = ports.runtime.clock()
  const enrolling = c.purpose === 'enrol'
  const guards = enrolling ? ownGuards(c, 'custom.failed') : guardsOf(c, 'custom.failed')
  const made: readonly Op[] = enrolling ? [newEnrolment(c, ports, enrolment, now)] : []
  const keep: Op = { op: 'put', key: customKey(enrolment), value, rev: rev === '' ? null : rev }
  const failures = Math.max(0, attempts - 1)
  const about = { outcome: 'success', authenticator: enrolment, reason: ports.type } as const
  return {
    ok: true,
    ops: [...guards.ops, ...made, keep],
    event: enrolling
      ? { type: 'authenticator.enrolled', ...about }
      : { type: 'custom.succeeded', ...about, detail: { failures } },
    amr: enrolling ? [] : amr,
    facts: {
      type: ports.type,
      enrolment,
      purpose: c.purpose,
      at: now,
      userVerified: false,
      keyLevel: c.device?.keyLevel ?? 'software',
      failures,
      generation: 0,
    },
    proof: null,
    session: null,
    lost(at, current) {
      if (at < guards.ops.length) return guards.lost(at, current)
      if (at < guards.ops.length + made.length) return refusal('authenticator.already_enrolled', 'enrolled')
      return refusal('authenticator.superseded', 'a newer answer')
    },
  }
}

function newEnrolment(c: Ceremony, ports: CustomPorts, enrolment: string, now: number): Op {
  const claim = claimed(c, ports)
  return planEnrol(enrolment, pendingOf(ports.type, { ...claim, now }), claim.until)
}
