import { setBounded } from '@postern/core/boundedMap'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

describe('a bounded map', () => {
  it('holds the newest names, as many as it may, each with the value that it was given last', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(12), fc.nat())), fc.integer({ min: 1, max: 8 }), (puts, max) => {
        const map = new Map<number, number>()
        // A list beside it, by the rule as it is written.
        let names: readonly number[] = []
        const last = new Map<number, number>()
        for (const [name, value] of puts) {
          setBounded(map, name, value, max)
          names = (names.includes(name) ? names : [...names, name]).slice(-max)
          last.set(name, value)
          expect([...map]).toEqual(names.map((one) => [one, last.get(one)]))
        }
      }),
    )
  })
})
