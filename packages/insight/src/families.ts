/** What is counted, as data: metric families with closed labels. No subject, device, address or free text is ever a label. */
import type { PosternEvent } from '@postern/core/events'

/** Ids are published; they stand in the keys of stored rows. */
export const familyIds = [
  'events',
  'logins',
  'users',
  'authenticators',
  'os',
  'app-version',
  'lockouts',
  'risk',
  'reasons',
  'signals',
] as const
export type FamilyId = (typeof familyIds)[number]

/** What one event adds to one family. */
export interface Count {
  /** One value a label, in the order of {@link Family.labels}. */
  readonly labels: readonly string[]
  readonly by: number
  /** Counted as a different member of the cell, hashed; never stored as such. */
  readonly member?: string
}

export interface Family {
  readonly id: FamilyId
  readonly labels: readonly string[]
  /** Whether cells hold different members beside their count. */
  readonly unique: boolean
  counts(e: PosternEvent): readonly Count[]
}

const none = '(none)'
const of = (value: string | undefined): string => label(value ?? none)
const loginEnds: readonly string[] = ['login.succeeded', 'login.failed', 'login.refused']
const tries: readonly string[] = ['pin.succeeded', 'pin.failed', 'key.succeeded', 'key.failed']

/** The families in the order of their rows. */
export const families: readonly Family[] = [
  {
    id: 'events',
    labels: ['type', 'outcome', 'app', 'platform'],
    unique: false,
    counts: (e) => one([e.type, e.outcome, of(e.app), of(e.platform)]),
  },
  {
    id: 'logins',
    labels: ['app', 'authenticator', 'outcome'],
    unique: false,
    counts: (e) => (loginEnds.includes(e.type) ? one([of(e.app), of(e.authenticator), e.type.slice(6)]) : []),
  },
  {
    id: 'users',
    labels: ['app'],
    unique: true,
    counts: (e) => (e.type === 'login.succeeded' && e.subject !== undefined ? one([of(e.app)], e.subject) : []),
  },
  {
    id: 'authenticators',
    labels: ['app', 'authenticator', 'outcome'],
    unique: false,
    counts: (e) => (tries.includes(e.type) ? one([of(e.app), e.type.slice(0, 3), e.type.slice(4)]) : []),
  },
  {
    id: 'os',
    labels: ['platform', 'version'],
    unique: true,
    counts: (e) => (e.type === 'login.succeeded' ? one([of(e.platform), major(e.osVersion)], e.device ?? e.subject) : []),
  },
  {
    id: 'app-version',
    labels: ['app', 'platform', 'version'],
    unique: true,
    counts: (e) =>
      e.type === 'login.succeeded' ? one([of(e.app), of(e.platform), of(e.appVersion)], e.device ?? e.subject) : [],
  },
  {
    id: 'lockouts',
    labels: ['app', 'authenticator'],
    unique: false,
    counts: (e) => (e.type === 'authenticator.locked' ? one([of(e.app), of(e.authenticator)]) : []),
  },
  {
    id: 'risk',
    labels: ['app', 'band'],
    unique: false,
    counts: (e) => (loginEnds.includes(e.type) && e.risk !== undefined ? one([of(e.app), e.risk.band]) : []),
  },
  { id: 'reasons', labels: ['app', 'band', 'code'], unique: false, counts: (e) => chief(e) },
  { id: 'signals', labels: ['code'], unique: false, counts: (e) => (e.type === 'anomaly.signal' ? one([of(e.reason)]) : []) },
]

export function family(id: FamilyId): Family {
  return families.find((f) => f.id === id)!
}

function one(labels: readonly string[], member?: string): readonly Count[] {
  return [{ labels, by: 1, ...(member === undefined ? {} : { member }) }]
}

/** The reason that weighed most in a login that was out of the ordinary: one a login, so that the bars add up to logins. */
function chief(e: PosternEvent): readonly Count[] {
  if (!loginEnds.includes(e.type) || e.risk === undefined || e.risk.band === 'low') return []
  const raising = e.risk.reasons.filter((reason) => reason.units > 0 && reason.code !== 'prior')
  const top = [...raising].sort((a, b) => b.units - a.units || (a.code < b.code ? -1 : 1))[0]
  return one([of(e.app), e.risk.band, of(top?.code)])
}

function major(version: string | undefined): string {
  return version === undefined ? none : label(version.split('.')[0]!)
}

/** A label a row and a picture can hold: short, without control characters or the row's own separators. */
function label(text: string): string {
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f|]/g, '').slice(0, 64)
  return clean === '' ? none : clean
}
