import { concat, u8, u16, utf8 } from '@postern/core/bytes'
import { lp, tuple } from '@postern/core/tuple'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const numRuns = Number(process.env.POSTERN_RUNS ?? 100)
const text = fc.oneof(fc.string({ maxLength: 300 }), fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constant('\ud800'))
const field = fc.oneof(text, fc.uint8Array({ maxLength: 300 }))

describe('the tuple encoding', () => {
  it('is lp(label) ‖ u8(n) ‖ lp(f₁) ‖ … ‖ lp(fₙ), ASCII or not', () =>
    fc.assert(
      fc.property(text, fc.array(field, { maxLength: 6 }), (label, fields) => {
        expect(tuple(label, ...fields)).toEqual(concat(lp(label), u8(fields.length), ...fields.map(lp)))
      }),
      { numRuns },
    ))

  it('takes fields of 65,535 bytes and 255 of them, and no more', () => {
    const most = 'a'.repeat(65_535)
    expect(tuple('', most)).toEqual(concat(u16(0), u8(1), u16(65_535), utf8(most)))
    expect(tuple('', ...Array.from({ length: 255 }, () => ''))).toHaveLength(3 + 510)
    expect(() => tuple(`${most}a`)).toThrow(RangeError)
    expect(() => tuple('', `${most}a`)).toThrow(RangeError)
    expect(() => tuple('', new Uint8Array(65_536))).toThrow(RangeError)
    expect(() => tuple('', 'é'.repeat(32_768))).toThrow(RangeError)
    expect(() => tuple('', ...Array.from({ length: 256 }, () => ''))).toThrow(RangeError)
  })

  it('keeps nothing of what it was given', () => {
    const given = Uint8Array.of(1, 2)
    const encoded = tuple('t', given)
    given[0] = 9
    expect(encoded.at(-2)).toBe(1)
  })
})

describe('utf8', () => {
  it('is the encoder of the platform at every length', () =>
    fc.assert(
      fc.property(text, (given) => {
        expect(utf8(given)).toEqual(new TextEncoder().encode(given))
      }),
      { numRuns },
    ))
})
