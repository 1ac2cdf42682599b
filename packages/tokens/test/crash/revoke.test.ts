/// <reference types="node" />
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sqliteStore } from '@postern/store/sqlite'
import { killNine } from '@postern/testkit/crash'
import Database from 'libsql'
import { build } from 'tsup'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { callbackOf, loggingOut, refreshAt } from '../loggingOut.js'

// Inside node_modules, where the bundle still finds libsql.
const folder = fileURLToPath(new URL(`../../../../node_modules/.cache/postern-tokens-revoke-${process.pid}`, import.meta.url))

beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  await build({
    entry: [fileURLToPath(new URL('./revoker.ts', import.meta.url))],
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

/** The same issuer after a restart over the same file, and the tokens that its dead predecessor had issued. */
async function killed(what: 'everywhere' | 'logout') {
  const file = join(folder, `${what}.db`)
  const lines = await killNine({ script: join(folder, 'revoker.js'), args: [file, what], afterLines: 2 })
  expect(lines[1]).toBe('committed')
  const w = await loggingOut({ nodes: 1, wrap: () => sqliteStore(new Database(file)) })
  const { store } = w.contexts[0]!.runtime
  // The seed is the same: move past the ids that the dead process has drawn.
  const passing = await w.device()
  for (let i = 0; i < 256; i++) await passing.proof('https://id.example.com/t1/token')
  const left = async (): Promise<number> => (await store.outbox!({ now: w.now(), after: 'e/~', limit: 100 })).length
  return { w, left, tokens: JSON.parse(lines[0]!) as Record<string, string>[] }
}

it('kill -9 between the commits of a subject revoked everywhere: the sweep of the next process finishes it', async () => {
  const { w, left, tokens } = await killed('everywhere')
  const active = () => Promise.all(tokens.map(async ({ access_token }) => (await w.introspect(access_token!)).body.active))
  expect(await active()).toEqual([true, true])
  expect(await left()).toBe(1)
  expect(await w.nodes[0]!.sweep(w.contexts[0]!)).toBe(1)
  expect(await active()).toEqual([false, false])
  expect(await left()).toBe(0)
})

it('kill -9 between the commits of a logout: the session is over, and the sweep of the next process tells every client', async () => {
  const { w, left, tokens } = await killed('logout')
  expect((await refreshAt(w, 'portal', tokens[0]!.refresh_token!)).body.error).toBe('invalid_grant')
  expect((await refreshAt(w, 'shop', tokens[1]!.refresh_token!)).body.error).toBe('invalid_grant')
  expect([await left(), w.posted]).toEqual([1, []])
  await w.nodes[0]!.sweep(w.contexts[0]!)
  expect(w.posted.map(({ url }) => url).sort()).toEqual([callbackOf('portal'), callbackOf('shop')])
  expect(await left()).toBe(0)
})
