/// <reference types="node" />
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sqliteStore } from '@postern/store/sqlite'
import { killNine } from '@postern/testkit/crash'
import Database from 'libsql'
import { build } from 'tsup'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { authorize, good, granted } from '../authorization.js'
import { basic, ISSUER, SECRET, world } from '../world.js'

// Inside node_modules, where the bundle still finds libsql.
const folder = fileURLToPath(new URL(`../../../../node_modules/.cache/postern-request-${process.pid}`, import.meta.url))

beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  await build({
    entry: [fileURLToPath(new URL('./requestHolder.ts', import.meta.url))],
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

it('T37 kill -9 between the commit of a finished request and its reply: no code ever comes of it, the user starts again', async () => {
  const file = join(folder, 'request.db')
  const lines = await killNine({ script: join(folder, 'requestHolder.js'), args: [file], afterLines: 2 })
  expect(lines[1]).toBe('committed')
  const { request_uri, handle, cookie } = JSON.parse(lines[0]!) as { request_uri: string; handle: string; cookie: string }
  const w = await world({ nodes: 1, wrap: () => sqliteStore(new Database(file)) })
  expect((await authorize(w, { client_id: 'portal', request_uri })).status).toBe(400)
  const late = await w.nodes[0]!.resume(handle, granted(w), new Request(`${ISSUER}/login`, { headers: { cookie } }))
  expect([late.status, await late.text()]).toEqual([400, expect.stringContaining('par.invalid')])
  // The seed is the same: move past the ids that the dead process has drawn.
  w.contexts[0]!.runtime.random(4096)
  const { body } = await w.post('/par', good, { headers: { authorization: basic('portal', SECRET) } })
  expect((await authorize(w, { client_id: 'portal', request_uri: body.request_uri })).status).toBe(200)
})
