/**
 * What a PIN policy buys against guessing: the success λk of the best k guesses, before and after. Users whose PIN is refused choose again, and
 * nobody knows how, so the answer is an interval: proportionally to the rest (low), or all to the most popular PINs allowed (high).
 */
import { utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { type BlockLists, checkPin, type PinPolicy, type PinRule } from './policy.js'

/** How often people choose each PIN; none is shipped. PINs that are absent were never chosen. */
export type PinFrequencies = Iterable<readonly [pin: string, count: number]>
/** Success of the best k guesses, as shares of 1. Linear in between by the share of refused users who crowd. */
export interface GuessingInterval {
  readonly low: number
  readonly high: number
}
export interface RuleValue extends GuessingInterval {
  readonly rule: PinRule
  /** Share of users whom this rule alone refuses. */
  readonly alone: number
  /** {@link PinEstimate.breakEven}, against the same policy without the rule. */
  readonly breakEven: number | null
}
export interface PinEstimate extends GuessingInterval {
  readonly k: number
  /** λk without any rule. */
  readonly none: number
  /** Share of users who must choose again. */
  readonly hit: number
  /**
   * Share of crowding ρ at which low + ρ(high − low) is what it was without the policy: above it the policy helps the guesser. `null` where it
   * never is, or always.
   */
  readonly breakEven: number | null
  /** Each rule that refuses anyone, with low and high as they would be *without* it. */
  readonly rules: readonly RuleValue[]
}
export interface EstimateOptions {
  /** Guesses; default `attempts` × `cycles` of the policy. */
  readonly k?: number
  readonly blocklists?: BlockLists
}

/**
 * Estimates a policy for PINs of one length from a frequency table. What is the user's own (`user_data`) is in no table and does not count.
 * @throws PosternError `pin.policy_invalid` for fewer than one guess, a count below 0, or a table without a PIN of that length |
 *   `pin.not_digits` | `pin.blocklist_mismatch`
 */
export function estimate(p: PinPolicy, length: number, table: PinFrequencies, o: EstimateOptions = {}): PinEstimate {
  const { k = p.attempts * p.cycles, blocklists = {} } = o
  if (!Number.isSafeInteger(k) || k < 1) throw invalid('The number of guesses is a whole number from 1.')
  const counts = new Map<string, number>()
  for (const [pin, count] of table) {
    if (!(count >= 0 && count < Number.POSITIVE_INFINITY))
      throw invalid('The counts of a frequency table are finite numbers from 0.')
    if (pin.length === length) counts.set(pin, (counts.get(pin) ?? 0) + count)
  }
  const total = sum([...counts.values()])
  if (total === 0) throw invalid(`The frequency table has no PINs of ${length} digits.`)
  const rows = [...counts].map(([pin, count]) => ({
    share: count / total,
    violations: checkPin(p, utf8(pin), { blocklists }).violations,
  }))
  const interval = (counted: (rule: PinRule) => boolean): GuessingInterval => {
    const kept = rows.filter(({ violations }) => !violations.some(counted)).map(({ share }) => share)
    const [top, left] = [best(kept, k), sum(kept)]
    // With nobody left to follow, those who choose again can do no better than evenly over what the table does not refuse.
    const low = left > 0 ? top / left : k / Math.max(k, 10 ** length - rows.length)
    return { low, high: top + 1 - left }
  }
  const none = best(
    rows.map(({ share }) => share),
    k,
  )
  const all = interval(() => true)
  const rules = [...new Set(rows.flatMap(({ violations }) => violations))].map((rule): RuleValue => {
    const without = interval((other) => other !== rule)
    const alone = sum(
      rows
        .filter(({ violations }) => violations.every((other) => other === rule) && violations.length > 0)
        .map(({ share }) => share),
    )
    return { rule, alone, ...without, breakEven: crossing(all, without) }
  })
  const hit = sum(rows.filter(({ violations }) => violations.length > 0).map(({ share }) => share))
  return { k, none, hit, ...all, breakEven: crossing(all, { low: none, high: none }), rules }
}

/** The share of crowding at which two policies are as good as each other. */
function crossing(a: GuessingInterval, b: GuessingInterval): number | null {
  const share = (b.low - a.low) / (a.high - a.low - (b.high - b.low))
  return share >= 0 && share <= 1 ? share : null
}

function best(shares: readonly number[], k: number): number {
  return sum([...shares].sort((a, b) => b - a).slice(0, k))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, n) => all + n, 0)
}

function invalid(publicMessage: string): PosternError<'pin.policy_invalid'> {
  return new PosternError('pin.policy_invalid', { publicMessage })
}
