import { concat, fromHex, utf8 } from '@postern/core/bytes'
import {
  type Der,
  derBitString,
  derBoolean,
  derFlags,
  derInteger,
  derItems,
  derOctets,
  derOid,
  derSequence,
  derTime,
  derUnsigned,
  isDer,
  readDer,
} from '@postern/core/der'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../support.js'

const bytes = (text: string): Uint8Array => fromHex(text.replaceAll(' ', ''))!
const read = (text: string): Der => readDer(bytes(text))
const refused = (run: () => unknown): void => expect(codeOf(run)).toBe('der.malformed')

/** A writer that shares nothing with the reader: lengths by string arithmetic. */
function tlv(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = concat(...content)
  const digits = body.length.toString(16)
  const whole = digits.length % 2 === 0 ? digits : `0${digits}`
  const length = body.length < 128 ? Uint8Array.of(body.length) : bytes(`${(0x80 + whole.length / 2).toString(16)}${whole}`)
  return concat(Uint8Array.of(tag), length, body)
}

describe('elements', () => {
  it('reads tag, class, content and what an element lies in', () => {
    expect(read('a1 03 04 01 ff')).toMatchObject({ cls: 'context', constructed: true, tag: 1, depth: 0 })
    expect(derItems(read('30 06 02 01 01 02 01 02')).map((item) => [item.depth, derInteger(item)])).toEqual([
      [1, 1],
      [1, 2],
    ])
    expect(read('df 85 4e 00')).toMatchObject({ cls: 'private', tag: 718, constructed: false })
    expect(read('5f ff 7f 00').tag).toBe(16_383)
  })

  it.each([
    ['nothing', ''],
    ['a tag alone', '30'],
    ['an end too early', '30 05 02 01 01'],
    ['a byte behind', '02 01 01 00'],
    ['an indefinite length', '30 80 00 00'],
    ['a long form for a short length', '02 81 01 01'],
    ['a zero before the length', `04 82 00 81 ${'00'.repeat(129)}`],
    ['four bytes of length', '04 84 00 00 00 01 00'],
    ['a long form for a small tag', '1f 1e 00'],
    ['a zero before the tag', '1f 80 1f 00'],
    ['a tag above 2^14', '1f 81 80 00 00'],
    ['a tag without end', '1f ff'],
  ])('%s is refused', (_what, text) => refused(() => read(text)))

  it('64 KiB is the most, and 16 levels', () => {
    expect(readDer(tlv(4, new Uint8Array(65_532))).content).toHaveLength(65_532)
    refused(() => readDer(tlv(4, new Uint8Array(65_533))))
    const nested = (levels: number): Uint8Array => (levels === 0 ? bytes('0500') : tlv(0x30, nested(levels - 1)))
    const descend = (element: Der): number => (element.constructed ? 1 + descend(derItems(element)[0]!) : 0)
    expect(descend(readDer(nested(15)))).toBe(15)
    refused(() => descend(readDer(nested(16))))
  })

  it('what was written is read back, and no other byte string is the same value', () =>
    fc.assert(
      fc.property(
        fc.letrec<{ tree: Uint8Array }>((tie) => ({
          tree: fc.oneof(
            { depthSize: 'small', maxDepth: 10 },
            fc.uint8Array({ maxLength: 300 }).map((content) => tlv(4, content)),
            fc.array(tie('tree'), { maxLength: 4 }).map((items) => tlv(0x30, ...items)),
          ),
        })).tree,
        (encoded) => {
          const again = (element: Der): Uint8Array =>
            element.constructed ? tlv(0x30, ...derItems(element).map(again)) : tlv(4, element.content)
          expect(again(readDer(encoded))).toEqual(encoded)
        },
      ),
    ))

  it('any bytes are read or refused, nothing else', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (any) => {
        const walk = (element: Der): void => {
          if (element.constructed) for (const item of derItems(element)) walk(item)
        }
        const code = codeOf(() => walk(readDer(any)))
        expect([null, 'der.malformed']).toContain(code)
      }),
    ))
})

