/** Markers of lines and hatches of areas: what tells series apart where colour does not. */
import { attribute } from './palette.js'
import { px } from './scale.js'

/** One of five shapes, about 7 px across, its centre at x, y. */
export function marker(series: number, x: number, y: number, r = 3.2): string {
  const fill = attribute.fill(series)
  const at = (dx: number, dy: number) => `${px(x + dx)} ${px(y + dy)}`
  switch (series % 5) {
    case 0:
      return `<circle ${fill} cx="${px(x)}" cy="${px(y)}" r="${px(r)}"/>`
    case 1:
      return `<path ${fill} d="M${at(-r, -r)}H${px(x + r)}V${px(y + r)}H${px(x - r)}Z"/>`
    case 2:
      return `<path ${fill} d="M${at(0, -r * 1.25)}L${at(r * 1.15, r * 0.85)}L${at(-r * 1.15, r * 0.85)}Z"/>`
    case 3:
      return `<path ${fill} d="M${at(0, -r * 1.35)}L${at(r * 1.35, 0)}L${at(0, r * 1.35)}L${at(-r * 1.35, 0)}Z"/>`
    default:
      return `<path ${fill} d="M${at(0, r * 1.25)}L${at(r * 1.15, -r * 0.85)}L${at(-r * 1.15, -r * 0.85)}Z"/>`
  }
}

const hatches = [
  '',
  'M0 8L8 0M-2 2L2 -2M6 10L10 6',
  'M0 4H8',
  'M4 0V8',
  'M0 0L8 8M-2 6L2 10M6 -2L10 2',
  'M0 8L8 0M0 0L8 8',
  'M0 2H8M0 6H8',
  'M2 0V8M6 0V8',
  'M0 4H8M4 0V8',
  'M0 8L8 0M4 4h.1',
]

/** Hatch patterns of the series that need one; the first is plain. */
export function hatchDefs(id: string, count: number): string {
  const used = hatches.slice(1, Math.min(count, hatches.length))
  if (used.length === 0) return ''
  const patterns = used.map(
    (d, i) =>
      `<pattern id="${id}-h${i + 1}" width="8" height="8" patternUnits="userSpaceOnUse"><path d="${d}" ${attribute.hatch} stroke-width="1.3" stroke-opacity=".75" fill="none"/></pattern>`,
  )
  return `<defs>${patterns.join('')}</defs>`
}

/** A filled rectangle with the series' hatch over it. */
export function block(id: string, series: number, x: number, y: number, width: number, height: number): string {
  const box = `x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}"`
  const hatch = series % hatches.length
  return `<rect ${attribute.fill(series)} ${box}/>${hatch === 0 ? '' : `<rect fill="url(#${id}-h${hatch})" ${box}/>`}`
}
