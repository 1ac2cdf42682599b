/** Series on top of each other, one column a step, with a key beside them in the order of the stack. */
import type { Table } from '../query.js'
import type { Frame } from '../svg.js'
import { type Area, short, xAxis, yAxis } from './axes.js'
import { xmlText } from './escape.js'
import { count, percent } from './format.js'
import { block, hatchDefs } from './marks.js'
import { attribute } from './palette.js'
import { axis, px } from './scale.js'

const KEY_ROW = 34

export function stackedPlot(t: Table, f: Frame): { readonly body: string; readonly height: number } {
  const n = t.series[0]!.values.length
  const sums = Array.from({ length: n }, (_, i) => t.series.reduce((sum, s) => sum + (s.values[i] ?? 0), 0))
  const { top: max, step } = axis(Math.max(1, ...sums))
  const height = Math.max(f.height, f.top + 8 + KEY_ROW * t.series.length + 24)
  const a: Area = { left: 24 + 7 * count(max).length, right: f.width - 196, top: f.top + 8, bottom: height - 32, max }
  const slot = (a.right - a.left) / n
  const width = Math.max(0.5, Math.min(46, slot * 0.72))
  const xOf = (i: number) => a.left + slot * (i + 0.5)
  const columns: string[] = []
  for (let i = 0; i < n; i++) {
    let base = a.bottom
    for (const [s, series] of t.series.entries()) {
      const size = ((a.bottom - a.top) * (series.values[i] ?? 0)) / a.max
      if (size === 0) continue
      columns.push(block(f.id, s, xOf(i) - width / 2, base - size, width, size))
      base -= size
    }
  }
  const key = [...t.series.entries()].reverse().map(([s, series], row) => {
    const y = a.top + KEY_ROW * row
    return `${block(f.id, s, a.right + 18, y, 14, 14)}<text ${attribute.text} x="${px(a.right + 40)}" y="${px(y + 11)}" font-weight="600">${xmlText(short(series.label, 21))}</text><text ${attribute.muted} x="${px(a.right + 40)}" y="${px(y + 25)}" font-size="11">${count(series.total)} · ${percent(series.total, series.of)}</text>`
  })
  return {
    body: hatchDefs(f.id, t.series.length) + yAxis(a, step) + columns.join('') + xAxis(a, t, n, xOf) + key.join(''),
    height,
  }
}
