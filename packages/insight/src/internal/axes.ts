/** Grid, ticks and their labels: shared by everything that has time along the bottom. */
import type { Table } from '../query.js'
import { count, tick } from './format.js'
import { attribute } from './palette.js'
import { px, ticks } from './scale.js'

/** The plot's rectangle and its upper end. */
export interface Area {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
  readonly max: number
}

export function yAxis(a: Area, step: number): string {
  const rows: string[] = []
  for (let value = 0; value <= a.max; value += step) {
    const y = a.bottom - ((a.bottom - a.top) * value) / a.max
    rows.push(`<path ${value === 0 ? attribute.axis : attribute.grid} d="M${px(a.left)} ${px(y)}H${px(a.right)}" fill="none"/>`)
    rows.push(`<text ${attribute.muted} x="${px(a.left - 8)}" y="${px(y + 4)}" text-anchor="end">${count(value)}</text>`)
  }
  return rows.join('')
}

/** @param xOf - where step `i` has its middle */
export function xAxis(a: Area, t: Table, n: number, xOf: (i: number) => number): string {
  const most = Math.max(2, Math.floor((a.right - a.left) / 64))
  return ticks(n, most)
    .map(
      (i) =>
        `<path ${attribute.axis} d="M${px(xOf(i))} ${px(a.bottom)}v4" fill="none"/><text ${attribute.muted} x="${px(xOf(i))}" y="${px(a.bottom + 18)}" text-anchor="middle">${tick(t.from + i * t.stepMs, t.stepMs)}</text>`,
    )
    .join('')
}

/** A label cut to what its column holds. */
export function short(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}
