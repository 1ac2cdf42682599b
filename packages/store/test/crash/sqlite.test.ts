/// <reference types="node" />
import type { CrashRig } from '@postern/testkit/conformance'
import { type HostedStore, hostedStore } from '@postern/testkit/crash'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bundle, bundle } from '../../../testkit/test/bundle.js'
import { sqliteFiles } from '../sqliteFiles.js'
import { judge } from './judge.js'

const nextFile = sqliteFiles()
let host: Bundle

beforeAll(async () => {
  host = await bundle(new URL('./sqliteHost.ts', import.meta.url))
})
afterAll(() => host.remove())

async function rig(): Promise<CrashRig> {
  const file = nextFile()
  let hosted: HostedStore
  return {
    async store() {
      hosted = await hostedStore({ script: host.script, args: [file] })
      return hosted
    },
    kill: () => hosted.kill(),
    restart: async () => {},
    close: async () => {},
  }
}

describe('SQLite', () => judge({ crash: rig, rounds: 20 }, /kill -9|to survive/, 'A02 '))

it('a store in a process of its own answers as it would here, and a commit without an answer is unknown when it dies', async () => {
  const store = await hostedStore({ script: host.script, args: [nextFile()] })
  const [part, now] = [{ tenant: 'bank', id: 'u:1' }, 1_767_225_600_000]
  const put = { op: 'put', key: 'a', value: Uint8Array.of(0, 255), rev: null } as const
  const answer = await store.commit(part, [put], { now, rev: 'AAAAAAAAAAAAAAAA' })
  expect(await store.read(part, ['a', 'b'], { now })).toEqual([answer.ok && answer.recs[0], null])
  expect(store.guarantees).toEqual({ durable: 'power', failover: 'none' })
  await expect(store.commit(part, [], { now, rev: 'AAAAAAAAAAAAAAAA' })).rejects.toMatchObject({ code: 'store.invalid' })
  // Held, so that it cannot answer before it dies.
  process.kill(store.pid, 'SIGSTOP')
  const underWay = store.commit(part, [put], { now, rev: 'BBBBBBBBBBBBBBBB' })
  const reading = store.read(part, ['a'], { now })
  await Promise.all([
    expect(underWay).rejects.toMatchObject({ code: 'store.outcome_unknown', rev: 'BBBBBBBBBBBBBBBB' }),
    expect(reading).rejects.toMatchObject({ code: 'store.unavailable' }),
    store.kill(),
  ])
  await expect(store.commit(part, [put], { now, rev: 'BBBBBBBBBBBBBBBB' })).rejects.toMatchObject({ code: 'store.unavailable' })
  await store.close()
  await expect(hostedStore({ script: host.script, args: ['/nowhere/at/all.db'] })).rejects.toThrow(/before it served a store/)
})
