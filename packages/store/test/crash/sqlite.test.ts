/// <reference types="node" />
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sqliteStore } from '@postern/store/sqlite'
import { killNine } from '@postern/testkit/crash'
import { build } from 'tsup'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLibsql, sqliteFiles } from '../sqliteFiles.js'

const nextFile = sqliteFiles()
const now = 1_767_225_600_000
const rounds = Number(process.env['POSTERN_CRASH_ROUNDS'] ?? 5)
// Inside node_modules, where the bundle still finds libsql.
const folder = fileURLToPath(new URL(`../../../../node_modules/.cache/postern-crash-${process.pid}`, import.meta.url))
const writer = join(folder, 'writer.js')

beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  const entry = fileURLToPath(new URL('./writer.ts', import.meta.url))
  const tsconfig = fileURLToPath(new URL('../../tsconfig.json', import.meta.url))
  await build({
    entry: [entry],
    outDir: folder,
    format: 'esm',
    tsconfig,
    noExternal: [/^@postern\//],
    external: ['libsql'],
    config: false,
    silent: true,
    platform: 'node',
    target: 'node20',
  })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('SQLite under kill -9', () => {
  it.each(Array.from({ length: rounds }, (_, i) => i))(
    'A02 round %i: what was acknowledged is stored whole, and no counter is lower than acknowledged',
    async (round) => {
      const file = nextFile()
      let acked: readonly string[] = []
      // Twice over one file: the second life starts from what the first left in the log.
      for (const life of ['0', '1']) {
        const lines = await killNine({ script: writer, args: [file, life], afterLines: 200 + 37 * round, afterMs: round })
        acked = [...acked, ...lines]
      }
      expect(acked.length).toBeGreaterThan(400)

      const store = sqliteStore(openLibsql(file))
      const tries = new Map<string, number>()
      for (const line of acked) {
        const [id = '', marker = '', n = ''] = line.split(' ')
        const recs = await store.read({ tenant: 'bank', id }, [`marker/${marker}`, `e/${marker}`], { now })
        expect(
          recs.every((rec) => rec !== null),
          line,
        ).toBe(true)
        tries.set(id, Math.max(tries.get(id) ?? 0, Number(n)))
      }
      for (const [id, n] of tries) {
        const part = { tenant: 'bank', id }
        const [counter] = await store.read(part, ['tries'], { now })
        expect(counter!.n).toBeGreaterThanOrEqual(n)
        // All or nothing: as many markers and events as were counted, acknowledged or not.
        for (const prefix of ['marker/', 'e/']) expect(await countOf(store, part, prefix)).toBe(counter!.n)
      }
      await store.close()
    },
  )
})

async function countOf(
  store: ReturnType<typeof sqliteStore>,
  part: { tenant: string; id: string },
  prefix: string,
): Promise<number> {
  let count = 0
  for (let after: string | undefined, more = true; more; ) {
    const page = await store.list(part, prefix, { now, limit: 1000, ...(after === undefined ? {} : { after }) })
    count += page.length
    after = page.at(-1)?.key
    more = page.length === 1000
  }
  return count
}
