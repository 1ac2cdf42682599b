/** What four-digit PINs of a published table buy, to three decimals. */
import { createCrypto } from '@postern/core/crypto'
import { encodeBlockList, openBlockList } from '@postern/policy/pin/blocklist'
import { estimate } from '@postern/policy/pin/estimate'
import type { BlockLists, PinPolicy } from '@postern/policy/pin/policy'
import { countBlocked } from '@postern/policy/pin/space'
import { describe, expect, it } from 'vitest'
import { bare } from '../pins.js'
import { missing, vector } from './files.js'

const crypto = createCrypto()
const table = (): [string, number][] =>
  vector('pin/rockyou-4-digit.counts.csv')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(','))
    .filter(([pin]) => /^\d{4}$/.test(pin!))
    .map(([pin, count]) => [pin!, Number(count)])
const percent = (share: number): string => (share * 100).toFixed(3)

async function listed(file: string): Promise<[PinPolicy, BlockLists]> {
  const pins = vector(file).trim().split(/\s+/)
  const { bytes, count, hash } = await encodeBlockList(4, pins, crypto)
  const ref = { ref: file, count, hash }
  return [{ ...bare, blocklists: { '4': ref } }, { '4': await openBlockList(4, ref, bytes, crypto) }]
}

describe.skipIf(missing)('RockYou, three guesses', () => {
  it('is the table that the figures were made from', () => {
    expect(table().reduce((sum, [, count]) => sum + count, 0)).toBe(1_780_587)
  })

  it.each<[string, () => Promise<[PinPolicy, BlockLists]>, ...(number | string | null)[]]>([
    ['no rule', async () => [bare, {}], 0, '0.00', '8.042', '8.042', null],
    [
      'all-same and ±1 sequences',
      async () => [{ ...bare, maxRun: 3, sequences: { steps: [1, -1], wrap: false } }, {}],
      24,
      '5.09',
      '6.383',
      '11.149',
      '0.348',
    ],
    ['iOS-4-digit', () => listed('pin/iOS-4-digit.txt'), 274, '41.45', '0.836', '41.936', '0.175'],
    ['DD-4-digit-2740', () => listed('pin/DD-4-digit-2740.txt'), 2740, '77.34', '0.338', '77.419', '0.100'],
  ])('%s', async (_, of, count, hit, low, high, breakEven) => {
    const [p, blocklists] = await of()
    const e = estimate(p, 4, table(), { blocklists })
    expect(countBlocked(p, 4, blocklists)).toBe(BigInt(count!))
    expect([(e.hit * 100).toFixed(2), percent(e.low), percent(e.high), e.breakEven?.toFixed(3) ?? null]).toEqual([
      hit,
      low,
      high,
      breakEven,
    ])
    expect([e.k, percent(e.none)]).toEqual([3, '8.042'])
  })

  it('each rule is worth what the policy loses without it', () => {
    const p: PinPolicy = { ...bare, maxRun: 3, sequences: { steps: [1, -1], wrap: false } }
    const { rules, low, high } = estimate(p, 4, table())
    const [runs, sequences] = [estimate({ ...p, sequences: null }, 4, table()), estimate({ ...p, maxRun: null }, 4, table())]
    const found = Object.fromEntries(rules.map((rule) => [rule.rule, rule]))
    expect(Object.keys(found).sort()).toEqual(['run', 'sequence'])
    expect([found['run']!.low, found['run']!.high]).toEqual([sequences.low, sequences.high])
    expect([found['sequence']!.low, found['sequence']!.high]).toEqual([runs.low, runs.high])
    const share = found['sequence']!.breakEven!
    expect(share.toFixed(3)).toBe('0.432')
    expect(low + share * (high - low)).toBeCloseTo(runs.low + share * (runs.high - runs.low), 12)
    // The run rule pays at no share of crowding: its ten PINs are popular, but those they make way for are guessed more easily still.
    expect([found['run']!.breakEven, low > sequences.low, high > sequences.high]).toEqual([null, true, true])
    expect(found['run']!.alone + found['sequence']!.alone).toBeCloseTo(0.0509, 4)
  })

  it('more rules can be worse: at most two repeated digits and no sequence of any step', () => {
    const p: PinPolicy = { ...bare, maxRun: 2, sequences: { steps: 'any', wrap: false } }
    expect(countBlocked(p, 4)).toBe(214n)
    const e = estimate(p, 4, table(), { k: 30 })
    expect(e.low).toBeLessThan(e.none)
    expect(e.high).toBeGreaterThan(e.none)
  })
})

it('by hand: five users, two guesses', () => {
  const p: PinPolicy = { ...bare, maxRun: 3, blocklists: { '4': ['1111', '1234'] } }
  const users = [
    ['1111', 2],
    ['1234', 1],
    ['9081', 1],
    ['9081', 0],
    ['7093', 1],
    ['55555', 9],
  ] as const
  const e = estimate(p, 4, users, { k: 1 })
  expect([e.none, e.hit, e.low, e.high]).toEqual([0.4, 0.6, 0.5, 0.8].map((n) => expect.closeTo(n, 12)))
  expect(e.breakEven).toBeNull()
  expect(e.rules).toEqual([
    // Without the run rule its PIN is still listed; without the list, 1234 is one guess of three.
    { rule: 'run', alone: 0, low: 0.5, high: expect.closeTo(0.8), breakEven: null },
    { rule: 'blocked', alone: 0.2, low: expect.closeTo(1 / 3), high: expect.closeTo(0.6), breakEven: null },
  ])
})

it('where everybody is refused, nobody is left to follow: low is even over the rest', () => {
  const p: PinPolicy = { ...bare, blocklists: { '4': ['1111', '1234'] } }
  const e = estimate(
    p,
    4,
    [
      ['1111', 1],
      ['1234', 1],
    ],
    { k: 3 },
  )
  expect([e.low, e.high, e.hit]).toEqual([3 / 9998, 1, 1])
})

it('guesses are attempts times cycles; a table that says nothing is refused', () => {
  expect(estimate({ ...bare, attempts: 4, cycles: 5 }, 4, [['1111', 1]]).k).toBe(20)
  const invalid = expect.objectContaining({ code: 'pin.policy_invalid' })
  for (const rows of [
    [],
    [['11111', 1]],
    [['1111', 0]],
    [['1111', -1]],
    [['1111', Number.NaN]],
    [['1111', Number.POSITIVE_INFINITY]],
  ] as [string, number][][])
    expect(() => estimate(bare, 4, rows)).toThrow(invalid)
  for (const k of [0, 1.5, -1]) expect(() => estimate(bare, 4, [['1111', 1]], { k })).toThrow(invalid)
})
