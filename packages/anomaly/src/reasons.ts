/** What a score is made of: the closed union of reasons, and the assessment that they sum to. */
import type { NetworkKind } from './network.js'

/** Every term that a login's risk can have. Codes are published: added to, never renamed. */
export const reasonCodes = [
  'prior',
  'network.country',
  'network.asn',
  'network.prefix',
  'network.address',
  'network.kind',
  'network.missing',
  'kind.missing',
  'device.os',
  'device.model',
  'device.id',
  'device.missing',
  'app.version',
  'app.missing',
  'authenticator',
  'authenticator.missing',
  'hours',
  'hours.missing',
  'extra',
  'extra.missing',
  'velocity',
  'velocity.missing',
  'failures',
  'failures.missing',
  'integrity',
  'integrity.missing',
  'profile.new',
  'profile.unreadable',
] as const
export type ReasonCode = (typeof reasonCodes)[number]

/** What an operator needs to understand a reason. Never a coordinate, an address or a name. */
export interface ReasonDetail {
  /** Whether the profile had seen the value before. */
  readonly seen?: boolean
  /** The value's share of the profile, in thousandths. */
  readonly permille?: number
  /** The facts that were asked for and not known. */
  readonly missing?: readonly string[]
  /** The declared extra that is meant. */
  readonly name?: string
  readonly from?: string
  readonly to?: string
  readonly hours?: number
  /** Least distance that both places allow. */
  readonly kmAtLeast?: number
  readonly radiiKm?: readonly [number, number]
  readonly kind?: NetworkKind
  readonly count?: number
}

/** One term of the sum. 1 unit = 1/1024 nat; positive is riskier. */
export interface Reason {
  readonly code: ReasonCode
  readonly units: number
  readonly detail: ReasonDetail
}

export type Band = 'low' | 'raised' | 'high'

/** What `score` says of one login. `Σ reasons.units === units`, prior included. */
export interface Assessment {
  /** 0–100, `floor(100·σ(units/1024))`. */
  readonly score: number
  readonly band: Band
  /** `false` until fitted to confirmed answers: the order is meaningful, the number is not yet a probability. */
  readonly calibrated: boolean
  readonly units: number
  /** Greatest first; the sign says whether the term spoke for (−) or against (+) the user. */
  readonly reasons: readonly Reason[]
  /** Place in the frozen reference of legitimate logins, 0–1000. */
  readonly percentile: number
  /** Configuration and epoch that scored. */
  readonly model: string
  /** To store if, and only if, this login succeeds and satisfies policy; at most 512 bytes. */
  readonly profile: Uint8Array
}

/**
 * Reasons as an event or a log keeps them: the `most` weightiest by name, everything else added up as `rest`. They still sum to the score's units.
 */
export function briefReasons(reasons: readonly Reason[], most = 6): readonly { readonly code: string; readonly units: number }[] {
  const byWeight = [...reasons].sort((a, b) => Math.abs(b.units) - Math.abs(a.units) || (a.code < b.code ? -1 : 1))
  const named = byWeight.slice(0, most).map(({ code, units }) => ({ code, units }))
  const rest = byWeight.slice(most).reduce((sum, { units }) => sum + units, 0)
  return rest === 0 ? named : [...named, { code: 'rest', units: rest }]
}
