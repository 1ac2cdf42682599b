import { compareVersions, formatVersion, nextVersion, parseVersion, type Version } from '@postern/policy/version'
import fc from 'fast-check'
import semver from 'semver'
import { describe, expect, it } from 'vitest'
import { missing, vector } from './files.js'

describe.skipIf(missing)('node-semver fixtures, the part without a leading v', () => {
  it('comparisons: the first is above the second', () => {
    const cases = (JSON.parse(vector('semver/comparisons.json')) as [string, string][]).filter(
      ([a, b]) => !`${a} ${b}`.includes('v'),
    )
    expect(cases.length).toBeGreaterThan(15)
    for (const [a, b] of cases) {
      const [x, y] = [parseVersion(a)!, parseVersion(b)!]
      expect([a, b, Math.sign(compareVersions(x, y)), Math.sign(compareVersions(y, x))]).toEqual([a, b, 1, -1])
    }
  })

  it('equality: build metadata counts for nothing', () => {
    const cases = (JSON.parse(vector('semver/equality.json')) as [string, string, unknown][]).filter(
      ([a, b]) => !/[v= ]/.test(`${a}${b}`),
    )
    for (const [a, b] of cases)
      if (parseVersion(a) && parseVersion(b))
        expect([a, b, compareVersions(parseVersion(a)!, parseVersion(b)!)]).toEqual([a, b, 0])
  })

  it('what is valid there and has no v is valid here', () => {
    for (const [text] of JSON.parse(vector('semver/valid-versions.json')) as [string][])
      if (semver.valid(text) && !/^v|\d{9}/.test(text)) expect([text, parseVersion(text) !== null]).toEqual([text, true])
  })
})

const part = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constant(2 ** 26 - 1))
const pre = fc.option(
  fc
    .array(fc.constantFrom('0', '1', '10', 'a', 'b', 'A', '-', 'rc1'), { minLength: 1, maxLength: 3 })
    .map((ids) => ids.join('.')),
)
const version = fc.tuple(part, part, part, pre).map(([a, b, c, p]) => `${a}.${b}.${c}${p === null ? '' : `-${p}`}`)

it('orders as semver does', () => {
  fc.assert(
    fc.property(version, version, (a, b) => {
      expect(Math.sign(compareVersions(parseVersion(a)!, parseVersion(b)!))).toBe(semver.compare(a, b))
    }),
    { numRuns: 500 },
  )
})

it('the next version is above, and nothing lies between', () => {
  const four = fc
    .tuple(part, part, part, part, pre)
    .map(([a, b, c, d, p]) => parseVersion(`${a}.${b}.${c}.${d}${p === null ? '' : `-${p}`}`)!)
  fc.assert(
    fc.property(four, four, (v, other) => {
      const next: Version = nextVersion(v, true)
      expect(compareVersions(next, v)).toBeGreaterThan(0)
      expect(compareVersions(other, v) > 0 && compareVersions(other, next) < 0).toBe(false)
      expect(parseVersion(formatVersion(v))).toEqual(v)
    }),
    { numRuns: 500 },
  )
})

it('5.10 is above 5.9, 16 is 16.0, and four parts of 26 bits are the most', () => {
  const compare = (a: string, b: string): number => compareVersions(parseVersion(a)!, parseVersion(b)!)
  expect(compare('5.10', '5.9')).toBeGreaterThan(0)
  expect(compare('16', '16.0')).toBe(0)
  // Beyond 2^53, where numbers no longer tell neighbours apart.
  for (const [more, less] of [
    ['1.0-9007199254740993', '1.0-9007199254740992'],
    ['1.0-10000000000000000000', '1.0-9'],
  ] as const)
    expect([compare(more, less) > 0, compare(less, more) < 0]).toEqual([true, true])
  for (const bad of [
    'v1',
    '1.2.3.4.5',
    '67108864',
    '',
    '1.',
    '.1',
    '1..2',
    '01',
    '1.2-',
    '1.2-01',
    '1.2-a..b',
    '1 .2',
    '-1',
    '1e3',
  ])
    expect([bad, parseVersion(bad)]).toEqual([bad, null])
})
