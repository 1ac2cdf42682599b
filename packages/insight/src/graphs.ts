/** The graphs as data: what each shows, of which family, drawn how. Console, export and renderer read the same list. */
import type { FamilyId } from './families.js'

/** Ids are published. */
export type GraphId = 'logins' | 'pin' | 'versions' | 'anomalies'

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
  readonly unit: string
  readonly sources: readonly Source[]
}
