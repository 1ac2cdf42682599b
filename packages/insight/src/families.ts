/** What is counted, as data: metric families with closed labels. No subject, device, address or free text is ever a label. */

export type FamilyId =
  | 'events'
  | 'logins'
  | 'users'
  | 'authenticators'
  | 'os'
  | 'app-version'
  | 'lockouts'
  | 'risk'
  | 'reasons'
  | 'signals'
