/// <reference types="node" />
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'
import { expect, it } from 'vitest'

const part = { tenant: 'bank', id: 'u:1' }
const rev = 'AAAAAAAAAAAAAAAA'

it('a put with rev null is applied once, and the loser sees what stands there', async () => {
  const store = sqliteStore(new Database(join(mkdtempSync(join(tmpdir(), 'postern-')), 'x.db')))
  const put = { op: 'put', key: 'a', value: new Uint8Array([1]), rev: null } as const
  expect(await store.commit(part, [put], { now: 1, rev })).toEqual({
    ok: true,
    recs: [{ key: 'a', value: new Uint8Array([1]), n: 0, rev, expiresAt: 0 }],
  })
  const lost = await store.commit(part, [put], { now: 1, rev: 'BBBBBBBBBBBBBBBB' })
  expect(lost).toEqual({ ok: false, at: 0, current: { key: 'a', value: new Uint8Array([1]), n: 0, rev, expiresAt: 0 } })
  expect(store.guarantees).toEqual({ durable: 'power', failover: 'none' })
  expect(await store.commit(part, [{ op: 'add', key: 'c', by: 2, max: 3 }], { now: 1, rev })).toMatchObject({
    ok: true,
    recs: [{ n: 2 }],
  })
  expect(await store.commit(part, [{ op: 'add', key: 'c', by: 2, max: 3 }], { now: 1, rev })).toMatchObject({
    ok: false,
    current: { n: 2 },
  })
  expect(await store.sweep!(1e9, 10)).toBe(0)
  await store.close()
})
