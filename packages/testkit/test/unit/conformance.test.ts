import { memoryStore } from '@postern/store/memory'
import { type ConformanceOptions, storeConformance } from '@postern/testkit/conformance'
import { describe, expect, it } from 'vitest'

const make = async () => memoryStore()
const RIGS = ['exchange', 'outcome', 'crash', 'failover', 'pressure'] as const

describe('storeConformance', () => {
  it('names every case once, and the same at every call', () => {
    const names = storeConformance(make).map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(storeConformance(make).map(({ name }) => name)).toEqual(names)
  })

  it('marks each suite whose rig was forgotten, and none that is named in skip', () => {
    const marked = (o?: ConformanceOptions) => storeConformance(make, o).flatMap(({ name, leftOut }) => (leftOut ? [name] : []))
    expect(marked()).toEqual(RIGS.map((rig) => `${rig}: left out, since no rig was given`))
    expect(marked({ skip: RIGS })).toEqual([])
    for (const rig of RIGS)
      expect(storeConformance(make, { skip: [rig] }).some(({ name }) => name.startsWith(`${rig}: left out, as`))).toBe(true)
  })

  it('a driver that lacks a call shows it: what is named in skip and is there fails', async () => {
    const cases = storeConformance(make, { skip: ['list', 'outbox', 'sweep'] })
    const lacking = cases.filter(({ name }) => name.includes('says that it has none'))
    expect(lacking.map(({ name }) => name.split(':')[0]).sort()).toEqual(['list', 'outbox', 'sweep'])
    for (const { run } of lacking) await expect(run()).rejects.toThrow()
  })

  it('refuses a rig without a timer, since a case could then hang for ever', () => {
    const crash = async () => ({ store: make, kill: async () => {}, restart: async () => {}, close: async () => {} })
    expect(() => storeConformance(make, { crash })).toThrow('sleep')
  })

  it('a rig that kills nothing, and one whose clients cannot write, fail as such', async () => {
    const sleep = () => new Promise<void>((resolve) => setImmediate(resolve))
    const store = memoryStore()
    const rig = { kill: async () => {}, restart: async () => {}, close: async () => {} }
    const seen = (open: () => Promise<typeof store>) =>
      storeConformance(make, { sleep, rounds: 1, crash: async () => ({ ...rig, store: open }) }).find(({ name }) =>
        name.startsWith('kill -9'),
      )!
    await expect(seen(async () => ({ ...store, close: async () => {} })).run()).rejects.toThrow('the harness shows nothing')
    const closed = memoryStore()
    await closed.close()
    await expect(seen(async () => closed).run()).rejects.toThrow('the rig does not work')
  })
})
