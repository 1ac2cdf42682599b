/** What a PIN policy refuses, counted exactly: by listing up to six digits, by an automaton over digits beyond. */
import { PosternError } from '@postern/core/errors'
import { decentCount, sequences, walkCount } from '../internal/pinAutomaton.js'
import { type BlockLists, checkPin, type PinPolicy } from './policy.js'

/** A set of PINs of one length. */
export interface PinSet {
  readonly length: number
  readonly size: number
  readonly has: (pin: string) => boolean
}

const maxListedDigits = 6

/**
 * The PINs of one length that the policy refuses, whoever the user is. At most six digits: a million calls of `checkPin`, about a second.
 * @throws PosternError `pin.policy_invalid` for a length outside 1 to 6 | `pin.blocklist_mismatch`
 */
export function blocked(p: PinPolicy, length: number, blocklists: BlockLists = {}): PinSet {
  if (!Number.isInteger(length) || length < 1 || length > maxListedDigits)
    throw new PosternError('pin.policy_invalid', { publicMessage: 'PINs of 1 to 6 digits can be listed; count longer ones.' })
  const bits = new Uint8Array(Math.ceil(10 ** length / 8))
  const pin = new Uint8Array(length).fill(48)
  let size = 0
  for (let n = 0; n < 10 ** length; n++, increment(pin))
    if (!checkPin(p, pin, { blocklists }).ok) {
      bits[n >>> 3]! |= 1 << (n & 7)
      size++
    }
  const has = (text: string): boolean =>
    text.length === length && /^[0-9]+$/.test(text) && (bits[Number(text) >>> 3]! & (1 << (Number(text) & 7))) !== 0
  return { length, size, has }
}

/**
 * How many of the 10^`length` PINs the policy refuses, whoever the user is.
 * @param length - 1 to 32
 * @throws PosternError `pin.policy_invalid` for another length, or where keypad walks under a `maxSame` above six digits take too many states |
 *   `pin.blocklist_mismatch`
 */
export function countBlocked(p: PinPolicy, length: number, blocklists: BlockLists = {}): bigint {
  if (length <= maxListedDigits) return BigInt(blocked(p, length, blocklists).size)
  if (!Number.isInteger(length) || length > 32)
    throw new PosternError('pin.policy_invalid', { publicMessage: 'A PIN has at most 32 digits.' })
  const all = 10n ** BigInt(length)
  if (length < p.length.min || length > p.length.max) return all
  const { maxRun, maxSame } = p
  const walks = p.keypad ? walkCount(length, maxSame ?? length) : 0n
  // What only its sequence or its list refuses is few enough to name; patterns and dates have at most six digits.
  const named = new Set([...sequences(length), ...listed(p, length, blocklists)])
  let alone = 0n
  for (const pin of named) {
    const { violations } = checkPin(p, digits(pin), { blocklists })
    if (violations.length > 0 && violations.every((rule) => rule === 'sequence' || rule === 'blocked')) alone++
  }
  return all - decentCount(length, maxRun ?? length, maxSame ?? length) + walks + alone
}

function* listed(p: PinPolicy, length: number, blocklists: BlockLists): Iterable<string> {
  const wanted = p.blocklists[length] ?? []
  yield* 'ref' in wanted ? (blocklists[length]?.pins() ?? []) : wanted
}

function digits(pin: string): Uint8Array {
  return Uint8Array.from(pin, (digit) => digit.charCodeAt(0))
}

function increment(pin: Uint8Array): void {
  for (let i = pin.length - 1; i >= 0 && ++pin[i]! === 58; i--) pin[i] = 48
}
