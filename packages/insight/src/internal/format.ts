/** Numbers and dates for people, without the engine's locale data: the same text everywhere. UTC. */
import { DAY, HOUR, two } from './place.js'

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** 1234567 → `1,234,567`; at most one decimal. */
export function count(n: number): string {
  const whole = Math.round(n * 10) / 10
  const [head, tail] = String(Math.abs(whole)).split('.')
  return (whole < 0 ? '−' : '') + head!.replace(/\B(?=(\d{3})+$)/g, ',') + (tail === undefined ? '' : `.${tail}`)
}

/** A share in per cent: `3.1 %`. */
export function percent(part: number, whole: number): string {
  return whole === 0 ? '0 %' : `${count((100 * part) / whole)} %`
}

/** What stands under a tick: the day for day steps, the time below, the day at midnight. */
export function tick(at: number, stepMs: number): string {
  const d = new Date(at)
  if (stepMs >= DAY || at % DAY === 0) return `${d.getUTCDate()} ${months[d.getUTCMonth()]}`
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`
}

/** A moment in full. */
export function moment(at: number, stepMs: number): string {
  const d = new Date(at)
  const day = `${d.getUTCDate()} ${months[d.getUTCMonth()]} ${d.getUTCFullYear()}`
  return stepMs >= DAY ? day : `${day} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`
}

/** The range of a table, both ends inclusive, with the zone said once. */
export function range(from: number, to: number, stepMs: number): string {
  return `${moment(from, stepMs)} to ${moment(stepMs >= DAY ? to - DAY : to, stepMs)} UTC`
}

/** What one step is called. */
export function stepName(stepMs: number): string {
  return stepMs >= DAY ? 'day' : stepMs >= HOUR ? 'hour' : 'minute'
}
