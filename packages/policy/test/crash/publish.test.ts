/// <reference types="node" />
import { join } from 'node:path'
import { openPolicy } from '@postern/policy/publish'
import { sqliteStore } from '@postern/store/sqlite'
import { killNine } from '@postern/testkit/crash'
import Database from 'libsql'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Bundle, bundle } from '../../../testkit/test/bundle.js'
import { crypto } from '../publishing.js'
import { storeRepository } from '../repository.js'
import { small } from '../small.js'

let child: Bundle

beforeAll(async () => {
  child = await bundle(new URL('./publisher.ts', import.meta.url))
})
afterAll(() => child.remove())

/** What is there after the kill: one line of versions, each whole; the head is the last. */
async function survived(file: string): Promise<readonly string[]> {
  const store = sqliteStore(new Database(file))
  const repository = storeRepository(store, (n) => new Uint8Array(n))
  const entries = await repository.entries()
  expect(entries.map(({ previous }) => previous)).toEqual(
    [null, ...entries.slice(0, -1).map(({ version }) => version)].slice(0, entries.length),
  )
  expect((await repository.head('retail'))?.version).toBe(entries.at(-1)?.version)
  expect(await repository.events()).toEqual(entries.map(({ version }) => version))
  for (const { version } of entries)
    expect((await openPolicy(small, { version, bytes: (await repository.load(version))! }, crypto)).version).toBe(version)
  await store.close()
  return entries.map(({ version }) => version)
}
const told = (lines: readonly string[], what: string): string[] =>
  lines.filter((line) => line.startsWith(`${what} `)).map((line) => line.slice(what.length + 1))

it('killed between gate and save, the head is where it was', async () => {
  const file = join(child.folder, 'stall.db')
  const lines = await killNine({ script: child.script, args: [file, 'stall'], afterLines: 5 })
  expect(lines.map((line) => line.split(' ')[0])).toEqual(['gated', 'saved', 'gated', 'saved', 'gated'])
  expect(await survived(file)).toEqual(told(lines, 'saved'))
})

it.each([1, 4, 9, 16])(
  'kill -9 after %i lines, and again: entry, event, bytes and head together or not at all',
  async (afterLines) => {
    const file = join(child.folder, `${afterLines}.db`)
    const saved: string[] = []
    for (let life = 0; life < 3; life++) {
      const lines = await killNine({ script: child.script, args: [file], afterLines, afterMs: life })
      const before = saved.length
      saved.push(...told(lines, 'saved'))
      const found = await survived(file)
      // Everything acknowledged is there; at most the last one that was through the gate may be there unacknowledged.
      expect(found.slice(0, saved.length)).toEqual(saved)
      expect(found.length - saved.length).toBeLessThanOrEqual(1)
      for (const version of found.slice(saved.length)) {
        expect(told(lines, 'gated').at(-1) ?? version).toBe(version)
        saved.push(version)
      }
      expect(saved.length).toBeGreaterThanOrEqual(before)
    }
  },
)
