/** Our ristretto255 beside @noble/curves' own: the same bytes in, the same bytes or the same refusal out. */
import { ristretto255_hasher as hasher, ristretto255 as theirs } from '@noble/curves/ed25519.js'
import { fromHex, hex } from '@postern/core/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ristretto255 } from '../../src/internal/ristretto255.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const ours = ristretto255()
const { ORDER } = theirs.Point.Fn
const scalar = fc.bigInt({ min: 1n, max: ORDER - 1n })
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

/** What a decoder makes of bytes: their one encoding again, or nothing. */
const through = (read: (bytes: Uint8Array) => { toBytes(): Uint8Array }, bytes: Uint8Array): string => {
  try {
    return hex(read(bytes).toBytes())
  } catch {
    return 'refused'
  }
}
const alike = (bytes: Uint8Array): void => {
  const [mine, noble] = [through(ours.fromBytes, bytes), through((b) => theirs.Point.fromBytes(b), bytes)]
  expect(mine).toBe(noble)
  if (mine !== 'refused') expect(mine).toBe(hex(bytes))
}
const little = (n: bigint) => fromHex(n.toString(16).padStart(64, '0'))!.reverse()

describe('ristretto255', () => {
  it('decodes what is an element, and refuses what is none, for any 32 bytes', () =>
    fc.assert(fc.property(bytes32, alike), { numRuns: numRuns * 3 }))

  it('decodes even numbers below p, about half of which are elements', () => {
    let elements = 0
    fc.assert(
      fc.property(bytes32, (bytes) => {
        const even = Uint8Array.from(bytes, (byte, i) => (i === 0 ? byte & 254 : i === 31 ? byte & 63 : byte))
        alike(even)
        if (through(ours.fromBytes, even) !== 'refused') elements++
      }),
      { numRuns: numRuns * 3 },
    )
    expect(elements).toBeGreaterThan(0)
  })

  it('refuses p, p + 1, p − 1, negatives, 2^255 and more, and other lengths', () => {
    const p = 2n ** 255n - 19n
    for (const n of [
      0n,
      1n,
      2n,
      3n,
      4n,
      p - 3n,
      p - 2n,
      p - 1n,
      p,
      p + 1n,
      p + 2n,
      2n ** 255n - 1n,
      2n ** 255n,
      2n ** 255n + 2n,
      2n ** 256n - 1n,
    ])
      alike(little(n))
    for (const length of [0, 31, 33, 64]) expect(through(ours.fromBytes, new Uint8Array(length))).toBe('refused')
    expect(ours.fromBytes(new Uint8Array(32)).is0()).toBe(true)
  })

  it('multiplies the base point and any element as the library does', () =>
    fc.assert(
      fc.property(scalar, scalar, (a, b) => {
        const [mine, noble] = [ours.BASE.multiply(a), theirs.Point.BASE.multiply(a)]
        expect(hex(mine.toBytes())).toBe(hex(noble.toBytes()))
        const again = ours.fromBytes(mine.toBytes())
        expect(hex(again.multiply(b).toBytes())).toBe(hex(theirs.Point.fromBytes(noble.toBytes()).multiply(b).toBytes()))
        expect([mine.is0(), again.is0()]).toEqual([false, false])
        alike(mine.toBytes())
      }),
      { numRuns },
    ))

  it('hashes to the group and to scalars as the library does', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ minLength: 1, maxLength: 255 }), (message, dst) => {
        expect(hex(ours.hashToGroup(message, dst).toBytes())).toBe(hex(hasher.hashToCurve(message, { DST: dst }).toBytes()))
        expect(ours.hashToScalar(message, dst)).toBe(hasher.hashToScalar!(message, { DST: dst }))
      }),
      { numRuns },
    ))

  it('keeps the elements of RFC 9496 A.1: the first multiples of the base point', () => {
    const two = ours.BASE.multiply(2n).toBytes()
    expect(hex(ours.BASE.toBytes())).toBe('e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76')
    expect(hex(two)).toBe('6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919')
  })
})
