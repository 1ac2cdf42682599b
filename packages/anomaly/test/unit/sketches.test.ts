import { utf8 } from '@postern/core/bytes'
import { isPosternError } from '@postern/core/errors'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  addMembers,
  type Cardinality,
  countMembers,
  decodeCardinality,
  encodeCardinality,
  estimated,
  memberHash,
  mergeCardinality,
  noMembers,
} from '../../src/sketches/cardinality.js'
import { addCount, countMin, mergeCounts, readCount } from '../../src/sketches/countMin.js'

const key = new Uint8Array(16)
const of = (from: number, to: number): Cardinality =>
  addMembers(
    noMembers,
    Array.from({ length: to - from }, (_, i) => memberHash(key, utf8(`m${from + i}`))),
  )

it('up to 1,024 members are counted exactly, more within 4 standard errors', () => {
  expect(countMembers(of(0, 1024))).toEqual({ count: 1024, exact: true })
  for (const n of [1025, 3000, 20_000, 60_000]) {
    const { count, exact } = countMembers(of(0, n))
    expect(exact).toBe(false)
    expect(Math.abs(count - n) / n).toBeLessThan((4 * 1.04) / 64)
  }
})

it('N3 merging is a union: commutative, associative, idempotent, the same bytes as one node, exact or not', () =>
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1500 }), { minLength: 3, maxLength: 3 }), fc.nat(500), (sizes, shift) => {
      const [a, b, c] = sizes.map((n, i) => of(i * shift, i * shift + n)) as [Cardinality, Cardinality, Cardinality]
      const bytes = (x: Cardinality) => encodeCardinality(x)
      expect(bytes(mergeCardinality(a, b))).toEqual(bytes(mergeCardinality(b, a)))
      expect(bytes(mergeCardinality(mergeCardinality(a, b), c))).toEqual(bytes(mergeCardinality(a, mergeCardinality(b, c))))
      expect(bytes(mergeCardinality(a, a))).toEqual(bytes(a))
    }),
    { numRuns: 10 },
  ))

it('N5 a cardinality survives its bytes; damaged bytes are refused by code', () =>
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40 }), fc.boolean(), fc.uint8Array({ maxLength: 30 }), (n, wide, noise) => {
      const c = wide ? estimated(of(0, n)) : of(0, n)
      expect(encodeCardinality(decodeCardinality(encodeCardinality(c)))).toEqual(encodeCardinality(c))
      try {
        decodeCardinality(noise)
      } catch (error) {
        expect(isPosternError(error, 'anomaly.state_invalid')).toBe(true)
      }
    }),
    { numRuns: 50 },
  ))

it('count-min never counts too low, and merging adds', () => {
  const [a, b, truth] = [countMin(64), countMin(64), new Map<number, number>()]
  for (let i = 0; i < 500; i++) {
    const k = (i * i) % 97
    truth.set(k, (truth.get(k) ?? 0) + 1)
    addCount(i % 2 ? a : b, Math.imul(k, 0x9e3779b1), Math.imul(k + 1, 0x85ebca6b))
  }
  const both = mergeCounts(a, b)
  for (const [k, n] of truth)
    expect(readCount(both, Math.imul(k, 0x9e3779b1), Math.imul(k + 1, 0x85ebca6b))).toBeGreaterThanOrEqual(n)
  expect(() => mergeCounts(a, countMin(128))).toThrow(/merge/)
})
