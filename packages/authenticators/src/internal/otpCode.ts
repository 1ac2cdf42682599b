/** What HOTP, TOTP and OCRA share: checked keys, counters as bytes, dynamic truncation, a window that is always worked through. */
import { PosternError } from '@postern/core/errors'
import type { OtpHash } from '../otp/sha1.js'

/** Take a secret of fewer than 16 bytes, as old ones are: with 80 bits a recorded code can be searched offline (RFC 4226 §4, R6). */
export const acceptShortKey: unique symbol = Symbol('postern.acceptShortKey')

export interface KeyOptions {
  readonly [acceptShortKey]?: true
}

/** A prepared MAC. @throws PosternError `otp.key_length` */
export function prepared(hash: OtpHash, key: Uint8Array, o: KeyOptions): (message: Uint8Array) => Uint8Array {
  if (key.length < (o[acceptShortKey] ? 1 : 16) || key.length > 128)
    throw new PosternError('otp.key_length', { reason: `${key.length} bytes` })
  return hash.keyed(key)
}

/** Eight bytes, big-endian. @throws PosternError `otp.counter` */
export function counterBytes(counter: bigint): Uint8Array {
  if (counter < 0n || counter > 0xffff_ffff_ffff_ffffn) throw new PosternError('otp.counter')
  const n = Number(counter)
  // BigInt arithmetic only where a double would not do: on the way of every code it costs a third of a MAC.
  const exact = n <= Number.MAX_SAFE_INTEGER
  const high = exact ? n / 2 ** 32 : Number(counter >> 32n)
  const low = exact ? n : Number(counter & 0xffff_ffffn)
  const out = new Uint8Array(8)
  for (let i = 0; i < 4; i++) {
    out[3 - i] = high >>> (8 * i)
    out[7 - i] = low >>> (8 * i)
  }
  return out
}

/** The low 31 bits at the place that the last byte names, in decimal. @see RFC 4226 §5.3 */
export function truncated(mac: Uint8Array, digits: number): number {
  const at = mac[mac.length - 1]! & 15
  const word = ((mac[at]! & 127) << 24) | (mac[at + 1]! << 16) | (mac[at + 2]! << 8) | mac[at + 3]!
  return word % 10 ** digits
}

/** The number of a code of exactly these digits; −1, which no code is, for anything else: white space, full-width digits, another length. */
export function codeNumber(code: string, digits: number): number {
  return code.length === digits && /^[0-9]+$/.test(code) ? Number(code) : -1
}

/**
 * The greatest step of `[first, first + count)` above `after` whose code is `wanted`, or `null`. Every step is computed and compared,
 * whichever fits: neither the time nor the number of MACs tells how far off a clock or counter is.
 * @throws PosternError `otp.counter`
 */
export function greatestMatch(
  mac: (message: Uint8Array) => Uint8Array,
  o: { readonly first: bigint; readonly count: number; readonly after: bigint; readonly wanted: number; readonly digits: number },
): bigint | null {
  const { first, count, after, wanted, digits } = o
  const message = counterBytes(first)
  const spent = Number(after - first)
  let found = -1
  for (let i = 0; i < count; i++) {
    if (i > 0) increment(message)
    const fits = truncated(mac(message), digits) === wanted
    if (fits && i > spent) found = i
  }
  return found < 0 ? null : first + BigInt(found)
}

/** The next counter, in place: a BigInt a step would cost as much as half its MAC. @throws PosternError `otp.counter` after the last */
function increment(message: Uint8Array): void {
  for (let i = 7; i >= 0; i--) {
    message[i]!++
    if (message[i] !== 0) return
  }
  throw new PosternError('otp.counter')
}
