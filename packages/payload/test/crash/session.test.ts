/// <reference types="node" />
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createCrypto } from '@postern/core/crypto/node'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Bundle, bundle } from '../../../testkit/test/bundle.js'
import { createSealedFetch, type SealedFetch } from '../../src/client.js'
import { createKemRing } from '../../src/keys.js'
import { codeOf } from '../codeOf.js'
import { random } from '../world.js'

const crypto = createCrypto()
let port: number
let root: JsonWebKey
let child: Bundle
let bank: ChildProcess

beforeAll(async () => {
  child = await bundle(new URL('./bank.ts', import.meta.url))
  root = await crypto.generateKey('ES256', random)
  const document = await createKemRing({ clock: Date.now, random, crypto })
  writeFileSync(join(child.folder, 'keys.json'), JSON.stringify({ document, root }))
  port = await freePort()
})
afterAll(() => {
  bank?.kill('SIGKILL')
  child.remove()
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as { port: number }
      server.close(() => resolve(free))
    })
  })
}

function start(): Promise<void> {
  return new Promise((resolve, reject) => {
    bank = spawn(process.execPath, [child.script, child.folder, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] })
    bank.stdout!.once('data', () => resolve())
    bank.once('error', reject)
  })
}

function kill(): Promise<void> {
  return new Promise((resolve) => {
    bank.once('exit', () => resolve())
    bank.kill('SIGKILL')
  })
}

const ran = (): string[] => readFileSync(join(child.folder, 'ran'), 'utf8').split('\n').slice(0, -1)

async function client(): Promise<SealedFetch> {
  const { publicJwk } = await crypto.signer('ES256', root)
  const origin = `http://127.0.0.1:${port}`
  return createSealedFetch({ origin, roots: [publicJwk], runtime: { fetch: globalThis.fetch, clock: Date.now, random, crypto } })
}

it('kill -9 inside a session: the client opens another; what may have run is not sent again and ran once; a second life revives no session', async () => {
  await start()
  const call = await client()
  const url = (path: string) => `http://127.0.0.1:${port}${path}`
  expect((await call(url('/first'), { method: 'POST', body: '1' })).status).toBe(200)
  let n = 0
  const ends = new Map<string, string | null>()
  for (let life = 0; life < 3; life++) {
    const sending = Array.from({ length: 60 }, async (_, i) => {
      const path = `/p${n++}`
      await new Promise((resolve) => setTimeout(resolve, i * 3))
      ends.set(path, await codeOf(() => call(url(path), { method: 'POST', body: 'x' })))
    })
    await new Promise((resolve) => setTimeout(resolve, 60))
    await kill()
    await Promise.all(sending)
    await start()
    // The session died with the process: the first unsafe call may find that out, the next goes on in another.
    const found = await codeOf(() => call(url(`/found${life}`), { method: 'POST' }))
    expect([null, 'payload.outcome_unknown', 'payload.transport']).toContain(found)
    await until(async () => (await codeOf(() => call(url(`/next${life}`), { method: 'POST' }))) === null)
    expect((await call(url(`/read${life}`))).status).toBe(200)
  }
  const times = new Map<string, number>()
  for (const line of ran()) times.set(line.split(' ')[1]!, (times.get(line.split(' ')[1]!) ?? 0) + 1)
  for (const [path, code] of ends) {
    const runs = times.get(path) ?? 0
    expect([path, code, runs <= 1]).toEqual([path, code, true])
    if (code === null) expect([path, runs]).toEqual([path, 1])
    else expect(['payload.outcome_unknown', 'payload.transport', 'payload.truncated']).toContain(code)
  }
  expect([...ends.values()].filter((code) => code === null).length).toBeGreaterThan(0)
  expect([...ends.values()].filter((code) => code !== null).length).toBeGreaterThan(0)
  expect(ran().every((line) => line.endsWith('session') || line.startsWith('GET'))).toBe(true)
})

/** Back-off lasts some seconds at most. */
async function until(done: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await done()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('never')
}