describe('values', () => {
  it('booleans are 00 or FF', () => {
    expect([derBoolean(read('01 01 ff')), derBoolean(read('01 01 00'))]).toEqual([true, false])
    for (const text of ['01 01 01', '01 00', '01 02 ff ff', '02 01 00']) refused(() => derBoolean(read(text)))
  })

  it('integers are minimal, and numbers as far as they are exact', () => {
    expect(derInteger(read('02 02 00 80'))).toBe(128)
    expect(derInteger(read('02 07 1f ff ff ff ff ff ff'))).toBe(Number.MAX_SAFE_INTEGER)
    expect(derInteger(read('0a 01 03'), 'enumerated')).toBe(3)
    for (const text of ['02 00', '02 02 00 7f', '02 02 ff 80', '02 01 80', '02 07 20 00 00 00 00 00 00', '0a 01 03'])
      refused(() => derInteger(read(text)))
    expect(derUnsigned(read('02 03 00 ff 01'), 2)).toEqual(bytes('ff01'))
    expect(derUnsigned(read('02 01 00'), 2)).toEqual(bytes('00'))
    refused(() => derUnsigned(read('02 03 01 00 00'), 2))
  })

  it('object identifiers (X.690 §8.19.5)', () => {
    expect(derOid(read('06 03 88 37 03'))).toBe('2.999.3')
    expect(derOid(read('06 06 2a 86 48 86 f7 0d'))).toBe('1.2.840.113549')
    expect(derOid(read('06 01 00'))).toBe('0.0')
    for (const text of ['06 00', '06 02 2a 80', '06 03 2a 80 01', '06 09 ff ff ff ff ff ff ff ff 7f'])
      refused(() => derOid(read(text)))
  })

  it('bit strings are of whole bytes, bit lists without trailing zeros', () => {
    expect(derBitString(read('03 02 00 80'))).toEqual(bytes('80'))
    for (const text of ['03 00', '03 02 07 80']) refused(() => derBitString(read(text)))
    expect(derFlags(read('03 02 02 84'))).toEqual([0, 5])
    expect(derFlags(read('03 03 07 00 80'))).toEqual([8])
    expect(derFlags(read('03 01 00'))).toEqual([])
    for (const text of ['03 02 00 84', '03 02 01 84', '03 02 08 80', '03 02 02 85', '03 01 01', '03 00'])
      refused(() => derFlags(read(text)))
    expect(derOctets(read('04 01 07'))).toEqual(bytes('07'))
    refused(() => derOctets(read('24 03 04 01 07')))
  })

  it('times are of the calendar, in seconds and Z (RFC 5280 §4.1.2.5)', () => {
    const time = (tag: number, text: string): number => derTime(readDer(tlv(tag, utf8(text))))
    expect(time(23, '491231235959Z')).toBe(Date.UTC(2049, 11, 31, 23, 59, 59))
    expect(time(23, '500101000000Z')).toBe(Date.UTC(1950, 0, 1))
    expect(time(24, '20500101000000Z')).toBe(Date.UTC(2050, 0, 1))
    expect(time(24, '99991231235959Z')).toBe(Date.UTC(9999, 11, 31, 23, 59, 59))
    for (const text of [
      '250229000000Z',
      '251301000000Z',
      '250101240000Z',
      '250101000060Z',
      '2501010000Z',
      '250101000000+0000',
      '250101000000z',
    ])
      refused(() => time(23, text))
    for (const text of ['20250101000000.5Z', '20250101000000', '250101000000Z']) refused(() => time(24, text))
  })

  it('a SEQUENCE is constructed, and what is absent is not there', () => {
    expect(isDer(read('30 00'), 'sequence')).toBe(true)
    expect(isDer(read('10 00'), 'sequence')).toBe(false)
    refused(() => derSequence(undefined))
    refused(() => derItems(read('05 00')))
  })
})
