/**
 * One-time passwords in the registry: TOTP, HOTP and OCRA, whose used steps are remembered and whose tries are counted before a code is
 * compared. Two commits a login: the try, and the one that uses the step up.
 */
import type { Sealer, SealScope } from '@postern/core/sealed'
import type { Op, Runtime } from '@postern/store'
import type { Authenticator, Ceremony, Refusal, Step } from '../authenticator.js'
import { encodeEnrolment, enrolmentKey, newEnrolmentId } from '../enrolment.js'
import { within } from '../internal/limits.js'
import { has } from '../internal/members.js'
import { acceptShortKey, type KeyOptions, prepared } from '../internal/otpCode.js'
import { enrolOtp, offerOtp } from '../internal/otpEnrol.js'
import { hashOf, type OtpPorts } from '../internal/otpPorts.js'
import {
  decoyRecords,
  encodeOtpRecord,
  formatParams,
  type OtpParams,
  otpKey,
  parseParams,
  secretScope,
} from '../internal/otpRecord.js'
import { acceptOtp, challengeOtp, tryOtp } from '../internal/otpTry.js'
import { pendingOf } from '../internal/pending.js'
import { refuse, refusing } from '../internal/refusal.js'
import type { OtpDigits } from './hotp.js'
import { type OtpHash, sha1 } from './sha1.js'

export { acceptShortKey }

/** What a secret is used with. An OCRA suite has no PIN hash and no session here; to confirm a transaction its question is `QH64` or `QA64`. */
export type OtpKind =
  | { readonly type: 'totp'; readonly hash?: OtpHash['name']; readonly digits?: OtpDigits; readonly periodSec?: number }
  | { readonly type: 'hotp'; readonly hash?: OtpHash['name']; readonly digits?: OtpDigits }
  | { readonly type: 'ocra'; readonly suite: string }

/** How codes are made, compared and counted. */
export interface OtpOptions {
  /** For new secrets. @defaultValue TOTP, SHA-1, 6 digits, 30 seconds: what every authenticator app takes */
  readonly offer?: OtpKind
  /** Hashes of the secrets that are enrolled or imported. @defaultValue [sha1]; the others are in `/otp/sha2` */
  readonly hashes?: readonly OtpHash[]
  /** N: tries between two successes, 1–10. @defaultValue 5 */
  readonly maxAttempts?: number
  /** Time steps on either side, 0–10. @defaultValue 1 */
  readonly window?: number
  /** Counters beyond the next one, 0–10. @defaultValue 5 */
  readonly lookAhead?: number
  /** What an authenticator app shows above the code; no colons. @defaultValue the issuer's host, the app */
  readonly label?: (c: Ceremony) => { readonly issuer: string; readonly account: string }
  /** For handles; a ring of short-lived keys. */
  readonly seal: Sealer
  /** For secrets; a ring whose keys outlive them. Each login seals anew where the key has changed. */
  readonly atRest: Sealer
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto'>
}

/**
 * The authenticator `otp`, in a device's partition or a user's.
 *
 * Answers, in order: enrol `begin` `null` (the secret comes back, as a URI where apps have one), `finish` `{code}` · all else `begin` `null`
 * (needed for OCRA's question alone), `begin` `{code}`, `finish` `null`. A wrong code is refused by the second answer already.
 *
 * A try is taken only where `device` proved its key or `proven` names a factor before this one. HOTP and TOTP confirm nothing: with a
 * `bind` they are refused, and OCRA takes it as its question.
 * @throws RangeError for a limit out of its range
 * @throws PosternError `otp.suite` for an offer that is none or whose hash is not among `hashes`
 */
export function createOtp(o: OtpOptions): Authenticator {
  const ports = portsOf(o)
  const { maxAttempts } = ports
  return {
    type: 'otp',
    amr: ['otp'],
    begin: (c, input) => refusing(() => begin(c, input, ports)),
    finish: (c, input) => refusing(() => (c.purpose === 'enrol' ? enrolOtp(c, input, ports) : acceptOtp(c, input, ports))),
    remove: (id) => [{ op: 'del', key: otpKey(id) }],
    watches: (id) => [otpKey(id)],
    locked: ([counter], holding) => counter != null && counter.n >= maxAttempts && counter.rev !== holding,
  }
}

async function begin(c: Ceremony, input: unknown, ports: OtpPorts): Promise<Step | Refusal> {
  if (c.purpose !== 'enrol' && has(input, 'code')) return tryOtp(c, input, ports)
  if (input !== null && input !== undefined) throw refuse('otp.refused', 'message')
  return c.purpose === 'enrol' ? offerOtp(c, ports) : challengeOtp(c, ports)
}

/** A secret that exists already: a hardware token's seed, an enrolment of another system. */
export interface OtpImport extends KeyOptions {
  readonly kind: OtpKind
  /** 16–128 bytes; fewer with {@link acceptShortKey}. */
  readonly secret: Uint8Array
  /** The first counter that still counts. @defaultValue 0n */
  readonly counter?: bigint
  /** Id of the user's partition, `usr:<h>`. */
  readonly owner: string
  /** The caller's own bytes. */
  readonly data?: Uint8Array
  readonly place: Pick<SealScope, 'tenant' | 'issuer'>
  readonly atRest: Sealer
  readonly runtime: Pick<Runtime, 'clock' | 'random'>
}

/**
 * The ops that enrol a secret without its owner, active at once. The caller commits them, with an event of its own.
 * @throws PosternError `otp.key_length` | `otp.suite` | `otp.counter`
 */
export async function importOtp(o: OtpImport): Promise<{ readonly id: string; readonly ops: readonly Op[] }> {
  const { kind, secret, counter = 0n, owner, data = new Uint8Array(0), place, atRest, runtime } = o
  prepared(sha1, secret, o) // its length
  const id = newEnrolmentId(runtime.random)
  const value = {
    ...pendingOf('otp', { owner, data, now: runtime.clock(), suite: formatParams(paramsOf(kind)) }),
    status: 'active' as const,
  }
  const record = encodeOtpRecord({ next: counter, sealed: await atRest.seal(secretScope(place, id), secret) })
  return {
    id,
    ops: [
      { op: 'put', key: enrolmentKey(id), value: encodeEnrolment(value), rev: null },
      { op: 'put', key: otpKey(id), value: record, rev: null },
    ],
  }
}

function paramsOf(kind: OtpKind): OtpParams {
  if (kind.type === 'ocra') return parseParams(kind.suite)
  const { type, hash = 'SHA1', digits = 6 } = kind
  return parseParams(`${type.toUpperCase()}-${hash}-${digits}${kind.type === 'totp' ? `-${kind.periodSec ?? 30}` : ''}`)
}

function portsOf(o: OtpOptions): OtpPorts {
  const { offer = { type: 'totp' }, hashes = [sha1], maxAttempts = 5, window = 1, lookAhead = 5, label = labelOf } = o
  within('maxAttempts', maxAttempts, 1, 10)
  within('window', window, 0, 10)
  within('lookAhead', lookAhead, 0, 10)
  const { seal, atRest, runtime } = o
  const params = paramsOf(offer)
  const byName = new Map(hashes.map((hash) => [hash.name, hash]))
  hashOf({ hashes: byName }, params.hash)
  return {
    seal,
    atRest,
    decoy: decoyRecords(atRest),
    runtime,
    hashes: byName,
    offer: params,
    maxAttempts,
    window,
    lookAhead,
    label,
  }
}

function labelOf(c: Ceremony): { readonly issuer: string; readonly account: string } {
  return { issuer: new URL(c.issuer).hostname, account: c.app }
}
