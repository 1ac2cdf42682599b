/// <reference types="node" />
import { createDecipheriv, createHmac } from 'node:crypto'
import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { createCrypto as createNode } from '@postern/core/crypto/node'
import { createCrypto as createWeb } from '@postern/core/crypto/web'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { type Op, OutcomeUnknown, type Part, type Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { acceptPlaintext, type DataKeys, dataKeys, type KeySource, reseal, sealed } from '@postern/store/sealed'
import { settle } from '@postern/store/settle'
import { faultyStore } from '@postern/testkit/faulty'
import { describe, expect, it } from 'vitest'
import { bytes, dataKey, forge, now, o, part, portsOf, storedAt } from '../sealing.js'

const first = dataKey('0a0b0c0d', 1)
const second = dataKey('ffffffff', 2)
const keys = dataKeys([first])
const ports = portsOf()
const ROW = Uint8Array.of(3, ...bytes('the balance is 17'))
const put = (key: string, value: Uint8Array = ROW): Op => ({ op: 'put', key, value })
const corrupt = { code: 'store.corrupt' }

function over(source: KeySource = keys, inner: Store = memoryStore()) {
  return { inner, store: sealed(inner, source, ports) }
}

describe('a sealed value', () => {
  it('is schema, kid, nonce, ciphertext and tag, as another implementation of the format opens it', async () => {
    const { inner, store } = over()
    await store.commit(part, [put('fam/1')], o())
    const stored = Buffer.from(await storedAt(inner, 'fam/1'))
    expect([stored[0], stored.subarray(1, 5).toString('hex'), stored.length]).toEqual([0x80 | 3, '0a0b0c0d', ROW.length + 33])

    const lp = (text: string) => Buffer.concat([Buffer.from([text.length >> 8, text.length & 255]), Buffer.from(text)])
    const place = Buffer.concat([lp('bank'), lp('u:1')])
    const key = createHmac('sha256', first.secret).update('postern/store/1').update(place).digest()
    const cipher = createDecipheriv('aes-256-gcm', key, stored.subarray(5, 17))
    cipher.setAAD(Buffer.concat([place, lp('fam/1'), stored.subarray(0, 1)])).setAuthTag(stored.subarray(-16))
    expect(new Uint8Array(Buffer.concat([cipher.update(stored.subarray(17, -16)), cipher.final()]))).toEqual(ROW)
  })

  it('shows of a value that begins with no schema that it is sealed, and nothing else', async () => {
    const { inner, store } = over()
    for (const start of [0, 0x80, 0xff]) {
      const value = Uint8Array.of(start, 1, 2)
      await store.commit(part, [put('a', value)], o())
      expect((await storedAt(inner, 'a'))[0]).toBe(0x80)
      expect((await store.read(part, ['a'], { now }))[0]?.value).toEqual(value)
    }
  })

  it('of the same plaintext is another each time', async () => {
    const { inner, store } = over()
    await store.commit(part, [put('a'), put('b')], o())
    expect(await storedAt(inner, 'a')).not.toEqual(await storedAt(inner, 'b'))
  })

  it('leaves rev, n, expiry and counters as the driver keeps them, and what is empty empty', async () => {
    const { inner, store } = over()
    const sent = o()
    const ops: Op[] = [
      { op: 'put', key: 'a', value: ROW, rev: null, expiresAt: now + 9 },
      { op: 'put', key: 'empty', value: new Uint8Array(0) },
      { op: 'add', key: 'n', by: 2, max: 3 },
    ]
    const answer = await store.commit(part, ops, sent)
    const recs = [
      { key: 'a', value: ROW, n: 0, rev: sent.rev, expiresAt: now + 9 },
      { key: 'empty', value: new Uint8Array(0), n: 0, rev: sent.rev, expiresAt: 0 },
      { key: 'n', value: new Uint8Array(0), n: 2, rev: sent.rev, expiresAt: 0 },
    ]
    expect(answer).toEqual({ ok: true, recs })
    expect(await store.read(part, ['a', 'empty', 'n'], { now })).toEqual(recs)
    const kept = await inner.read(part, ['a', 'empty', 'n'], { now })
    expect(kept.map((rec) => ({ ...rec, value: rec?.value.length }))).toEqual(
      recs.map((rec) => ({ ...rec, value: rec.value.length && ROW.length + 33 })),
    )
  })

  it('may have 65,503 bytes; one more is refused with that number, and nothing is sent', async () => {
    const { inner, store } = over()
    const value = new Uint8Array(65_503).fill(9)
    await store.commit(part, [put('a', value)], o())
    expect((await store.read(part, ['a'], { now }))[0]?.value).toEqual(value)
    const more = store.commit(part, [put('b'), put('c', new Uint8Array(65_504))], o())
    await expect(more).rejects.toMatchObject({ code: 'store.invalid', publicMessage: expect.stringContaining('65503 bytes') })
    expect(await inner.read(part, ['b', 'c'], { now })).toEqual([null, null])
  })

  it('is what was there at the call, whatever the caller does to it then', async () => {
    const { store } = over(async () => keys)
    const value = ROW.slice()
    const committed = store.commit(part, [put('a', value)], o())
    value.fill(0)
    await committed
    expect((await store.read(part, ['a'], { now }))[0]?.value).toEqual(ROW)
  })
})

describe('what does not open', () => {
  const elsewhere: readonly (readonly [string, Part, string])[] = [
    ['key', part, 'b'],
    ['partition', { ...part, id: 'u:2' }, 'a'],
    ['tenant', { ...part, tenant: 'bank2' }, 'a'],
    ['place whose names, joined, are the same', { tenant: 'ban', id: 'ku:1' }, 'a'],
  ]
  it.each(elsewhere)('a value moved to another %s', async (_what, at, key) => {
    const { inner, store } = over()
    await store.commit(part, [put('a')], o())
    await forge(inner, key, await storedAt(inner, 'a'), at)
    await expect(store.read(at, [key], { now })).rejects.toMatchObject(corrupt)
    expect((await store.read(part, ['a'], { now }))[0]?.value).toEqual(ROW)
  })

  it.each<[string, (stored: Uint8Array) => Uint8Array]>([
    ['cut to its schema byte', (stored) => stored.slice(0, 1)],
    ['cut in its key id', (stored) => stored.slice(0, 4)],
    ['cut in its nonce', (stored) => stored.slice(0, 16)],
    ['without a ciphertext', (stored) => stored.slice(0, 17)],
    ['without its last byte', (stored) => stored.slice(0, -1)],
    ['a byte longer', (stored) => Uint8Array.of(...stored, 0)],
    ['of an unknown key', (stored) => stored.with(1, 7)],
    ['under another schema byte', (stored) => stored.with(0, 0x84)],
    ['plain', () => ROW],
  ])('a value that is %s, on every way out and in the same words', async (_what, spoil) => {
    for (const crypto of [createNode(), createWeb(), createNoble()]) {
      const inner = memoryStore()
      const store = sealed(inner, keys, portsOf(crypto))
      const sent = o()
      await store.commit(part, [put('e/1')], sent)
      const spoilt = spoil(await storedAt(inner, 'e/1'))
      await inner.commit(part, [put('e/1', spoilt)], sent)
      const ways = [
        store.read(part, ['e/1'], { now }),
        store.read(part, ['none', 'e/1', 'e/1'], { now }),
        store.list(part, 'e/', { now, limit: 9 }),
        store.outbox!({ now, limit: 9 }),
        store.commit(part, [{ op: 'check', key: 'e/1', rev: sent.rev }], o()),
        store.commit(part, [{ op: 'put', key: 'e/1', value: ROW, rev: null }], o()),
      ]
      const errors = (await Promise.allSettled(ways)).map(
        (way) => way.status === 'rejected' && `${way.reason} ${way.reason.reason}`,
      )
      expect(errors).toEqual(Array(ways.length).fill('PosternError: store.corrupt: A stored value does not open. null'))
    }
  })

  it('under a name that the contract does not allow, as a database may show it', async () => {
    const { inner, store } = over()
    await store.commit(part, [put('a1')], o())
    const renamed: Store = {
      ...inner,
      // U+0131 ends in the byte of "1".
      list: async (...call) => (await inner.list(...call)).map((rec) => ({ ...rec, key: 'a\u0131' })),
    }
    await expect(sealed(renamed, keys, ports).list(part, '', { now, limit: 9 })).rejects.toMatchObject(corrupt)
  })

  it('but was met by a commit that is applied is an unknown outcome, since every other error says "not applied"', async () => {
    const { inner, store } = over()
    await forge(inner, 'a', ROW)
    const sent = o()
    const error = await store.commit(part, [{ op: 'add', key: 'a', by: 1, max: 1 }], sent).catch((thrown) => thrown)
    expect(error).toBeInstanceOf(OutcomeUnknown)
    expect(error).toMatchObject({ rev: sent.rev, cause: corrupt })
    expect((await inner.read(part, ['a'], { now }))[0]?.n).toBe(1)
  })
})

describe('keys', () => {
  it('a rotated key seals, the one before it still opens, and one that was taken away does not', async () => {
    const inner = memoryStore()
    await over(keys, inner).store.commit(part, [put('old')], o())
    const both = over(dataKeys([second, first]), inner).store
    await both.commit(part, [put('new')], o())
    expect((await both.read(part, ['old', 'new'], { now })).map((rec) => rec?.value)).toEqual([ROW, ROW])
    expect((await storedAt(inner, 'new')).subarray(1, 5)).toEqual(new Uint8Array(4).fill(255))
    const later = over(dataKeys([second]), inner).store
    await expect(later.read(part, ['old'], { now })).rejects.toMatchObject(corrupt)
    expect((await later.read(part, ['new'], { now }))[0]?.value).toEqual(ROW)
  })

  it("a core key ring is such a source; its keys come and go by the call's `now`", async () => {
    const crypto = createNode()
    const { random } = ports
    const { long } = await openKeyRing(await createKeyRingDocument({ clock: () => now, random, crypto }), crypto)
    const { store } = over(long)
    await store.commit(part, [put('a')], o())
    expect((await store.read(part, ['a'], { now }))[0]?.value).toEqual(ROW)
    const before = { now: now - 600_000, rev: o().rev }
    await expect(store.commit(part, [put('b')], before)).rejects.toMatchObject({ code: 'store.unavailable' })
    await expect(store.read(part, ['a'], before)).rejects.toMatchObject(corrupt)
  })

  it("a tenant's own key opens its values alone, and with the key the tenant is gone", async () => {
    const own = new Map<string, DataKeys>([
      ['bank', dataKeys([first])],
      ['clinic', dataKeys([{ ...second, kid: first.kid }])],
    ])
    const { inner, store } = over(async (tenant) => own.get(tenant) ?? null)
    const clinic = { ...part, tenant: 'clinic' }
    for (const at of [part, clinic]) await store.commit(at, [put('a'), put('e/1')], o())
    await forge(inner, 'swapped', await storedAt(inner, 'a', clinic))
    await expect(store.read(part, ['swapped'], { now })).rejects.toMatchObject(corrupt)

    own.delete('clinic')
    await expect(store.read(clinic, ['a'], { now })).rejects.toMatchObject(corrupt)
    const refused = store.commit(clinic, [put('b')], o())
    await expect(refused).rejects.toMatchObject({ code: 'store.unavailable', retryable: false })
    expect((await store.read(part, ['a'], { now }))[0]?.value).toEqual(ROW)
    expect(await store.commit(clinic, [{ op: 'del', key: 'a' }], o())).toMatchObject({ ok: true })
  })

  it("an erased tenant's events hold up nobody else's", async () => {
    const own = new Map([
      ['a-gone', keys],
      ['bank', keys],
    ])
    const { store } = over((tenant) => own.get(tenant) ?? null)
    for (let i = 0; i < 7; i++) await store.commit({ tenant: 'a-gone', id: 'u' }, [put(`e/${i}a`)], o())
    for (let i = 5; i < 9; i++) await store.commit(part, [put(`e/${i}`)], o())
    own.delete('a-gone')
    const seen = async (limit: number, after = '') =>
      (await store.outbox!({ now, limit, after })).map(({ key, part: { tenant } }) => `${tenant} ${key}`)
    expect(await seen(3)).toEqual(['bank e/5', 'bank e/6', 'bank e/7'])
    expect(await seen(3, 'e/7')).toEqual(['bank e/8'])
    expect(await seen(100)).toHaveLength(4)
  })

  it.each<[string, KeySource]>([
    ['throws', () => Promise.reject(new Error('KMS'))],
    [
      'throws at once',
      () => {
        throw new Error('KMS')
      },
    ],
    [
      'has none that is active',
      {
        ...keys,
        active: () => {
          throw new Error('none')
        },
      },
    ],
  ])('a source that %s makes a commit unavailable, and nothing is sent', async (_what, source) => {
    const { inner, store } = over(source)
    const refused = store.commit(part, [put('a'), { op: 'add', key: 'n', by: 1, max: 1 }], o())
    await expect(refused).rejects.toMatchObject({ code: 'store.unavailable' })
    expect(await inner.list(part, '', { now, limit: 9 })).toEqual([])
  })

  it('a source that throws makes a read unavailable, and not corrupt', async () => {
    const { inner, store } = over()
    await store.commit(part, [put('a')], o())
    const away = over(() => Promise.reject(new Error('KMS')), inner).store
    await expect(away.read(part, ['a'], { now })).rejects.toMatchObject({ code: 'store.unavailable', retryable: true })
    expect(await away.read(part, ['none'], { now })).toEqual([null])
  })

  it.each([
    ['a kid of another length', { ...first, kid: '0a' }],
    ['a kid in capitals', { ...first, kid: '0A0B0C0D' }],
    ['a short secret', { ...first, secret: new Uint8Array(16) }],
  ])('%s is refused', async (_what, key) => {
    await expect(over(dataKeys([key])).store.commit(part, [put('a')], o())).rejects.toMatchObject({ code: 'store.invalid' })
  })
})

describe('through a sealed store', () => {
  it('settle knows its own commit again, although the bytes of each sending differ', async () => {
    const ops: Op[] = [{ op: 'put', key: 'code/1', value: ROW, rev: null }]
    for (let seed = 1; seed <= 200; seed++) {
      const inner = memoryStore()
      const faulty = faultyStore(inner, { seed, plan: { dropAfter: 0.3, late: 0.3, dropBefore: 0.1, duplicate: 0.1 } })
      const store = sealed(faulty, keys, ports)
      const sent = o()
      const answer = await settle(store, part, ops, { ...sent, attempts: 60 })
      expect(answer).toEqual({ ok: true, recs: [{ key: 'code/1', value: ROW, n: 0, rev: sent.rev, expiresAt: 0 }] })
      await faulty.drain()
      expect(await sealed(inner, keys, ports).read(part, ['code/1'], { now })).toEqual(answer.ok && answer.recs)
    }
  })

  it('what a driver lacks is lacking', () => {
    const { outbox: _outbox, sweep: _sweep, time: _time, ...bare } = memoryStore()
    expect(Object.keys(over(keys, bare).store).sort()).toEqual(['close', 'commit', 'guarantees', 'list', 'read'])
  })
})

describe('acceptPlaintext', () => {
  it('takes plain values as they are, seals what it writes, and still refuses what is spoilt', async () => {
    const inner = memoryStore()
    const store = sealed(inner, keys, { ...ports, [acceptPlaintext]: true })
    await forge(inner, 'a', ROW)
    expect((await store.read(part, ['a'], { now }))[0]?.value).toEqual(ROW)
    await store.commit(part, [put('a')], o())
    const stored = await storedAt(inner, 'a')
    expect(stored[0]).toBe(0x83)
    await forge(inner, 'a', stored.with(20, stored[20]! ^ 1))
    await expect(store.read(part, ['a'], { now })).rejects.toMatchObject(corrupt)
  })
})

describe('reseal', () => {
  const rec = async (inner: Store, key: string) => ({ ...(await inner.read(part, [key], { now }))[0]!, part })

  it('gives values under older keys the active one, and leaves alone what has it, is empty or is erased', async () => {
    const { inner, store } = over()
    await store.commit(part, [put('a'), { op: 'add', key: 'n', by: 1, max: 1 }], o())
    const visit = reseal(dataKeys([second, first]), { ...ports, now })
    await forge(inner, 'a', (await visit(await rec(inner, 'a')))!)
    expect((await over(dataKeys([second]), inner).store.read(part, ['a'], { now }))[0]?.value).toEqual(ROW)
    expect([await visit(await rec(inner, 'a')), await visit(await rec(inner, 'n'))]).toEqual([null, null])
    expect(await reseal(() => null, { ...ports, now })(await rec(inner, 'a'))).toBeNull()
  })

  it('seals what is plain where that is accepted, and is otherwise told of it', async () => {
    const { inner, store } = over()
    await forge(inner, 'a', ROW)
    const visit = reseal(keys, { ...ports, now })
    await expect(visit(await rec(inner, 'a'))).rejects.toMatchObject(corrupt)
    const told: unknown[] = []
    expect(await reseal(keys, { ...ports, now, corrupt: (at) => told.push(at) })(await rec(inner, 'a'))).toBeNull()
    expect(told).toEqual([{ part, key: 'a' }])
    await forge(inner, 'a', (await reseal(keys, { ...ports, now, [acceptPlaintext]: true })(await rec(inner, 'a')))!)
    expect((await store.read(part, ['a'], { now }))[0]?.value).toEqual(ROW)
  })

  it('rewrites values of an older schema in the same walk', async () => {
    const { inner, store } = over()
    await store.commit(part, [put('old', Uint8Array.of(1, 5)), put('new', Uint8Array.of(2, 5))], o())
    const migrate = ({ value }: { value: Uint8Array }) => (value[0] === 1 ? value.with(0, 2) : null)
    const visit = reseal(keys, { ...ports, now, migrate })
    const renewed = (await visit(await rec(inner, 'old')))!
    expect([renewed[0], await visit(await rec(inner, 'new'))]).toEqual([0x82, null])
    await forge(inner, 'old', renewed)
    expect((await store.read(part, ['old'], { now }))[0]?.value).toEqual(Uint8Array.of(2, 5))
  })
})
