import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import type { JsonObject } from '@postern/core/json'
import { thumbprint } from '@postern/core/jwk'
import { signJws } from '@postern/core/jws'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createKemRing,
  type KeyDocument,
  type KeyDocumentRules,
  openKemRing,
  rotateKemRing,
  signKeyDocument,
  verifyKeyDocument,
} from '../../src/keys.js'
import { decodeKeyConfigs, encodeKeyConfigs } from '../../src/ohttp.js'
import { backends } from '../backends.js'
import { codeOf } from '../codeOf.js'
import { ORIGIN, random } from '../world.js'

const crypto = backends[0]!
const NOW = 1_700_000_000
const DAY = 86_400_000

async function document(change: Partial<KeyDocument> = {}): Promise<KeyDocument> {
  const ring = await openKemRing(await createKemRing({ clock: () => NOW * 1000, random, crypto }), crypto)
  const keys = ring.offered(NOW * 1000).map(({ config }) => config)
  return { origin: ORIGIN, gateway: `${ORIGIN}/ohttp`, seq: 5, iat: NOW, exp: NOW + 86_400, keys, session: null, ...change }
}

describe('a key document', () => {
  for (const alg of ['ES256', 'Ed25519'] as const)
    it(`${alg}: says what was signed, under either of two pins`, async () => {
      const root = await crypto.signer(alg, await crypto.generateKey(alg, random))
      const other = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
      const signed = await document({ session: { kems: [25_722], aeads: [2], chunk: 65_536 } })
      const text = await signKeyDocument(crypto, root, signed)
      for (const backend of backends) {
        const rules = { roots: [other.publicJwk, root.publicJwk], origin: ORIGIN, now: NOW * 1000 } as const
        expect(await verifyKeyDocument(backend, text, rules)).toEqual(signed)
      }
    })

  it('is refused for every way of being wrong', async () => {
    const root = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
    const rules: KeyDocumentRules = { roots: [root.publicJwk], origin: ORIGIN, now: NOW * 1000 }
    const kid = await thumbprint(crypto, root.publicJwk)
    const good = await signKeyDocument(crypto, root, await document())
    const [head, body, signature] = good.split('.') as [string, string, string]
    const payload = JSON.parse(fromUtf8(decodeBase64url(body)!)!) as JsonObject
    const resign = (change: JsonObject, header: object = {}) =>
      signJws(root, { typ: 'postern-keys+jwt', kid, ...header }, { ...payload, ...change })
    const verdict = (text: string, more: Partial<KeyDocumentRules> = {}) =>
      codeOf(() => verifyKeyDocument(crypto, text, { ...rules, ...more }))
    const list = decodeBase64url(payload['keys'] as string)!

    expect(await verdict(good)).toBeNull()
    expect(await verdict(await resign({}))).toBeNull()
    const untrusted = [
      `${head}.${encodeBase64url(utf8(JSON.stringify({ ...payload, seq: 6 })))}.${signature}`,
      await resign({ origin: 'https://evil.example' }),
      await resign({ extra: 1 }),
      await resign({ v: 2 }),
      await resign({ seq: 0 }),
      await resign({ gateway: 'http://api.bank.example/ohttp' }),
      await resign({ gateway: 'nonsense' }),
      await resign({ exp: NOW + 86_401 }),
      await resign({ exp: NOW }),
      await resign({ keys: encodeBase64url(list.slice(0, -1)) }),
      await resign({ keys: `${payload['keys'] as string}=` }),
      await resign({}, { typ: 'jwt' }),
      await resign({}, { kid: 'other' }),
    ]
    for (const text of untrusted) expect(await verdict(text), text).toBe('payload.keys_untrusted')
    expect(await verdict(good, { now: (NOW + 86_400) * 1000 })).toBe('payload.keys_expired')
    expect(await verdict(good, { now: (NOW - 301) * 1000 })).toBe('payload.keys_expired')
    expect(await verdict(good, { seen: { seq: 6 } })).toBe('payload.keys_rolled_back')
    expect(await verdict(good, { seen: { seq: 5, text: `${good}x` } })).toBe('payload.keys_rolled_back')
    expect(await verdict(good, { seen: { seq: 5, text: good } })).toBeNull()
    expect(await codeOf(async () => signKeyDocument(crypto, root, await document({ exp: NOW + 86_401 })))).toBe('keys.invalid')
  })
})

describe('a list of key configurations', () => {
  it('skips what is not known, and is discarded whole when it is torn', async () => {
    const { keys } = await document()
    const list = encodeKeyConfigs(keys)
    const unknownKem = Uint8Array.of(0, 5, 9, 0x99, 0x99, 1, 2)
    expect(decodeKeyConfigs(Uint8Array.of(...unknownKem, ...list))).toEqual(keys)
    expect(decodeKeyConfigs(new Uint8Array(0))).toEqual([])
    for (let cut = 1; cut < list.length; cut++)
      expect(() => decodeKeyConfigs(list.slice(0, cut))).toThrow('payload.keys_untrusted')
    expect(() => decodeKeyConfigs(Uint8Array.of(...list, ...list))).toThrow('payload.keys_untrusted')
  })
})

describe('a KEM ring', () => {
  it('whatever the rotations, a key from any unexpired document is accepted, and gone five minutes later', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 3 * DAY }), { minLength: 1, maxLength: 8 }), async (pauses) => {
        let now = NOW * 1000
        const ports = { clock: () => now, random, crypto }
        let ring = await createKemRing(ports)
        const documents: { keyId: number; publicKey: Uint8Array; exp: number }[] = []
        for (const pause of pauses) {
          const opened = await openKemRing(ring, crypto)
          const offered = opened.offered(now)
          expect(offered).toHaveLength(1)
          documents.push({ ...offered[0]!.config, exp: now + DAY })
          for (const { keyId, publicKey, exp } of documents)
            if (now < exp) expect(opened.find(keyId, now)?.config.publicKey).toEqual(publicKey)
          ring = await rotateKemRing(ring, ports)
          now += pause
        }
        const last = await openKemRing(ring, crypto)
        const first = ring.keys[0]!
        if (first.dropAt < Number.MAX_SAFE_INTEGER) expect(last.find(first.keyId, first.dropAt)).toBeNull()
        expect(new Set(ring.keys.map(({ keyId }) => keyId)).size).toBe(ring.keys.length)
      }),
      { numRuns: Math.ceil(Number(process.env['POSTERN_RUNS'] ?? 100) / 2) },
    ))

  it('is not opened from a document that does not hold together', async () => {
    const ring = await createKemRing({ clock: () => NOW * 1000, random, crypto })
    const entry = ring.keys[0]!
    const bad = [
      { ...ring, v: 2 },
      { ...ring, aeads: [] },
      { ...ring, keys: [] },
      { ...ring, keys: [entry, entry] },
      { ...ring, keys: [{ ...entry, secret: 'x' }] },
      { ...ring, keys: [{ ...entry, kem: 1 }] },
      { ...ring, keys: [{ ...entry, retireAt: 0 }] },
    ]
    for (const document of bad) expect(await codeOf(() => openKemRing(document as never, crypto))).toBe('keys.invalid')
    expect(await codeOf(() => rotateKemRing(ring, { clock: () => NOW * 1000, random, crypto }, { leadMs: 1 }))).toBe(
      'keys.invalid',
    )
  })
})
