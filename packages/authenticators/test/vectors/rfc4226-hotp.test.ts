import { hotp, hotpCounter } from '@postern/authenticators/otp/hotp'
import { fromHex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { vectorFile } from '../vectorFile.js'

const { absent, data } = vectorFile('auth/rfc/hotp-4226.json', { secretHex: '', codes: [] as string[] })
const key = fromHex(data.secretHex)!
const appendixD = data.codes.map((expected, count) => ({ count, expected }))

describe.skipIf(absent)('RFC 4226 Appendix D', () => {
  it('has its ten values', () => expect(appendixD).toHaveLength(10))

  it.each(appendixD)('count $count gives $expected', ({ count, expected }) => {
    expect(hotp(key, BigInt(count))).toBe(expected)
  })

  it.each(appendixD)('$expected is found at $count from up to five counters before it, once', ({ count, expected }) => {
    const at = BigInt(count)
    for (let behind = 1n; behind <= 6n && at >= behind - 1n; behind++)
      expect(hotpCounter({ key, code: expected, after: at - behind })).toBe(at)
    expect(hotpCounter({ key, code: expected, after: at })).toBe(null)
    if (at >= 6n) expect(hotpCounter({ key, code: expected, after: at - 7n })).toBe(null)
  })
})
