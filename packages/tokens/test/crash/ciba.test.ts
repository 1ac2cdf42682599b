/// <reference types="node" />
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sqliteStore } from '@postern/store/sqlite'
import { killNine } from '@postern/testkit/crash'
import { deliver } from '@postern/tokens/ciba'
import Database from 'libsql'
import { build } from 'tsup'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { type Receiver, receiver } from '../receiver.js'
import { type CibaWorld, cibaWorld, granted } from '../waiting.js'
import { SECRET } from '../world.js'

// Inside node_modules, where the bundle still finds libsql.
const folder = fileURLToPath(new URL(`../../../../node_modules/.cache/postern-tokens-ciba-${process.pid}`, import.meta.url))

beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  await build({
    entry: [fileURLToPath(new URL('./cibaHolder.ts', import.meta.url))],
    outDir: folder,
    format: 'esm',
    tsconfig: fileURLToPath(new URL('../../tsconfig.json', import.meta.url)),
    noExternal: [/^@postern\//],
    external: ['libsql', 'fast-check', 'vitest'],
    config: false,
    silent: true,
    platform: 'node',
    target: 'node20',
  })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let to: Receiver
beforeEach(async () => {
  to = await receiver()
})
afterEach(() => to.close())

/** The same issuer after a restart over the same file, and the request that its dead predecessor had decided. */
async function killed(what: 'decision' | 'delivery'): Promise<{ readonly w: CibaWorld; readonly id: string }> {
  const file = join(folder, `${what}.db`)
  const lines = await killNine({ script: join(folder, 'cibaHolder.js'), args: [file, what], afterLines: 2 })
  expect(lines[1]).toBe('committed')
  const w = await cibaWorld({
    nodes: 1,
    callbackUrl: to.url,
    wrap: () => sqliteStore(new Database(file)),
    context: ({ runtime }) => ({ runtime: { ...runtime, fetch } }),
  })
  // The seed is the same: move past what the dead process has drawn.
  for (let i = 0; i < 64; i++) w.contexts[0]!.runtime.random(32)
  return { w, id: lines[0]! }
}

async function renew(w: CibaWorld): Promise<number> {
  const { refresh_token } = JSON.parse(to.received[0]!.body)
  const form = { client_id: 'pushed', client_secret: SECRET, grant_type: 'refresh_token', refresh_token }
  return (await w.post('/token', form)).status
}

it('kill -9 between a decision and its push: the decision stands, and a sweep after the restart pushes once', async () => {
  const { w, id } = await killed('decision')
  expect(await w.decide({ outcome: 'denied', subject: 'user-1' }, { id })).toEqual({ status: 'approved', first: false })
  expect(await w.decide(granted(), { id })).toEqual({ status: 'approved', first: false })
  expect(to.received).toEqual([])
  expect(await deliver(w.contexts[0]!)).toBe(1)
  expect(await deliver(w.contexts[0]!)).toBe(0)
  expect(to.received).toHaveLength(1)
  expect(await renew(w)).toBe(200)
})

it('kill -9 within a delivery: the try is spent, and the next one is made when its lease is over', async () => {
  const { w } = await killed('delivery')
  expect(await deliver(w.contexts[0]!)).toBe(0)
  w.advance(10_000)
  expect(await deliver(w.contexts[0]!)).toBe(1)
  expect(to.received).toHaveLength(1)
  expect(await renew(w)).toBe(200)
})
