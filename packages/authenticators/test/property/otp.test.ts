/// <reference types="node" />
import { hmac } from '@noble/hashes/hmac.js'
import { sha1 as noble } from '@noble/hashes/legacy.js'
import { hotp, hotpCounter, type OtpDigits } from '@postern/authenticators/otp/hotp'
import { sha1 } from '@postern/authenticators/otp/sha1'
import { totp, totpStep, totpStepAt } from '@postern/authenticators/otp/totp'
import { formatOtpauth, parseOtpauth } from '@postern/authenticators/otp/uri'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const key = fc.uint8Array({ minLength: 16, maxLength: 128 })
const digits = fc.constantFrom<OtpDigits>(6, 7, 8)
const now = fc.integer({ min: 120_000, max: 4e12 })
const name = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((s) => !/:|%3a/i.test(s) && s === s.trimStart())

describe('OTP', () => {
  it('our HMAC-SHA-1 is @noble/hashes’, for every length of key and message, also when it serves many', () =>
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }),
        (k, messages) => {
          const ours = sha1.keyed(k)
          for (const m of messages) expect(ours(m)).toEqual(hmac(noble, k, m))
        },
      ),
      { numRuns },
    ))

  it('a TOTP is found at its step and nowhere else, unless that step is spent', () =>
    fc.assert(
      fc.property(key, digits, now, fc.integer({ min: -3, max: 3 }), fc.integer({ min: -4, max: 4 }), (k, d, t, off, used) => {
        const step = totpStepAt(t)
        const code = totp(k, { now: t + off * 30_000, digits: d })
        const after = step + BigInt(used)
        const candidates = [-1n, 0n, 1n].map((o) => step + o).filter((s) => s > after && hotp(k, s, d) === code)
        expect(totpStep({ key: k, code, now: t, after, digits: d })).toBe(candidates.at(-1) ?? null)
      }),
      { numRuns },
    ))

  it('an HOTP counter only ever grows', () =>
    fc.assert(
      fc.property(key, fc.bigInt({ min: -1n, max: 1n << 40n }), fc.bigInt({ min: -2n, max: 8n }), (k, after, ahead) => {
        const counter = after + ahead
        if (counter < 0n) return
        const found = hotpCounter({ key: k, code: hotp(k, counter), after })
        if (found !== null) expect(found).toBeGreaterThan(after)
        if (ahead >= 1n && ahead <= 6n) expect(found).not.toBe(null)
      }),
      { numRuns },
    ))

  it('a URI says what it was made of', () =>
    fc.assert(
      fc.property(
        fc.record({
          type: fc.constantFrom('hotp' as const, 'totp' as const),
          secret: fc.uint8Array({ minLength: 1, maxLength: 64 }),
          issuer: name,
          account: name,
          hash: fc.constantFrom('SHA1' as const, 'SHA256' as const, 'SHA512' as const),
          digits,
          periodSec: fc.integer({ min: 1, max: 3600 }),
          counter: fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
        }),
        (o) => {
          const own = o.type === 'totp' ? { periodSec: o.periodSec, counter: 0n } : { periodSec: 0, counter: o.counter }
          expect(parseOtpauth(formatOtpauth(o))).toEqual({ ...o, ...own })
        },
      ),
      { numRuns },
    ))
})
