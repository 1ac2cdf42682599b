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
    ['1700', 'trailing'],
    ['', 'truncated'],
    ['18', 'truncated'],
    ['43aabb', 'truncated'],
    ['9bffffffffffffffff', 'integer'],
    ['9affffffff', 'truncated'],
    ['ba7fffffff00', 'truncated'],
    ['a201000100', 'duplicate'],
    ['62c328', 'utf8'],
    ['63eda080', 'utf8'],
    ['a14100f6', 'key'],
    ['a1f5f6', 'key'],
    ['1c', 'indefinite'],
    ['3b001fffffffffffff', 'integer'],
    ['ff', 'type'],
  ] as const)('A13 refuses %s', async (text, expected) => {
    expect(await reason(text)).toBe(expected)
  })

  it('A13 takes 8 levels and 64 KiB, no more', async () => {
    expect(await reason(`${'81'.repeat(8)}00`)).toBe(null)
    expect(await reason(`${'81'.repeat(9)}00`)).toBe('depth')
    expect(await reason(`${'a100'.repeat(9)}00`)).toBe('depth')
    expect(await reason(`${'81'.repeat(65_536)}`)).toBe('depth')
    expect(await reason(`59fffd${'00'.repeat(65_533)}`)).toBe(null)
    expect(await reason(`59fffe${'00'.repeat(65_534)}`)).toBe('size')
  })

  it.each([
    ['1817', 'head'],
    ['190018', 'head'],
    ['1a0000ffff', 'head'],
    ['1b00000000ffffffff', 'head'],
    ['5800', 'head'],
    ['a202000100', 'order'],
    ['a2200001f6', 'order'],
    ['a2616200616100', 'order'],
    ['a262616100616200', 'order'],
  ])('A13 refuses %s as another spelling, and takes it where that is asked for', async (text, expected) => {
    expect(await reason(text)).toBe(expected)
    expect(await reason(text, false)).toBe(null)
  })

  it('A13 a key that is there twice is refused however it is spelt', async () => {
    for (const text of ['a201001801f6', 'a2616100616101', 'a3010002000100']) expect(await reason(text, false)).toBe('duplicate')
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
