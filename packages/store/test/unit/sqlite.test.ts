import { type Op, OutcomeUnknown } from '@postern/store'
import { type SqliteDatabase, sqliteStore } from '@postern/store/sqlite'
import { describe, expect, it } from 'vitest'
import { openLibsql, sqliteFiles } from '../sqliteFiles.js'

const nextFile = sqliteFiles()
const part = { tenant: 'bank', id: 'u:1' }
const now = 1_767_225_600_000
let revs = 0
const o = () => ({ now, rev: String(++revs).padStart(16, '0') })
const put = (key: string) => ({ op: 'put', key, value: new Uint8Array([1]), rev: null }) as const
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A handle that counts what is run on it, and whose named statement can be made to fail. */
function watched(db: SqliteDatabase) {
  const runs: string[] = []
  const failing = new Map<string, unknown>()
  const handle: SqliteDatabase = {
    exec: (sql) => db.exec(sql),
    close: () => db.close(),
    prepare(sql) {
      const statement = db.prepare(sql)
      const noted = <T>(call: () => T): T => {
        const name = sql.split(' ')[0]!
        runs.push(name)
        if (failing.has(name)) throw failing.get(name)
        return call()
      }
      return {
        run: (...values) => noted(() => statement.run(...values)),
        get: (...values) => noted(() => statement.get(...values)),
        all: (...values) => noted(() => statement.all(...values)),
      }
    },
  }
  return { handle, runs, failing }
}
const busy = () => Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' })

it('an empty value has an address when it is bound: a client may take a null pointer for NULL', async () => {
  const db = openLibsql(nextFile())
  const bound: Uint8Array[] = []
  const noted: SqliteDatabase = {
    exec: (sql) => db.exec(sql),
    close: () => db.close(),
    prepare(sql) {
      const statement = db.prepare(sql)
      const note = (values: readonly unknown[]) => void bound.push(...values.filter((value) => value instanceof Uint8Array))
      return {
        run(...values) {
          note(values)
          return statement.run(...values)
        },
        get(...values) {
          note(values)
          return statement.get(...values)
        },
        all: (...values) => statement.all(...values),
      }
    },
  }
  const store = sqliteStore(noted)
  const value = new Uint8Array(new ArrayBuffer(0))
  await store.commit(part, [{ op: 'put', key: 'one', value }], o())
  await store.commit(part, [{ op: 'put', key: 'new', value, rev: null }], o())
  await store.commit(part, [{ op: 'add', key: 'n', by: 1, max: 2 }], o())
  await store.commit(
    part,
    [
      { op: 'put', key: 'two', value },
      { op: 'put', key: 'three', value },
    ],
    o(),
  )
  expect(bound.map(({ length, buffer }) => [length, buffer.byteLength > 0])).toEqual(Array(5).fill([0, true]))
  const [one] = await store.read(part, ['one'], { now })
  expect(one?.value).toEqual(value)
  await store.close()
})

