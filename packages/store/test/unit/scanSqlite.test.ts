import type { Op } from '@postern/store'
import { dataKeys, reseal, sealed } from '@postern/store/sealed'
import { type SqliteDatabase, scanSqlite, sqliteStore } from '@postern/store/sqlite'
import { describe, expect, it } from 'vitest'
import { bytes, dataKey, now, o, part, portsOf } from '../sealing.js'
import { openLibsql, sqliteFiles } from '../sqliteFiles.js'

const nextFile = sqliteFiles()
const put = (key: string, text = 'old', expiresAt = 0): Op => ({ op: 'put', key, value: bytes(text), expiresAt })

async function filled(count: number) {
  const db = openLibsql(nextFile())
  const store = sqliteStore(db)
  const puts = Array.from({ length: count }, (_, i) => store.commit({ tenant: 'bank', id: `u:${i % 3}` }, [put(`k/${i}`)], o()))
  await Promise.all(puts)
  return { db, store }
}

describe('a scan', () => {
  it('visits every record once, live or expired, in the order of the primary key', async () => {
    const { db, store } = await filled(1000)
    await store.commit(part, [put('x', 'old', now + 1)], o())
    await store.commit(part, [{ op: 'add', key: 'n', by: 3, max: 5 }], o())
    const seen: string[] = []
    const result = await scanSqlite(db, (rec) => {
      seen.push(`${rec.part.tenant}:${rec.part.id} ${rec.key}`)
      if (rec.key === 'n') expect(rec).toMatchObject({ part, n: 3, expiresAt: 0, value: bytes('') })
      if (rec.key === 'x') expect(rec.expiresAt).toBe(now + 1)
      return null
    })
    expect(result).toEqual({ seen: 1002, rewritten: 0, after: null })
    expect([seen.length, new Set(seen).size]).toEqual([1002, 1002])
    expect(seen).toEqual(seen.toSorted((a, b) => (a < b ? -1 : 1)))
    await store.close()
  })

  it('puts other bytes in place, and leaves rev, count and expiry', async () => {
    const { db, store } = await filled(0)
    const sent = o()
    await store.commit(part, [put('a', 'old', now + 9), put('b'), { op: 'add', key: 'n', by: 2, max: 2 }], sent)
    const visit = async ({ key }: { key: string }) => (key === 'b' ? null : bytes(key === 'n' ? 'note' : ''))
    expect(await scanSqlite(db, visit)).toEqual({ seen: 3, rewritten: 2, after: null })
    expect(await store.read(part, ['a', 'b', 'n'], { now })).toEqual([
      { key: 'a', value: bytes(''), n: 0, rev: sent.rev, expiresAt: now + 9 },
      { key: 'b', value: bytes('old'), n: 0, rev: sent.rev, expiresAt: 0 },
      { key: 'n', value: bytes('note'), n: 2, rev: sent.rev, expiresAt: 0 },
    ])
    await store.close()
  })

  it('never undoes what was written while it looked', async () => {
    const { db, store } = await filled(0)
    await store.commit(part, [put('a'), put('b'), put('c'), { op: 'add', key: 'n', by: 1, max: 9 }], o())
    const result = await scanSqlite(db, async ({ key }) => {
      if (key === 'a') await store.commit(part, [put('a', 'new')], o())
      if (key === 'b') await store.commit(part, [{ op: 'del', key: 'b' }], o())
      if (key === 'n') await store.commit(part, [{ op: 'add', key: 'n', by: 1, max: 9 }], o())
      return bytes('scanned')
    })
    expect(result).toEqual({ seen: 4, rewritten: 1, after: null })
    const recs = await store.read(part, ['a', 'b', 'c', 'n'], { now })
    expect(recs.map((rec) => rec && [new TextDecoder().decode(rec.value), rec.n])).toEqual([
      ['new', 0],
      null,
      ['scanned', 0],
      ['', 2],
    ])
    await store.close()
  })

  it.each([1, 199, 200, 201, 450, 1000])('stops after %i records and goes on from there', async (limit) => {
    const { db, store } = await filled(450)
    const seen: string[] = []
    const visit = ({ key }: { key: string }) => {
      seen.push(key)
      return null
    }
    let after: string | null = null
    let calls = 0
    do {
      const result = await scanSqlite(db, visit, { after, limit })
      expect(result.seen).toBeLessThanOrEqual(limit)
      after = result.after
    } while (++calls < 451 && after !== null)
    expect([seen.length, new Set(seen).size]).toEqual([450, 450])
    await store.close()
  })

  it('with nothing to visit says so, and refuses to visit less than one', async () => {
    const { db, store } = await filled(0)
    expect(await scanSqlite(db, () => null)).toEqual({ seen: 0, rewritten: 0, after: null })
    await expect(scanSqlite(db, () => null, { limit: 0 })).rejects.toMatchObject({ code: 'store.invalid' })
    await store.close()
  })

  it('waits in later turns for another process that writes, and gives up in the end', async () => {
    const file = nextFile()
    const other = openLibsql(file)
    const db = openLibsql(file)
    const store = sqliteStore(db)
    await store.commit(part, [put('a')], o())
    other.exec('begin immediate')
    let turns = 0
    const schedule = (task: () => void, delayMs: number) => {
      if (delayMs > 0 && ++turns === 3) other.exec('commit')
      setImmediate(task)
    }
    expect(await scanSqlite(db, () => bytes('new'), { schedule })).toMatchObject({ rewritten: 1 })
    expect(turns).toBe(3)
    other.exec('begin immediate')
    turns = 3
    await expect(scanSqlite(db, () => bytes('newer'), { schedule })).rejects.toMatchObject({ code: 'store.overloaded' })
    other.exec('rollback')
    await store.close()
    other.close()
  })

  it.each<[string, unknown]>([
    ['text', 'new'],
    ['65,537 bytes', new Uint8Array(65_537)],
    ['nothing at all', undefined],
  ])('refuses %s in place of a value, and ends', async (_what, value) => {
    const { db, store } = await filled(1)
    await expect(scanSqlite(db, () => value as Uint8Array)).rejects.toMatchObject({ code: 'store.invalid' })
    await store.close()
  })

  it('of a table that is not there, or has no name, is an error', async () => {
    const db = openLibsql(nextFile())
    await expect(scanSqlite(db, () => null)).rejects.toMatchObject({ code: 'store.unavailable' })
    await expect(scanSqlite(db, () => null, { table: 'x;' })).rejects.toMatchObject({ code: 'store.invalid' })
    db.close()
  })

  it.each([
    ['update', 'store.unavailable'],
    ['commit', 'store.outcome_unknown'],
  ])('whose %s fails says %s and leaves the handle usable', async (failing, code) => {
    const { db, store } = await filled(3)
    const broken: SqliteDatabase = {
      exec: (sql) => db.exec(sql),
      close: () => db.close(),
      prepare(sql) {
        const statement = db.prepare(sql)
        if (!sql.startsWith(failing)) return statement
        return {
          get: (...values) => statement.get(...values),
          all: (...values) => statement.all(...values),
          run() {
            throw new Error('disk I/O error')
          },
        }
      },
    }
    await expect(scanSqlite(broken, () => bytes('new'))).rejects.toMatchObject({ code })
    expect(await scanSqlite(db, () => bytes('new'))).toMatchObject({ seen: 3, rewritten: 3 })
    await store.close()
  })

  it('with `reseal` brings a file under a new key while it is in use, and the old key can go', async () => {
    const db = openLibsql(nextFile())
    const inner = sqliteStore(db)
    const [older, newer] = [dataKey('00000001', 1), dataKey('00000002', 2)]
    const before = sealed(inner, dataKeys([older]), portsOf())
    for (let i = 0; i < 300; i++) await before.commit({ ...part, id: `u:${i % 7}` }, [put(`k/${i}`, `value ${i}`)], o())
    const during = sealed(inner, dataKeys([newer, older]), portsOf())
    const visit = reseal(dataKeys([newer, older]), { ...portsOf(), now })
    const [result] = await Promise.all([
      scanSqlite(db, visit),
      ...Array.from({ length: 50 }, (_, i) => during.commit({ ...part, id: `u:${i % 7}` }, [put(`k/${i}`, 'written')], o())),
    ])
    expect(result).toMatchObject({ seen: 300, after: null })
    const afterwards = sealed(inner, dataKeys([newer]), portsOf())
    for (let i = 0; i < 300; i++) {
      const [rec] = await afterwards.read({ ...part, id: `u:${i % 7}` }, [`k/${i}`], { now })
      expect(rec?.value).toEqual(bytes(i < 50 ? 'written' : `value ${i}`))
    }
    expect(await scanSqlite(db, visit)).toEqual({ seen: 300, rewritten: 0, after: null })
    await inner.close()
  })
})
