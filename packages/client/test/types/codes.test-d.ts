/** Exhaustive switches: a code that is added to a union, or dropped from one, is a compile error here as it is in an app. */
import type { Client, LoginOptions, Session } from '@postern/client'
import type {
  AnonymousCode,
  ConfirmCode,
  DeregisterCode,
  EnrolCode,
  FetchCode,
  GateCode,
  LocalCode,
  LoginCode,
  LogoutCode,
  NetCode,
  PendingCode,
  PushCode,
  RegisterCode,
  Result,
  StartCode,
} from '@postern/client/result'
import type { ErrorCode } from '@postern/core/errors'

function never(code: never): never {
  throw new Error(code)
}

function common(code: NetCode | GateCode | LocalCode): string {
  switch (code) {
    case 'net.offline':
    case 'net.unreachable':
    case 'net.limited':
      return 'later'
    case 'app.outdated':
    case 'app.disabled':
    case 'app.integrity':
    case 'os.outdated':
    case 'device.integrity':
    case 'user.blocked':
    case 'risk.high':
    case 'policy.denied':
      return 'no'
    case 'storage.unavailable':
    case 'storage.lost':
    case 'client.busy':
    case 'client.cancelled':
      return 'here'
    default:
      return never(code)
  }
}

export function ofStart(code: StartCode): string {
  switch (code) {
    case 'device.removed':
    case 'device.update_failed':
    case 'app.unknown':
    case 'app.registration_closed':
    case 'config.invalid':
      return code
    default:
      return common(code)
  }
}

export function ofRegister(code: RegisterCode): string {
  switch (code) {
    case 'device.removed':
    case 'device.limit':
    case 'app.registration_closed':
    case 'registration.unknown':
    case 'registration.disabled':
    case 'registration.rejected':
    case 'registration.expired':
    case 'scope.refused':
    case 'profile.too_many':
    case 'authenticator.failed':
    case 'authenticator.disabled':
    case 'authenticator.unsupported':
    case 'pin.rejected':
      return code
    default:
      return common(code)
  }
}

export function ofLogin(code: LoginCode): string {
  switch (code) {
    case 'device.removed':
    case 'profile.removed':
    case 'profile.unknown':
    case 'scope.refused':
    case 'acr.unreachable':
    case 'authenticator.not_enrolled':
    case 'authenticator.failed':
    case 'authenticator.removed':
    case 'authenticator.disabled':
    case 'authenticator.locked':
    case 'authenticator.none_usable':
    case 'login.web_required':
      return code
    default:
      return common(code)
  }
}

export function ofEnrol(code: EnrolCode): string {
  switch (code) {
    case 'device.removed':
    case 'profile.removed':
    case 'login.required':
    case 'authenticator.already_enrolled':
    case 'authenticator.not_enrolled':
    case 'authenticator.unsupported':
    case 'authenticator.disabled':
    case 'authenticator.failed':
    case 'authenticator.removed':
    case 'authenticator.locked':
    case 'device.limit':
    case 'pin.rejected':
    case 'pin.required':
      return code
    default:
      return common(code)
  }
}

export function ofPending(code: PendingCode): string {
  switch (code) {
    case 'device.removed':
    case 'profile.removed':
    case 'profile.unknown':
      return code
    default:
      return common(code)
  }
}

export function ofPush(code: PushCode): string {
  switch (code) {
    case 'device.removed':
    case 'push.endpoint':
      return code
    default:
      return common(code)
  }
}

export function ofConfirm(code: ConfirmCode): string {
  switch (code) {
    case 'transaction.unknown':
    case 'transaction.expired':
    case 'transaction.decided':
    case 'transaction.mismatch':
    case 'transaction.qr_refused':
    case 'authenticator.failed':
    case 'authenticator.removed':
    case 'authenticator.locked':
    case 'authenticator.none_usable':
      return code
    default:
      return ofPending(code)
  }
}

export function ofAnonymous(code: AnonymousCode): string {
  switch (code) {
    case 'device.removed':
    case 'scope.refused':
    case 'token.kind_disabled':
      return code
    default:
      return common(code)
  }
}

export function ofLogout(code: LogoutCode): string {
  switch (code) {
    case 'storage.unavailable':
    case 'storage.lost':
    case 'client.busy':
      return code
    default:
      return never(code)
  }
}

export function ofDeregister(code: DeregisterCode): string {
  return code === 'profile.unknown' ? code : ofLogout(code)
}

export function ofFetch(code: FetchCode): string {
  switch (code) {
    case 'device.removed':
    case 'login.required':
    case 'config.invalid':
    case 'payload.transport':
    case 'payload.reply_refused':
    case 'payload.keys_untrusted':
    case 'payload.keys_rolled_back':
    case 'payload.keys_expired':
    case 'payload.outcome_unknown':
    case 'payload.body_too_large':
    case 'payload.misdirected':
      return code
    default:
      return common(code)
  }
}

/** Every code is one of the registry's. */
export const registered: ErrorCode[] = [] satisfies (
  | StartCode
  | RegisterCode
  | LoginCode
  | EnrolCode
  | PendingCode
  | PushCode
  | ConfirmCode
  | AnonymousCode
  | FetchCode
  | DeregisterCode
)[]

// A value is there only after `ok` was asked.
export function narrowed(result: Result<Session, LoginCode>): string | null {
  // @ts-expect-error no value before the question
  void result.value
  return result.ok ? result.value.profile : ofLogin(result.error.code)
}

// @ts-expect-error a login that forgets a code is not exhaustive
export const forgetful = (code: LoginCode): string => common(code)

// @ts-expect-error levels are names, not numbers
export const level: LoginOptions = { acr: 2 }

// @ts-expect-error a PIN is made by `register`, not by `enrol`
export const pin = (client: Client): unknown => client.enrol('pin', {} as never)