describe('group commit', () => {
  it('commits of one turn share one transaction, and none is answered before it is committed', async () => {
    const { handle, runs } = watched(openLibsql(nextFile()))
    const store = sqliteStore(handle)
    runs.length = 0
    const answers = Promise.all(Array.from({ length: 40 }, (_, i) => store.commit(part, [put(`k/${i}`)], o())))
    let answered = false
    void answers.then(() => {
      answered = true
    })
    await null
    expect([runs, answered]).toEqual([[], false])
    await answers
    expect(runs.filter((name) => name === 'begin')).toHaveLength(1)
    expect(runs.filter((name) => name === 'commit')).toHaveLength(1)
    expect(runs).toHaveLength(42)
    await store.close()
  })

  it('a commit looks up no more than it must, and one that loses writes nothing', async () => {
    const { handle, runs } = watched(openLibsql(nextFile()))
    const store = sqliteStore(handle)
    const first = o()
    const asked = async (ops: Op[], rev = o()) => {
      runs.length = 0
      const { ok } = await store.commit(part, ops, rev)
      return [ok, ...runs.slice(1, -1)]
    }
    const value = new Uint8Array([2])
    expect(await asked([put('code/1'), put('fam/1')], first)).toEqual([true, 'select', 'insert', 'insert'])
    expect(await asked([{ op: 'put', key: 'fam/1', value, rev: first.rev }, put('e/1')])).toEqual([
      true,
      'select',
      'update',
      'insert',
    ])
    expect(
      await asked([
        { op: 'put', key: 'a', value },
        { op: 'del', key: 'b' },
      ]),
    ).toEqual([true, 'insert', 'delete'])
    expect(
      await asked([
        { op: 'add', key: 'n', by: 1, max: 1 },
        { op: 'put', key: 'a', value },
      ]),
    ).toEqual([true, 'insert', 'insert'])
    expect(await asked([put('code/1'), put('fam/2')])).toEqual([false, 'select'])
    expect(await asked([put('x'), put('fam/1')])).toEqual([false, 'select', 'insert', 'select'])
    expect(
      await asked([
        { op: 'put', key: 'x', value },
        { op: 'add', key: 'n', by: 1, max: 1 },
      ]),
    ).toEqual([false, 'insert', 'select'])
    expect(await store.read(part, ['x', 'fam/2'], { now })).toEqual([null, null])
    await store.close()
  })

  it('a later commit of a batch sees the earlier ones', async () => {
    const store = sqliteStore(openLibsql(nextFile()))
    const first = o()
    const [one, two, three] = await Promise.all([
      store.commit(part, [put('a')], first),
      store.commit(part, [put('a')], o()),
      store.commit(part, [{ op: 'del', key: 'a', rev: first.rev }, put('b')], o()),
    ])
    expect([one?.ok, two?.ok, three?.ok]).toEqual([true, false, true])
    expect(await store.read(part, ['a'], { now })).toEqual([null])
    await store.close()
  })

  it('the flush goes through `schedule`, so a simulation decides when the turn comes', async () => {
    const tasks: (() => void)[] = []
    const store = sqliteStore(openLibsql(nextFile()), { schedule: (task) => tasks.push(task) })
    const answer = store.commit(part, [put('a')], o())
    await turn()
    expect(await store.read(part, ['a'], { now })).toEqual([null])
    expect(tasks).toHaveLength(1)
    tasks[0]!()
    expect((await answer).ok).toBe(true)
    await store.close()
  })

  it('one more than `maxQueue` is refused as not applied, and the others are applied', async () => {
    const store = sqliteStore(openLibsql(nextFile()), { maxQueue: 3 })
    const answers = await Promise.allSettled(Array.from({ length: 5 }, (_, i) => store.commit(part, [put(`k/${i}`)], o())))
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'])
    expect(answers[4]).toMatchObject({ reason: { code: 'store.overloaded' } })
    expect(await store.list(part, 'k/', { now, limit: 9 })).toHaveLength(3)
    await store.close()
  })

  it('closing answers what waits', async () => {
    const file = nextFile()
    const store = sqliteStore(openLibsql(file))
    const answer = store.commit(part, [put('a')], o())
    await store.close()
    expect((await answer).ok).toBe(true)
  })
})

describe('failures', () => {
  it('an error from COMMIT is an unknown outcome for the whole batch', async () => {
    const { handle, failing } = watched(openLibsql(nextFile()))
    const store = sqliteStore(handle)
    failing.set('commit', new Error('disk I/O error'))
    const answers = await Promise.allSettled([store.commit(part, [put('a')], o()), store.commit(part, [put('b')], o())])
    for (const answer of answers) expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'store.outcome_unknown' } })
    expect((answers[0] as PromiseRejectedResult).reason).toBeInstanceOf(OutcomeUnknown)
    failing.clear()
    expect((await store.commit(part, [put('c')], o())).ok).toBe(true)
    await store.close()
  })

  it('an error before COMMIT is "not applied" for the whole batch, and nothing of it is there', async () => {
    const { handle, failing } = watched(openLibsql(nextFile()))
    const store = sqliteStore(handle)
    failing.set('delete', new Error('database or disk is full'))
    const answers = await Promise.allSettled([
      store.commit(part, [put('a')], o()),
      store.commit(part, [{ op: 'del', key: 'b' }], o()),
    ])
    for (const answer of answers) expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'store.unavailable' } })
    expect(await store.read(part, ['a'], { now })).toEqual([null])
    await store.close()
  })

  it('a transaction that cannot be ended closes the store to readers too: it would show what was never committed', async () => {
    const { handle, failing } = watched(openLibsql(nextFile()))
    const store = sqliteStore(handle)
    failing.set('commit', new Error('disk I/O error')).set('rollback', new Error('disk I/O error'))
    await expect(store.commit(part, [put('a')], o())).rejects.toThrow(OutcomeUnknown)
    await expect(store.read(part, ['a'], { now })).rejects.toMatchObject({ code: 'store.unavailable' })
  })

  it('a file that another process holds for a while is waited for in later turns, and the event loop goes on', async () => {
    const file = nextFile()
    const other = openLibsql(file)
    const store = sqliteStore(openLibsql(file))
    other.exec('begin immediate')
    let turns = 0
    const answer = store.commit(part, [put('a')], o())
    for (let i = 0; i < 20; i++) {
      await turn()
      turns++
    }
    other.exec('commit')
    expect((await answer).ok).toBe(true)
    expect(turns).toBe(20)
    await store.close()
    other.close()
  })

  it('a file that stays held ends in store.overloaded, with growing delays and not for ever', async () => {
    const { handle, failing } = watched(openLibsql(nextFile()))
    const delays: number[] = []
    const store = sqliteStore(handle, {
      schedule: (task, delayMs) => {
        delays.push(delayMs)
        setImmediate(task)
      },
    })
    failing.set('begin', busy())
    await expect(store.commit(part, [put('a')], o())).rejects.toMatchObject({ code: 'store.overloaded', retryable: true })
    const waited = delays.reduce((sum, ms) => sum + ms, 0)
    expect([delays[0], Math.max(...delays), waited > 3000 && waited < 8000]).toEqual([0, 25, true])
    failing.clear()
    expect((await store.commit(part, [put('a')], o())).ok).toBe(true)
    await store.close()
  })
})

