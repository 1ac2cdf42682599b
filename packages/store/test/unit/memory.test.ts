import { memoryStore } from '@postern/store/memory'
import { expect, it } from 'vitest'

const part = { tenant: 'bank', id: 'u:1' }
const rev = 'AAAAAAAAAAAAAAAA'

it('a put with rev null is applied once, and the loser sees what stands there', async () => {
  const store = memoryStore()
  const put = { op: 'put', key: 'a', value: new Uint8Array([1]), rev: null } as const
  expect(await store.commit(part, [put], { now: 1, rev })).toEqual({
    ok: true,
    recs: [{ key: 'a', value: new Uint8Array([1]), n: 0, rev, expiresAt: 0 }],
  })
  const lost = await store.commit(part, [put], { now: 1, rev: 'BBBBBBBBBBBBBBBB' })
  expect(lost).toEqual({ ok: false, at: 0, current: { key: 'a', value: new Uint8Array([1]), n: 0, rev, expiresAt: 0 } })
})
