/** Sealed records: what is found is told apart, and no key is used twice. */
import { concat, equal, hex, u32, u64, utf8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { hkdfExpand, hkdfExtract } from '@postern/core/hkdf'
import { tuple } from '@postern/core/tuple'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type KemId, kemFromAgreement, kemPrivateKey } from '../../src/hpke.js'
import { openRecord, sealRecord } from '../../src/internal/records/record.js'
import {
  createSealedRecords,
  type Kek,
  kekFromCryptoKey,
  kekFromHpke,
  type SealedRecords,
  type SealedRecordsOptions,
} from '../../src/records.js'
import { backends } from '../backends.js'
import { codeOf } from '../codeOf.js'
import { anchorOf, shelfOf } from '../shelf.js'
import { random } from '../world.js'

const crypto = backends[0]!
const HEAD_BYTES = 61

async function hpkeKek(kem: KemId = 0x0020, port: CryptoPort = crypto): Promise<Kek> {
  return kekFromHpke({ crypto: port, random }, await kemPrivateKey(port, kem, random(32).fill(1, 0, 1)))
}

async function aesKey(): Promise<CryptoKey> {
  return (await globalThis.crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, [
    'encrypt',
    'decrypt',
  ])) as CryptoKey
}

const kek = await hpkeKek()

interface Opened {
  readonly data: Map<string, Uint8Array>
  readonly records: SealedRecords
  open(change?: Partial<SealedRecordsOptions>): SealedRecords
}

function opened(change: Partial<SealedRecordsOptions> = {}, data = new Map<string, Uint8Array>()): Opened {
  const open = (more: Partial<SealedRecordsOptions> = {}): SealedRecords =>
    createSealedRecords({ storage: shelfOf(data), kek, store: 's', crypto, random, ...change, ...more })
  return { data, records: open(), open }
}

/** Where the value of a name lies: there is one record key that it alone has. */
async function keyOf(o: Opened, name: string, value = utf8('x')): Promise<string> {
  const before = new Map(o.data)
  await o.records.set(name, value)
  return [...o.data.keys()].find((key) => key.startsWith('r.') && before.get(key) !== o.data.get(key))!
}

