/** What the ladders of OTP work with. */

import { hex } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { Sealer } from '@postern/core/sealed'
import type { Runtime } from '@postern/store'
import type { Ceremony } from '../authenticator.js'
import { hotpCounter } from '../otp/hotp.js'
import { ocraCounter } from '../otp/ocra.js'
import type { OtpHash } from '../otp/sha1.js'
import { totpStep } from '../otp/totp.js'
import { acceptShortKey } from './otpCode.js'
import type { decoyRecords, OtpParams } from './otpRecord.js'

export interface OtpPorts {
  readonly seal: Sealer
  readonly atRest: Sealer
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto'>
  readonly decoy: ReturnType<typeof decoyRecords>
  readonly hashes: ReadonlyMap<string, OtpHash>
  /** For new secrets, and for what an enrolment that is not there pretends to be. */
  readonly offer: OtpParams
  readonly maxAttempts: number
  readonly window: number
  readonly lookAhead: number
  readonly label: (c: Ceremony) => { readonly issuer: string; readonly account: string }
}

/** @throws PosternError `otp.suite` for a hash that is not on offer */
export function hashOf(ports: Pick<OtpPorts, 'hashes'>, name: OtpHash['name']): OtpHash {
  const hash = ports.hashes.get(name)
  if (hash === undefined) throw new PosternError('otp.suite', { reason: `${name} is not among the hashes` })
  return hash
}

/** The greatest step that the code fits and that still counts, or `null`; the whole window is worked through. */
export function stepOf(
  ports: OtpPorts,
  params: OtpParams,
  o: { readonly key: Uint8Array; readonly code: string; readonly next: bigint; readonly question: string | null },
): bigint | null {
  const { lookAhead, window, runtime } = ports
  const { key, code, next } = o
  // What is stored was let in: a short secret is the host's decision at import.
  const shared = {
    key,
    code,
    after: next - 1n,
    hash: hashOf(ports, params.hash),
    now: runtime.clock(),
    [acceptShortKey]: true,
  } as const
  if (params.kind === 'hotp') return hotpCounter({ ...shared, digits: params.digits, lookAhead })
  if (params.kind === 'totp') return totpStep({ ...shared, digits: params.digits, periodSec: params.periodSec, window })
  return ocraCounter({ ...shared, suite: params.suite, input: { question: o.question! }, lookAhead, window })
}

/**
 * The question that stands for 32 bytes, the nonce of a challenge or what is to be confirmed: the first hexadecimal digits, or their number
 * modulo the suite's length in digits.
 */
export function questionOf(params: OtpParams & { readonly kind: 'ocra' }, bytes: Uint8Array): string {
  const { format, max } = params.suite.question
  const text = hex(bytes).toUpperCase()
  return format === 'N' ? (BigInt(`0x${text}`) % 10n ** BigInt(max)).toString().padStart(max, '0') : text.slice(0, max)
}

/** Whether a question holds all 32 bytes of a bind; a shorter one would fit a second transaction that somebody searches for. */
export function carriesBind(params: OtpParams): boolean {
  return params.kind === 'ocra' && params.suite.question.format !== 'N' && params.suite.question.max === 64
}
