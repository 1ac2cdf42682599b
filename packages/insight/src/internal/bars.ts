/** Totals of the range, one horizontal bar a label, in groups, with figure and share at the bar's end. */
import type { Table } from '../query.js'
import type { Frame } from '../svg.js'
import { short } from './axes.js'
import { xmlText } from './escape.js'
import { count, percent } from './format.js'
import { attribute } from './palette.js'
import { px } from './scale.js'

const ROW = 25

export function barsPlot(t: Table, f: Frame): { readonly body: string; readonly height: number } {
  const groups = [...new Set(t.series.map((s) => s.group))]
  const longest = Math.min(26, Math.max(...t.series.map((s) => s.label.length)))
  const left = 24 + 6.8 * longest
  const right = f.width - 128
  const out: string[] = []
  let y = f.top + 4
  for (const [g, group] of groups.entries()) {
    const mine = t.series.filter((s) => s.group === group)
    const most = Math.max(1, ...mine.map((s) => s.total))
    if (group !== '') {
      out.push(`<text ${attribute.text} x="16" y="${px(y + 14)}" font-size="13" font-weight="600">${xmlText(group)}</text>`)
      y += 24
    }
    for (const s of mine) {
      const width = Math.max(s.total > 0 ? 2 : 0, ((right - left) * s.total) / most)
      out.push(
        `<text ${attribute.text} x="${px(left - 8)}" y="${px(y + 14)}" text-anchor="end">${xmlText(short(s.label, 26))}</text>`,
      )
      out.push(`<rect ${attribute.fill(g)} x="${px(left)}" y="${px(y + 2)}" width="${px(width)}" height="${ROW - 8}" rx="3"/>`)
      out.push(
        `<text ${attribute.text} x="${px(left + width + 8)}" y="${px(y + 14)}" font-weight="600">${s.approx ? '≈ ' : ''}${count(s.total)}<tspan ${attribute.muted} font-weight="400" dx="5">${percent(s.total, s.of)}</tspan></text>`,
      )
      y += ROW
    }
    y += 14
  }
  return { body: out.join(''), height: y + 4 }
}
