import { createCrypto } from '@postern/core/crypto'
import { encodeBlockList, openBlockList } from '@postern/policy/pin/blocklist'
import type { PinPolicy } from '@postern/policy/pin/policy'
import { blocked, countBlocked } from '@postern/policy/pin/space'
import { expect, it } from 'vitest'
import { bare, refused } from '../pins.js'

const listed = ['1112222', '1234567', '2580258', '7654321', '9081726', '0000000']
const edges = new Map([...'0123456789'].map((key) => [key, '']))
for (const pair of '12 23 45 56 78 89 14 47 25 58 36 69 80'.split(' '))
  for (const [a, b] of [pair, [...pair].reverse().join('')]) edges.set(a!, edges.get(a!)! + b)

/** Features of all 10^7 PINs of seven digits, by plain loops: `run/same/walk/plus/minus/wrapped/any/listed` to how many. */
const tally = (() => {
  const out = new Map<string, number>()
  const counts = new Uint8Array(10)
  const near = new Uint8Array(100)
  for (const [a, all] of edges) for (const b of all) near[Number(a + b)] = 1
  const special = new Set(listed.map(Number))
  const d = new Array<number>(7).fill(0)
  const flat = new Uint32Array(8 * 8 * 64)
  for (let n = 0; n < 10 ** 7; n++) {
    for (let i = 6, rest = n; i >= 0; i--, rest = (rest - (rest % 10)) / 10) d[i] = rest % 10
    counts.fill(0)
    let [run, longest, most, walk, straight, wrapped] = [1, 1, 0, 1, 1, 1]
    const step = d[1]! - d[0]!
    for (let i = 0; i < 7; i++) {
      most = Math.max(most, ++counts[d[i]!]!)
      if (i === 0) continue
      run = d[i] === d[i - 1] ? run + 1 : 1
      longest = Math.max(longest, run)
      walk &= near[d[i - 1]! * 10 + d[i]!]!
      if (d[i]! - d[i - 1]! !== step) straight = 0
      if ((d[i]! - d[i - 1]! - step + 20) % 10 !== 0) wrapped = 0
    }
    if (step === 0) straight = wrapped = 0
    const one = wrapped && (step + 20) % 10 === 1 ? 1 : 0
    flat[(longest * 8 + most) * 64 + walk * 32 + straight * 16 + wrapped * 8 + one * 4 + (special.has(n) ? 2 : 0)]!++
  }
  flat.forEach((many, i) => {
    if (many > 0) out.set(String(i), many)
  })
  return out
})()

it('of seven digits, what the automaton counts is what plain loops count', async () => {
  const crypto = createCrypto()
  const { bytes, count, hash } = await encodeBlockList(7, listed, crypto)
  const ref = { ref: 'x', count, hash }
  const lists = { '7': await openBlockList(7, ref, bytes, crypto) }
  for (const maxRun of [null, 1, 2, 3, 6])
    for (const maxSame of [null, 1, 2, 3, 4, 7])
      for (const keypad of [false, true])
        for (const sequences of [
          null,
          { steps: 'any', wrap: false },
          { steps: 'any', wrap: true },
          { steps: [1], wrap: true },
        ] as const)
          for (const list of [undefined, listed, ref]) {
            const p: PinPolicy = { ...bare, maxRun, maxSame, keypad, sequences, blocklists: list ? { '7': list } : {} }
            let expected = 0
            for (const [key, many] of tally) {
              const n = Number(key)
              const [run, same] = [n >> 9, (n >> 6) & 7]
              const sequence = sequences !== null && (sequences.steps !== 'any' ? n & 4 : sequences.wrap ? n & 8 : n & 16) !== 0
              if (
                run > (maxRun ?? 7) ||
                same > (maxSame ?? 7) ||
                (keypad && (n & 32) !== 0) ||
                sequence ||
                (list !== undefined && (n & 2) !== 0)
              )
                expected += many
            }
            expect([p, countBlocked(p, 7, lists)]).toEqual([p, BigInt(expected)])
          }
}, 300_000)

it('up to six digits every PIN is asked, and a set answers as the check does', () => {
  const p: PinPolicy = { ...bare, maxRun: 2, patterns: ['ABAB'], dates: ['DDMM'], keypad: true, blocklists: { '4': ['9071'] } }
  const set = blocked(p, 4)
  let size = 0
  for (let n = 0; n < 10_000; n++) {
    const pin = String(n).padStart(4, '0')
    const is = refused(p, pin).length > 0
    if (is) size++
    expect([pin, set.has(pin)]).toEqual([pin, is])
  }
  expect([set.length, set.size, countBlocked(p, 4)]).toEqual([4, size, BigInt(size)])
  expect([set.has('11111'), set.has('9o71'), set.has('111')]).toEqual([false, false, false])
})

it('a length outside the policy is refused whole', () => {
  const p: PinPolicy = { ...bare, length: { min: 5, max: 8 } }
  expect([4, 5, 8, 9].map((length) => countBlocked(p, length))).toEqual([10_000n, 0n, 0n, 10n ** 9n])
})

it('the longest PINs are counted too: against closed forms', () => {
  // No digit twice: ten factorial arrangements of ten, none of eleven.
  expect(10n ** 10n - countBlocked({ ...bare, maxSame: 1 }, 10)).toBe(3_628_800n)
  expect(countBlocked({ ...bare, maxSame: 1 }, 11)).toBe(10n ** 11n)
  // No two equal neighbours: 10 · 9^31.
  expect(10n ** 32n - countBlocked({ ...bare, maxRun: 1 }, 32)).toBe(10n * 9n ** 31n)
  // 20 digits, each exactly twice: 20! / 2^10.
  const factorial = (n: bigint): bigint => (n < 2n ? 1n : n * factorial(n - 1n))
  expect(10n ** 20n - countBlocked({ ...bare, maxSame: 2 }, 20)).toBe(factorial(20n) / 2n ** 10n)
  // Walks, by powers of the matrix of neighbours.
  let ways = new Map([...edges.keys()].map((key) => [key, 1n]))
  for (let i = 1; i < 32; i++)
    ways = new Map([...edges].map(([key, to]) => [key, [...to].reduce((sum, next) => sum + ways.get(next)!, 0n)]))
  expect(countBlocked({ ...bare, keypad: true }, 32)).toBe([...ways.values()].reduce((a, b) => a + b, 0n))
  expect(countBlocked({ ...bare, sequences: { steps: [1, -1], wrap: true } }, 32)).toBe(20n)
})

it('what cannot be counted or listed says so', () => {
  const invalid = expect.objectContaining({ code: 'pin.policy_invalid' })
  expect(() => blocked(bare, 7)).toThrow(invalid)
  expect(() => blocked(bare, 0)).toThrow(invalid)
  expect(() => blocked(bare, 4.5)).toThrow(invalid)
  expect(() => countBlocked(bare, 33)).toThrow(invalid)
  expect(() => countBlocked(bare, 7.5)).toThrow(invalid)
  expect(() => countBlocked({ ...bare, keypad: true, maxSame: 6 }, 32)).toThrow(invalid)
  const named: PinPolicy = { ...bare, blocklists: { '7': { ref: 'x', count: 1, hash: 'sha256:x' } } }
  expect(() => countBlocked(named, 7)).toThrow(expect.objectContaining({ code: 'pin.blocklist_mismatch' }))
})
