/// <reference types="node" />
/** kill -9 between a commit and its reply, on every engine that this machine has. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '@postern/store'
import { killNine } from '@postern/testkit/crash'
import { present, startPostgres } from '@postern/testkit/servers'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { type Bundle, bundle } from '../../../testkit/test/bundle.js'
import type { World } from '../world.js'
import { storeAt } from './storeAt.js'

/** What the dead process had said, and the store that it left behind, opened by this one. */
export interface Left<T> {
  readonly known: T
  readonly wrap: () => Store
}
/** @param what - the second argument of the child */
export type Kill = <T>(what: string) => Promise<Left<T>>

interface Engine {
  /** The address of an empty database. */
  fresh(): Promise<string>
  stop(): Promise<void>
}

async function sqlite(): Promise<Engine> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-tokens-'))
  let files = 0
  return {
    fresh: async () => join(folder, `${++files}.db`),
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  }
}

async function postgres(): Promise<Engine> {
  const server = await startPostgres()
  let databases = 0
  return {
    async fresh() {
      await server.psql(`create database d${++databases}`)
      return `postgres://postgres@127.0.0.1:${server.port}/d${databases}`
    },
    stop: () => server.stop(),
  }
}

/** @param child - the script that begins, is killed, and whose successor the tests are */
export function onEachEngine(child: URL, tests: (kill: Kill) => void): void {
  for (const [name, there, start] of [
    ['SQLite', true, sqlite],
    ['PostgreSQL', present.postgres, postgres],
  ] as const)
    describe.skipIf(!there && process.env.POSTERN_REQUIRE !== 'all')(name, () => {
      let host: Bundle
      let engine: Engine
      const open: Store[] = []
      beforeAll(async () => {
        host = await bundle(child)
        engine = await start()
      }, 300_000)
      afterAll(async () => {
        for (const store of open) await store.close()
        await engine?.stop()
        host?.remove()
      })
      tests(async (what) => {
        const address = await engine.fresh()
        const [known = '', committed] = await killNine({ script: host.script, args: [address, what], afterLines: 2 })
        expect(committed).toBe('committed')
        const store = await storeAt(address)
        open.push(store)
        return { known: JSON.parse(known), wrap: () => store }
      })
    })
}

/** The seed is the same: moves past all that the dead process has drawn. */
export function skipDraws(w: World): void {
  for (let i = 0; i < 256; i++) w.contexts[0]!.runtime.random(32)
}
