/// <reference types="node" />
import { hex } from '@postern/core/bytes'
import { type CborValue, readCbor, readCborItem, writeCbor } from '@postern/core/cbor'
import { decode, encode, rfc8949EncodeOptions } from 'cborg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf, RUNS } from '../support.js'

const leaf: fc.Arbitrary<CborValue> = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.uint8Array({ maxLength: 300 }),
  fc.boolean(),
  fc.constant(null),
)
const key = fc.oneof(fc.integer({ min: -70_000, max: 70_000 }), fc.string({ unit: 'grapheme', maxLength: 30 }))

/** Values of up to `depth` levels. */
function values(depth: number): fc.Arbitrary<CborValue> {
  if (depth === 0) return leaf
  const below = values(depth - 1)
  const entries = fc.uniqueArray(fc.tuple(key, below), { maxLength: 6, selector: ([k]) => `${typeof k} ${k}` })
  return fc.oneof(
    leaf,
    fc.array(below, { maxLength: 6 }),
    entries.map((all) => new Map(all)),
  )
}

const value = values(3)
const peer = (v: CborValue): Uint8Array => encode(v, rfc8949EncodeOptions)

describe('CBOR', () => {
  it('is written as cborg writes it, and read back by both', () => {
    fc.assert(
      fc.property(value, (v) => {
        const bytes = writeCbor(v)
        expect(hex(bytes)).toBe(hex(peer(v)))
        expect(readCbor(bytes)).toEqual(v)
        expect(decode(bytes, { useMaps: true })).toEqual(v)
      }),
      { numRuns: 3 * RUNS },
    )
  })

  it('an item ends where it ends, whatever follows it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), value, fc.uint8Array({ maxLength: 20 }), (before, v, behind) => {
        const item = writeCbor(v)
        const bytes = Uint8Array.of(...before, ...item, ...behind)
        expect(readCborItem(bytes, before.length)).toEqual({ value: v, end: before.length + item.length })
      }),
      { numRuns: RUNS },
    )
  })

  it('A13 any bytes are read to a value that has exactly these bytes, or refused; truncated ones always are', () => {
    const bent = fc
      .tuple(value, fc.nat(), fc.integer({ min: 1, max: 255 }))
      .map(([v, at, mask]) => writeCbor(v).map((byte, i, all) => (i === at % all.length ? byte ^ mask : byte)))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), bent), (bytes) => {
        const code = codeOf(() => readCbor(bytes))
        expect([null, 'cbor.malformed']).toContain(code)
        if (code === null) expect(hex(writeCbor(readCbor(bytes)))).toBe(hex(bytes))
      }),
      { numRuns: 5 * RUNS },
    )
    fc.assert(
      fc.property(value, fc.nat(), (v, cut) => {
        const bytes = writeCbor(v)
        expect(codeOf(() => readCbor(bytes.subarray(0, cut % bytes.length)))).toBe('cbor.malformed')
      }),
      { numRuns: RUNS },
    )
  })
})
