/** pin/v1 §authenticate, steps 4 and 5: KE3 in, the attempts given back; or the notice that the PIN was wrong. */
import { utf8 } from '@postern/core/bytes'
import { hkdfExpand } from '@postern/core/hkdf'
import type { Op, Rec } from '@postern/store'
import { resetAttempts } from '../attempts.js'
import type { AuthFacts, Ceremony, EventDraft, Purpose, Refusal, Reply, Step, Success, Verdict } from '../authenticator.js'
import { type Enrolment, encodeEnrolment, enrolmentKey } from '../enrolment.js'
import { ke3Statement, pinContext, sessionInfo, wrongStatement } from '../pin/messages.js'
import { belongs, burn, contextMembers, markerKey, openHandle } from './challenge.js'
import { signedByDevice } from './deviceSignature.js'
import { readMembers } from './members.js'
import { restoredKey } from './pinBegin.js'
import { exhausted } from './pinExhaustion.js'
import { type Ke2Handle, readKe2Handle } from './pinHandle.js'
import { failedKey, nextKey, type PinPorts, pinKey, suiteFor } from './pinPorts.js'
import { decodePinRecord, encodePinRecord, type PinRecord } from './pinRecord.js'
import { pinSizes } from './pinSuites.js'
import { ticketReply } from './pinTicket.js'
import { refusal, refuse } from './refusal.js'

/** Step 5: a verdict. R₁ makes KE3 work once, and only for the newest begin. What ends a change is the proof of the new PIN. */
export function finishPin(c: Ceremony, input: unknown, ports: PinPorts): Promise<Verdict> {
  return verdictOn(c, input, ports, c.purpose === 'change' ? 'activate' : c.purpose)
}

async function verdictOn(c: Ceremony, input: unknown, ports: PinPorts, purpose: Purpose): Promise<Verdict> {
  const message = readMembers(input, { ke3: pinSizes.ke3, signature: 64 }) // sizes
  if (message === null) throw refuse('pin.refused', 'message')
  const handle = await openKe2(c, ports, purpose) // type, tenant, purpose, expiry
  const context = pinContext(contextMembers(c, handle))
  const m3 = ke3Statement(context, handle.m1Hash, handle.ke2Hash, message.ke3)
  if (!(await signedByDevice(ports.devices, c.device, handle.device, m3, message.signature)))
    throw refuse('pin.refused', 'signature')
  const value = confirmed(c, handle)
  const pin = handle.value.length === 0 ? null : decodePinRecord(handle.value, handle.purpose === 'activate' ? 'next' : 'current')
  const suite = pin?.suite ?? ports.suites[0]!
  const sessionKey = await ports.engine(suite).finish(handle.state, message.ke3) // MAC, in constant time
  if (sessionKey === null || pin === null) return failed(c, ports, handle, 'pin.failed')
  if (handle.generation !== value.generation + (handle.purpose === 'activate' ? 1 : 0)) throw refuse('pin.refused', 'generation')
  const session = (use: string) => hkdfExpand(ports.crypto, 'SHA-512', sessionKey, sessionInfo(context, use), 32)
  const proof = { signed: m3, signature: message.signature }
  const plan = await commitOf(c, ports, handle, pin)
  const success: Success = {
    ok: true,
    ...plan,
    ...assurance(c, ports, handle),
    proof,
    session,
    lost(at, current) {
      // The failure window ended on the way: there is nothing to give back, and the PIN was right.
      if (plan.ops[at]?.key !== failedKey(handle.enrolment)) return lostFinish(at, current)
      return { ...success, ops: plan.ops.filter((_, i) => i !== at), lost: lostFinish }
    },
  }
  return success
}

/** The finish of a change's first half: the verdict, with a ticket for the second. */
export async function finishOldPin(c: Ceremony, input: unknown, ports: PinPorts): Promise<Step | Refusal> {
  const { suites, ...proof } = input as { readonly suites?: unknown }
  const suite = suiteFor(ports, suites)
  const verdict = await verdictOn(c, proof, ports, 'change')
  if (!verdict.ok) return verdict
  const reply = (recs: readonly (Rec | null)[]): Promise<Reply> =>
    ticketReply(c, ports, { enrolment: c.enrolment!.id, generation: verdict.facts.generation, after: recs[1]!.rev, suite })
  const step = ({ ops, event, lost }: Success): Step => ({
    ok: true,
    ops,
    event,
    reply,
    lost(at, current) {
      const next = lost(at, current)
      return next.ok ? step(next) : next
    },
  })
  return step(verdict)
}

/** Step 4: the client saw that the PIN was wrong and says so; the attempt is spent either way. */
export async function wrongPin(c: Ceremony, input: unknown, ports: PinPorts): Promise<Refusal> {
  const message = readMembers(input, { wrong: 64 })
  if (message === null) throw refuse('pin.refused', 'message')
  // In a change either of its two PINs may be the wrong one.
  const handle = await openKe2(c, ports, c.purpose, ...(c.purpose === 'change' ? (['activate'] as const) : []))
  const statement = wrongStatement(pinContext(contextMembers(c, handle)), handle.m1Hash)
  if (!(await signedByDevice(ports.devices, c.device, handle.device, statement, message.wrong)))
    throw refuse('pin.refused', 'signature')
  confirmed(c, handle)
  return failed(c, ports, handle, 'wrong')
}

