/** What is kept of an OTP secret: its parameters as text in the enrolment, the secret sealed beside the next counter in `otp/E`. */
import { concat, u8 } from '@postern/core/bytes'
import type { Now } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { Sealer, SealScope } from '@postern/core/sealed'
import type { OtpDigits } from '../otp/hotp.js'
import { type OcraSuite, parseOcraSuite } from '../otp/ocra.js'
import type { OtpHash } from '../otp/sha1.js'
import { counterBytes } from './otpCode.js'
import type { byteReader } from './reader.js'

/** What both sides agreed on. */
export type OtpParams =
  | { readonly kind: 'hotp'; readonly hash: OtpHash['name']; readonly digits: OtpDigits }
  | { readonly kind: 'totp'; readonly hash: OtpHash['name']; readonly digits: OtpDigits; readonly periodSec: number }
  | { readonly kind: 'ocra'; readonly hash: OtpHash['name']; readonly digits: number; readonly suite: OcraSuite }

const PARAMS = /^(HOTP|TOTP)-(SHA1|SHA256|SHA512)-([678])(?:-([1-9]\d{0,3}))?$/

/** `HOTP-SHA1-6`, `TOTP-SHA1-6-30`, or the OCRA suite. */
export function formatParams(p: OtpParams): string {
  if (p.kind === 'ocra') return p.suite.text
  return `${p.kind.toUpperCase()}-${p.hash}-${p.digits}${p.kind === 'totp' ? `-${p.periodSec}` : ''}`
}

/** @throws PosternError `otp.suite` */
export function parseParams(text: string): OtpParams {
  if (text.startsWith('OCRA')) {
    const suite = parseOcraSuite(text)
    if (suite.pin !== null || suite.sessionBytes !== null)
      throw new PosternError('otp.suite', { reason: 'PIN hash and session are of no use to the registry' })
    return { kind: 'ocra', hash: suite.hash, digits: suite.digits, suite }
  }
  const [, kind, hash, digits, period] = PARAMS.exec(text) ?? []
  if (kind === undefined || (kind === 'TOTP') !== (period !== undefined))
    throw new PosternError('otp.suite', { reason: 'parameters' })
  const both = { hash: hash as OtpHash['name'], digits: Number(digits) as OtpDigits }
  return kind === 'HOTP' ? { kind: 'hotp', ...both } : { kind: 'totp', ...both, periodSec: Number(period) }
}

/** The value of `otp/E`: `u8 1 ‖ u64 next ‖ sealed secret`. */
export interface OtpRecord {
  /** The first counter or step that still counts: one more than the last used. */
  readonly next: bigint
  readonly sealed: Uint8Array
}

export const otpKey = (enrolment: string): string => `otp/${enrolment}`

export function encodeOtpRecord({ next, sealed }: OtpRecord): Uint8Array {
  return concat(u8(1), counterBytes(next), sealed)
}

/** @throws PosternError `store.schema_unknown` | `store.corrupt` */
export function decodeOtpRecord(bytes: Uint8Array): OtpRecord {
  if (bytes.length < 9) throw new PosternError('store.corrupt', { reason: 'OTP record' })
  if (bytes[0] !== 1) throw new PosternError('store.schema_unknown', { reason: `OTP record schema ${bytes[0]}` })
  return { next: readCounter(bytes.subarray(1, 9)), sealed: bytes.slice(9) }
}

/** Eight bytes as written by `counterBytes`. */
export function readCounter(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0)
}

/** For one enrolment alone: a sealed secret moved to another record does not open. */
export const secretScope = (place: Pick<SealScope, 'tenant' | 'issuer'>, enrolment: string): SealScope => ({
  type: 'otp.secret',
  tenant: place.tenant,
  issuer: place.issuer,
  purpose: enrolment,
})

/** @throws PosternError `store.corrupt` for one that does not open */
export async function openSecret(atRest: Sealer, scope: SealScope, sealed: Uint8Array): Promise<Uint8Array> {
  const secret = await atRest.open(scope, sealed)
  if (secret === null) throw new PosternError('store.corrupt', { reason: 'a sealed OTP secret that does not open' })
  return secret
}

/** Records that are nobody's, by place and length of secret: whoever is not enrolled is compared with one, read and opened as his own would be. */
export function decoyRecords(atRest: Sealer): (place: Pick<SealScope, 'tenant' | 'issuer'>, bytes: number) => Now<Uint8Array> {
  const known = new Map<string, { readonly kid: string; readonly record: Uint8Array }>()
  async function made(name: string, kid: string, scope: SealScope, bytes: number): Promise<Uint8Array> {
    const record = encodeOtpRecord({ next: 0n, sealed: await atRest.seal(scope, new Uint8Array(bytes)) })
    if (known.size >= MAX_DECOYS) known.clear()
    known.set(name, { kid, record })
    return record
  }
  return (place, bytes) => {
    const name = `${bytes} ${place.issuer} ${place.tenant}`
    const kid = atRest.activeKid()
    const decoy = known.get(name)
    return decoy?.kid === kid ? decoy.record : made(name, kid, secretScope(place, ''), bytes)
  }
}

/** Tenants, times the lengths of their secrets. */
const MAX_DECOYS = 256

/** What survives between try and accept. */
export interface Accepted {
  /** R₁, the revision that the try gave the counter. */
  readonly rev: string
  /** The step that is used up. */
  readonly step: bigint
  /** Tries of this period, this one included. */
  readonly attempts: number
  readonly sealed: Uint8Array
}

/** Reads what `otpTry` appends to a challenge. @throws RangeError */
export function readAccepted(r: ReturnType<typeof byteReader>): Accepted {
  return { rev: r.text(), step: readCounter(r.take(8)), attempts: r.unsigned(2), sealed: r.lp() }
}
