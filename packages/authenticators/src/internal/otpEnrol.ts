/** A new OTP secret: shown once, proved by its first code, or brought along by the host. */
import { encodeBase32 } from '@postern/core/base32'
import { lp } from '@postern/core/tuple'
import type { Rec } from '@postern/store'
import type { Ceremony, Reply, Step, Verdict } from '../authenticator.js'
import { newEnrolmentId, planEnrol } from '../enrolment.js'
import { formatOtpauth } from '../otp/uri.js'
import { encodeChallenge, newChallenge, readChallenge, sealHandle } from './challenge.js'
import { readCode } from './members.js'
import { hashOf, type OtpPorts, questionOf, stepOf } from './otpPorts.js'
import { encodeOtpRecord, formatParams, type OtpParams, otpKey, parseParams, secretScope } from './otpRecord.js'
import { factsOf } from './otpTry.js'
import { pendingOf } from './pending.js'
import { refusal, refuse } from './refusal.js'
import { deviceCheck, lostDevice, openFresh } from './tries.js'

/** A secret for the app or another one, in the answer and in the handle alone. Nothing is stored. */
export async function offerOtp(c: Ceremony, ports: OtpPorts): Promise<Step> {
  const { offer, runtime, seal } = ports
  const enrolment = newEnrolmentId(runtime.random)
  const secret = runtime.random(hashOf(ports, offer.hash).bytes)
  const challenge = { ...newChallenge(c, runtime, enrolment), bind: null }
  const reply: Reply = {
    handle: await sealHandle(seal, c, 'otp.enrol', c.purpose, encodeChallenge(challenge, lp(formatParams(offer)), lp(secret))),
    expiresAt: challenge.expiresAt,
    enrolment,
    body: { ask: 'code', enrolment, digits: offer.digits, ...shown(c, ports, secret, challenge.nonce) },
  }
  return { ok: true, ops: [], event: null, reply: () => reply, lost: () => refusal('otp.refused', 'nothing to lose') }
}

function shown(c: Ceremony, ports: OtpPorts, secret: Uint8Array, nonce: Uint8Array): Readonly<Record<string, string>> {
  const { offer } = ports
  const text = encodeBase32(secret).toUpperCase()
  if (offer.kind === 'ocra') return { secret: text, suite: offer.suite.text, question: questionOf(offer, nonce) }
  const { kind: type, ...params } = offer
  return { secret: text, uri: formatOtpauth({ type, secret, ...ports.label(c), ...params }) }
}

/** The first code: it shows that the secret arrived, and is used up. */
export async function enrolOtp(c: Ceremony, input: unknown, ports: OtpPorts): Promise<Verdict> {
  const { clock } = ports.runtime
  const code = readCode(input)
  if (code === null) throw refuse('otp.refused', 'message')
  const wanted = { seal: ports.seal, clock, type: 'otp.enrol', refused: 'otp.refused', expired: 'otp.expired' } as const
  const handle = await openFresh({ ...c, bind: null }, wanted, (r) => ({ ...readChallenge(r), params: r.text(), secret: r.lp() }))
  const { enrolment, nonce, secret } = handle
  const params = parseParams(handle.params)
  const question = params.kind === 'ocra' ? questionOf(params, nonce) : null
  const step = stepOf(ports, params, { key: secret, code, question, next: 0n })
  if (step === null) throw refuse('otp.refused', 'code')
  if (c.claim === undefined || c.claim.until <= clock()) throw refuse('enrolment.expired', 'claim')
  const own = deviceCheck(c)
  const value = pendingOf('otp', { ...c.claim, now: clock(), suite: formatParams(params) })
  const record = encodeOtpRecord({
    next: usesSteps(params) ? step + 1n : 0n,
    sealed: await ports.atRest.seal(secretScope(c, enrolment), secret),
  })
  return {
    ok: true,
    ops: [...own, planEnrol(enrolment, value, c.claim.until), { op: 'put', key: otpKey(enrolment), value: record, rev: null }],
    event: { type: 'authenticator.enrolled', outcome: 'success', authenticator: enrolment, reason: 'otp' },
    amr: [],
    facts: factsOf(c, ports, enrolment, 0),
    proof: null,
    session: null,
    lost: (at: number, current: Rec | null) =>
      at < own.length ? lostDevice(current, 'otp.refused') : refusal('authenticator.already_enrolled', 'enrolled'),
  }
}

/** Whether a counter or the time stands in the code, so that a used one is remembered by its step. */
export function usesSteps(params: OtpParams): boolean {
  return params.kind !== 'ocra' || params.suite.counter
}
