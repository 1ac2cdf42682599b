/** The same numbers as an HTML table: what a screen reader, a printer and a doubter want. */
import type { Graph } from './graphs.js'
import { xmlText } from './internal/escape.js'
import { count, moment, percent, range, stepName } from './internal/format.js'
import type { Series, Table } from './query.js'

/** A `<table>` with `<caption>` and scoped headers, without attributes that style. */
export function renderTable(g: Graph, t: Table): string {
  const caption = `<caption>${xmlText(`${g.title}, ${range(t.from, t.to, t.stepMs)}`)}</caption>`
  return `<table class="pg-table">${caption}${g.kind === 'bars' ? totals(t) : steps(t)}</table>`
}

function steps(t: Table): string {
  const n = t.series[0]?.values.length ?? 0
  const head = `<thead><tr><th scope="col">${capital(stepName(t.stepMs))}</th>${t.series.map((s) => `<th scope="col">${xmlText(s.label)}</th>`).join('')}</tr></thead>`
  const rows = Array.from(
    { length: n },
    (_, i) =>
      `<tr><th scope="row">${moment(t.from + i * t.stepMs, t.stepMs)}</th>${t.series.map((s) => `<td>${cell(s.values[i] ?? null)}</td>`).join('')}</tr>`,
  )
  const foot = `<tfoot><tr><th scope="row">Whole range</th>${t.series.map((s) => `<td>${about(s)}</td>`).join('')}</tr></tfoot>`
  return `${head}<tbody>${rows.join('')}</tbody>${foot}`
}

function totals(t: Table): string {
  const grouped = t.series.some((s) => s.group !== '')
  const head = `<thead><tr>${grouped ? '<th scope="col">Group</th>' : ''}<th scope="col">Value</th><th scope="col">Number</th><th scope="col">Share</th></tr></thead>`
  const rows = t.series.map(
    (s) =>
      `<tr>${grouped ? `<td>${xmlText(s.group)}</td>` : ''}<th scope="row">${xmlText(s.label)}</th><td>${about(s)}</td><td>${percent(s.total, s.of)}</td></tr>`,
  )
  return `${head}<tbody>${rows.join('')}</tbody>`
}

function cell(value: number | null): string {
  return value === null ? 'not counted' : count(value)
}

function about(s: Series): string {
  return (s.approx ? 'about ' : '') + count(s.total)
}

function capital(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1)
}