describe('the sweep', () => {
  const fill = async (file: string, count: number) => {
    const db = openLibsql(file)
    const store = sqliteStore(db)
    const puts = Array.from({ length: count }, (_, i) =>
      store.commit({ tenant: 'bank', id: `u:${i % 3}` }, [{ ...put(`k/${i}`), ...(i % 10 ? { expiresAt: now + 1 } : {}) }], o()),
    )
    await Promise.all(puts)
    const left = () => (db.prepare('select count(*) as n from postern_kv').get() as { n: number }).n
    return { store, left }
  }
  const due = now + 1 + 60_000

  it('goes on from where its budget ended, over many steps, and misses no row between two of them', async () => {
    const { store, left } = await fill(nextFile(), 1300)
    const swept: number[] = []
    for (let i = 0; i < 3; i++) swept.push(await store.sweep!(due, 0))
    expect([swept.every((count) => count > 200), left()]).toEqual([true, 130])
    await store.close()
  })

  it('with budget enough goes once around from wherever it stands', async () => {
    const { store, left } = await fill(nextFile(), 1300)
    const first = await store.sweep!(due, 0)
    expect(await store.sweep!(due, 10_000)).toBe(1170 - first)
    expect([left(), await store.sweep!(due, 10_000)]).toEqual([130, 0])
    await store.close()
  })

  it('leaves room for commits between its steps', async () => {
    const { store } = await fill(nextFile(), 1300)
    const order: string[] = []
    await Promise.all([
      store.sweep!(due, 10_000).then(() => order.push('swept')),
      store.commit(part, [put('meanwhile')], o()).then(() => order.push('committed')),
    ])
    expect(order).toEqual(['committed', 'swept'])
    await store.close()
  })
})

describe('the file', () => {
  it('is a write-ahead log that is synced at each commit', async () => {
    const db = openLibsql(nextFile())
    sqliteStore(db)
    expect(db.prepare('pragma journal_mode').get()).toMatchObject({ journal_mode: 'wal' })
    expect(db.prepare('pragma synchronous').get()).toMatchObject({ synchronous: 2 })
    expect(db.prepare('pragma busy_timeout').get()).toMatchObject({ timeout: 0 })
    db.close()
  })

  it.each([
    ['FULL', 'power'],
    ['NORMAL', 'process'],
  ] as const)('synchronous %s says durable "%s"', async (synchronous, durable) => {
    const store = sqliteStore(openLibsql(nextFile()), { synchronous })
    expect(store.guarantees).toEqual({ durable, failover: 'none' })
    await store.close()
  })

  it('a database in memory says durable "none"', async () => {
    const store = sqliteStore(openLibsql(':memory:'))
    expect(store.guarantees.durable).toBe('none')
    await store.close()
  })

  it('the outbox is read from its partial index, and markers are not in it', () => {
    const db = openLibsql(nextFile())
    sqliteStore(db)
    const plan = db
      .prepare(
        "explain query plan select k from postern_kv indexed by postern_kv_outbox where k >= 'e/' and k < 'e0' and k > ? and x > ? order by k, p",
      )
      .all('', 0)
    expect(JSON.stringify(plan)).toMatch(/USING (COVERING )?INDEX postern_kv_outbox/)
    expect(JSON.stringify(plan)).not.toMatch(/TEMP B-TREE/)
    db.close()
  })

  it('records outlive the handle, and two tables in one file do not meet', async () => {
    const file = nextFile()
    const first = sqliteStore(openLibsql(file))
    await first.commit(part, [put('a')], o())
    await first.close()
    const again = sqliteStore(openLibsql(file))
    const beside = sqliteStore(openLibsql(file), { table: 'other' })
    expect((await again.read(part, ['a'], { now }))[0]?.value).toEqual(new Uint8Array([1]))
    expect(await beside.read(part, ['a'], { now })).toEqual([null])
    await again.close()
    await beside.close()
  })

  it('a table name is a name', () => {
    expect(() => sqliteStore(openLibsql(nextFile()), { table: 'x; drop table y' })).toThrow('store.invalid')
  })
})
