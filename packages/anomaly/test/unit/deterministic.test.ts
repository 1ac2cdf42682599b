/// <reference types="node" />
import { spawnSync } from 'node:child_process'
import { hex, utf8 } from '@postern/core/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arcSine, exp2, ln, mix32, sigmoid, sin, siphash13 } from '../../src/deterministic.js'
import { crc32c } from '../../src/internal/crc32c.js'

const numRuns = Number(process.env.POSTERN_RUNS ?? 100)

describe('logarithm, power, sine', () => {
  it('ln is within 2·10⁻⁷ of the engine, subnormals included', () =>
    fc.assert(
      fc.property(fc.double({ min: 5e-324, max: 1e300, noNaN: true }), (x) => {
        expect(Math.abs(ln(x) - Math.log(x))).toBeLessThan(2e-7 + 1e-13 * Math.abs(Math.log(x)))
      }),
      { numRuns },
    ))

  it('exp2 is within 2·10⁻⁷ of the engine, relatively', () =>
    fc.assert(
      fc.property(fc.double({ min: -1000, max: 1000, noNaN: true }), (x) => {
        expect(Math.abs(exp2(x) / 2 ** x - 1)).toBeLessThan(2e-7)
      }),
      { numRuns },
    ))

  it('sin and arcSine are within 4·10⁻⁷ of the engine', () =>
    fc.assert(
      fc.property(fc.double({ min: -10, max: 10, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (x, s) => {
        expect(Math.abs(sin(x) - Math.sin(x))).toBeLessThan(4e-7)
        expect(Math.abs(arcSine(s) - Math.asin(s))).toBeLessThan(4e-7)
      }),
      { numRuns },
    ))

  it('N7 the sigmoid never falls as its argument rises', () =>
    fc.assert(
      fc.property(fc.integer({ min: -40_000, max: 40_000 }), (units) => {
        expect(sigmoid((units + 1) / 1024)).toBeGreaterThanOrEqual(sigmoid(units / 1024))
      }),
      { numRuns },
    ))

  it('has the edges that ECMAScript has', () => {
    expect([ln(0), ln(-1), ln(Number.POSITIVE_INFINITY), ln(1)]).toEqual([
      Number.NEGATIVE_INFINITY,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      0,
    ])
    expect([exp2(0), exp2(10), exp2(-3), exp2(-2000), exp2(2000)]).toEqual([1, 1024, 0.125, 0, Number.POSITIVE_INFINITY])
    expect([sigmoid(0), sigmoid(Number.NEGATIVE_INFINITY), sigmoid(Number.POSITIVE_INFINITY)]).toEqual([0.5, 0, 1])
  })
})

describe('hashes', () => {
  const key = Uint8Array.from({ length: 16 }, (_, i) => i)
  const tag = (message: Uint8Array) => {
    const { hi, lo } = siphash13(key, message)
    return hi.toString(16).padStart(8, '0') + lo.toString(16).padStart(8, '0')
  }

  // The published reference vectors are for 2-4; those of 1-3 were made with OpenSSL 3 (`c-rounds:1`, `d-rounds:3`) and stand here as bytes.
  it('SipHash-1-3 of the empty message under 00…0f is abac0158050fc4dc', () =>
    expect(tag(new Uint8Array(0))).toBe('abac0158050fc4dc'))

  const openssl = (message: Uint8Array): string | null => {
    const o = [
      'mac',
      '-macopt',
      `hexkey:${hex(key)}`,
      '-macopt',
      'size:8',
      '-macopt',
      'c-rounds:1',
      '-macopt',
      'd-rounds:3',
      '-in',
      '-',
      'SIPHASH',
    ]
    const out = spawnSync('openssl', o, { input: message })
    return out.status === 0 ? out.stdout.toString().trim().toLowerCase() : null
  }
  const peer = openssl(utf8('probe')) !== null

  it.skipIf(!peer && process.env.POSTERN_REQUIRE !== 'all')(
    'SipHash-1-3 agrees with openssl for messages of 0 to 24 bytes',
    () => {
      for (let length = 0; length <= 24; length++) {
        const message = Uint8Array.from({ length }, (_, i) => (i * 37 + length) & 0xff)
        const bigEndian = openssl(message)!.match(/../g)!.reverse().join('')
        expect(tag(message)).toBe(bigEndian)
      }
    },
  )

  it('CRC-32C of 123456789 is e3069283 and of 32 zeros 8a9136aa (RFC 3720 B.4)', () => {
    expect(crc32c(utf8('123456789'))).toBe(0xe3069283)
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
  })

  it('mix32 spreads consecutive numbers over all bits', () => {
    let ones = 0
    for (let i = 0; i < 1000; i++) ones += mix32(i, 1, 2).toString(2).replaceAll('0', '').length
    expect(ones / 1000).toBeGreaterThan(15.5)
    expect(ones / 1000).toBeLessThan(16.5)
  })
})
