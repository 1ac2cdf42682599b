/** The graphs as data: what each shows, of which family, drawn how. Console, export and renderer read the same list. */
import type { FamilyId } from './families.js'

/** Ids are published. */
export const graphIds = ['logins', 'pin', 'device-key', 'versions', 'anomalies', 'risk', 'lockouts'] as const
export type GraphId = (typeof graphIds)[number]

/** One thing that a graph draws. */
export interface Source {
  readonly family: FamilyId
  /** Labels that make a series; none: one series. */
  readonly by: readonly string[]
  /** Only cells with one of these values at these labels. */
  readonly where?: Readonly<Record<string, readonly string[]>>
  readonly measure: 'count' | 'unique'
  /** Heading, or the name of the only series. */
  readonly title: string
  /** Names of series where the label's value is not one for a reader. */
  readonly names?: Readonly<Record<string, string>>
}

export interface Graph {
  readonly id: GraphId
  readonly title: string
  readonly description: string
  /** `line`: series over time · `stacked`: bars over time, series on top of each other · `bars`: totals of the range, one bar a label. */
  readonly kind: 'line' | 'stacked' | 'bars'
  /** What one of the counted is called, in the plural. */
  readonly unit: string
  readonly sources: readonly Source[]
}

const platforms = { ios: 'iOS', android: 'Android', web: 'Web' }

/** What an operator reads for a reason code. */
export const reasonNames: Readonly<Record<string, string>> = {
  rest: 'other reasons together',
  'network.country': 'new country',
  'network.asn': 'new provider',
  'network.prefix': 'new network',
  'network.address': 'new address',
  'network.kind': 'unusual network kind',
  'network.missing': 'network unknown',
  'kind.missing': 'network kind unknown',
  'device.os': 'new OS version',
  'device.model': 'new model',
  'device.id': 'new device',
  'device.missing': 'device unknown',
  'app.version': 'unusual app version',
  'app.missing': 'app version unknown',
  authenticator: 'unusual authenticator',
  hours: 'unusual hour',
  velocity: 'impossible travel',
  'velocity.missing': 'place unknown',
  failures: 'failures before',
  'failures.missing': 'failures unknown',
  integrity: 'weak integrity',
  'integrity.missing': 'integrity unknown',
  'profile.new': 'no history yet',
  'profile.unreadable': 'history unreadable',
}

export const graphs: readonly Graph[] = [
  {
    id: 'logins',
    title: 'Logins and unique users',
    description: 'Completed logins, and how many different users they were.',
    kind: 'line',
    unit: 'logins',
    sources: [
      { family: 'logins', by: [], where: { outcome: ['succeeded'] }, measure: 'count', title: 'Logins' },
      { family: 'users', by: [], measure: 'unique', title: 'Unique users' },
    ],
  },
  {
    id: 'pin',
    title: 'PIN success and failure',
    description: 'Every PIN that was tried, by how it ended.',
    kind: 'line',
    unit: 'tries',
    sources: [
      {
        family: 'authenticators',
        by: ['outcome'],
        where: { authenticator: ['pin'] },
        measure: 'count',
        title: 'PIN',
        names: { succeeded: 'Succeeded', failed: 'Failed' },
      },
    ],
  },
  {
    id: 'device-key',
    title: 'Device key success and failure',
    description: 'Every use of a device key (biometrics on the phone), by how it ended.',
    kind: 'line',
    unit: 'tries',
    sources: [
      {
        family: 'authenticators',
        by: ['outcome'],
        where: { authenticator: ['key'] },
        measure: 'count',
        title: 'Device key',
        names: { succeeded: 'Succeeded', failed: 'Failed' },
      },
    ],
  },
  {
    id: 'versions',
    title: 'OS and app versions in use',
    description: 'Devices that logged in at least once in the range, by version; one that was updated meanwhile counts for both.',
    kind: 'bars',
    unit: 'devices',
    sources: [
      { family: 'os', by: ['platform', 'version'], measure: 'unique', title: 'Operating system', names: platforms },
      { family: 'app-version', by: ['app', 'version'], measure: 'unique', title: 'App version' },
    ],
  },
  {
    id: 'anomalies',
    title: 'Anomalies by reason',
    description: 'Logins of raised or high risk, by the reason that weighed most.',
    kind: 'stacked',
    unit: 'logins out of the ordinary',
    sources: [{ family: 'reasons', by: ['code'], measure: 'count', title: 'Reason', names: reasonNames }],
  },
  {
    id: 'risk',
    title: 'Logins of raised and high risk',
    description: 'Logins by the band of their risk, low left out.',
    kind: 'stacked',
    unit: 'logins of raised or high risk',
    sources: [
      {
        family: 'risk',
        by: ['band'],
        where: { band: ['raised', 'high'] },
        measure: 'count',
        title: 'Band',
        names: { raised: 'Raised', high: 'High' },
      },
    ],
  },
  {
    id: 'lockouts',
    title: 'Lock-outs',
    description: 'Authenticators locked after too many failures.',
    kind: 'stacked',
    unit: 'lock-outs',
    sources: [
      {
        family: 'lockouts',
        by: ['authenticator'],
        measure: 'count',
        title: 'Authenticator',
        names: { pin: 'PIN', key: 'Device key' },
      },
    ],
  },
]

/** The graph of an id, or `null`. */
export function graphOf(id: string): Graph | null {
  return graphs.find((graph) => graph.id === id) ?? null
}
