/** A code that came back: one counted try, then the commit that takes it. */
import { concat, equal, u8, u16 } from '@postern/core/bytes'
import { lp } from '@postern/core/tuple'
import type { Op, Rec } from '@postern/store'
import { takeAttempt } from '../attempts.js'
import type { AuthFacts, Ceremony, Refusal, Reply, Step, Success, Verdict } from '../authenticator.js'
import { planEnrol } from '../enrolment.js'
import { type Challenge, encodeChallenge, newChallenge, readChallenge, sealHandle } from './challenge.js'
import { acceptMs, type CodePorts, codeKey, macOf, open } from './codePorts.js'
import { readCode } from './members.js'
import { pendingOf } from './pending.js'
import type { ByteReader } from './reader.js'
import { refusal, refuse } from './refusal.js'
import { checkProven, type Guards, guardsOf, ownGuards, standing } from './tries.js'

/** A code: counted, then compared. */
export async function tryCode(c: Ceremony, input: unknown, ports: CodePorts): Promise<Step> {
  const code = readCode(input)
  if (code === null) throw refuse('otp.refused', 'message')
  checkProven(c, 'otp.refused') // before any counter
  const enrolling = c.purpose === 'enrol'
  if (!enrolling) standing(c, 'code', 'otp.refused')
  const sent = await open(c, ports, 'code.sent', (r) => ({ ...readChallenge(r), id: r.text() })) // type, tenant, purpose, expiry
  const own = enrolling ? ownGuards(c, 'otp.refused') : guardsOf(c, 'otp.refused')
  const at = own.ops.length
  const mac = await macOf(ports, c, sent, sent.id, code)
  return {
    ok: true,
    ops: [...own.ops, takeAttempt(codeKey(sent.id), ports.maxTries, sent.expiresAt)],
    event: { type: 'otp.attempted', outcome: 'success', authenticator: sent.enrolment },
    reply: (recs) => compare(c, ports, sent, mac, recs[at]!),
    lost: (lostAt, current) => (lostAt < at ? own.lost(lostAt, current) : refusal('otp.expired', 'tries')),
  }
}

async function compare(
  c: Ceremony,
  ports: CodePorts,
  sent: Challenge & { readonly id: string },
  mac: Uint8Array,
  counted: Rec,
): Promise<Reply | Refusal> {
  const { enrolment, id } = sent
  const attemptsLeft = Math.max(0, ports.maxTries - counted.n)
  // A code that was taken or never sent has left an empty record, which no HMAC equals.
  if (!equal(counted.value, concat(u8(1), mac))) {
    const event = { type: 'otp.failed', outcome: 'failure', authenticator: enrolment, reason: 'code' } as const
    return refusal('otp.refused', 'code', { event, attemptsLeft })
  }
  const challenge = newChallenge(c, ports.runtime, enrolment, acceptMs)
  const bytes = encodeChallenge(challenge, lp(id), lp(counted.rev), u16(counted.n))
  const handle = await sealHandle(ports.seal, c, 'code.accept', c.purpose, bytes)
  return { handle, expiresAt: challenge.expiresAt, enrolment, body: { ask: 'finish', enrolment }, attemptsLeft }
}

/** Accept: the code is gone with the commit. */
export async function acceptCode(c: Ceremony, input: unknown, ports: CodePorts): Promise<Verdict> {
  if (input !== null && input !== undefined) throw refuse('otp.refused', 'message')
  const read = (r: ByteReader) => ({ ...readChallenge(r), id: r.text(), rev: r.text(), tries: r.unsigned(2) })
  const accepted = await open(c, ports, 'code.accept', read)
  if (c.purpose === 'enrol') return enrolCode(c, ports, accepted)
  if (standing(c, 'code', 'otp.refused') === null) throw refuse('otp.refused', 'enrolment')
  const own = guardsOf(c, 'otp.refused')
  const event = {
    type: 'otp.succeeded',
    outcome: 'success',
    authenticator: accepted.enrolment,
    detail: { failures: accepted.tries - 1 },
  } as const
  return success(c, ports, accepted, own, [], { event, amr: [ports.amr] })
}

function enrolCode(c: Ceremony, ports: CodePorts, accepted: Accepted): Verdict {
  const { clock } = ports.runtime
  if (c.claim === undefined || c.claim.until <= clock()) throw refuse('enrolment.expired', 'claim')
  const value = pendingOf('code', { ...c.claim, now: clock() })
  const event = { type: 'authenticator.enrolled', outcome: 'success', authenticator: accepted.enrolment, reason: 'code' } as const
  return success(c, ports, accepted, ownGuards(c, 'otp.refused'), [planEnrol(accepted.enrolment, value, c.claim.until)], {
    event,
    amr: [],
  })
}

type Accepted = Challenge & { readonly id: string; readonly rev: string; readonly tries: number }

function success(
  c: Ceremony,
  ports: CodePorts,
  accepted: Accepted,
  own: Guards,
  rest: readonly Op[],
  says: Pick<Success, 'event' | 'amr'>,
  rev: string = accepted.rev,
): Success {
  const taken = own.ops.length
  return {
    ok: true,
    ...says,
    ops: [...own.ops, { op: 'del', key: codeKey(accepted.id), rev }, ...rest],
    facts: factsOf(c, ports, accepted),
    proof: null,
    session: null,
    lost(at, current) {
      if (at < taken) return own.lost(at, current)
      if (at > taken) return refusal('authenticator.already_enrolled', 'enrolled')
      // A try after the code was taken has left an empty record.
      if (current === null || current.value.length === 0) return refusal('otp.refused', 'code used')
      // Another try moved the revision: a wrong code at the same moment costs the right one nothing.
      return rev === accepted.rev
        ? success(c, ports, accepted, own, rest, says, current.rev)
        : refusal('authenticator.superseded', 'other tries', { next: 'again' })
    },
  }
}

function factsOf(c: Ceremony, { runtime }: CodePorts, { enrolment, tries }: Accepted): AuthFacts {
  return {
    type: 'code',
    enrolment,
    purpose: c.purpose,
    at: runtime.clock(),
    userVerified: false,
    keyLevel: c.device?.keyLevel ?? 'software',
    failures: tries - 1,
    generation: 0,
  }
}
