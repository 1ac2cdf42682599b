/** A code in: one counted try, then the commit that uses its step up. */
import { equal, fromHex, u16 } from '@postern/core/bytes'
import { lp } from '@postern/core/tuple'
import type { Op, Rec } from '@postern/store'
import { resetAttempts, takeAttempt } from '../attempts.js'
import type { AuthFacts, Ceremony, Refusal, Reply, Step, Success, Verdict } from '../authenticator.js'
import { decodeEnrolment, type Enrolment } from '../enrolment.js'
import {
  burn,
  type Challenge,
  challengeMs,
  encodeChallenge,
  markerKey,
  newChallenge,
  readChallenge,
  sealHandle,
} from './challenge.js'
import { readCode } from './members.js'
import { counterBytes } from './otpCode.js'
import { carriesBind, hashOf, type OtpPorts, questionOf, stepOf } from './otpPorts.js'
import {
  type Accepted,
  decodeOtpRecord,
  encodeOtpRecord,
  type OtpParams,
  openSecret,
  otpKey,
  parseParams,
  readAccepted,
  secretScope,
} from './otpRecord.js'
import { lostEnrolment } from './pinExhaustion.js'
import type { ByteReader } from './reader.js'
import { refusal, refuse } from './refusal.js'
import { checkProven, deviceCheck, ended, guardsOf, lostDevice, openFresh, standing } from './tries.js'

/** From a right code to its accept commit, ms. */
export const acceptMs = 60_000
/** How long the counter of a secret that does not exist is kept: 24 h, in ms. */
const ghostMs = 86_400_000

/** A challenge. Only OCRA asks something; for the others it says how many digits are wanted. */
export async function challengeOtp(c: Ceremony, ports: OtpPorts): Promise<Step> {
  if (c.enrolment === null) throw refuse('otp.refused', 'enrolment')
  const { id, value } = c.enrolment
  if (value !== null && value.type !== 'otp') throw refuse('otp.refused', 'another type')
  const params = paramsOf(ports, value)
  checkBind(c, params)
  const challenge = newChallenge(c, ports.runtime, id)
  const asked = params.kind === 'ocra' ? { question: questionOf(params, c.bind ?? challenge.nonce) } : {}
  const reply: Reply = {
    handle: await sealHandle(ports.seal, c, 'otp.challenge', c.purpose, encodeChallenge(challenge)),
    expiresAt: challenge.expiresAt,
    enrolment: id,
    body: { ask: 'code', enrolment: id, digits: params.digits, ...asked },
  }
  return { ok: true, ops: [], event: null, reply: () => reply, lost: () => refusal('otp.refused', 'nothing to lose') }
}

/** A code: counted, then compared. The commit is one try, whatever the code is made of. */
export async function tryOtp(c: Ceremony, input: unknown, ports: OtpPorts): Promise<Step> {
  const code = readCode(input)
  if (code === null) throw refuse('otp.refused', 'message')
  checkProven(c, 'otp.refused') // before any counter
  const value = standing(c, 'otp', 'otp.refused')
  const params = paramsOf(ports, value)
  checkBind(c, params)
  const asked = params.kind === 'ocra' ? await open(c, ports, 'otp.challenge', readChallenge) : null // type, tenant, purpose, expiry
  const question = params.kind === 'ocra' ? questionOf(params, c.bind ?? asked!.nonce) : null
  const { id } = c.enrolment!
  const guards = guardsOf(c, 'otp.refused')
  const counterAt = guards.ops.length
  const expiresAt = ports.runtime.clock() + ghostMs
  return {
    ok: true,
    // Counted before it is compared: a crash here costs the user one try and gives an attacker none.
    ops: [...guards.ops, takeAttempt(otpKey(id), ports.maxAttempts, value === null ? expiresAt : undefined)],
    event: { type: 'otp.attempted', outcome: 'success', authenticator: id },
    reply: (recs) => compare(c, ports, { params, code, question, nonce: asked?.nonce ?? null }, recs[counterAt]!),
    lost(at, current) {
      if (at < counterAt) return guards.lost(at, current)
      return ended(c, { counter: otpKey(id), rev: current?.rev ?? null, cause: 'attempts' })
    },
  }
}

interface Asked {
  readonly params: OtpParams
  readonly code: string
  readonly question: string | null
  /** Of the challenge, for OCRA. */
  readonly nonce: Uint8Array | null
}

async function compare(c: Ceremony, ports: OtpPorts, asked: Asked, counted: Rec): Promise<Reply | Refusal> {
  const { maxAttempts, runtime } = ports
  const { params, code, question } = asked
  const { id } = c.enrolment!
  const attemptsLeft = Math.max(0, maxAttempts - counted.n)
  const absent = counted.value.length === 0
  const record = decodeOtpRecord(absent ? await ports.decoy(c, hashOf(ports, params.hash).bytes) : counted.value)
  const key = await openSecret(ports.atRest, secretScope(c, absent ? '' : id), record.sealed)
  const step = stepOf(ports, params, { key, code, question, next: record.next })
  if (step === null || absent) {
    if (attemptsLeft === 0) return ended(c, { counter: otpKey(id), rev: counted.rev, cause: 'attempts' })
    const event = { type: 'otp.failed', outcome: 'failure', authenticator: id, reason: 'code' } as const
    return refusal('otp.refused', 'code', { event, attemptsLeft })
  }
  const nonce = asked.nonce ?? runtime.random(32)
  const challenge = { ...newChallenge(c, runtime, id, acceptMs), nonce }
  const rest = [lp(counted.rev), counterBytes(step), u16(counted.n), lp(record.sealed)]
  return {
    handle: await sealHandle(ports.seal, c, 'otp.accept', c.purpose, encodeChallenge(challenge, ...rest)),
    expiresAt: challenge.expiresAt,
    enrolment: id,
    body: { ask: 'finish', enrolment: id },
    attemptsLeft,
  }
}

