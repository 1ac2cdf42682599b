/// <reference types="node" />
import { utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { createKeyRingDocument, type KeyRing, openKeyRing, rotateKeyRing } from '@postern/core/keyRing'
import { createSealer, SEAL_OVERHEAD, type Sealer, type SealScope } from '@postern/core/sealed'
import { describe, expect, it } from 'vitest'
import { refusalOf, seeded } from '../support.js'

const crypto = createCrypto()
const start = 1_800_000_000_000
const scope: SealScope = { type: 'code', tenant: 'bank', issuer: 'https://bank.example', purpose: 'token' }
const random = seeded('sealed')
const doc = await createKeyRingDocument({ clock: () => start, random, crypto })
const sealerAt = (ring: KeyRing, now: number): Sealer => createSealer({ ring: ring.short, crypto, random, clock: () => now })
const sealer = sealerAt(await openKeyRing(doc, crypto), start)

describe('sealed values', () => {
  it('open to what was sealed, and are version, key id, iv, ciphertext and tag', async () => {
    for (const length of [0, 1, 16, 5000]) {
      const sealed = await sealer.seal(scope, random(length))
      expect(sealed).toHaveLength(SEAL_OVERHEAD + length)
      expect(sealed[0]).toBe(1)
      expect(Buffer.from(sealed.subarray(1, 5)).toString('hex')).toBe(sealer.activeKid())
      expect((await sealer.open(scope, sealed))?.length).toBe(length)
    }
  })

  it.each(['type', 'tenant', 'issuer', 'purpose'] as const)(
    'T20 a value sealed for one %s does not open for another',
    async (field) => {
      for (const sealed of [await sealer.seal(scope, utf8('x')), await sealer.sealDeterministic(scope, utf8('x'))]) {
        expect(await sealer.open({ ...scope, [field]: `${scope[field]}x` }, sealed)).toBeNull()
        expect(await sealer.open({ ...scope, [field]: '' }, sealed)).toBeNull()
        expect(await sealer.open(scope, sealed)).toEqual(utf8('x'))
      }
    },
  )

  it('T20 what moves from one field of the scope to the next is another scope', async () => {
    const sealed = await sealer.seal({ type: 'a', tenant: 'bc', issuer: '', purpose: 'd' }, utf8('x'))
    for (const [type, tenant, issuer, purpose] of [
      ['ab', 'c', '', 'd'],
      ['a', 'b', 'c', 'd'],
      ['a', 'bc', 'd', ''],
      ['', 'abc', '', 'd'],
    ] as const) {
      expect(await sealer.open({ type, tenant, issuer, purpose }, sealed)).toBeNull()
    }
  })

  it('two seals of one value differ, two deterministic ones do not', async () => {
    expect(await sealer.seal(scope, utf8('x'))).not.toEqual(await sealer.seal(scope, utf8('x')))
    const once = await sealer.sealDeterministic(scope, utf8('x'))
    expect(await sealer.sealDeterministic({ ...scope }, utf8('x'))).toEqual(once)
    expect(await sealerAt(await openKeyRing(doc, crypto), start).sealDeterministic(scope, utf8('x'))).toEqual(once)
    expect(await sealer.sealDeterministic(scope, utf8('y'))).not.toEqual(once)
    // Another scope gives another iv, not the same keystream under another tag.
    expect((await sealer.sealDeterministic({ ...scope, type: 'refresh' }, utf8('x'))).subarray(5, 29)).not.toEqual(
      once.subarray(5, 29),
    )
  })

  it('a deterministic retry after a rotation gives the same bytes under the key that is named', async () => {
    const next = await openKeyRing(await rotateKeyRing(doc, 'short', { clock: () => start, random, crypto }), crypto)
    const later = sealerAt(next, start + 500_000)
    const once = await sealer.sealDeterministic(scope, utf8('x'))
    expect(later.activeKid()).not.toBe(sealer.activeKid())
    expect(await later.sealDeterministic(scope, utf8('x'))).not.toEqual(once)
    expect(await later.sealDeterministic(scope, utf8('x'), sealer.activeKid())).toEqual(once)
    expect(await later.open(scope, once)).toEqual(utf8('x'))
    expect((await refusalOf(later.sealDeterministic(scope, utf8('x'), '00000000')))?.code).toBe('keys.none_active')
  })

  it('T47 a value of a key that is gone does not open, to the millisecond', async () => {
    const turned = await rotateKeyRing(doc, 'short', { clock: () => start, random, crypto })
    const ring = await openKeyRing(turned, crypto)
    const sealed = await sealer.seal(scope, utf8('x'))
    const { dropAt } = turned.short[0]!
    expect(await sealerAt(ring, dropAt - 1).open(scope, sealed)).toEqual(utf8('x'))
    expect(await sealerAt(ring, dropAt).open(scope, sealed)).toBeNull()
    expect(await sealerAt(ring, dropAt + 1).open(scope, sealed)).toBeNull()
  })

  it('every short, foreign or empty input opens to null', async () => {
    const sealed = await sealer.seal(scope, utf8('hello'))
    for (let length = 0; length < sealed.length; length++) expect(await sealer.open(scope, sealed.slice(0, length))).toBeNull()
    expect(await sealer.open(scope, Uint8Array.of(...sealed, 0))).toBeNull()
    expect(await sealer.open(scope, new Uint8Array(100))).toBeNull()
    const stranger = sealerAt(
      await openKeyRing(await createKeyRingDocument({ clock: () => start, random, crypto }), crypto),
      start,
    )
    expect(await stranger.open(scope, sealed)).toBeNull()
  })

  it('the layout is pinned: key of the value = HMAC(K, iv[0..12)), nonce = iv[12..24), AAD = the tuple of the scope', async () => {
    const secret = new Uint8Array(32).map((_, i) => i)
    const key = { kid: '01020304', secret, publishAt: 0, activateAt: 0, retireAt: 2, dropAt: 2 }
    const ring = { active: () => key, published: () => [key], find: (kid: string) => (kid === key.kid ? key : null) }
    const pinned = createSealer({ ring, crypto, random: (n) => new Uint8Array(n).map((_, i) => 100 + i), clock: () => 1 })
    const subtle = globalThis.crypto.subtle
    const mac = await subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
    const iv = new Uint8Array(24).map((_, i) => 100 + i)
    const aes = await subtle.importKey('raw', await subtle.sign('HMAC', mac, iv.subarray(0, 12)), 'AES-GCM', false, ['encrypt'])
    const lp = (text: string) => [0, text.length, ...utf8(text)]
    const aad = Uint8Array.from([
      ...lp('postern:sealed/v1'),
      4,
      ...lp('code'),
      ...lp('bank'),
      ...lp('https://bank.example'),
      ...lp('token'),
    ])
    const body = new Uint8Array(
      await subtle.encrypt({ name: 'AES-GCM', iv: iv.subarray(12), additionalData: aad }, aes, Uint8Array.from(utf8('x'))),
    )
    expect(await pinned.seal(scope, utf8('x'))).toEqual(Uint8Array.of(1, 1, 2, 3, 4, ...iv, ...body))
  })
})
