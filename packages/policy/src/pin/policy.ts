/**
 * PIN rules, the same on the phone and on the server's desk. The server never sees a PIN: the phone runs this, and says by which policy.
 */
import { PosternError } from '@postern/core/errors'
import type { JsonValue } from '@postern/core/json'
import { isDate, isKeypadWalk, isPattern, isSequence, longestRun, mostSame, sharesDigits } from '../internal/pinShapes.js'
import { readPinPolicy } from '../internal/readPinPolicy.js'

/** The rules a verdict can name: closed, and carried inside the suite's `pin.rejected`. */
export type PinRule = 'length' | 'run' | 'same_digits' | 'sequence' | 'pattern' | 'date' | 'keypad' | 'user_data' | 'blocked'

/** A PIN policy as data: signed into the device bundle, run on the phone (the server never sees a PIN). */
export interface PinPolicy {
  readonly format: 1
  readonly id: string
  /** 4 to 32. */
  readonly length: { readonly min: number; readonly max: number }
  /** Most adjacent equal digits, `null` = any. */
  readonly maxRun: number | null
  /** Most occurrences of one digit anywhere, `null` = any. */
  readonly maxSame: number | null
  /** Refuse a PIN that as a whole is one arithmetic sequence of such a step (`any`: every step but 0); `wrap`: 9 is followed by 0. */
  readonly sequences: { readonly steps: 'any' | readonly number[]; readonly wrap: boolean } | null
  readonly patterns: readonly ('ABAB' | 'AABB' | 'ABBA' | 'ABCABC')[]
  /** Years that `YYYY` means, inclusive. */
  readonly years: { readonly from: number; readonly to: number }
  readonly dates: readonly ('DDMM' | 'MMDD' | 'DDMMYY' | 'MMDDYY' | 'YYYY')[]
  /** Refuse a walk from key to neighbouring key of the phone keypad, up, down, left or right (`2580`, `1236`). */
  readonly keypad: boolean
  /** Refuse a PIN inside a number of the user's, or around one of four digits or more. */
  readonly userData: boolean
  /** Refused PINs, per length: a few may stand in the policy itself, a list is named by its hash and loaded with `openBlockList`. */
  readonly blocklists: Readonly<Record<string, readonly string[] | BlockListRef>>
  /** Wrong entries until the PIN locks. */
  readonly attempts: number
  /** How often an operator may unlock it. */
  readonly cycles: number
}
/** A block list by name: where the host keeps it, how many PINs it holds, and `sha256:` + base64url of its coded bytes. */
export interface BlockListRef {
  readonly ref: string
  readonly count: number
  readonly hash: string
}
/** A list that fits its hash; made by `openBlockList` alone. */
export interface BlockList {
  readonly length: number
  readonly count: number
  readonly hash: string
  readonly has: (pin: string) => boolean
  readonly pins: () => Iterable<string>
}
/** Loaded block lists, by the length of their PINs. */
export type BlockLists = Readonly<Record<string, BlockList>>

/** What is known on the phone: the lists that the policy names, and digits that must not be in the PIN (birthday, telephone, account number). */
export interface PinContext {
  readonly userData?: readonly string[]
  readonly blocklists?: BlockLists
}
export interface PinVerdict {
  readonly ok: boolean
  /** Every rule broken, in the order of {@link PinRule}. */
  readonly violations: readonly PinRule[]
}
const rules = /* @__PURE__ */ Object.freeze({
  format: 1,
  id: 'default',
  length: { min: 5, max: 5 },
  maxRun: 2,
  maxSame: 3,
  sequences: { steps: 'any', wrap: true },
  patterns: ['ABAB', 'AABB', 'ABBA', 'ABCABC'],
  years: { from: 1930, to: 2039 },
  dates: ['YYYY', 'DDMMYY', 'MMDDYY'],
  keypad: true,
  userData: true,
  blocklists: {
    '4': ['2580', '5683', '1379', '7410', '0852'],
    '5': ['13579', '24680', '12369', '14789', '52013'],
    '6': ['159753', '147258', '520131'],
  },
  attempts: 3,
  cycles: 1,
} as const satisfies PinPolicy)

/** Rules to start from: five digits, no runs above two, no sequences, dates, keypad walks or well-known PINs; three attempts. */
export const defaultPinPolicy: PinPolicy = rules

/**
 * Parses strict JSON, or checks a value, into a policy.
 * @throws PosternError `pin.policy_invalid` with a JSON pointer in `reason`
 */
export function parsePinPolicy(input: string | Uint8Array | JsonValue | PinPolicy): PinPolicy {
  return readPinPolicy(input)
}

/**
 * All violations of a PIN at once, so that a person is told everything in one go. Longer than 32 digits: `length`, and nothing else is computed.
 * @param pin - ASCII digits; the caller wipes them
 * @throws PosternError `pin.not_digits`; `pin.blocklist_mismatch` where the list that the policy names is not the one at hand: no PIN is made
 */
export function checkPin(p: PinPolicy, pin: Uint8Array, ctx: PinContext = {}): PinVerdict {
  if (pin.length > 32) return { ok: false, violations: ['length'] }
  const d = Array.from(pin, (byte) => byte - 48)
  if (d.length === 0 || d.some((digit) => digit < 0 || digit > 9)) throw new PosternError('pin.not_digits')
  const violations: PinRule[] = []
  if (d.length < p.length.min || d.length > p.length.max) violations.push('length')
  if (p.maxRun !== null && longestRun(d) > p.maxRun) violations.push('run')
  if (p.maxSame !== null && mostSame(d) > p.maxSame) violations.push('same_digits')
  if (p.sequences && isSequence(d, p.sequences)) violations.push('sequence')
  if (p.patterns.some((pattern) => isPattern(d, pattern))) violations.push('pattern')
  if (p.dates.some((shape) => isDate(d, shape, p.years))) violations.push('date')
  if (p.keypad && isKeypadWalk(d)) violations.push('keypad')
  if (p.userData && ctx.userData?.some((datum) => sharesDigits(d, datum))) violations.push('user_data')
  if (isListed(d, p.blocklists[d.length], ctx.blocklists?.[d.length])) violations.push('blocked')
  return { ok: violations.length === 0, violations }
}

function isListed(d: readonly number[], wanted: PinPolicy['blocklists'][string] | undefined, list?: BlockList): boolean {
  if (wanted === undefined) return false
  if (!('ref' in wanted)) return wanted.includes(d.join(''))
  if (list?.hash !== wanted.hash || list.count !== wanted.count || list.length !== d.length)
    throw new PosternError('pin.blocklist_mismatch')
  return list.has(d.join(''))
}