/** One failure, told once: at the last attempt it is the exhaustion. */
async function failed(c: Ceremony, ports: PinPorts, h: Ke2Handle, reason: string): Promise<Refusal> {
  const { maxAttempts, maxFailures, crypto } = ports
  const real = h.value.length > 0 && h.purpose !== 'activate'
  const restored = real && c.enrolment!.value!.epoch !== ports.epoch() // it had one
  const attemptsLeft = restored ? 0 : Math.max(0, maxAttempts - h.attempts)
  const check: Op = { op: 'check', key: 'd', rev: c.device!.rev }
  const newest: readonly Op[] = real ? [{ op: 'check', key: pinKey(h.enrolment), rev: h.rev }] : []
  const marker = burn(await markerKey(crypto, h.m1Hash), utf8('wrong'), h.expiresAt)
  const told = [check, ...newest, marker]
  const silent = () => refusal('pin.refused', 'told already, or a newer attempt', { attemptsLeft })
  if (real && h.failures >= maxFailures) return ending(exhausted(c, ports, 'failures'), told)
  if (real && h.attempts >= maxAttempts) return ending(exhausted(c, ports, 'attempts'), told)
  const event: EventDraft = { type: 'pin.failed', outcome: 'failure', authenticator: h.enrolment, reason }
  return refusal(h.value.length === 0 && attemptsLeft === 0 ? 'authenticator.removed' : 'pin.refused', reason, {
    ops: told,
    event,
    attemptsLeft,
    lost: silent,
  })

  function ending(end: Refusal, first: readonly Op[]): Refusal {
    // Keys are distinct within a commit: where the exhaustion deletes the counter, it does so at R₁.
    const ops = end.ops.map((op): Op => (op.op === 'del' ? { ...op, rev: h.rev } : op))
    const taken = new Set(ops.map((op) => op.key))
    const before = first.filter((op) => !taken.has(op.key))
    return {
      ...end,
      ops: [...ops, ...before],
      lost: (at, current) => (at < ops.length && ops[at]!.op === 'put' ? end.lost(1, current) : silent()),
    }
  }
}

/** What a right PIN commits. */
async function commitOf(
  c: Ceremony,
  ports: PinPorts,
  h: Ke2Handle,
  pin: PinRecord,
): Promise<{ ops: readonly Op[]; event: EventDraft }> {
  const { clock } = ports
  const { id, rev, value } = c.enrolment!
  const now = clock()
  const check: Op = { op: 'check', key: 'd', rev: c.device!.rev }
  const used: Enrolment = { ...value!, usedAt: now, epoch: ports.epoch(), generation: h.generation, suite: pin.suite }
  const enrolment: Op = { op: 'put', key: enrolmentKey(id), value: encodeEnrolment(used), rev: rev! }
  if (h.purpose === 'activate') {
    const swapped = encodePinRecord({ ...pin, after: null })
    const swap: readonly Op[] = [resetAttempts(pinKey(id), swapped, pin.after!), { op: 'del', key: nextKey(id), rev: h.rev }]
    return { ops: [check, ...swap, enrolment], event: { type: 'authenticator.changed', outcome: 'success', authenticator: id } }
  }
  // Its own try alone: what others failed adds up over successes, so that a clone's guesses between the owner's logins end in a lock.
  const back: readonly Op[] = h.windowEnd > now ? [{ op: 'add', key: failedKey(id), by: -1, max: ports.maxFailures }] : []
  const restored: readonly Op[] = value!.epoch === ports.epoch() ? [] : [{ op: 'del', key: await restoredKey(ports, id) }]
  const ops = [check, resetAttempts(pinKey(id), h.value, h.rev), ...back, enrolment, ...restored]
  return { ops, event: { type: 'pin.succeeded', outcome: 'success', authenticator: id, detail: { failures: h.attempts - 1 } } }
}

function assurance(c: Ceremony, ports: PinPorts, h: Ke2Handle): Pick<Success, 'amr' | 'facts'> {
  const { keyLevel } = c.device!
  const facts: AuthFacts = {
    type: 'pin',
    enrolment: h.enrolment,
    purpose: h.purpose,
    at: ports.clock(),
    userVerified: true,
    keyLevel,
    failures: h.attempts - 1,
    generation: h.generation,
  }
  return { amr: ['pin', 'pop', 'mfa', keyLevel === 'hardware' ? 'hwk' : 'swk'], facts }
}

async function openKe2(c: Ceremony, ports: PinPorts, ...purposes: readonly Purpose[]): Promise<Ke2Handle> {
  let handle: Ke2Handle | null = null
  for (const purpose of purposes) handle ??= await openHandle(ports.seal, c, 'pin.ke2', purpose, readKe2Handle)
  if (handle === null || !belongs(c, handle)) throw refuse('pin.refused', 'handle')
  if (handle.expiresAt <= ports.clock()) throw refuse('pin.expired', 'ke2')
  return handle
}

/** The enrolment, which only logs in while it is active; a ghost has none and fails at its MAC. */
function confirmed(c: Ceremony, h: Ke2Handle): Enrolment | { readonly generation: number } {
  if (c.enrolment === null) throw refuse('pin.refused', 'enrolment')
  const { value } = c.enrolment
  if (value === null && h.value.length > 0) throw refuse('authenticator.removed', 'enrolment gone')
  if (value !== null && (value.status !== 'active' || value.type !== 'pin')) throw refuse('pin.refused', value.status)
  return value ?? { generation: 1 }
}

function lostFinish(at: number, current: Rec | null): Refusal {
  if (at === 0) return refusal('pin.refused', current === null ? 'device gone' : 'd', { next: 'again' })
  return refusal('authenticator.superseded', at === 1 ? 'a newer attempt' : 'enrolment or window changed')
}