describe('sealed records', () => {
  for (const port of backends)
    it(`${port.name}: values come back, small and large, under a key of WebCrypto or of a keystore`, async () => {
      const keks = [kekFromCryptoKey(await aesKey(), { random }), await hpkeKek(0x0020, port), await hpkeKek(0x0010, port)]
      for (const one of keks) {
        const o = opened({ kek: one, crypto: port })
        for (const size of [0, 1, 251, 252, 253, 65_536, 65_537, 200_000]) {
          const value = new Uint8Array(size).fill(7)
          await o.records.set(`n${size}`, value)
          expect(equal((await o.open().get(`n${size}`))!, value)).toBe(true)
        }
        expect(await o.records.get('never')).toBeNull()
        await o.records.set('n1', utf8('other'))
        expect(await o.open().get('n1')).toEqual(utf8('other'))
        await o.records.remove('n1')
        expect(await o.open().get('n1')).toBeNull()
      }
    })

  it('a key agreement that cannot be extracted wraps the keys, and is asked for nothing but agreements', async () => {
    const { subtle } = globalThis.crypto
    const pair = (await subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveBits'])) as CryptoKeyPair
    const publicKey = new Uint8Array(await subtle.exportKey('raw', pair.publicKey))
    const agree = async (peer: Uint8Array): Promise<Uint8Array> => {
      const point = await subtle.importKey('raw', peer.slice(), { name: 'ECDH', namedCurve: 'P-256' }, false, [])
      return new Uint8Array(await subtle.deriveBits({ name: 'ECDH', public: point }, pair.privateKey, 256))
    }
    const o = opened({ kek: kekFromHpke({ crypto, random }, kemFromAgreement(crypto, 0x0010, { publicKey, agree })) })
    await o.records.set('a', utf8('x'))
    expect(await o.open().get('a')).toEqual(utf8('x'))
    const gone = kemFromAgreement(crypto, 0x0010, { publicKey, agree: () => Promise.reject(new Error('invalidated')) })
    expect(await codeOf(() => o.open({ kek: kekFromHpke({ crypto, random }, gone) }).get('a'))).toBe('record.key_missing')
  })

  it('backends open what each other has sealed', async () => {
    const data = new Map<string, Uint8Array>()
    const secret = random(32)
    const at = async (port: CryptoPort) =>
      opened({ crypto: port, kek: kekFromHpke({ crypto: port, random }, await kemPrivateKey(port, 0x0020, secret)) }, data)
        .records
    for (const writer of backends)
      for (const reader of backends) {
        await (await at(writer)).set('a', utf8(writer.name))
        expect(await (await at(reader)).get('a')).toEqual(utf8(writer.name))
      }
  })

  it('storage sees no name, no value and no size but its class', async () => {
    const o = opened()
    await o.records.set('account-of-ada', utf8('4,711 EUR'))
    const key = await keyOf(o, 'account-of-ada', new Uint8Array(100))
    const all = [...o.data].map(([name, value]) => `${name} ${Buffer.from(value).toString('latin1')}`).join(' ')
    for (const secret of ['ada', 'account', '4,711', 'EUR']) expect(all.includes(secret)).toBe(false)
    const sizes = new Set([o.data.get(key)!.length])
    for (const size of [0, 1, 50, 251, 252]) sizes.add(o.data.get(await keyOf(o, 'same', new Uint8Array(size)))!.length)
    expect([...sizes]).toEqual([HEAD_BYTES + 256 + 16])
    expect(o.data.get(await keyOf(o, 'more', new Uint8Array(253)))!.length).toBe(HEAD_BYTES + 272 + 16)
  })

  it('never written, and removed, is null; a store of another name begins empty', async () => {
    const o = opened()
    expect(await o.records.get('a')).toBeNull()
    await o.records.set('a', utf8('x'))
    expect(await codeOf(() => o.open({ store: 'other' }).get('a'))).toBe('record.key_wrong')
    await o.records.remove('b')
    expect(await o.records.get('b')).toBeNull()
  })

  it('the handle of the key gone, or the wrapped keys: key_missing; another handle: key_wrong', async () => {
    const o = opened()
    await o.records.set('a', utf8('x'))
    const gone: Kek = {
      wrap: () => Promise.reject(new Error('invalidated')),
      unwrap: () => Promise.reject(new Error('invalidated')),
    }
    const missing = o.open({ kek: gone })
    expect(await codeOf(() => missing.get('a'))).toBe('record.key_missing')
    expect(await codeOf(() => missing.set('a', utf8('y')))).toBe('record.key_missing')
    expect(await codeOf(async () => o.open({ kek: await hpkeKek() }).get('a'))).toBe('record.key_wrong')
    const mayNot = (await globalThis.crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt'])) as CryptoKey
    const p = opened({ kek: kekFromCryptoKey(mayNot, { random }) })
    await p.records.set('a', utf8('x'))
    expect(await codeOf(() => p.open().get('a'))).toBe('record.key_missing')
    o.data.delete('k')
    expect(await codeOf(() => o.open().get('a'))).toBe('record.key_missing')
  })

  it('a version under a data key that is not in the ring: key_missing; under another key, or of another name: key_wrong', async () => {
    const o = opened()
    const a = await keyOf(o, 'a')
    const stored = o.data.get(a)!
    o.data.set(
      a,
      Uint8Array.from(stored, (byte, i) => (i === 2 ? byte ^ 1 : byte)),
    )
    expect(await codeOf(() => o.open().get('a'))).toBe('record.key_missing')
    o.data.set(
      a,
      Uint8Array.from(stored, (byte, i) => (i === 30 ? byte ^ 1 : byte)),
    )
    expect(await codeOf(() => o.open().get('a'))).toBe('record.key_wrong')
    o.data.set(a, stored)
    const b = await keyOf(o, 'b')
    // Of the same generation, sealed under the same key, but for another name.
    const there = o.data.get(b)!
    o.data.set(
      b,
      Uint8Array.from(stored, (byte, i) => (i < 13 ? there[i]! : byte)),
    )
    expect(await codeOf(() => o.open().get('b'))).toBe('record.key_wrong')
    expect(await o.open().get('a')).toEqual(utf8('x'))
  })

  it('C01 a flipped bit anywhere is refused, and its value never comes back changed; behind the commitment it is tampered', async () => {
    const o = opened()
    const key = await keyOf(o, 'a', utf8('precious'))
    const stored = o.data.get(key)!
    const large = await keyOf(o, 'large', new Uint8Array(70_000).fill(1))
    const whole = o.data.get(large)!
    for (let bit = 0; bit < stored.length * 8; bit++) {
      const at = bit >> 3
      o.data.set(
        key,
        Uint8Array.from(stored, (byte, i) => (i === at ? byte ^ (1 << (bit & 7)) : byte)),
      )
      const code = await codeOf(() => o.records.get('a'))
      if (at >= HEAD_BYTES) expect(code).toBe('record.tampered')
      else expect(code).toMatch(/^record\.(tampered|key_wrong|key_missing)$/)
    }
    for (let length = 0; length < stored.length; length++) {
      o.data.set(key, stored.slice(0, length))
      expect(await codeOf(() => o.records.get('a'))).toBe('record.tampered')
    }
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: HEAD_BYTES, max: whole.length - 1 }), fc.boolean(), async (at, cut) => {
        o.data.set(large, cut ? whole.slice(0, at) : Uint8Array.from(whole, (byte, i) => (i === at ? byte ^ 1 : byte)))
        expect(await codeOf(() => o.records.get('large'))).toBe('record.tampered')
      }),
    )
  })

  it('what is under its key and tag and yet is not a padded value is tampered', async () => {
    const dek = { id: '01020304', secret: random(32) }
    const place = { store: 's', name: 'a', gen: 1 }
    const stored = await sealRecord({ crypto, random }, dek, place, utf8('value'))
    const head = stored.slice(0, HEAD_BYTES)
    const prk = await hkdfExtract(crypto, 'SHA-256', head.subarray(13, 29), dek.secret)
    const info = tuple('postern:record/v1', 's', 'a', u32(1), u64(1))
    const key = await crypto.aeadKey('A256GCM', (await hkdfExpand(crypto, 'SHA-256', prk, info, 64)).subarray(0, 32))
    const sealed = async (plaintext: Uint8Array) => concat(head, await crypto.seal(key, new Uint8Array(12), head, plaintext))
    const padded = (length: number, change: (bytes: Uint8Array) => void = () => undefined): Uint8Array => {
      const bytes = concat(u32(5), utf8('value'), new Uint8Array(length - 9))
      change(bytes)
      return bytes
    }
    expect(await openRecord(crypto, dek, place, await sealed(padded(256)))).toEqual(utf8('value'))
    for (const bad of [
      padded(256, (bytes) => bytes.fill(1, 255)),
      padded(256, (bytes) => bytes.set(u32(253))),
      padded(256, (bytes) => bytes.set(u32(0xffff_ffff))),
      padded(255),
      padded(257),
      new Uint8Array(3),
    ])
      expect(await codeOf(async () => openRecord(crypto, dek, place, await sealed(bad)))).toBe('record.tampered')
  })

  it('listed, and its bytes gone: lost; and writing it again heals it', async () => {
    const o = opened()
    const key = await keyOf(o, 'a')
    o.data.delete(key)
    expect(await codeOf(() => o.open().get('a'))).toBe('record.lost')
    await o.records.set('b', utf8('y'))
    await o.records.set('a', utf8('z'))
    expect([await o.open().get('a'), await o.open().get('b')]).toEqual([utf8('z'), utf8('y')])
  })

  it('an older version put back: stale, in either slot, and after the name was removed and written anew', async () => {
    const o = opened()
    const one = await keyOf(o, 'a', utf8('1'))
    const first = o.data.get(one)!
    const two = await keyOf(o, 'a', utf8('2'))
    const second = o.data.get(two)!
    expect(two).not.toBe(one)
    o.data.set(one, first)
    // In the other slot it is what a crash leaves, and counts for nothing.
    expect(await o.open().get('a')).toEqual(utf8('2'))
    o.data.set(two, first)
    expect(await codeOf(() => o.open().get('a'))).toBe('record.stale')
    o.data.set(two, second)
    await o.records.remove('a')
    const three = await keyOf(o, 'a', utf8('3'))
    for (const old of [first, second]) {
      o.data.set(three, old)
      expect(await codeOf(() => o.open().get('a'))).toBe('record.stale')
    }
  })

  it('an older manifest put back, one slot or both, with the record or without: stale, lost, or the record that it lists', async () => {
    const o = opened()
    await o.records.set('a', utf8('1'))
    const then = new Map(o.data)
    await o.records.set('a', utf8('2'))
    await o.records.set('a', utf8('3'))
    await o.records.set('b', utf8('4'))
    const now = new Map(o.data)
    const put = (...keys: string[]): void => {
      o.data.clear()
      for (const [key, value] of now) o.data.set(key, value)
      for (const key of keys)
        if (then.has(key)) o.data.set(key, then.get(key)!)
        else o.data.delete(key)
    }
    for (const slot of ['m.0', 'm.1']) {
      put(slot)
      expect(await codeOf(() => o.open().get('a'))).toBe('record.stale')
      put()
      o.data.delete(slot)
      expect(await codeOf(() => o.open().get('a'))).toBe('record.lost')
    }
    put()
    o.data.set('m.0', now.get('m.1')!)
    o.data.set('m.1', now.get('m.0')!)
    expect(await codeOf(() => o.open().get('a'))).toBe('record.stale')
    put('m.0', 'm.1')
    expect(await codeOf(() => o.open().get('a'))).toBe('record.stale')
    expect(await codeOf(() => o.open().get('b'))).toBe('record.stale')
    o.data.delete('m.0')
    o.data.delete('m.1')
    expect(await codeOf(() => o.open().get('a'))).toBe('record.lost')
  })

  it('everything put back at once: only the anchor tells, and what was destroyed stays so', async () => {
    const cell = { value: 0 }
    const o = opened({ anchor: anchorOf(cell) })
    const plain = opened()
    for (const one of [o, plain]) await one.records.set('a', utf8('1'))
    const then = [new Map(o.data), new Map(plain.data)] as const
    for (const one of [o, plain]) await one.records.set('a', utf8('2'))
    expect(cell.value).toBeGreaterThan(0)
    for (const [i, one] of [o, plain].entries()) {
      one.data.clear()
      for (const [key, value] of then[i]!) one.data.set(key, value)
    }
    expect(await codeOf(() => o.open().get('a'))).toBe('record.stale')
    expect(await plain.open().get('a')).toEqual(utf8('1'))
    o.data.clear()
    expect(await codeOf(() => o.open().get('a'))).toBe('record.stale')
    for (const [key, value] of then[0]) o.data.set(key, value)
    await o.open().destroy()
    expect(await o.open().get('a')).toBeNull()
    for (const [key, value] of then[0]) o.data.set(key, value)
    expect(await o.open().get('a')).toBeNull()
    await o.open().set('b', utf8('new'))
    expect([await o.open().get('a'), await o.open().get('b')]).toEqual([null, utf8('new')])
  })

  it('destroyed: nothing of it is left, and a copy of its records is under keys that are gone', async () => {
    const o = opened()
    await o.records.set('a', utf8('1'))
    const copy = new Map(o.data)
    await o.records.destroy()
    expect(o.data.size).toBe(0)
    expect(await o.records.get('a')).toBeNull()
    await o.records.set('b', utf8('2'))
    for (const [key, value] of copy) if (key !== 'k') o.data.set(key, value)
    expect(await codeOf(() => o.open().get('a'))).toBe('record.key_missing')
  })

  it('resealed: every record and both manifests are under a new key, the old one is gone, and another handle wraps it', async () => {
    const o = opened()
    for (const name of ['a', 'b', 'c']) await o.records.set(name, utf8(name))
    const ids = () => new Set([...o.data].filter(([key]) => key !== 'k').map(([, value]) => hex(value.subarray(1, 5))))
    const before = ids()
    expect(before.size).toBe(1)
    const next = kekFromCryptoKey(await aesKey(), { random })
    expect(await o.records.reseal({ kek: next })).toEqual({ moved: 3, left: 0 })
    expect(ids().size).toBe(1)
    expect(ids()).not.toEqual(before)
    expect(await codeOf(() => o.open().get('a'))).toBe('record.key_wrong')
    for (const name of ['a', 'b', 'c']) expect(await o.open({ kek: next }).get(name)).toEqual(utf8(name))
    expect(await o.records.get('a')).toEqual(utf8('a'))
  })

  it('what is unreadable keeps its key when the others are resealed', async () => {
    const o = opened()
    await o.records.set('a', utf8('a'))
    const key = await keyOf(o, 'b', utf8('b'))
    const stored = o.data.get(key)!
    o.data.set(
      key,
      stored.map((byte, i) => (i === 100 ? byte ^ 1 : byte)),
    )
    expect(await o.records.reseal()).toEqual({ moved: 1, left: 1 })
    o.data.set(key, stored)
    expect(await o.open().get('b')).toEqual(utf8('b'))
    expect(await o.open().reseal()).toEqual({ moved: 1, left: 0 })
    expect([await o.open().get('a'), await o.open().get('b')]).toEqual([utf8('a'), utf8('b')])
  })

  it('storage that fails fails with its own error', async () => {
    const down = new Error('disk full')
    const o = opened({ storage: { ...shelfOf(new Map()), set: () => Promise.reject(down) } })
    await expect(o.records.set('a', utf8('x'))).rejects.toBe(down)
    const unread = opened({ storage: { ...shelfOf(new Map()), get: () => Promise.reject(down) } })
    await expect(unread.records.get('a')).rejects.toBe(down)
  })

  it('names and their number are limited', async () => {
    const o = opened()
    expect(await codeOf(async () => o.records.set('', utf8('x')))).toBe('record.limit')
    expect(await codeOf(async () => o.records.get('ä'.repeat(128)))).toBe('record.limit')
    await o.records.set('a'.repeat(255), utf8('x'))
  })

  it('calls at once are served one after the other, and what the caller changes later is not what is stored', async () => {
    const o = opened()
    const value = utf8('before')
    const writes = Array.from({ length: 20 }, (_, i) => o.records.set(`n${i % 4}`, utf8(String(i))))
    const last = o.records.set('mine', value)
    value.fill(0)
    await Promise.all([...writes, last])
    expect(await o.records.get('mine')).toEqual(utf8('before'))
    expect(await o.records.get('n3')).toEqual(utf8('19'))
  })

  it('C06 two clones of one state go on writing: no key and nonce is used twice', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.boolean(), fc.constantFrom('a', 'b')), { minLength: 2, maxLength: 12 }),
        async (steps) => {
          const used: string[] = []
          // The real port, watched: which key is made, and which nonces it seals with.
          const names = new WeakMap<object, string>()
          const watched: CryptoPort = {
            ...crypto,
            aeadKey(alg, raw) {
              const key = crypto.aeadKey(alg, raw) as object
              names.set(key, hex(raw))
              return key as Awaited<ReturnType<CryptoPort['aeadKey']>>
            },
            seal(key, nonce, aad, plaintext) {
              used.push(`${names.get(key)} ${hex(nonce)}`)
              return crypto.seal(key, nonce, aad, plaintext)
            },
          }
          const o = opened({ crypto: watched })
          await o.records.set('a', new Uint8Array(3))
          const clones = [opened({ crypto: watched }, new Map(o.data)), opened({ crypto: watched }, new Map(o.data))] as const
          for (const [which, name] of steps) await clones[which ? 1 : 0].records.set(name, new Uint8Array(70_000))
          expect(used.length).toBeGreaterThan(steps.length)
          expect(new Set(used).size).toBe(used.length)
        },
      ),
      { numRuns: Math.ceil(Number(process.env['POSTERN_RUNS'] ?? 100) / 4) },
    ))
})
