import { PosternError } from '@postern/core/errors'
import { type Codec, recordCodec } from '@postern/store/codec'
import { memoryStore } from '@postern/store/memory'
import { dataKeys, reseal, sealed } from '@postern/store/sealed'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytes, dataKey, forge, now, o, part, portsOf, storedAt } from '../sealing.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)

/** A record that got a field: the first schema has none, its readers fill it in. */
interface Family {
  readonly device: string
  readonly uses: number
}
const json = (value: unknown): Uint8Array => bytes(JSON.stringify(value))
const parsed = (body: Uint8Array) => JSON.parse(new TextDecoder().decode(body))
const first = (body: Uint8Array): Family => ({ device: parsed(body), uses: 0 })
const second = (body: Uint8Array): Family => ({ device: parsed(body).device, uses: parsed(body).uses })
const encode = ({ device, uses }: Family, schema: number) => json(schema === 1 ? device : { device, uses })

/** The releases of a roll-out, oldest first. */
const before = recordCodec<Family>({ kind: 'fam', write: 1, read: { 1: first }, encode })
const shipped = recordCodec<Family>({ kind: 'fam', write: 1, read: { 1: first, 2: second }, encode })
const flipped = recordCodec<Family>({ kind: 'fam', write: 2, read: { 1: first, 2: second }, encode })
const after = recordCodec<Family>({ kind: 'fam', write: 2, read: { 2: second }, encode })

const family = fc.record({ device: fc.string(), uses: fc.nat() })
const codeOf = (decode: () => unknown): string | null => {
  try {
    decode()
    return null
  } catch (error) {
    if (error instanceof PosternError) return error.code
    throw error
  }
}

describe('a codec', () => {
  it('reads what it writes, and its bytes begin with the schema', () =>
    fc.assert(
      fc.property(family, fc.constantFrom(flipped, after), (value, codec) => {
        const stored = codec.encode(value)
        expect([stored[0], codec.decode(stored), codec.migrate(stored)]).toEqual([2, value, null])
      }),
      { numRuns },
    ))

  it('whichever two releases run side by side in a roll-out, each reads what the other writes', () =>
    fc.assert(
      fc.property(
        family,
        fc.constantFrom<[Codec<Family>, Codec<Family>]>([before, shipped], [shipped, flipped], [flipped, after]),
        fc.boolean(),
        (value, [older, newer], taken) => {
          const [writer, reader] = taken ? [newer, older] : [older, newer]
          // The last step waits for the scan: until then a record of the first schema may still be about.
          const stored = newer === after ? (flipped.migrate(writer.encode(value)) ?? writer.encode(value)) : writer.encode(value)
          expect(reader.decode(stored).device).toBe(value.device)
        },
      ),
      { numRuns },
    ))

  it('any bytes are a record, store.schema_unknown when newer, or store.corrupt, and no error tells a byte of them', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (stored) => {
        const [schema = 0] = stored
        const code = codeOf(() => flipped.decode(stored))
        if (schema > 2 && schema < 128) expect(code).toBe('store.schema_unknown')
        else if (schema < 1 || schema > 2) expect(code).toBe('store.corrupt')
        else expect([null, 'store.corrupt']).toContain(code)
      }),
      {
        numRuns: numRuns * 10,
        examples: [[new Uint8Array(0)], [Uint8Array.of(1, 34)], [Uint8Array.of(0x81)], [Uint8Array.of(2)]],
      },
    ))

  it('a reader that throws a secret is store.corrupt without it', () => {
    const stored = Uint8Array.of(1, ...bytes('secret-value'))
    const error = (() => {
      try {
        return shipped.decode(stored)
      } catch (thrown) {
        return thrown as PosternError
      }
    })()
    expect(error).toMatchObject({ code: 'store.corrupt', reason: 'fam, schema 1' })
    expect((error as Error).cause).toBeUndefined()
    expect(`${(error as Error).stack} ${JSON.stringify(error)}`).not.toMatch(/secret/)
  })

  it('migrates upwards alone: a flag that was taken back rewrites nothing', () => {
    const value = { device: 'd', uses: 3 }
    expect(shipped.migrate(flipped.encode(value))).toBeNull()
    expect(flipped.migrate(shipped.encode(value))).toEqual(flipped.encode({ ...value, uses: 0 }))
    expect(codeOf(() => after.migrate(shipped.encode(value)))).toBe('store.corrupt')
    expect(codeOf(() => before.migrate(flipped.encode(value)))).toBe('store.schema_unknown')
  })

  it.each<[string, number, Record<number, typeof first>]>([
    ['no schema', 1, {}],
    ['schema 0', 0, { 0: first }],
    ['schema 128', 128, { 128: first }],
    ['half a schema', 1.5, { 1.5: first }],
    ['three schemas', 1, { 1: first, 2: second, 3: second }],
    ['a gap', 1, { 1: first, 3: second }],
    ['one that it writes and does not read', 3, { 1: first, 2: second }],
  ])('with %s is refused', (_what, write, read) => {
    expect(codeOf(() => recordCodec<Family>({ kind: 'fam', write, read, encode }))).toBe('store.invalid')
  })
})

describe('a codec under sealed', () => {
  const keys = dataKeys([dataKey('00000001', 1)])
  const put = (value: Uint8Array) => ({ op: 'put', key: 'fam/1', value }) as const

  it('finds its schema in the low bits of what is stored, and its record in what is opened', async () => {
    const inner = memoryStore()
    const store = sealed(inner, keys, portsOf())
    const value = { device: 'd', uses: 3 }
    await store.commit(part, [put(flipped.encode(value))], o())
    const stored = await storedAt(inner, 'fam/1')
    expect(stored[0]).toBe(0x80 | 2)
    expect(codeOf(() => flipped.decode(stored))).toBe('store.corrupt')
    expect(flipped.decode((await store.read(part, ['fam/1'], { now }))[0]!.value)).toEqual(value)
  })

  it('is migrated record by record at their next write, and the rest by a scan', async () => {
    const inner = memoryStore()
    const store = sealed(inner, keys, portsOf())
    await store.commit(part, [put(shipped.encode({ device: 'd', uses: 0 }))], o())
    const [rec] = await inner.read(part, ['fam/1'], { now })
    const visit = reseal(keys, { ...portsOf(), now, migrate: ({ value }) => flipped.migrate(value) })
    await forge(inner, 'fam/1', (await visit({ ...rec!, part }))!)
    expect((await storedAt(inner, 'fam/1'))[0]).toBe(0x82)
    expect(after.decode((await store.read(part, ['fam/1'], { now }))[0]!.value)).toEqual({ device: 'd', uses: 0 })
  })
})
