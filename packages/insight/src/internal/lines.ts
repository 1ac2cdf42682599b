/** Series over time as lines, each labelled at its end. Gaps break a line; too many points become the least and greatest of each pixel column. */
import type { Series, Table } from '../query.js'
import type { Frame } from '../svg.js'
import { type Area, short, xAxis, yAxis } from './axes.js'
import { xmlText } from './escape.js'
import { count } from './format.js'
import { marker } from './marks.js'
import { attribute, dashes } from './palette.js'
import { axis, px, spread } from './scale.js'

type Point = readonly [x: number, y: number]

export function linePlot(t: Table, f: Frame): { readonly body: string; readonly height: number } {
  const most = Math.max(1, ...t.series.flatMap((s) => s.values.map((value) => value ?? 0)))
  const { top: max, step } = axis(most)
  const a: Area = { left: 24 + 7 * count(max).length, right: f.width - 138, top: f.top + 8, bottom: f.height - 32, max }
  const n = t.series[0]!.values.length
  const xOf = (i: number) => (n === 1 ? (a.left + a.right) / 2 : a.left + 8 + ((a.right - a.left - 16) * i) / (n - 1))
  const yOf = (value: number) => a.bottom - ((a.bottom - a.top) * value) / a.max
  const drawn = t.series.map((s, i) => line(s, i, a, xOf, yOf))
  const ends = t.series.map((s) => {
    const at = lastKnown(s)
    return at < 0 ? null : ([xOf(at), yOf(s.values[at]!)] as const)
  })
  const labelY = spread(
    ends.map((end) => end?.[1] ?? a.bottom),
    32,
    a.top + 6,
    a.bottom - 14,
  )
  const labels = t.series.map((s, i) => {
    const end = ends[i]
    const lead =
      end === null || end === undefined
        ? ''
        : `<path ${attribute.grid} d="M${px(end[0] + 6)} ${px(end[1])}L${px(a.right + 6)} ${px(labelY[i]!)}" fill="none"/>`
    return `${lead}${marker(i, a.right + 14, labelY[i]!)}<text ${attribute.text} x="${px(a.right + 24)}" y="${px(labelY[i]! + 4)}" font-weight="600">${xmlText(short(s.label, 16))}</text><text ${attribute.muted} x="${px(a.right + 24)}" y="${px(labelY[i]! + 18)}" font-size="11">${s.approx ? '≈ ' : ''}${count(s.total)} in all</text>`
  })
  return { body: yAxis(a, step) + xAxis(a, t, n, xOf) + drawn.join('') + labels.join(''), height: f.height }
}

function line(s: Series, index: number, a: Area, xOf: (i: number) => number, yOf: (value: number) => number): string {
  const runs = thinned(s.values, a.right - a.left).map((run) => run.map(([i, value]): Point => [xOf(i), yOf(value)]))
  const path = runs.map((run) => `M${run.map(([x, y]) => `${px(x)} ${px(y)}`).join('L')}`).join('')
  const area =
    index !== 0
      ? ''
      : runs
          .filter((run) => run.length > 1)
          .map(
            (run) =>
              `M${px(run[0]![0])} ${px(a.bottom)}L${run.map(([x, y]) => `${px(x)} ${px(y)}`).join('L')}L${px(run[run.length - 1]![0])} ${px(a.bottom)}Z`,
          )
          .join('')
  const dash = s.approx && index === 0 ? '3 3' : dashes[index % dashes.length]!
  const points = runs.flat()
  const marked = points.length <= 62 ? points : runs.filter((run) => run.length === 1).flat()
  return [
    area === '' ? '' : `<path ${attribute.fill(index)} fill-opacity=".09" d="${area}"/>`,
    `<path ${attribute.line(index)} fill="none" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"${dash === '' ? '' : ` stroke-dasharray="${dash}"`} d="${path}"/>`,
    ...marked.map(([x, y]) => marker(index, x, y, points.length > 40 ? 2.2 : 2.8)),
  ].join('')
}

/** Runs of known values; above two points a pixel, the least and greatest of each pixel column in their order. */
function thinned(values: readonly (number | null)[], width: number): readonly (readonly Point[])[] {
  const runs: Point[][] = []
  let open = false
  for (const [i, value] of values.entries()) {
    if (value === null) open = false
    else if (open) runs[runs.length - 1]!.push([i, value])
    else {
      runs.push([[i, value]])
      open = true
    }
  }
  if (values.length <= 2 * width) return runs
  const per = values.length / width
  return runs.map((run) => {
    const columns = new Map<number, { least: Point; most: Point }>()
    for (const point of run) {
      const column = Math.floor(point[0] / per)
      const known = columns.get(column)
      if (known === undefined) columns.set(column, { least: point, most: point })
      else if (point[1] < known.least[1]) known.least = point
      else if (point[1] > known.most[1]) known.most = point
    }
    return [...columns.values()].flatMap(({ least, most }) =>
      least === most ? [least] : least[0] < most[0] ? [least, most] : [most, least],
    )
  })
}

function lastKnown(s: Series): number {
  for (let i = s.values.length - 1; i >= 0; i--) if (s.values[i] !== null) return i
  return -1
}
