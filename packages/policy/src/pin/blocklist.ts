/**
 * Block lists as bytes: up to six digits one bit a PIN (1.25, 12.5, 125 kB) or a Rice-coded sorted list, whichever is smaller; longer PINs
 * are always Rice-coded. The policy holds the hash of the bytes, so a list may come from anywhere.
 */
import { encodeBase64url } from '@postern/core/base64url'
import { concat, u8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import { bitReader, bitWriter } from '../internal/pinBits.js'
import type { BlockList, BlockListRef } from './policy.js'

/** A list ready to publish: `ref`, made by the host, joins `count` and `hash` in the policy. */
export interface CodedBlockList {
  readonly bytes: Uint8Array
  readonly count: number
  readonly hash: string
}

const BITSET = 1
const RICE = 2
const maxBitsetDigits = 6

/**
 * Codes a list.
 * @param length - digits of every PIN, 4 to 32
 * @throws PosternError `pin.policy_invalid` for an empty list, or one with anything but PINs of that length
 */
export async function encodeBlockList(length: number, pins: Iterable<string>, crypto: CryptoPort): Promise<CodedBlockList> {
  const sorted = [...new Set(pins)].sort()
  if (sorted.length === 0 || sorted.some((pin) => pin.length !== length || !/^[0-9]+$/.test(pin)))
    throw new PosternError('pin.policy_invalid', {
      publicMessage: `A block list for ${length} digits holds PINs of ${length} digits.`,
    })
  const rice = riceOf(length, sorted)
  const size = length <= maxBitsetDigits ? 2 + Math.ceil(10 ** length / 8) : Number.POSITIVE_INFINITY
  const bytes = rice.length < size ? rice : concat(u8(BITSET), u8(length), bitset(length, sorted))
  return { bytes, count: sorted.length, hash: await hashOf(bytes, crypto) }
}

/**
 * Opens the list that a policy names.
 * @throws PosternError `pin.blocklist_mismatch` when hash, count or length differ: without its list, no PIN may be made
 */
export async function openBlockList(
  length: number,
  { count, hash }: BlockListRef,
  bytes: Uint8Array,
  crypto: CryptoPort,
): Promise<BlockList> {
  const own = bytes.slice()
  if ((await hashOf(own, crypto)) !== hash || own[1] !== length) throw new PosternError('pin.blocklist_mismatch')
  const found = own[0] === RICE ? listOf(length, count, own) : own[0] === BITSET ? bitsOf(length, own) : null
  if (found === null || found.count !== count) throw new PosternError('pin.blocklist_mismatch')
  return { length, hash, ...found }
}

async function hashOf(bytes: Uint8Array, crypto: CryptoPort): Promise<string> {
  return `sha256:${encodeBase64url(await crypto.digest('SHA-256', bytes))}`
}

function bitset(length: number, pins: readonly string[]): Uint8Array {
  const bits = new Uint8Array(Math.ceil(10 ** length / 8))
  for (const pin of pins) bits[Number(pin) >>> 3]! |= 1 << (Number(pin) & 7)
  return bits
}

type Found = Omit<BlockList, 'length' | 'hash'> | null

function bitsOf(length: number, bytes: Uint8Array): Found {
  const bits = bytes.subarray(2)
  if (length > maxBitsetDigits || bits.length !== Math.ceil(10 ** length / 8)) return null
  let count = 0
  for (let byte of bits) for (; byte !== 0; byte &= byte - 1) count++
  const at = (n: number): boolean => (bits[n >>> 3]! & (1 << (n & 7))) !== 0
  return { count, has: (pin) => pin.length === length && /^[0-9]+$/.test(pin) && at(Number(pin)), pins }

  function* pins(): Iterable<string> {
    for (let n = 0; n < 10 ** length; n++) if (at(n)) yield String(n).padStart(length, '0')
  }
}

/** Gaps between neighbours, each less one: quotient in unary, remainder in `k` bits. The best `k` of all. */
function riceOf(length: number, sorted: readonly string[]): Uint8Array {
  let last = -1n
  const gaps = sorted.map((pin) => {
    const gap = BigInt(pin) - last - 1n
    last = BigInt(pin)
    return gap
  })
  let [best, least] = [0, Number.POSITIVE_INFINITY]
  for (let k = 0; k < 107; k++) {
    const quotients = Number(gaps.reduce((sum, gap) => sum + (gap >> BigInt(k)), 0n))
    const bits = quotients + gaps.length * (k + 1)
    if (bits < least) [best, least] = [k, bits]
  }
  const out = bitWriter()
  for (const gap of gaps) out.rice(gap, best)
  return concat(u8(RICE), u8(length), u8(best), out.done())
}

function listOf(length: number, count: number, bytes: Uint8Array): Found {
  const read = bitReader(bytes.subarray(3))
  const pins = new Set<string>()
  let value = -1n
  for (let i = 0; i < count; i++) {
    const gap = read.rice(bytes[2]!)
    if (gap === null) return null
    value += gap + 1n
    pins.add(value.toString().padStart(length, '0'))
  }
  if (value >= 10n ** BigInt(length) || !read.atEnd()) return null
  return { count: pins.size, has: (pin) => pins.has(pin), pins: () => pins }
}
