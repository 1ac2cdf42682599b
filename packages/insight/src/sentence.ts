/** The sentence under a graph's title, computed from its data: what an operator would say first. */
import type { Graph } from './graphs.js'
import { count, moment, percent, stepName } from './internal/format.js'
import type { Series, Table } from './query.js'

/** One sentence or two, without a full stop missing. Empty data says so in words. */
export function sentence(graph: Graph, table: Table): string {
  const sum = table.series.reduce((n, s) => n + s.total, 0)
  if (sum === 0) return `No ${graph.unit} in this range.`
  if (graph.kind === 'bars') return barsSentence(graph, table)
  const failed = table.series.find((s) => s.label === 'Failed')
  if (failed !== undefined) return `${percent(failed.total, sum)} of ${count(sum)} ${graph.unit} failed${worst(failed, table)}.`
  const [first, ...others] = table.series
  if (graph.kind === 'line')
    return `${[first!, ...others].map((s) => `${approx(s)}${count(s.total)} ${lower(s.label)}`).join(', ')}${worst(first!, table)}.`
  return `${count(sum)} ${graph.unit}; most often ${lower(first!.label)} (${percent(first!.total, first!.of)})${busiest(table)}.`
}

function barsSentence(graph: Graph, table: Table): string {
  const groups = [...new Set(table.series.map((s) => s.group))]
  return `${groups
    .map((group) => {
      const mine = table.series.filter((s) => s.group === group)
      return `${mine[0]!.label} on ${percent(mine[0]!.total, mine[0]!.of)}`
    })
    .join('; ')} of ${graph.unit}.`
}

/** Where one series was highest. */
function worst(series: Series, table: Table): string {
  const values = series.values.map((value) => value ?? -1)
  const top = Math.max(...values)
  return top <= 0 || values.length < 2
    ? ''
    : `; most on ${moment(table.from + values.indexOf(top) * table.stepMs, table.stepMs)} (${count(top)} that ${stepName(table.stepMs)})`
}

/** Where all series together were highest. */
function busiest(table: Table): string {
  const sums = Array.from({ length: table.series[0]!.values.length }, (_, i) =>
    table.series.reduce((n, s) => n + (s.values[i] ?? 0), 0),
  )
  const top = Math.max(...sums)
  return top <= 0 || sums.length < 2
    ? ''
    : `; most on ${moment(table.from + sums.indexOf(top) * table.stepMs, table.stepMs)} (${count(top)} that ${stepName(table.stepMs)})`
}

function approx(series: Series): string {
  return series.approx ? 'about ' : ''
}

function lower(text: string): string {
  return /^[A-Z][a-z]/.test(text) && !text.startsWith('PIN') ? text[0]!.toLowerCase() + text.slice(1) : text
}
