/**
 * Handles of pin/v1, inside: `pin.challenge`, `pin.ke2`, `pin.enrol`, `pin.record`, `pin.ticket`.
 * No ceremony record exists on the server: R₁, the revision of the counted attempt, is the ceremony.
 */
import { concat, u8, u16, u64 } from '@postern/core/bytes'
import { lp } from '@postern/core/tuple'
import type { PinSuite } from '../pin/messages.js'
import { type Challenge, challengeHead, encodeChallenge, readChallenge, readHead } from './challenge.js'
import { suiteNumbers, suiteOf } from './pinRecord.js'
import type { ByteReader } from './reader.js'

/** How long KE2 may wait for KE3: 60 s, in ms. */
export const ke2Ms = 60_000

/** `pin.challenge`; for `activate` followed by `u16 suite ‖ lp(R₂)`: of the pending PIN, and the revision that it waits on. */
export interface PinChallenge extends Challenge {
  readonly next: { readonly suite: PinSuite; readonly after: string } | null
}

export function encodePinChallenge(c: PinChallenge): Uint8Array {
  return c.next === null ? encodeChallenge(c) : encodeChallenge(c, u16(suiteNumbers[c.next.suite]), lp(c.next.after))
}

export function readPinChallenge(r: ByteReader): PinChallenge {
  const challenge = readChallenge(r)
  return { ...challenge, next: challenge.purpose === 'activate' ? { suite: readSuite(r), after: r.text() } : null }
}

/** `pin.ke2`. */
export interface Ke2Handle extends Omit<Challenge, 'nonce'> {
  /** R₁ */
  readonly rev: string
  readonly m1Hash: Uint8Array
  readonly ke2Hash: Uint8Array
  /** Value of `pin/E` (or `pin/E/next`) as counted; empty for a PIN that does not exist. */
  readonly value: Uint8Array
  /** Expected client MAC ‖ session key. */
  readonly state: Uint8Array
  /** Attempts and failures, this one included. */
  readonly attempts: number
  readonly failures: number
  /** End of the failure window, ms. */
  readonly windowEnd: number
}

/** `head ‖ lp(R₁) ‖ SHA-256(m₁) ‖ SHA-256(KE2) ‖ lp(store value) ‖ lp(state) ‖ u8 attempts ‖ u8 failures ‖ u64 window end ‖ u64 exp`. */
export function encodeKe2Handle(h: Ke2Handle): Uint8Array {
  return concat(
    challengeHead(h),
    lp(h.rev),
    h.m1Hash,
    h.ke2Hash,
    lp(h.value),
    lp(h.state),
    u8(h.attempts),
    u8(h.failures),
    u64(h.windowEnd),
    u64(h.expiresAt),
  )
}

export function readKe2Handle(r: ByteReader): Ke2Handle {
  return {
    ...readHead(r),
    rev: r.text(),
    m1Hash: r.take(32),
    ke2Hash: r.take(32),
    value: r.lp(),
    state: r.lp(),
    attempts: r.unsigned(1),
    failures: r.unsigned(1),
    windowEnd: r.unsigned(8),
    expiresAt: r.unsigned(8),
  }
}

/** `pin.enrol` and `pin.ticket` (a change's second half): the challenge, then `u16 suite ‖ lp(R₂)`; R₂ is empty at enrolment. */
export interface RequestHandle extends Challenge {
  readonly suite: PinSuite
  readonly after: string
}

export function encodeRequestHandle(h: RequestHandle): Uint8Array {
  return encodeChallenge(h, u16(suiteNumbers[h.suite]), lp(h.after))
}

export function readRequestHandle(r: ByteReader): RequestHandle {
  return { ...readChallenge(r), suite: readSuite(r), after: r.text() }
}

function readSuite(r: ByteReader): PinSuite {
  const suite = suiteOf(r.unsigned(2))
  if (suite === null) throw new RangeError('suite')
  return suite
}

/** `pin.record`: the request handle, then `lp(key version) ‖ SHA-256(request) ‖ SHA-256(response)`. */
export interface RecordHandle extends RequestHandle {
  readonly version: string
  readonly requestHash: Uint8Array
  readonly responseHash: Uint8Array
}

export function encodeRecordHandle(h: RecordHandle): Uint8Array {
  return concat(encodeRequestHandle(h), lp(h.version), h.requestHash, h.responseHash)
}

export function readRecordHandle(r: ByteReader): RecordHandle {
  return { ...readRequestHandle(r), version: r.text(), requestHash: r.take(32), responseHash: r.take(32) }
}
