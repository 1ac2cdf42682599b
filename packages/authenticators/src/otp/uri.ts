/**
 * `otpauth` URIs, by which authenticator apps take a secret from a picture.
 * @see https://github.com/google/google-authenticator/wiki/Key-Uri-Format
 */
import { decodeBase32, encodeBase32 } from '@postern/core/base32'
import { PosternError } from '@postern/core/errors'
import type { OtpDigits } from './hotp.js'
import type { OtpHash } from './sha1.js'

/** What such a URI says. */
export interface Otpauth {
  readonly type: 'hotp' | 'totp'
  readonly secret: Uint8Array
  /** Who asks for the code; empty when the URI names nobody. */
  readonly issuer: string
  /** Whose code it is; no colon. */
  readonly account: string
  readonly hash: OtpHash['name']
  readonly digits: OtpDigits
  /** TOTP alone; seconds. */
  readonly periodSec: number
  /** HOTP alone; the first counter. */
  readonly counter: bigint
}

const COLON = /:|%3a/i
// Read as it is written: URL takes an account named `.` for a step in a path, and drops it.
const SHAPE = /^otpauth:\/\/([^/?#]*)\/?([^?#]*)\??([^#]*)/i

/**
 * The URI of a secret. Apps ignore what they do not know, often silently: most take SHA-1, 6 digits, 30 seconds, and nothing else.
 * @throws PosternError `otp.uri` for a colon in a name, or half a surrogate pair
 */
export function formatOtpauth(o: Pick<Otpauth, 'type' | 'secret' | 'issuer' | 'account'> & Partial<Otpauth>): string {
  const { type, secret, issuer, account, hash = 'SHA1', digits = 6, periodSec = 30, counter = 0n } = o
  if (COLON.test(issuer) || COLON.test(account)) throw uriError('colon')
  if (/\p{Cs}/u.test(`${issuer}:${account}`)) throw uriError('label')
  const written = encodeURIComponent
  const [prefix, by] = issuer === '' ? ['', ''] : [`${written(issuer)}:`, `&issuer=${written(issuer)}`]
  const own = type === 'totp' ? `period=${periodSec}` : `counter=${counter}`
  const text = encodeBase32(secret).toUpperCase()
  return `otpauth://${type}/${prefix}${written(account)}?secret=${text}${by}&algorithm=${hash}&digits=${digits}&${own}`
}

/**
 * Reads a URI of another system, with the defaults of the format; parameters that it does not name are passed over.
 * @throws PosternError `otp.uri` for another scheme or type, a secret that is no base32, a parameter out of range or there twice, two issuers
 */
export function parseOtpauth(text: string): Otpauth {
  const parts = text.length <= 2048 ? SHAPE.exec(text) : null
  if (parts === null) throw uriError('scheme')
  const [, type, label, query] = parts as unknown as readonly [string, Otpauth['type'], string, string]
  if (!/^[ht]otp$/.test(type)) throw uriError('type')
  const parameters = new URLSearchParams(query)
  const one = (name: string): string | null => {
    const all = parameters.getAll(name)
    if (all.length > 1) throw uriError(name)
    return all[0] ?? null
  }
  const secret = decodeBase32((one('secret') ?? '').replace(/=+$/, '').toLowerCase())
  if (secret === null || secret.length === 0) throw uriError('secret')
  const [prefix, account] = labelOf(label)
  const issuer = one('issuer') ?? prefix
  if (prefix !== '' && prefix !== issuer) throw uriError('issuer')
  const hash = (one('algorithm') ?? 'SHA1').toUpperCase() as Otpauth['hash']
  if (!/^SHA(1|256|512)$/.test(hash)) throw uriError('algorithm')
  const integer = (name: string, absent: string, min: number, max: number): number => {
    const text = one(name) ?? absent
    const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : -1
    if (!(value >= min && value <= max)) throw uriError(name)
    return value
  }
  return {
    type,
    secret,
    issuer,
    account,
    hash,
    digits: integer('digits', '6', 6, 8) as OtpDigits,
    periodSec: type === 'totp' ? integer('period', '30', 1, 3600) : 0,
    counter: type === 'hotp' ? BigInt(integer('counter', '', 0, Number.MAX_SAFE_INTEGER)) : 0n,
  }
}

/** Issuer and account of `issuer:account`, where the colon may be escaped and blanks may follow it. */
function labelOf(label: string): readonly [string, string] {
  const at = COLON.exec(label)
  try {
    if (at === null) return ['', decodeURIComponent(label)]
    const account = decodeURIComponent(label.slice(at.index + at[0].length)).trimStart()
    return [decodeURIComponent(label.slice(0, at.index)), account]
  } catch {
    throw uriError('label')
  }
}

function uriError(reason: string): PosternError<'otp.uri'> {
  return new PosternError('otp.uri', { reason })
}
