/** Tables over a range, from stored rows: what the renderers draw and what an export carries. */
import { type Cardinality, countMembers, mergeCardinality, noMembers } from '@postern/anomaly/sketches/cardinality'
import { PosternError } from '@postern/core/errors'
import type { Store } from '@postern/store'
import { family } from './families.js'
import { type Graph, graphOf, type Source } from './graphs.js'
import type { Cells } from './internal/cells.js'
import { DAY, HOUR, MINUTE } from './internal/place.js'
import { readBuckets } from './internal/readBuckets.js'

/** One line, layer or bar. */
export interface Series {
  readonly label: string
  /** The source's title: the heading where a graph has several. */
  readonly group: string
  /** One a time step, `null` where nothing was counted at all (a gap, not a zero). */
  readonly values: readonly (number | null)[]
  /** Over the whole range: the sum of counts, or the number of different members. */
  readonly total: number
  /** What `total` is a share of: all series of its source together, different members counted once. */
  readonly of: number
  /** An estimate: more than 1,024 different members, or members that no longer fitted a row. */
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

export interface Query {
  readonly tenant: string
  /** An id of the graph list. */
  readonly graph: string
  /** Inclusive, ms; rounded down to a step. */
  readonly from: number
  /** Exclusive, ms; rounded up to a step. */
  readonly to: number
  readonly now: number
  /** Default: minutes up to 3 hours, hours up to 3 days, then days. Minutes are kept for 48 hours. */
  readonly step?: 'minute' | 'hour' | 'day'
  /** Only this app, for families that know the app. */
  readonly app?: string
}

const MAX_RANGE = 400 * DAY
const MAX_POINTS = 5000
/** Series a source may have before the smallest are added up as `other`. */
const MAX_SERIES = 10

/** @throws PosternError `insight.query_invalid` | `insight.query_too_large` | `insight.rollup_invalid`, and the store's own */
export async function query(store: Store, q: Query): Promise<Table> {
  const graph = graphOf(q.graph)
  if (graph === null) throw new PosternError('insight.query_invalid', { publicMessage: 'No graph has this id.' })
  if (!Number.isSafeInteger(q.from) || !Number.isSafeInteger(q.to) || q.from < 0 || q.to <= q.from)
    throw new PosternError('insight.query_invalid', { publicMessage: 'The range ends before it begins.' })
  if (q.to - q.from > MAX_RANGE) throw new PosternError('insight.query_too_large')
  const stepMs = stepOf(q)
  const from = Math.floor(q.from / stepMs) * stepMs
  const to = Math.ceil(q.to / stepMs) * stepMs
  if ((to - from) / stepMs > MAX_POINTS) throw new PosternError('insight.query_too_large')
  const ids = [...new Set(graph.sources.map((source) => source.family))]
  const buckets = await readBuckets(store, q.tenant, ids, { from, to, stepMs, now: q.now })
  const series = graph.sources.flatMap((source) =>
    seriesOf(
      graph,
      source,
      buckets.map((bucket) => bucket?.get(source.family) ?? null),
      q.app,
    ),
  )
  return { graph: graph.id, from, to, stepMs, series }
}

function stepOf({ from, to, step }: Query): number {
  if (step !== undefined) return { minute: MINUTE, hour: HOUR, day: DAY }[step]
  return to - from <= 3 * HOUR ? MINUTE : to - from <= 3 * DAY ? HOUR : DAY
}

/** One accumulated cell: a count, its members, and whether any of them were dropped. */
interface Sum {
  n: number
  members: Cardinality
  dropped: boolean
}

function seriesOf(graph: Graph, source: Source, buckets: readonly (Cells | null)[], app: string | undefined): readonly Series[] {
  const { labels } = family(source.family)
  const perBucket = buckets.map((cells) => (cells === null ? null : grouped(cells, labels, source, app)))
  const totals = new Map<string, Sum>()
  for (const sums of perBucket) for (const [name, sum] of sums ?? []) totals.set(name, joined(totals.get(name), sum))
  if (source.by.length === 0 && !totals.has(source.title)) totals.set(source.title, { n: 0, members: noMembers, dropped: false })
  const measure = (sum: Sum | undefined): number =>
    sum === undefined ? 0 : source.measure === 'count' ? sum.n : countMembers(sum.members).count
  const ordered = [...totals].sort((a, b) => measure(b[1]) - measure(a[1]) || (a[0] < b[0] ? -1 : 1)).map(([name]) => name)
  const [shown, rest] =
    ordered.length > MAX_SERIES ? [ordered.slice(0, MAX_SERIES - 1), ordered.slice(MAX_SERIES - 1)] : [ordered, []]
  const lines = [...shown.map((name) => [name]), ...(rest.length === 0 ? [] : [rest])]
  const whole = measure([...totals.values()].reduce(joined, undefined as Sum | undefined))
  return lines.map((names) => {
    const total = names
      .map((name) => totals.get(name))
      .reduce((a, b) => (b === undefined ? a : joined(a, b)), undefined as Sum | undefined)
    const values = perBucket.map((sums) =>
      sums === null
        ? null
        : measure(
            names
              .map((name) => sums.get(name))
              .reduce((a, b) => (b === undefined ? a : joined(a, b)), undefined as Sum | undefined),
          ),
    )
    const approx = source.measure === 'unique' && total !== undefined && (total.dropped || !countMembers(total.members).exact)
    return {
      label: names.length > 1 ? 'other' : names[0]!,
      group: graph.sources.length > 1 ? source.title : '',
      values,
      total: measure(total),
      of: whole,
      approx,
    }
  })
}

/** Cells of one bucket by the name of the series they belong to. */
function grouped(cells: Cells, labels: readonly string[], source: Source, app: string | undefined): Map<string, Sum> {
  const out = new Map<string, Sum>()
  for (const [key, cell] of cells) {
    const values = key.split('|')
    const at = (label: string) => values[labels.indexOf(label)]
    if (app !== undefined && labels.includes('app') && at('app') !== app) continue
    if (Object.entries(source.where ?? {}).some(([label, allowed]) => !allowed.includes(at(label)!))) continue
    const name = source.by.length === 0 ? source.title : source.by.map((label) => nameOf(source, at(label)!)).join(' ')
    const dropped = source.measure === 'unique' && cell.members === null && cell.n > 0
    out.set(name, joined(out.get(name), { n: cell.n, members: cell.members ?? noMembers, dropped }))
  }
  return out
}

function nameOf(source: Source, value: string): string {
  return source.names !== undefined && Object.hasOwn(source.names, value) ? source.names[value]! : value
}

function joined(a: Sum | undefined, b: Sum): Sum {
  return a === undefined ? b : { n: a.n + b.n, members: mergeCardinality(a.members, b.members), dropped: a.dropped || b.dropped }
}
