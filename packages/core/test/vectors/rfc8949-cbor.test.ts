/// <reference types="node" />
import { fromHex, hex } from '@postern/core/bytes'
import { type CborValue, readCbor, readCborItem, writeCbor } from '@postern/core/cbor'
import { describe, expect, it } from 'vitest'
import { refusalOf } from '../support.js'

const bytes = (text: string): Uint8Array => fromHex(text)!
const ones = Array.from({ length: 25 }, (_, i) => i + 1)
const oneTo25 = '0102030405060708090a0b0c0d0e0f101112131415161718181819'
const map = (...entries: readonly [number | string, CborValue][]): CborValue => new Map(entries)

/** RFC 8949 Appendix A, what this reader takes. */
const taken: readonly [string, CborValue][] = [
  ['00', 0],
  ['01', 1],
  ['0a', 10],
  ['17', 23],
  ['1818', 24],
  ['1819', 25],
  ['1864', 100],
  ['1903e8', 1000],
  ['1a000f4240', 1_000_000],
  ['1b000000e8d4a51000', 1_000_000_000_000],
  ['20', -1],
  ['29', -10],
  ['3863', -100],
  ['3903e7', -1000],
  ['f4', false],
  ['f5', true],
  ['f6', null],
  ['40', new Uint8Array(0)],
  ['4401020304', Uint8Array.of(1, 2, 3, 4)],
  ['60', ''],
  ['6161', 'a'],
  ['6449455446', 'IETF'],
  ['62225c', '"\\'],
  ['62c3bc', 'ü'],
  ['63e6b0b4', '水'],
  ['64f0908591', '𐅑'],
  ['80', []],
  ['83010203', [1, 2, 3]],
  ['8301820203820405', [1, [2, 3], [4, 5]]],
  [`9819${oneTo25}`, ones],
  ['a0', map()],
  ['a201020304', map([1, 2], [3, 4])],
  ['a26161016162820203', map(['a', 1], ['b', [2, 3]])],
  ['826161a161626163', ['a', map(['b', 'c'])]],
  ['a56161614161626142616361436164614461656145', map(['a', 'A'], ['b', 'B'], ['c', 'C'], ['d', 'D'], ['e', 'E'])],
]

/** The rest of Appendix A, by why it has no place here. */
const refused: Readonly<Record<string, readonly string[]>> = {
  integer: ['1bffffffffffffffff', '3bffffffffffffffff'],
  type: [
    ...['c249010000000000000000', 'c349010000000000000000'],
    ...['f0', 'f7'],
    ...['c074323031332d30332d32315432303a30343a30305a', 'c11a514b67b0', 'c1fb41d452d9ec200000', 'd74401020304'],
    ...['d818456449455446', 'd82076687474703a2f2f7777772e6578616d706c652e636f6d', 'f8ff'],
    ...['f90000', 'f98000', 'f93c00', 'fb3ff199999999999a', 'f93e00', 'f97bff', 'fa47c35000', 'fa7f7fffff', 'fb7e37e43c8800759c'],
    ...['f90001', 'f90400', 'f9c400', 'fbc010666666666666', 'f97c00', 'f97e00', 'f9fc00', 'fa7f800000', 'fa7fc00000'],
    ...['faff800000', 'fb7ff0000000000000', 'fb7ff8000000000000', 'fbfff0000000000000'],
  ],
  indefinite: [
    ...['5f42010243030405ff', '7f657374726561646d696e67ff', '9fff', '9f018202039f0405ffff', '9f01820203820405ff'],
    ...['83018202039f0405ff', '83019f0203ff820405', `9f${oneTo25}ff`, 'bf61610161629f0203ffff', '826161bf61626163ff'],
    'bf6346756ef563416d7421ff',
  ],
}

describe('RFC 8949 Appendix A', () => {
  it.each(taken)('%s is read, and written again', (text, value) => {
    expect(readCbor(bytes(text))).toEqual(value)
    expect(hex(writeCbor(value))).toBe(text)
    expect(readCborItem(bytes(`ff${text}ff`), 1)).toEqual({ value, end: 1 + text.length / 2 })
  })

  it.each(Object.entries(refused).flatMap(([reason, all]) => all.map((text) => [text, reason] as const)))(
    '%s is refused: %s',
    async (text, reason) => {
      expect(await refusalOf((async () => readCbor(bytes(text)))())).toEqual({ code: 'cbor.malformed', reason })
    },
  )
})
