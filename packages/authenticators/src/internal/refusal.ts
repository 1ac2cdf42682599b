/** Refusals: thrown inside a ladder, returned outside, so that a caller's `switch` is exhaustive. */
import { PosternError } from '@postern/core/errors'
import type { Op } from '@postern/store'
import type { EventDraft, Refusal, VerdictCode } from '../authenticator.js'

const CODES: ReadonlySet<string> = /* @__PURE__ */ new Set<VerdictCode>([
  'pin.refused',
  'pin.expired',
  'pin.suite_unsupported',
  'pin.ticket_used',
  'key.refused',
  'key.expired',
  'authenticator.superseded',
  'authenticator.locked',
  'authenticator.removed',
  'authenticator.already_enrolled',
  'device.removed',
  'enrolment.expired',
  'webauthn.malformed',
  'webauthn.challenge',
  'webauthn.expired',
  'webauthn.type',
  'webauthn.origin',
  'webauthn.cross_origin',
  'webauthn.rp',
  'webauthn.user_presence',
  'webauthn.user_verification',
  'webauthn.backup_flags',
  'webauthn.algorithm',
  'webauthn.attestation_invalid',
  'webauthn.attestation_untrusted',
  'webauthn.format_unsupported',
  'webauthn.credential_taken',
  'webauthn.credential_unknown',
  'webauthn.not_owner',
  'webauthn.signature',
  'webauthn.counter_regressed',
  'webauthn.backup_eligibility_changed',
  'otp.refused',
  'otp.expired',
  'otp.too_many',
  'otp.undelivered',
  'custom.failed',
  'custom.timeout',
  'custom.invalid_result',
  'transaction.invalid',
  'transaction.pending',
  'transaction.cooling_down',
  'transaction.unknown',
  'transaction.expired',
  'transaction.decided',
  'transaction.mismatch',
  'transaction.qr_refused',
])

/** What a refusal may carry beyond its code. */
export interface RefusalPlan {
  readonly ops?: readonly Op[]
  readonly event?: EventDraft | null
  readonly next?: Refusal['next']
  readonly attemptsLeft?: number
  readonly body?: Refusal['body']
  readonly lost?: Refusal['lost']
}

/** A refusal as a value. */
export function refusal(code: VerdictCode, reason: string, plan: RefusalPlan = {}): Refusal {
  const { ops = [], event = null, attemptsLeft } = plan
  const gone = code === 'authenticator.removed' || code === 'authenticator.locked' || code === 'device.removed'
  const next = plan.next ?? (gone ? 'removed' : 'retry')
  const left = attemptsLeft === undefined ? {} : { attemptsLeft }
  const body = plan.body === undefined ? {} : { body: plan.body }
  return {
    ok: false,
    code,
    reason,
    ops,
    event,
    next,
    ...left,
    ...body,
    lost: plan.lost ?? (() => refusal(code, reason, { next })),
  }
}

/** The error that a ladder throws; `reason` reaches events and logs alone. */
export function refuse(code: VerdictCode, reason: string): PosternError {
  return new PosternError(code, { reason })
}

/** Runs a ladder and turns what it throws into a refusal; anything that is none of our codes goes on. */
export async function refusing<T>(ladder: () => Promise<T>): Promise<T | Refusal> {
  try {
    return await ladder()
  } catch (error) {
    if (error instanceof PosternError && CODES.has(error.code)) return refusal(error.code as VerdictCode, error.reason ?? '')
    throw error
  }
}
