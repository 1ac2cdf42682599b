import type { JsonObject } from '@postern/core/json'
import { detailTypes, narrowsByLists } from '@postern/tokens/rar'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const LISTS = ['actions', 'datatypes', 'locations', 'privileges'] as const
const entries = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
const detail = fc
  .record(
    { actions: entries, datatypes: entries, locations: entries, privileges: entries, identifier: fc.constantFrom('x', 'y') },
    { requiredKeys: [] },
  )
  .map((members): JsonObject => ({ type: 't', ...members }))
const payments = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 5 })
const types = detailTypes({
  t: { parse: (value) => value },
  payment: { parse: (value) => value, narrows: (asked, granted) => (asked.cents as number) <= (granted.cents as number) },
})
const narrows = (asked: readonly JsonObject[], granted: readonly JsonObject[]): boolean => {
  try {
    return types.narrow(asked, granted) === asked
  } catch {
    return false
  }
}

/** Everything a detail allows, one line each; a list left out allows what no list names. */
function allowed(one: JsonObject): Set<string> {
  const choices = LISTS.map((name) => (one[name] as readonly string[] | undefined) ?? ['anything'])
  return new Set(
    choices.reduce((lines, some) => lines.flatMap((line) => some.map((entry) => `${line} ${entry}`)), [String(one.identifier)]),
  )
}

describe('the law of narrowing', () => {
  it('says yes exactly when a detail allows a part of what another allows, and nothing else', () =>
    fc.assert(
      fc.property(detail, detail, (asked, granted) => {
        const most = allowed(granted)
        expect(narrowsByLists(asked, granted)).toBe([...allowed(asked)].every((line) => most.has(line)))
      }),
      { numRuns: 2000 },
    ))

  it('holds for a detail and itself, and in chains', () =>
    fc.assert(
      fc.property(detail, detail, detail, (a, b, c) => {
        expect(narrowsByLists(a, a)).toBe(true)
        if (narrowsByLists(a, b) && narrowsByLists(b, c)) expect(narrowsByLists(a, c)).toBe(true)
        if (narrowsByLists(a, b) && narrowsByLists(b, a)) expect(allowed(a)).toEqual(allowed(b))
      }),
      { numRuns: 2000 },
    ))

  it('gives every asked detail a granted one of its own, whatever the order', () =>
    fc.assert(
      fc.property(payments, payments, (asked, granted) => {
        const down = (all: readonly number[]) => [...all].sort((a, b) => b - a)
        const [most, wanted] = [down(granted), down(asked)]
        const fits = wanted.every((cents, i) => cents <= (most[i] ?? 0))
        const of = (all: readonly number[]) => all.map((cents) => ({ type: 'payment', cents }))
        expect(narrows(of(asked), of(granted))).toBe(fits)
      }),
      { numRuns: 2000 },
    ))

  it('takes an empty list for nothing it knows: it may stand for everything', () => {
    expect(narrowsByLists({ type: 't', actions: [] }, { type: 't', actions: ['a'] })).toBe(false)
    expect(narrowsByLists({ type: 't', actions: [] }, { type: 't', actions: [] })).toBe(true)
  })

  it('never lets one type stand for another', () => {
    expect(narrows([{ type: 't' }], [{ type: 'payment', cents: 1 }])).toBe(false)
    expect(narrows([], [{ type: 't' }])).toBe(true)
  })
})
