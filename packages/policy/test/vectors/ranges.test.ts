/** Plain comparator ranges of node-semver as unions of intervals: what they include, what they exclude, and whether two of them meet. */
import { analyse } from '@postern/policy/analyse'
import { compile } from '@postern/policy/compile'
import type { Range, Rule } from '@postern/policy/document'
import { decide } from '@postern/policy/evaluate'
import { describe, expect, it } from 'vitest'
import { doc, small } from '../small.js'
import { missing, vector } from './files.js'

const plain = /^(?:(?:>=|<=|>|<|=)?\s*\d+\.\d+\.\d+(?:\s+|$)|\|\|\s*)+$/
const operators = { '>=': 'gte', '<=': 'lte', '>': 'gt', '<': 'lt' } as const

/** `null` for a range with more than plain comparators, or with one bound twice. */
function rangesOf(text: string): readonly Range[] | null {
  if (!plain.test(text)) return null
  const out: Record<string, string>[] = []
  for (const part of text.split('||')) {
    const range: Record<string, string> = {}
    for (const [, op = '', version = ''] of part.matchAll(/(>=|<=|>|<|=)?\s*(\d+\.\d+\.\d+)/g)) {
      const names = op === '' || op === '=' ? ['gte', 'lte'] : [operators[op as keyof typeof operators]]
      for (const name of names) {
        if (name in range) return null
        range[name] = version
      }
    }
    if (('lt' in range && 'lte' in range) || ('gt' in range && 'gte' in range)) return null
    // Nothing between bars is any version.
    out.push(Object.keys(range).length === 0 ? { gte: '0.0.0' } : range)
  }
  return out
}
const inRange = (ranges: readonly Range[], version: string): boolean => {
  const rule: Rule = { id: 'r', mode: 'enforce', effect: 'allow', when: { version: { ranges } } }
  return decide(compile(small, doc([rule])), { action: 'login', version }).outcome === 'allow'
}

describe.skipIf(missing)('node-semver fixtures of plain comparators', () => {
  const read = (file: string) => (missing ? [] : (JSON.parse(vector(`semver/${file}.json`)) as [string, string, boolean?][]))

  it.each([
    ['range-include', true, 15],
    ['range-exclude', false, 12],
  ] as const)('%s', (file, expected, least) => {
    const cases = read(file).filter(([range, version]) => rangesOf(range) !== null && /^\d+\.\d+\.\d+$/.test(version))
    expect(cases.length).toBeGreaterThanOrEqual(least)
    for (const [range, version] of cases)
      expect([range, version, inRange(rangesOf(range)!, version)]).toEqual([range, version, expected])
  })

  it('range-intersection: a rule of both is satisfiable exactly where they meet', () => {
    const cases = read('range-intersection').filter(([a, b]) => rangesOf(a) !== null && rangesOf(b) !== null)
    expect(cases.length).toBeGreaterThanOrEqual(10)
    for (const [a, b, expected] of cases) {
      const anyOf = [{ version: { ranges: rangesOf(b)! } }]
      const rule: Rule = { id: 'both', mode: 'enforce', effect: 'allow', when: { version: { ranges: rangesOf(a)! } }, anyOf }
      const { findings } = analyse(compile(small, doc([rule])), { steps: 10_000 })
      expect([a, b, findings.every(({ kind }) => kind !== 'unsatisfiable')]).toEqual([a, b, expected])
    }
  })
})
