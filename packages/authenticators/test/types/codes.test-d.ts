/** A `switch` over the codes of a verdict is exhaustive, and every one of them is in the registry. */
import type { VerdictCode } from '@postern/authenticators/authenticator'
import type { ErrorCode } from '@postern/core/errors'

export const registered: ErrorCode = 'pin.refused' as VerdictCode

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
    case 'otp.refused':
    case 'otp.expired':
    case 'otp.too_many':
    case 'custom.failed':
    case 'custom.timeout':
    case 'custom.invalid_result':
      return 'retry'
    case 'authenticator.locked':
    case 'authenticator.removed':
    case 'device.removed':
      return 'gone'
  }
}
