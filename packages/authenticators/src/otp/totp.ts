/** TOTP: HOTP whose counter is the time. @see RFC 6238 */
import { within } from '../internal/limits.js'
import { codeNumber, greatestMatch, prepared } from '../internal/otpCode.js'
import { type HotpOptions, hotp, type OtpDigits } from './hotp.js'
import { sha1 } from './sha1.js'

export interface TotpOptions extends HotpOptions {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Seconds of a step, 1–3,600. @defaultValue 30 */
  readonly periodSec?: number
  /** @defaultValue 6 */
  readonly digits?: OtpDigits
}

/** The step of an instant. @throws RangeError for a period out of its range @see RFC 6238 §4.2 */
export function totpStepAt(now: number, periodSec = 30): bigint {
  within('periodSec', periodSec, 1, 3600)
  return BigInt(Math.floor(now / (1000 * periodSec)))
}

/** The code of an instant. @throws PosternError `otp.key_length` | `otp.counter` before 1970 */
export function totp(key: Uint8Array, o: TotpOptions): string {
  return hotp(key, totpStepAt(o.now, o.periodSec), o.digits, o)
}

/** A code to be found in the steps around an instant. */
export interface TotpTry extends TotpOptions {
  readonly key: Uint8Array
  readonly code: string
  /** The last step that was used, −1n for none: a code works once (RFC 6238 §5.2). */
  readonly after: bigint
  /** Steps that are looked at on either side of the present one, 0–10. @defaultValue 1 */
  readonly window?: number
}

/**
 * The step of a code, or `null`. Does every HMAC of the window. Store what is returned before anybody is let in: it is the next `after`.
 * @throws PosternError `otp.key_length` | `otp.counter` when the window begins before 1970
 * @throws RangeError for a window or period out of its range
 * @see RFC 6238 §5.2
 */
export function totpStep(o: TotpTry): bigint | null {
  const { key, code, now, after, window = 1, periodSec = 30, digits = 6, hash = sha1 } = o
  within('window', window, 0, 10)
  const first = totpStepAt(now, periodSec) - BigInt(window)
  const mac = prepared(hash, key, o)
  return greatestMatch(mac, { first, count: 2 * window + 1, after, wanted: codeNumber(code, digits), digits })
}
