/** Graphs: each as a picture with its numbers beside it, so that nobody has to read a line off a chart. */
import type { Api } from '../api.js'
import { count, time } from '../format.js'
import { type Html, html } from '../html.js'
import { type Frame, page, scrolled } from '../page.js'

export const ranges = ['24h', '7d', '30d'] as const
export type Range = (typeof ranges)[number]
const rangeNames: Readonly<Record<Range, string>> = { '24h': '24 hours', '7d': '7 days', '30d': '30 days' }

interface Series {
  readonly label: string
  readonly group: string
  readonly values: readonly (number | null)[]
  readonly total: number
  readonly approx: boolean
}
interface Graph {
  readonly id: string
  readonly title: string
  readonly description: string
  readonly kind: string
  readonly sentence?: string
  readonly table: { readonly from: number; readonly stepMs: number; readonly series: readonly Series[] }
}

export async function graphsPage(frame: Frame, api: Api, range: Range): Promise<Html> {
  const { body } = await api.json<{ graphs: readonly Graph[] }>('/graphs')
  const graphs = await Promise.all(
    body.graphs.map(async (listed) => ({
      ...listed,
      ...(await api.json<Graph>(`/graphs/${encodeURIComponent(listed.id)}`, { range })).body,
    })),
  )
  const tabs = html`<nav class="tabs" aria-label="Range">${ranges.map((one) =>
    one === range
      ? html`<a href="?range=${one}" aria-current="true">${rangeNames[one]}</a>`
      : html`<a href="?range=${one}">${rangeNames[one]}</a>`,
  )}</nav>`
  return page(
    frame,
    'graphs',
    'Graphs',
    graphs.map((graph) => figure(frame, graph, range)),
    tabs,
  )
}

function figure({ base }: Frame, graph: Graph, range: Range): Html {
  const { id, title, description, sentence = '' } = graph
  return html`<section class="card graph" aria-labelledby="g-${id}"><div class="picture"><h2 id="g-${id}" class="unseen">${title}</h2><img src="${base}/graphs/${id}.svg?range=${range}" alt="${title}. ${sentence}" width="720" height="370"><p class="muted">${description}</p></div>${scrolled(
    `Numbers of ${title}`,
    numbers(graph, rangeNames[range]),
  )}</section>`
}

/** Over time: a row a step, newest first, steps that counted nothing at all left out. Otherwise a row a bar. */
function numbers({ title, kind, table }: Graph, range: string): Html {
  const { series, from, stepMs } = table
  const caption = html`<caption>${title}, last ${range}</caption>`
  if (kind === 'bars')
    return html`<table>${caption}<thead><tr><th scope="col">Value</th><th scope="col" class="num">Number</th></tr></thead><tbody>${series.map(
      (s) =>
        html`<tr><th scope="row">${s.group === '' ? null : html`<span class="muted">${s.group}</span> `}${s.label}</th><td class="num">${about(s)}</td></tr>`,
    )}</tbody></table>`
  const steps = Array.from({ length: series[0]?.values.length ?? 0 }, (_, i) => i)
    .filter((i) => series.some(({ values }) => (values[i] ?? null) !== null))
    .reverse()
  return html`<table>${caption}<thead><tr><th scope="col">From</th>${series.map(
    ({ label }) => html`<th scope="col" class="num">${label}</th>`,
  )}</tr></thead><tbody><tr class="sum"><th scope="row">Whole range</th>${series.map((s) => html`<td class="num">${about(s)}</td>`)}</tr>${steps.map(
    (i) =>
      html`<tr><th scope="row">${step(from + i * stepMs, stepMs)}</th>${series.map(({ values }) => html`<td class="num">${values[i] === null || values[i] === undefined ? '–' : count(values[i])}</td>`)}</tr>`,
  )}</tbody></table>`
}

function about({ total, approx }: Series): string {
  return `${approx ? 'about ' : ''}${count(total)}`
}

function step(at: number, stepMs: number): string {
  return time(at).slice(0, stepMs >= 86_400_000 ? 10 : 16)
}
