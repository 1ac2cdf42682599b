/** Tables over a range, from stored rows: what the renderers draw and what an export carries. */

/** One line, layer or bar. */
export interface Series {
  readonly label: string
  /** The source's title, where a graph has several. */
  readonly group: string
  /** One a time step, `null` where nothing was counted at all (a gap, not a zero). */
  readonly values: readonly (number | null)[]
  /** Over the whole range: the sum of counts, or the number of different members. */
  readonly total: number
  /** An estimate (more than 1,024 different members) or a live, unsealed figure that misses something. */
  readonly approx: boolean
}

export interface Table {
  readonly graph: string
  /** Inclusive, ms. */
  readonly from: number
  /** Exclusive, ms. */
  readonly to: number
  readonly stepMs: number
  readonly series: readonly Series[]
}
