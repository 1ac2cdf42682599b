/** Our ristretto255 beside @noble/curves' own: the same bytes in, the same bytes or the same refusal out. */
import { ristretto255_hasher as hasher, ristretto255 as theirs } from '@noble/curves/ed25519.js'
import { concat, fromHex, hex } from '@postern/core/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ristretto255 } from '../../src/internal/ristretto255.js'

/** Of each property; decodings and derivations, which are cheap, ten times as many. */
const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const many = { numRuns: 10 * numRuns }
const ours = ristretto255()
const { ORDER } = theirs.Point.Fn
const scalar = fc.oneof(
  fc.bigInt({ min: 1n, max: ORDER - 1n }),
  fc.bigInt({ min: 1n, max: 64n }),
  fc.bigInt({ min: ORDER - 64n, max: ORDER - 1n }),
)
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
const p = 2n ** 255n - 19n
const little = (n: bigint) => fromHex(n.toString(16).padStart(64, '0'))!.reverse()

describe('ristretto255', () => {
  it('decodes what is an element, and refuses what is none, for any 32 bytes', () => fc.assert(fc.property(bytes32, alike), many))

  it('decodes even numbers below p, about half of which are elements', () => {
    let elements = 0
    fc.assert(
      fc.property(bytes32, (bytes) => {
        const even = Uint8Array.from(bytes, (byte, i) => (i === 0 ? byte & 254 : i === 31 ? byte & 63 : byte))
        alike(even)
        if (through(ours.fromBytes, even) !== 'refused') elements++
      }),
      many,
    )
    expect(elements).toBeGreaterThan(0)
  })

  it('decodes or refuses each of the 512 numbers on either side of 0, p, 2^255 and 2^256', () => {
    let elements = 0
    for (const near of [0n, p, 2n ** 255n, 2n ** 256n])
      for (let n = near - 512n; n < near + 512n; n++) {
        if (n < 0n || n >= 2n ** 256n) continue
        alike(little(n))
        if (through(ours.fromBytes, little(n)) === 'refused') continue
        expect(n < p && n % 2n === 0n).toBe(true)
        elements++
      }
    expect(elements).toBeGreaterThan(100)
  })

  it('refuses other lengths, and has the identity as 32 zeros alone', () => {
    for (const length of [0, 31, 33, 64]) expect(through(ours.fromBytes, new Uint8Array(length))).toBe('refused')
    expect(ours.fromBytes(new Uint8Array(32)).is0()).toBe(true)
    // Small order on Edwards' curve: 0, ±1, ±sqrt(−1), and the x and y of points of order 8.
    const i = 19681161376707505956807079304988542015446066515923890162744021073123829784752n
    const eighth = 14399317868200118260347934320527232580618823971194345261214217575416788799818n
    const twice = 55188659117513257062467267217118295137698188065244968500265048394206261417927n
    for (const n of [1n, p - 1n, i, p - i, eighth, p - eighth, twice, p - twice]) alike(little(n))
  })

  it('has one encoding an element: its negative, and what is congruent to either, are refused', () =>
    fc.assert(
      fc.property(scalar, (k) => {
        const bytes = ours.BASE.multiply(k).toBytes()
        const s = BigInt(`0x${hex(bytes.slice().reverse())}`)
        for (const other of [p - s, p + s, 2n * p - s, s + 2n ** 255n, p - s + 2n ** 255n]) {
          if (other >= 2n ** 256n) continue
          expect(through(ours.fromBytes, little(other))).toBe('refused')
          alike(little(other))
        }
      }),
      { numRuns },
    ))

  it('derives elements of any 64 bytes, and of halves at the edges, as the library does', () => {
    const edge = fc
      .tuple(fc.constantFrom(0n, p, 2n ** 255n, 2n ** 255n + p), fc.integer({ min: -40, max: 40 }))
      .map(([near, by]) => little((near + BigInt(by) + 2n ** 256n) % 2n ** 256n))
    const half = fc.oneof(bytes32, edge)
    fc.assert(
      fc.property(half, half, (a, b) => {
        const uniform = concat(a, b)
        const mine = ours.derive(uniform)
        const noble = hasher.deriveToCurve!(uniform)
        expect(hex(mine.toBytes())).toBe(hex(noble.toBytes()))
        expect(mine.is0()).toBe(noble.equals(theirs.Point.ZERO))
        alike(mine.toBytes())
        // The sum the other way round: another point, perhaps, of the same element.
        expect(hex(ours.derive(concat(b, a)).toBytes())).toBe(hex(mine.toBytes()))
      }),
      { numRuns: 3 * numRuns },
    )
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

  it('multiplies a derived element, whatever point of its class stands for it', () =>
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), scalar, (uniform, k) => {
        const mine = ours.derive(uniform).multiply(k)
        expect(hex(mine.toBytes())).toBe(hex(ours.fromBytes(ours.derive(uniform).toBytes()).multiply(k).toBytes()))
        expect(hex(mine.toBytes())).toBe(hex(hasher.deriveToCurve!(uniform).multiply(k).toBytes()))
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
})
