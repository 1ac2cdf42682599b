/** The codes of each operation as tables: the compiler refuses one that lacks a member of its union. */
import type {
  AnonymousCode,
  ConfirmCode,
  DeregisterCode,
  EnrolCode,
  FetchCode,
  GateCode,
  GoneCode,
  LocalCode,
  LoginCode,
  LogoutCode,
  NetCode,
  PendingCode,
  PushCode,
  RegisterCode,
  StartCode,
} from '../result.js'

type Table<C extends string> = Readonly<Record<C, true>>

const net: Table<NetCode> = { 'net.offline': true, 'net.unreachable': true, 'net.limited': true }
const gate: Table<GateCode> = {
  'app.outdated': true,
  'app.disabled': true,
  'app.integrity': true,
  'os.outdated': true,
  'device.integrity': true,
  'user.blocked': true,
  'risk.high': true,
  'policy.denied': true,
}
const gone: Table<GoneCode> = { 'device.removed': true, 'profile.removed': true }
const local: Table<LocalCode> = {
  'storage.unavailable': true,
  'storage.lost': true,
  'client.busy': true,
  'client.cancelled': true,
}

export const startCodes: Table<StartCode> = {
  ...net,
  ...gate,
  ...local,
  'device.removed': true,
  'device.update_failed': true,
  'app.unknown': true,
  'app.registration_closed': true,
  'config.invalid': true,
}
export const registerCodes: Table<RegisterCode> = {
  ...net,
  ...gate,
  ...local,
  'device.removed': true,
  'device.limit': true,
  'app.registration_closed': true,
  'registration.unknown': true,
  'registration.disabled': true,
  'registration.rejected': true,
  'registration.expired': true,
  'scope.refused': true,
  'profile.too_many': true,
  'authenticator.failed': true,
  'authenticator.disabled': true,
  'authenticator.unsupported': true,
  'pin.rejected': true,
}
export const loginCodes: Table<LoginCode> = {
  ...net,
  ...gate,
  ...local,
  ...gone,
  'profile.unknown': true,
  'scope.refused': true,
  'acr.unreachable': true,
  'authenticator.not_enrolled': true,
  'authenticator.failed': true,
  'authenticator.removed': true,
  'authenticator.disabled': true,
  'authenticator.locked': true,
  'authenticator.none_usable': true,
  'login.web_required': true,
}
export const pendingCodes: Table<PendingCode> = { ...net, ...gate, ...local, ...gone, 'profile.unknown': true }
export const pushCodes: Table<PushCode> = { ...net, ...gate, ...local, 'device.removed': true, 'push.endpoint': true }
export const confirmCodes: Table<ConfirmCode> = {
  ...pendingCodes,
  'transaction.unknown': true,
  'transaction.expired': true,
  'transaction.decided': true,
  'transaction.mismatch': true,
  'transaction.qr_refused': true,
  'authenticator.failed': true,
  'authenticator.removed': true,
  'authenticator.locked': true,
  'authenticator.none_usable': true,
}
export const anonymousCodes: Table<AnonymousCode> = {
  ...net,
  ...gate,
  ...local,
  'device.removed': true,
  'scope.refused': true,
  'token.kind_disabled': true,
}
export const enrolCodes: Table<EnrolCode> = {
  ...net,
  ...gate,
  ...local,
  ...gone,
  'login.required': true,
  'authenticator.already_enrolled': true,
  'authenticator.not_enrolled': true,
  'authenticator.unsupported': true,
  'authenticator.disabled': true,
  'authenticator.failed': true,
  'authenticator.removed': true,
  'authenticator.locked': true,
  'device.limit': true,
  'pin.rejected': true,
  'pin.required': true,
}
export const logoutCodes: Table<LogoutCode> = { 'storage.unavailable': true, 'storage.lost': true, 'client.busy': true }
export const deregisterCodes: Table<DeregisterCode> = { ...logoutCodes, 'profile.unknown': true }
export const fetchCodes: Table<FetchCode> = {
  ...net,
  ...gate,
  'device.removed': true,
  'login.required': true,
  'storage.unavailable': true,
  'storage.lost': true,
  'config.invalid': true,
  'payload.transport': true,
  'payload.reply_refused': true,
  'payload.keys_untrusted': true,
  'payload.keys_rolled_back': true,
  'payload.keys_expired': true,
  'payload.outcome_unknown': true,
  'payload.body_too_large': true,
  'payload.misdirected': true,
}
