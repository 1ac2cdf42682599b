/** The app dies after any of its storage's calls: the old value is there, or the new one. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kemPrivateKey } from '../../src/hpke.js'
import { createSealedRecords, kekFromHpke, type SealedRecords } from '../../src/records.js'
import { backends } from '../backends.js'
import { anchorOf, Killed, shelfOf } from '../shelf.js'
import { random } from '../world.js'

const crypto = backends[0]!
const NAMES = ['a', 'b', 'c'] as const
const kek = kekFromHpke({ crypto, random }, await kemPrivateKey(crypto, 0x0020, random(32)))

type Step =
  | { readonly do: 'set'; readonly name: string; readonly value: number; readonly size: number }
  | { readonly do: 'remove'; readonly name: string }
  | { readonly do: 'reseal' }
  | { readonly do: 'destroy' }

const name = fc.constantFrom(...NAMES)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      name,
      value: fc.nat({ max: 255 }),
      size: fc.constantFrom(0, 3, 300, 70_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), name }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reseal' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'destroy' as const }) },
)

type Values = Readonly<Record<string, string | null>>

async function run(records: SealedRecords, s: Step): Promise<void> {
  if (s.do === 'set') await records.set(s.name, new Uint8Array(s.size).fill(s.value))
  else if (s.do === 'remove') await records.remove(s.name)
  else await records[s.do]()
}

function after(before: Values, s: Step): Values {
  if (s.do === 'destroy') return Object.fromEntries(NAMES.map((one) => [one, null]))
  if (s.do === 'set') return { ...before, [s.name]: `${s.value}×${s.size}` }
  return s.do === 'remove' ? { ...before, [s.name]: null } : before
}

async function valuesOf(records: SealedRecords): Promise<Values> {
  const found: Record<string, string | null> = {}
  for (const one of NAMES) {
    const value = await records.get(one)
    found[one] = value === null ? null : `${value[0] ?? 0}×${value.length}`
  }
  return found
}

/** 0 of no bytes is 0. */
const normal = (values: Values): Values =>
  Object.fromEntries(Object.entries(values).map(([one, value]) => [one, value?.endsWith('×0') ? '0×0' : value]))

describe('sealed records', () => {
  it('whichever call is the last one, before it was done or after: old value or new, and writing goes on', () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), fc.boolean(), async (steps, anchored) => {
        const cell = { value: 0 }
        const open = (storage: ReturnType<typeof shelfOf>, at: { value: number }) =>
          createSealedRecords({
            storage,
            kek,
            store: 's',
            crypto,
            random,
            ...(anchored ? { anchor: anchorOf(at) } : {}),
          })
        let data = new Map<string, Uint8Array>()
        let values: Values = after({}, { do: 'destroy' })
        for (const s of steps) {
          const next = after(values, s)
          const whole = shelfOf(new Map(data))
          const settledAt = { ...cell }
          await run(open(whole, settledAt), s)
          for (let last = 1; last <= whole.writes; last++)
            for (const before of [true, false]) {
              const left = new Map(data)
              const at = { ...cell }
              await expect(run(open(shelfOf(left, last, before), at), s)).rejects.toThrow(Killed)
              const reopened = open(shelfOf(left), at)
              // A store whose end was begun has neither values nor keys: ending it again ends it.
              const found = await valuesOf(reopened).catch((error: Error) => {
                if (s.do !== 'destroy') throw error
                expect(error).toHaveProperty('code', 'record.key_missing')
                return null
              })
              if (found === null) await reopened.destroy()
              const seen = found ?? (await valuesOf(reopened))
              expect([normal(values), normal(next)]).toContainEqual(seen)
              await run(reopened, { do: 'set', name: 'b', value: 9, size: 5 })
              expect(await valuesOf(open(shelfOf(left), at))).toEqual({ ...seen, b: '9×5' })
            }
          data = whole.data
          cell.value = settledAt.value
          values = next
          expect(await valuesOf(open(shelfOf(data), cell))).toEqual(normal(values))
        }
      }),
      { numRuns: Math.ceil(Number(process.env['POSTERN_RUNS'] ?? 100) / 4) },
    ))
})
