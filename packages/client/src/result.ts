/** What operations answer, and the closed set of codes of each: a compiler can check a union that is returned, never one that is thrown. */
import type { PosternError } from '@postern/core/errors'

export type Result<T, C extends PosternError['code']> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: PosternError<C> }

/** The network said no. */
export type NetCode = 'net.offline' | 'net.unreachable' | 'net.limited'

/** Policy said no. */
export type GateCode =
  | 'app.outdated'
  | 'app.disabled'
  | 'app.integrity'
  | 'os.outdated'
  | 'device.integrity'
  | 'user.blocked'
  | 'risk.high'
  | 'policy.denied'

/** What was there is there no more. */
export type GoneCode = 'device.removed' | 'profile.removed'

/** This device, or the app itself, said no. */
export type LocalCode = 'storage.unavailable' | 'storage.lost' | 'client.busy' | 'client.cancelled'

export type StartCode =
  | NetCode
  | GateCode
  | LocalCode
  | 'device.removed'
  | 'device.update_failed'
  | 'app.unknown'
  | 'app.registration_closed'
  | 'config.invalid'

export type RegisterCode =
  | NetCode
  | GateCode
  | LocalCode
  | 'device.removed'
  | 'device.limit'
  | 'app.registration_closed'
  | 'registration.unknown'
  | 'registration.disabled'
  | 'registration.rejected'
  | 'registration.expired'
  | 'scope.refused'
  | 'profile.too_many'
  | 'authenticator.failed'
  | 'authenticator.disabled'
  | 'authenticator.unsupported'
  | 'pin.rejected'

export type LoginCode =
  | NetCode
  | GateCode
  | LocalCode
  | GoneCode
  | 'profile.unknown'
  | 'scope.refused'
  | 'acr.unreachable'
  | 'authenticator.not_enrolled'
  | 'authenticator.failed'
  | 'authenticator.removed'
  | 'authenticator.disabled'
  | 'authenticator.locked'
  | 'authenticator.none_usable'
  | 'login.web_required'

export type AnonymousCode = NetCode | GateCode | LocalCode | 'device.removed' | 'scope.refused' | 'token.kind_disabled'

export type EnrolCode =
  | NetCode
  | GateCode
  | LocalCode
  | GoneCode
  | 'login.required'
  | 'authenticator.already_enrolled'
  | 'authenticator.not_enrolled'
  | 'authenticator.unsupported'
  | 'authenticator.disabled'
  | 'authenticator.failed'
  | 'authenticator.removed'
  | 'authenticator.locked'
  | 'device.limit'
  | 'pin.rejected'
  | 'pin.required'

export type PendingCode = NetCode | GateCode | LocalCode | GoneCode | 'profile.unknown'

export type PushCode = NetCode | GateCode | LocalCode | 'device.removed' | 'push.endpoint'

/** Also of a picture that is scanned. */
export type ConfirmCode =
  | PendingCode
  | 'transaction.unknown'
  | 'transaction.expired'
  | 'transaction.decided'
  | 'transaction.mismatch'
  | 'transaction.qr_refused'
  | 'authenticator.failed'
  | 'authenticator.removed'
  | 'authenticator.locked'
  | 'authenticator.none_usable'

/** A failing server is no error here: the revocation waits in the queue. */
export type LogoutCode = 'storage.unavailable' | 'storage.lost' | 'client.busy'
export type DeregisterCode = LogoutCode | 'profile.unknown'

/** What `fetch` rejects with, beside the signal's own reason. An answer of the API, whatever its status, is an answer. */
export type FetchCode =
  | NetCode
  | GateCode
  | 'device.removed'
  | 'login.required'
  | 'storage.unavailable'
  | 'storage.lost'
  | 'config.invalid'
  | 'payload.transport'
  | 'payload.reply_refused'
  | 'payload.keys_untrusted'
  | 'payload.keys_rolled_back'
  | 'payload.keys_expired'
  | 'payload.outcome_unknown'
  | 'payload.body_too_large'
  | 'payload.misdirected'
