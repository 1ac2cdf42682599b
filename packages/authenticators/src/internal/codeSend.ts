/** A code on its way: its HMAC stored and the message counted in one commit, then delivered. */
import { concat, hex, u8 } from '@postern/core/bytes'
import { lp } from '@postern/core/tuple'
import { takeAttempt } from '../attempts.js'
import type { Ceremony, Refusal, Step } from '../authenticator.js'
import { newEnrolmentId } from '../enrolment.js'
import { encodeChallenge, newChallenge, sealHandle } from './challenge.js'
import { type CodePorts, codeKey, drawCode, macOf, sentKey } from './codePorts.js'
import { underDeadline } from './deadline.js'
import { refusal, refuse } from './refusal.js'
import { checkProven, type Guards, guardsOf, ownGuards, standing } from './tries.js'

const HOUR_MS = 3_600_000

/** Sends one; the answer waits for the delivery. */
export async function sendCode(c: Ceremony, ports: CodePorts): Promise<Step> {
  const { runtime, digits, lifeMs, maxSent } = ports
  const { clock, random } = runtime
  checkProven(c, 'otp.refused')
  const to = recipientOf(c, ports)
  const code = drawCode(random, digits)
  const id = hex(random(16))
  const expiresAt = clock() + lifeMs
  const challenge = { ...newChallenge(c, runtime, to.enrolment), expiresAt }
  const value = concat(u8(1), await macOf(ports, c, challenge, id, code))
  const own = to.guards
  return {
    ok: true,
    ops: [
      ...own.ops,
      { op: 'put', key: codeKey(id), value, rev: null, expiresAt },
      takeAttempt(sentKey, maxSent, clock() + HOUR_MS),
    ],
    event: { type: 'otp.sent', outcome: 'success', authenticator: to.enrolment },
    async reply() {
      const { tenant, app, purpose, bind } = c
      const { enrolment, owner, data } = to
      if (owner !== null) {
        const message = {
          code,
          expiresAt,
          tenant,
          app,
          purpose,
          enrolment,
          owner,
          data: data.slice(),
          bind: bind?.slice() ?? null,
        }
        const done = await underDeadline((signal) => ports.deliver({ ...message, signal }), ports.deadlineMs, ports.timer)
        if (!done.ok) return undelivered(enrolment, done.why)
      }
      const handle = await sealHandle(ports.seal, c, 'code.sent', purpose, encodeChallenge(challenge, lp(id)))
      return { handle, expiresAt, enrolment, body: { ask: 'code', enrolment, digits } }
    },
    lost(at, current) {
      if (at < own.ops.length) return own.lost(at, current)
      return at === own.ops.length ? refusal('otp.refused', 'id taken', { next: 'again' }) : refusal('otp.too_many', 'messages')
    },
  }
}

/** What the host threw may name the address or the code, so the event says only how it failed. */
function undelivered(enrolment: string, why: string): Refusal {
  const event = {
    type: 'otp.failed',
    outcome: 'failure',
    authenticator: enrolment,
    reason: 'undelivered',
    detail: { why },
  } as const
  return refusal('otp.undelivered', 'undelivered', { event })
}

interface Recipient {
  readonly enrolment: string
  /** `null` when there is nobody to send to. */
  readonly owner: string | null
  readonly data: Uint8Array
  readonly guards: Guards
}

function recipientOf(c: Ceremony, { runtime }: CodePorts): Recipient {
  if (c.purpose !== 'enrol') {
    const value = standing(c, 'code', 'otp.refused')
    const guards = guardsOf(c, 'otp.refused')
    return { enrolment: c.enrolment!.id, owner: value?.owner ?? null, data: value?.data ?? new Uint8Array(0), guards }
  }
  if (c.claim === undefined || c.claim.until <= runtime.clock()) throw refuse('enrolment.expired', 'claim')
  const { owner, data } = c.claim
  return { enrolment: newEnrolmentId(runtime.random), owner, data, guards: ownGuards(c, 'otp.refused') }
}
