/// <reference types="node" />
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exitCodes, main } from '@postern/cli/main'
import { createCrypto } from '@postern/core/crypto'
import { newRev } from '@postern/store'
import { type PostgresServer, present, startPostgres } from '@postern/testkit/servers'
import { seededRandom, simClock } from '@postern/testkit/simulation'
import { createKeys, readKeys } from '@postern/tokens/keys'
import { readEpoch } from '@postern/tokens/restoreEpoch'
import { afterAll, describe, expect, it } from 'vitest'
import { openStore } from '../../src/internal/open.js'

const crypto = createCrypto()
const folder = mkdtempSync(join(tmpdir(), 'postern-cli-'))
let server: PostgresServer | undefined
afterAll(async () => {
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const ports = { clock: simClock().clock, random: seededRandom(3), crypto }
const read = (path: string) => readFile(path, 'utf8')
const open = (url: string) => openStore(url, read)

/** Runs a command, with real files and stores. */
async function run(...argv: string[]) {
  let out = ''
  let err = ''
  const io = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    read: (path: string) => readFile(path),
    create: async () => undefined,
    open,
    ports,
  }
  const code = await main(argv, io)
  return { code, out, err }
}

const drivers = [
  { name: 'SQLite', skip: false, url: async () => `sqlite:${join(folder, 'postern.db')}` },
  {
    name: 'PostgreSQL',
    skip: !present.postgres && process.env['POSTERN_REQUIRE'] !== 'all',
    url: async () => (server ??= await startPostgres()).url,
  },
]

describe.each(drivers)('$name', ({ name, skip, url }) => {
  const master = join(folder, 'master.key')
  writeFileSync(master, 'ab'.repeat(32))
  const masterKeys = [new Uint8Array(32).fill(0xab)] as const
  const kept = async () => {
    const opened = await open(await url())
    const store = await opened.store()
    const runtime = { ...ports, store, events: () => undefined, fetch }
    return { at: { runtime, tenant: 'bank', masterKeys } as const, store, close: opened.close }
  }

  it.skipIf(skip)('is migrated once and again, from a URL or a file with it', async () => {
    expect(await run('store', 'migrate', '--store', await url())).toMatchObject({ code: exitCodes.done, err: '' })
    const file = join(folder, `${name}.url`)
    writeFileSync(file, `${await url()}\n`)
    expect(await run('store', 'migrate', '--store', `@${file}`)).toMatchObject({ code: exitCodes.done })
  })

  it.skipIf(skip)('keys rotate: the next key of a ring, with the master key of the tenant and no other', async () => {
    const { at, close } = await kept()
    await createKeys(at)
    const before = (await readKeys(at)).document
    const rotate = ['keys', 'rotate', '--tenant', 'bank', '--master-key', master, '--store', await url(), '--json']
    const { code, out } = await run(...rotate)
    expect(code).toBe(exitCodes.done)
    const { document } = await readKeys(at)
    expect(document.signing).toHaveLength(before.signing.length + 1)
    expect(JSON.parse(out)).toMatchObject({ tenant: 'bank', ring: 'signing', kid: document.signing.at(-1)!.kid })
    expect(JSON.parse((await run(...rotate, '--ring', 'short')).out)).toMatchObject({ ring: 'short' })
    const foreign = join(folder, 'foreign.key')
    writeFileSync(foreign, 'cd'.repeat(32))
    const refused = await run(...rotate.map((word) => (word === master ? foreign : word)))
    expect([refused.code, JSON.parse(refused.out).error.code]).toEqual([exitCodes.failed, 'keys.invalid'])
    expect((await run(...rotate, '--ring', 'round')).code).toBe(exitCodes.usage)
    await close()
  })

  it.skipIf(skip)('store sweep: what expired goes, what lives stays', async () => {
    const { store, close } = await kept()
    const part = { tenant: 'bank', id: 'usr:sweep' }
    const long = ports.clock() - 3_600_000
    const put = (key: string, more: object) =>
      store.commit(part, [{ op: 'put', key, value: new Uint8Array(1), ...more }], { now: long, rev: newRev(ports.random) })
    for (let i = 0; i < 20; i++) await put(`old${i}`, { expiresAt: long + 1000 })
    await put('new', {})
    const swept = await run('store', 'sweep', '--store', await url(), '--json')
    expect(JSON.parse(swept.out)).toEqual({ removed: 20 })
    expect((await store.list(part, '', { now: long, limit: 99 })).map(({ key }) => key)).toEqual(['new'])
    expect((await run('store', 'sweep', '--store', await url(), '--budget-ms', 'all')).code).toBe(exitCodes.usage)
    await close()
  })

  it.skipIf(skip)('store restore: the epoch is raised, pending until the same one is said to be finished', async () => {
    const { at, close } = await kept()
    const restore = ['store', 'restore', '--tenant', 'bank', '--store', await url()]
    const { epoch, state } = JSON.parse((await run(...restore, '--json')).out)
    expect([state, await readEpoch(at)]).toMatchObject(['pending', { id: epoch, state: 'pending' }])
    expect((await run(...restore, '--finish', 'another')).code).toBe(exitCodes.refused)
    expect((await readEpoch(at)).state).toBe('pending')
    expect((await run(...restore, '--finish', epoch)).out).toContain('done')
    expect((await readEpoch(at)).state).toBe('done')
    await close()
  })
})

describe('a store that is none', () => {
  it.each(['postgres://ada:sesame@127.0.0.1:9/none', 'postgresql://127.0.0.1:9/none?user=ada&password=sesame'])(
    'a password that is typed is bad usage: every list of processes shows it (%s)',
    async (url) => {
      const typed = await run('store', 'sweep', '--store', url)
      expect(typed.code).toBe(exitCodes.usage)
      expect(typed.err).toContain('@<file>')
      expect(typed.err + typed.out).not.toContain('sesame')
    },
  )

  it('a file of a URL that cannot be read is bad usage', async () => {
    const missing = await run('store', 'sweep', '--store', `@${join(folder, 'missing.url')}`, '--json')
    expect(missing.code).toBe(exitCodes.usage)
    expect(JSON.parse(missing.out)).toMatchObject({ error: { code: 'usage' } })
  })

  it.each([
    ['store', 'sweep'],
    ['store', 'restore', '--tenant', 'bank'],
    ['keys', 'rotate', '--tenant', 'bank', '--master-key', join(folder, 'master.key')],
  ])('%s %s: a database that is not there is none, and none is made: the right one would stay as it was', async (...command) => {
    const file = join(folder, 'mistyped.db')
    expect((await run(...command, '--store', `sqlite:${file}`)).code).toBe(exitCodes.unreachable)
    expect(existsSync(file)).toBe(false)
  })

  it('is bad usage, or cannot be reached; no password is told', async () => {
    expect((await run('store', 'sweep')).code).toBe(exitCodes.usage)
    expect((await run('store', 'sweep', '--store', 'mysql://x')).code).toBe(exitCodes.usage)
    const file = join(folder, 'away.url')
    writeFileSync(file, 'postgres://ada:sesame@127.0.0.1:9/none\n')
    const away = await run('store', 'sweep', '--store', `@${file}`)
    expect(away.code).toBe(exitCodes.unreachable)
    expect(away.err + away.out).not.toContain('sesame')
    const nowhere = await run('store', 'sweep', '--store', `sqlite:${join(folder, 'no/such/folder.db')}`)
    expect(nowhere.code).toBe(exitCodes.unreachable)
  })
})
