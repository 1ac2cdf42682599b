/**
 * A graph as SVG: the same table gives the same bytes. No script, style attribute, link, font or outside reference; title and description for
 * screen readers; series differ by dash, marker or hatch and are labelled where they are, so colour is never the only difference.
 */
import type { Graph } from './graphs.js'
import { barsPlot } from './internal/bars.js'
import { xmlText } from './internal/escape.js'
import { range } from './internal/format.js'
import { linePlot } from './internal/lines.js'
import { attribute, styleText } from './internal/palette.js'
import { stackedPlot } from './internal/stacked.js'
import type { Table } from './query.js'
import { sentence } from './sentence.js'

/** The style sheet of `inline` graphs, light and dark; the constant `<style>` of standalone ones. Serve it from your own origin. */
export const graphsCss: string = styleText

/** For a `style-src` that allows the `<style>` of standalone graphs, and nothing else. */
export const standaloneStyleHash: string = 'sha256-BftfeToX7yOMIsJ5kq/CbzEpM5/NF5f5ZtKyRNuelf0='

export interface SvgOptions {
  /** `inline`: into a page that has {@link graphsCss}. `standalone`: a file of its own, with both themes in it. */
  readonly mode: 'inline' | 'standalone'
  /** In px, 320 to 4096. @defaultValue 720 */
  readonly width?: number
  /** In px, 160 to 4096; bar charts grow with their bars. @defaultValue 320 */
  readonly height?: number
  /** Prefix of the ids, `[A-Za-z][A-Za-z0-9-]*`, where one page shows a graph twice. @defaultValue `pg` */
  readonly id?: string
}

const FONT = 'system-ui, -apple-system, &#39;Segoe UI&#39;, Roboto, &#39;Helvetica Neue&#39;, &#39;DejaVu Sans&#39;, sans-serif'

/** What a plot draws in: everything below the sentence. */
export interface Frame {
  readonly id: string
  readonly width: number
  readonly top: number
  readonly height: number
}

/**
 * @example
 * renderSvg(graphOf('logins')!, await query(store, { tenant, graph: 'logins', from, to, now }), { mode: 'standalone' })
 */
export function renderSvg(g: Graph, t: Table, o: SvgOptions): string {
  const width = clamp(o.width ?? 720, 320, 4096)
  const id = `${/^[A-Za-z][A-Za-z0-9-]{0,31}$/.test(o.id ?? '') ? o.id : 'pg'}-${g.id}`
  const said = sentence(g, t)
  const lines = wrapped(said, Math.floor((width - 32) / 6.6))
  const top = 38 + 17 * lines.length + 8
  const frame: Frame = { id, width, top, height: clamp(o.height ?? 320, 160, 4096) }
  const empty = t.series.every((s) => s.total === 0)
  const plot = empty
    ? nothing(frame)
    : g.kind === 'bars'
      ? barsPlot(t, frame)
      : g.kind === 'stacked'
        ? stackedPlot(t, frame)
        : linePlot(t, frame)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${plot.height}" width="${width}" height="${plot.height}" role="img" aria-labelledby="${id}-t ${id}-d" font-family="${FONT}" font-size="12">`,
    `<title id="${id}-t">${xmlText(g.title)}</title>`,
    `<desc id="${id}-d">${xmlText(`${g.description} ${range(t.from, t.to, t.stepMs)}. ${said}`)}</desc>`,
    o.mode === 'standalone' ? `<style>${styleText}</style>` : '',
    `<rect ${attribute.ground} width="${width}" height="${plot.height}" rx="8"/>`,
    `<text ${attribute.text} x="16" y="28" font-size="16" font-weight="600">${xmlText(g.title)}</text>`,
    ...lines.map((line, i) => `<text ${attribute.muted} x="16" y="${48 + 17 * i}" font-size="12.5">${xmlText(line)}</text>`),
    plot.body,
    '</svg>',
  ].join('')
}

function nothing(f: Frame): { readonly body: string; readonly height: number } {
  const y = f.top + 44
  return {
    body: `<text ${attribute.muted} x="${f.width / 2}" y="${y}" text-anchor="middle" font-size="14">Nothing was counted here.</text>`,
    height: y + 48,
  }
}

/** Greedy, by characters: no font is measured, so none can differ. */
function wrapped(text: string, most: number): readonly string[] {
  const out: string[] = []
  for (const word of text.split(' ')) {
    const line = out[out.length - 1]
    if (line !== undefined && line.length + 1 + word.length <= most) out[out.length - 1] = `${line} ${word}`
    else out.push(word)
  }
  return out
}

function clamp(n: number, least: number, most: number): number {
  return Number.isFinite(n) ? Math.max(least, Math.min(most, Math.round(n))) : least
}
