/** Assertions without a test runner: the kit runs wherever a driver does. */

import type { ErrorCode } from '@postern/core/errors'
import { isPosternError } from '@postern/core/errors'

/** @throws Error with both values when they differ; bytes count by content, whatever view they come in. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  const [a, e] = [shape(actual), shape(expected)]
  if (a !== e) throw new Error(`${what}: expected ${e}, got ${a}`)
}

/** @throws Error when it does not hold. */
export function holds(condition: boolean, what: string): void {
  if (!condition) throw new Error(what)
}

/** The error of a call that must fail with this code. @throws Error when it does not. */
export async function refused(code: ErrorCode, what: string, call: () => Promise<unknown>): Promise<unknown> {
  let answer: unknown
  try {
    answer = await call()
  } catch (error) {
    if (isPosternError(error, code)) return error
    throw new Error(`${what}: expected ${code}, got ${String(error)}`, { cause: error })
  }
  throw new Error(`${what}: expected ${code}, got the answer ${shape(answer)}`)
}

/** The value as text with sorted members, so that equal values have equal texts. */
export function shape(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) => {
    if (v instanceof Uint8Array) return { bytes: [...v].join(' ') }
    if (typeof v === 'object' && v !== null && !Array.isArray(v))
      return Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
    return Object.is(v, -0) ? '-0' : typeof v === 'bigint' ? `${v}n` : v
  })
}
