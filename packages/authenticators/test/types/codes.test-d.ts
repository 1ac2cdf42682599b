/** A `switch` over the codes of a verdict is exhaustive, and every one of them is in the registry. */
import type { VerdictCode } from '@postern/authenticators/authenticator'
import type { AuthenticationCode } from '@postern/authenticators/webauthn/authentication'
import type { PasskeyCode } from '@postern/authenticators/webauthn/browser'
import type { RegistrationCode } from '@postern/authenticators/webauthn/registration'
import type { ErrorCode } from '@postern/core/errors'

export const registered: ErrorCode = 'pin.refused' as VerdictCode
export const inBrowsers: ErrorCode = 'webauthn.failed' as PasskeyCode
/** What the pure verifiers refuse with, the registry refuses with. */
export const verified: readonly VerdictCode[] = ['webauthn.type' as AuthenticationCode, 'webauthn.type' as RegistrationCode]

/** A page's `switch` is exhaustive, too. */
export function afterwards(code: PasskeyCode): 'nothing' | 'again' | 'another way' | 'ours' {
  switch (code) {
    case 'webauthn.cancelled':
    case 'webauthn.aborted':
      return 'nothing'
    case 'webauthn.timed_out':
    case 'webauthn.busy':
    case 'webauthn.failed':
      return 'again'
    case 'webauthn.already_registered':
    case 'webauthn.unsupported':
    case 'webauthn.constraint':
      return 'another way'
    case 'webauthn.origin':
    case 'webauthn.malformed':
      return 'ours'
  }
}

export function statusOf(code: VerdictCode): 'retry' | 'gone' {
  switch (code) {
    case 'pin.refused':
    case 'pin.expired':
    case 'pin.suite_unsupported':
    case 'pin.ticket_used':
    case 'key.refused':
    case 'key.expired':
    case 'authenticator.superseded':
    case 'authenticator.already_enrolled':
    case 'enrolment.expired':
    case 'webauthn.malformed':
    case 'webauthn.challenge':
    case 'webauthn.expired':
    case 'webauthn.type':
    case 'webauthn.origin':
    case 'webauthn.cross_origin':
    case 'webauthn.rp':
    case 'webauthn.user_presence':
    case 'webauthn.user_verification':
    case 'webauthn.backup_flags':
    case 'webauthn.algorithm':
    case 'webauthn.attestation_invalid':
    case 'webauthn.attestation_untrusted':
    case 'webauthn.format_unsupported':
    case 'webauthn.credential_taken':
    case 'webauthn.credential_unknown':
    case 'webauthn.not_owner':
    case 'webauthn.signature':
    case 'webauthn.counter_regressed':
    case 'webauthn.backup_eligibility_changed':
    case 'otp.refused':
    case 'otp.expired':
    case 'otp.too_many':
    case 'otp.undelivered':
    case 'custom.failed':
    case 'custom.timeout':
    case 'custom.invalid_result':
    case 'transaction.invalid':
    case 'transaction.pending':
    case 'transaction.cooling_down':
    case 'transaction.unknown':
    case 'transaction.expired':
    case 'transaction.decided':
    case 'transaction.mismatch':
    case 'transaction.qr_refused':
      return 'retry'
    case 'authenticator.locked':
    case 'authenticator.removed':
    case 'device.removed':
      return 'gone'
  }
}
