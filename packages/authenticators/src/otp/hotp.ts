/** HOTP: a code for each count of a counter that both sides keep. @see RFC 4226 */
import { within } from '../internal/limits.js'
import {
  acceptShortKey,
  codeNumber,
  counterBytes,
  greatestMatch,
  type KeyOptions,
  prepared,
  truncated,
} from '../internal/otpCode.js'
import { type OtpHash, sha1 } from './sha1.js'

export { acceptShortKey }

/** Digits of a code; RFC 4226 §5.3 demands six at least. */
export type OtpDigits = 6 | 7 | 8

export interface HotpOptions extends KeyOptions {
  /** @defaultValue sha1; the others are in `/otp/sha2` */
  readonly hash?: OtpHash
}

/**
 * The HOTP value of one counter step.
 * @param key - shared secret, 16 to 128 bytes, 20 recommended (RFC 4226 §4, R6)
 * @param counter - step, 0 to 2^64 - 1
 * @param digits - length of the code
 * @returns decimal digits, zero-padded on the left to `digits` characters
 * @throws PosternError `otp.key_length` | `otp.counter`
 * @see RFC 4226 §5.3
 */
export function hotp(key: Uint8Array, counter: bigint, digits: OtpDigits = 6, o: HotpOptions = {}): string {
  const mac = prepared(o.hash ?? sha1, key, o)(counterBytes(counter))
  return String(truncated(mac, digits)).padStart(digits, '0')
}

/** A code to be found in the counters that come next. */
export interface HotpTry extends HotpOptions {
  readonly key: Uint8Array
  readonly code: string
  /** The last counter that was used, −1n for none: it and all before it are spent. */
  readonly after: bigint
  /** How many counters beyond the next one are looked at, 0–10: a token's button is pressed without a login. @defaultValue 5 */
  readonly lookAhead?: number
  /** @defaultValue 6 */
  readonly digits?: OtpDigits
}

/**
 * The counter of a code, or `null`. Store what is returned before anybody is let in: it is the next `after`.
 * @throws PosternError `otp.key_length` | `otp.counter`
 * @throws RangeError for a look-ahead out of its range
 * @see RFC 4226 §7.4
 */
export function hotpCounter(o: HotpTry): bigint | null {
  const { key, code, after, lookAhead = 5, digits = 6, hash = sha1 } = o
  within('lookAhead', lookAhead, 0, 10)
  const mac = prepared(hash, key, o)
  return greatestMatch(mac, { first: after + 1n, count: lookAhead + 1, after, wanted: codeNumber(code, digits), digits })
}
