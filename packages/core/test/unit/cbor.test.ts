/// <reference types="node" />
import { fromHex, hex } from '@postern/core/bytes'
import { type CborValue, isCborMap, readCbor, writeCbor } from '@postern/core/cbor'
import { describe, expect, it } from 'vitest'
import { refusalOf } from '../support.js'

const read = (text: string, canonical?: boolean) => async () =>
  readCbor(fromHex(text)!, canonical === undefined ? {} : { canonical })
const reason = async (text: string, canonical?: boolean) => (await refusalOf(read(text, canonical)()))?.reason ?? null

describe('a CBOR reader', () => {
  it.each([
    ['1700', 'bytes behind the item'],
    ['', 'an item that ends too early'],
    ['18', 'an item that ends too early'],
    ['43aabb', 'an item that ends too early'],
    ['9bffffffffffffffff', 'an integer beyond 2^53 - 1'],
    ['9affffffff', 'an item that ends too early'],
    ['ba7fffffff00', 'an item that ends too early'],
    ['a201000100', 'a key that is there twice'],
    ['62c328', 'a text that is not UTF-8'],
    ['63eda080', 'a text that is not UTF-8'],
    ['a14100f6', 'a key that is no integer or text'],
    ['a1f5f6', 'a key that is no integer or text'],
    ['1c', 'an indefinite length'],
    ['3b001fffffffffffff', 'an integer beyond 2^53 - 1'],
    ['ff', 'a tag, a float or another simple value'],
  ] as const)('A13 refuses %s', async (text, expected) => {
    expect(await reason(text)).toBe(expected)
  })

  it('A13 takes 8 levels and 64 KiB, no more', async () => {
    expect(await reason(`${'81'.repeat(8)}00`)).toBe(null)
    expect(await reason(`${'81'.repeat(9)}00`)).toBe('nested too deeply')
    expect(await reason(`${'a100'.repeat(9)}00`)).toBe('nested too deeply')
    expect(await reason(`${'81'.repeat(65_536)}`)).toBe('nested too deeply')
    expect(await reason(`59fffd${'00'.repeat(65_533)}`)).toBe(null)
    expect(await reason(`59fffe${'00'.repeat(65_534)}`)).toBe('more than 64 KiB')
  })

  it.each([
    ['1817', 'a head that is not the shortest'],
    ['190018', 'a head that is not the shortest'],
    ['1a0000ffff', 'a head that is not the shortest'],
    ['1b00000000ffffffff', 'a head that is not the shortest'],
    ['5800', 'a head that is not the shortest'],
    ['a202000100', 'keys that are not in order'],
    ['a2200001f6', 'keys that are not in order'],
    ['a2616200616100', 'keys that are not in order'],
    ['a262616100616200', 'keys that are not in order'],
  ])('A13 refuses %s as another spelling, and takes it where that is asked for', async (text, expected) => {
    expect(await reason(text)).toBe(expected)
    expect(await reason(text, false)).toBe(null)
  })

  it('A13 a key that is there twice is refused however it is spelt', async () => {
    for (const text of ['a201001801f6', 'a2616100616101', 'a3010002000100'])
      expect(await reason(text, false)).toBe('a key that is there twice')
  })

  it('hands out views, not copies', () => {
    const bytes = fromHex('4201aa')!
    const value = readCbor(bytes) as Uint8Array
    bytes[2] = 0xbb
    expect(hex(value)).toBe('01bb')
    expect(isCborMap(value)).toBe(false)
    expect(isCborMap(readCbor(fromHex('a0')!))).toBe(true)
  })
})

describe('the CBOR writer', () => {
  it('orders keys by their encodings, bytewise', () => {
    const all: [number | string, CborValue][] = ['aa', 'b', 'z', 10, 100, -1, 1000, 70_000].map((k) => [k, 0])
    expect(hex(writeCbor(new Map(all)))).toBe('a80a001864001903e8001a00011170002000616200617a0062616100')
  })

  it('A13 refuses what no reader here would take', () => {
    let deep: CborValue = 0
    for (let i = 0; i < 8; i++) deep = [deep]
    expect(() => writeCbor(deep)).not.toThrow()
    for (const bad of [1.5, Number.NaN, 2 ** 53, -(2 ** 53), [deep], [new Map([[0.5, 0]])]])
      expect(() => writeCbor(bad as CborValue)).toThrow(RangeError)
  })
})
