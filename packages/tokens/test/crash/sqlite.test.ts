/// <reference types="node" />
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sqliteStore } from '@postern/store/sqlite'
import { killNine } from '@postern/testkit/crash'
import Database from 'libsql'
import { build } from 'tsup'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { world } from '../world.js'

// Inside node_modules, where the bundle still finds libsql.
const folder = fileURLToPath(new URL(`../../../../node_modules/.cache/postern-tokens-${process.pid}`, import.meta.url))

beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  await build({
    entry: [fileURLToPath(new URL('./holder.ts', import.meta.url))],
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

/** The same issuer after a restart over the same file, and what its dead predecessor had said. */
async function killed(what: 'code' | 'refresh') {
  const file = join(folder, `${what}.db`)
  const lines = await killNine({ script: join(folder, 'holder.js'), args: [file, what], afterLines: 2 })
  expect(lines[1]).toBe('committed')
  const w = await world({ nodes: 1, wrap: () => sqliteStore(new Database(file)) })
  const device = await w.device()
  // The seed is the same: move past the ids that the dead process has drawn.
  for (let i = 0; i < 64; i++) await device.proof('https://id.example.com/t1/token')
  return { w, device, handle: lines[0]! }
}

it('kill -9 between the commit of a redemption and its reply: the code is not redeemable twice', async () => {
  const { w, device, handle } = await killed('code')
  const again = await w.redeem(device, handle)
  expect([again.status, again.body.error]).toEqual([400, 'invalid_grant'])
  expect(w.events.map(({ reason }) => reason)).toContain('code.replayed')
})

it('kill -9 between the commit of a refresh and its reply: every retry yields the same successor, and it works', async () => {
  const { w, device, handle } = await killed('refresh')
  const [first, second] = [await w.refresh(device, handle), await w.refresh(device, handle)]
  expect([first.status, second.status]).toEqual([200, 200])
  expect(second.body.refresh_token).toBe(first.body.refresh_token)
  expect(first.body.refresh_token).not.toBe(handle)
  expect((await w.refresh(device, first.body.refresh_token)).status).toBe(200)
})
