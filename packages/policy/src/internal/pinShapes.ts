/** The shapes that people choose. Digits as numbers, each function one rule. */
import type { PinPolicy } from '../pin/policy.js'

type Digits = readonly number[]

export function longestRun(d: Digits): number {
  let [best, run] = [0, 0]
  d.forEach((digit, i) => {
    run = d[i - 1] === digit ? run + 1 : 1
    best = Math.max(best, run)
  })
  return best
}

export function mostSame(d: Digits): number {
  const seen = new Uint8Array(10)
  for (const digit of d) seen[digit]!++
  return Math.max(...seen)
}

export function isSequence(d: Digits, { steps, wrap }: NonNullable<PinPolicy['sequences']>): boolean {
  if (d.length < 3) return false
  const step = d[1]! - d[0]!
  const same = (a: number, b: number): boolean => (wrap ? (a - b) % 10 === 0 : a === b)
  if (same(step, 0) || d.some((digit, i) => i > 0 && !same(digit - d[i - 1]!, step))) return false
  return steps === 'any' || steps.some((wanted) => same(wanted, step))
}

/** Letters stand for digits that differ; the pattern is the whole PIN. */
export function isPattern(d: Digits, pattern: string): boolean {
  if (d.length !== pattern.length) return false
  const letters = [...pattern]
  return letters.every((letter, i) => letters.every((other, k) => (letter === other) === (d[i] === d[k])))
}

/** A whole PIN that reads as a date; of two-digit years every one is plausible. */
export function isDate(d: Digits, shape: PinPolicy['dates'][number], years: PinPolicy['years']): boolean {
  if (d.length !== shape.length) return false
  const number = (letter: string): number => [...shape].reduce((all, l, i) => (l === letter ? all * 10 + d[i]! : all), 0)
  if (shape === 'YYYY') return number('Y') >= years.from && number('Y') <= years.to
  const [day, month] = [number('D'), number('M')]
  const days = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
  return days !== undefined && day >= 1 && day <= days
}

/** Whether two keys are neighbours, up, down, left or right, of 1 2 3 / 4 5 6 / 7 8 9 / · 0 ·. */
export function besides(a: number, b: number): boolean {
  const [from, to] = [a === 0 ? 11 : a, b === 0 ? 11 : b]
  const [low, high] = from < to ? [from, to] : [to, from]
  return high - low === 3 || (high - low === 1 && low % 3 !== 0)
}

export function isKeypadWalk(d: Digits): boolean {
  return d.length >= 4 && d.every((digit, i) => i === 0 || besides(d[i - 1]!, digit))
}

export function sharesDigits(d: Digits, datum: string): boolean {
  const [pin, digits] = [d.join(''), datum.replace(/[^0-9]/g, '')]
  return digits.includes(pin) || (digits.length >= 4 && pin.includes(digits))
}