/** The right code's commit: its step and all before it are used up, the tries given back. */
export async function acceptOtp(c: Ceremony, input: unknown, ports: OtpPorts): Promise<Verdict> {
  if (input !== null && input !== undefined) throw refuse('otp.refused', 'message')
  const { crypto } = ports.runtime
  const handle = await open(c, ports, 'otp.accept', (r) => ({ ...readChallenge(r), ...readAccepted(r) }))
  const value = standing(c, 'otp', 'otp.refused')
  if (value === null) throw refuse('otp.refused', 'enrolment')
  const params = paramsOf(ports, value)
  const counted = params.kind !== 'ocra' || params.suite.counter
  // Where no counter remembers the code, its question does: it is answered once.
  const once: readonly Op[] = counted
    ? []
    : [burn(await markerKey(crypto, handle.nonce), new Uint8Array(0), handle.expiresAt + challengeMs)]
  const sealed = await resealed(c, ports, handle.sealed)
  return success(c, ports, { handle, sealed, counted, once, rev: handle.rev, enrolmentRev: c.enrolment!.rev!, last: false })
}

interface Accept {
  readonly handle: Accepted
  readonly sealed: Uint8Array
  /** Whether a step is used up. */
  readonly counted: boolean
  readonly once: readonly Op[]
  readonly rev: string
  readonly enrolmentRev: string
  /** Whether this is the second commit, after which there is none. */
  readonly last: boolean
}

function success(c: Ceremony, ports: OtpPorts, a: Accept): Success {
  const { handle, sealed, counted, once, rev, enrolmentRev, last } = a
  const { id } = c.enrolment!
  const own = deviceCheck(c)
  const next = counted ? handle.step + 1n : 0n
  return {
    ok: true,
    ops: [
      ...own,
      { op: 'check', key: `enr/${id}`, rev: enrolmentRev },
      ...once,
      resetAttempts(otpKey(id), encodeOtpRecord({ next, sealed }), rev),
    ],
    event: { type: 'otp.succeeded', outcome: 'success', authenticator: id, detail: { failures: handle.attempts - 1 } },
    amr: ['otp'],
    facts: factsOf(c, ports, id, handle.attempts - 1),
    proof: null,
    session: null,
    lost(at, current) {
      if (at < own.length) return lostDevice(current, 'otp.refused')
      if (at === own.length) {
        const active = current !== null && decodeEnrolment(current.value).status === 'active'
        return active && !last
          ? success(c, ports, { ...a, enrolmentRev: current.rev, last: true })
          : lostEnrolment(current, 'otp.refused')
      }
      if (at <= own.length + once.length) return refusal('otp.refused', 'question answered')
      if (current === null) return refusal('authenticator.removed', 'secret gone')
      if (counted && decodeOtpRecord(current.value).next > handle.step) return refusal('otp.refused', 'step used')
      // Another's guess moved the revision, not the step: a wrong code at the same moment costs the right one nothing.
      return last
        ? refusal('authenticator.superseded', 'other tries', { next: 'again' })
        : success(c, ports, { ...a, rev: current.rev, last: true })
    },
  }
}

/** The secret under the key that is active now, so that a record in use never outlives its key. */
async function resealed(c: Ceremony, { atRest }: OtpPorts, sealed: Uint8Array): Promise<Uint8Array> {
  if (equal(sealed.subarray(1, 5), fromHex(atRest.activeKid())!)) return sealed
  const scope = secretScope(c, c.enrolment!.id)
  return atRest.seal(scope, await openSecret(atRest, scope, sealed))
}

/** Facts of a ceremony's enrolment. */
export function factsOf(c: Ceremony, { runtime }: OtpPorts, enrolment: string, failures: number): AuthFacts {
  return {
    type: 'otp',
    enrolment,
    purpose: c.purpose,
    at: runtime.clock(),
    userVerified: false,
    keyLevel: c.device?.keyLevel ?? 'software',
    failures,
    generation: 0,
  }
}

function paramsOf({ offer }: OtpPorts, value: Enrolment | null): OtpParams {
  return value === null ? offer : parseParams(value.suite)
}

/** A code that does not depend on what is confirmed confirms nothing. */
function checkBind(c: Ceremony, params: OtpParams): void {
  if (c.bind !== null && !carriesBind(params)) throw refuse('otp.refused', 'the code cannot carry a bind')
}

function open<T extends Challenge>(c: Ceremony, ports: OtpPorts, type: string, read: (r: ByteReader) => T): Promise<T> {
  const { seal, runtime } = ports
  return openFresh(c, { seal, clock: runtime.clock, type, refused: 'otp.refused', expired: 'otp.expired' }, read)
}
