/** Why an app is told no. Closed, in the order in which one is chosen when several rules deny. */
export const reasons = [
  'app.outdated',
  'app.disabled',
  'app.registration_closed',
  'app.integrity',
  'os.outdated',
  'device.integrity',
  'user.blocked',
  'risk.high',
  'step_up',
  'authenticator.none_usable',
  'policy.denied',
] as const
export type Reason = (typeof reasons)[number]
