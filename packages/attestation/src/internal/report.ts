/** What every self-report shares: strict reading, and the weakest binding that still says whose and when. */
import type { Binding, Expected, Fact, Source } from '../evidence.js'

/** The binding of a report: that of the request which carried it. */
export function carried({ carrier }: Expected): Binding {
  return {
    challenge: carrier?.challenge === true,
    deviceKey: carrier?.deviceKey === true ? 'names-the-key' : 'none',
    request: false,
  }
}

export function selfReported<T>(value: T, source: Source, binding: Binding, now: number): Fact<T> {
  return { value, strength: 'self-reported', at: now, binding, source }
}

/** An object with these members and no others, or `null`. */
export function exactly(value: unknown, members: readonly string[]): Readonly<Record<string, unknown>> | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null
  const keys = Object.keys(value)
  if (keys.length !== members.length || !members.every((member) => keys.includes(member))) return null
  return value as Readonly<Record<string, unknown>>
}
