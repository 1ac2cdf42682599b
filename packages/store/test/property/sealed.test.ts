import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { createCrypto as createNode } from '@postern/core/crypto/node'
import { createCrypto as createWeb } from '@postern/core/crypto/web'
import type { Op, Part } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { dataKeys, sealed } from '@postern/store/sealed'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dataKey, forge, now, o, part, portsOf, storedAt } from '../sealing.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const keys = dataKeys([dataKey('00000001', 1), dataKey('00000002', 2)])
const value = fc.uint8Array({ minLength: 1, maxLength: 300 })
const corrupt = { code: 'store.corrupt' }
const put = (key: string, value: Uint8Array): Op => ({ op: 'put', key, value })

const place = fc.record({
  tenant: fc.constantFrom('bank', 'ban', 'bank-'),
  id: fc.constantFrom('u:1', 'k:u:1', 'u', 'u:11'),
  key: fc.constantFrom('a', 'a1', '1a', 'fam/1'),
})

describe('sealed', () => {
  it('whatever bytes go in come out, on every way', () =>
    fc.assert(
      fc.asyncProperty(value, async (bytes) => {
        const store = sealed(memoryStore(), keys, portsOf())
        const answer = await store.commit(part, [put('e/1', bytes)], o())
        const recs = [
          answer.ok ? answer.recs[0] : null,
          ...(await store.read(part, ['e/1'], { now })),
          ...(await store.list(part, '', { now, limit: 1 })),
          ...(await store.outbox!({ now, limit: 1 })),
        ]
        expect(recs.map((rec) => rec?.value)).toEqual([bytes, bytes, bytes, bytes])
      }),
      { numRuns },
    ))

  it('any flipped bit is store.corrupt', () =>
    fc.assert(
      fc.asyncProperty(value, fc.nat(), async (bytes, nth) => {
        const inner = memoryStore()
        const store = sealed(inner, keys, portsOf())
        await store.commit(part, [put('a', bytes)], o())
        const stored = await storedAt(inner, 'a')
        const at = nth % (stored.length * 8)
        await forge(inner, 'a', stored.with(at >> 3, stored[at >> 3]! ^ (1 << (at & 7))))
        await expect(store.read(part, ['a'], { now })).rejects.toMatchObject(corrupt)
      }),
      { numRuns: numRuns * 5 },
    ))

  it('every bit of one record, one after the other, and every length below its own', async () => {
    const inner = memoryStore()
    const store = sealed(inner, keys, portsOf())
    await store.commit(part, [put('a', Uint8Array.of(1, 2, 3))], o())
    const stored = await storedAt(inner, 'a')
    const broken = [
      ...Array.from({ length: stored.length * 8 }, (_, at) => stored.with(at >> 3, stored[at >> 3]! ^ (1 << (at & 7)))),
      ...Array.from({ length: stored.length - 1 }, (_, length) => stored.slice(0, length + 1)),
    ]
    for (const bytes of broken) {
      await forge(inner, 'a', bytes)
      await expect(store.read(part, ['a'], { now })).rejects.toMatchObject(corrupt)
    }
  })

  it('of two records that change places neither opens, unless their values did not move', () =>
    fc.assert(
      fc.asyncProperty(place, place, value, value, async (one, two, a, b) => {
        const same = one.tenant === two.tenant && one.id === two.id && one.key === two.key
        fc.pre(!same)
        const inner = memoryStore()
        const store = sealed(inner, keys, portsOf())
        const parts: readonly Part[] = [one, two].map(({ tenant, id }) => ({ tenant, id }))
        await store.commit(parts[0]!, [put(one.key, a)], o())
        await store.commit(parts[1]!, [put(two.key, b)], o())
        const kept = [await storedAt(inner, one.key, parts[0]), await storedAt(inner, two.key, parts[1])]
        await forge(inner, one.key, kept[1]!, parts[0])
        await forge(inner, two.key, kept[0]!, parts[1])
        await expect(store.read(parts[0]!, [one.key], { now })).rejects.toMatchObject(corrupt)
        await expect(store.read(parts[1]!, [two.key], { now })).rejects.toMatchObject(corrupt)
      }),
      { numRuns },
    ))

  it('what one crypto port seals every other opens', async () => {
    const cryptos = [createNode(), createWeb(), createNoble()]
    await fc.assert(
      fc.asyncProperty(value, fc.constantFrom(...cryptos), fc.constantFrom(...cryptos), async (bytes, here, there) => {
        const inner = memoryStore()
        await sealed(inner, keys, portsOf(here)).commit(part, [put('a', bytes), put('b', bytes)], o())
        const recs = await sealed(inner, keys, portsOf(there)).read(part, ['a', 'b'], { now })
        expect(recs.map((rec) => rec?.value)).toEqual([bytes, bytes])
      }),
      { numRuns },
    )
  })
})
