import { fromUtf8, utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { thumbprint } from '@postern/core/jwk'
import {
  createKeyRingDocument,
  type KeyRingDocument,
  LEAD_MS,
  openKeyRing,
  pruneKeyRing,
  RETAIN_MS,
  rotateKeyRing,
  sealKeyRingDocument,
  unsealKeyRingDocument,
} from '@postern/core/keyRing'
import { describe, expect, it } from 'vitest'
import { codeOf, refusalOf, seeded } from '../support.js'

const crypto = createCrypto()
const random = seeded('keyRing')
const start = 1_800_000_000_000
const portsAt = (now: number) => ({ clock: () => now, random, crypto })
const first = await createKeyRingDocument(portsAt(start))
const kinds = ['signing', 'long', 'short'] as const

describe('the document', () => {
  it('is plain JSON with one key in each ring, active at once, also on a node whose clock is a minute behind', async () => {
    expect(JSON.parse(JSON.stringify(first))).toEqual(first)
    const ring = await openKeyRing(JSON.parse(JSON.stringify(first)), crypto)
    for (const kind of kinds) {
      for (const now of [start - 60_000, start, start + 1e12]) expect(ring[kind].active(now)).toBe(ring[kind].published(now)[0])
      expect(codeOf(() => ring[kind].active(start - 60_001))).toBe('keys.none_active')
    }
  })

  it('names signing keys by their RFC 7638 thumbprint, and makes the algorithm asked for', async () => {
    for (const alg of ['ES256', 'Ed25519'] as const) {
      const doc = await createKeyRingDocument({ ...portsAt(start), alg })
      const { signer, kid } = (await openKeyRing(doc, crypto)).signing.active(start)
      expect(signer.alg).toBe(alg)
      expect(kid).toBe(await thumbprint(crypto, signer.publicJwk))
      expect(signer.publicJwk).not.toHaveProperty('d')
    }
  })

  it('derives secrets by label from the root, which no rotation changes', async () => {
    const ring = await openKeyRing(first, crypto)
    let doc = first
    for (const kind of kinds) doc = await rotateKeyRing(doc, kind, portsAt(start))
    const turned = await openKeyRing(doc, crypto)
    expect(await ring.secret('naming')).toHaveLength(32)
    expect(await ring.secret('naming')).toEqual(await turned.secret('naming'))
    expect(await ring.secret('naming')).not.toEqual(await ring.secret('nonce'))
    expect(await (await openKeyRing(await createKeyRingDocument(portsAt(start)), crypto)).secret('naming')).not.toEqual(
      await ring.secret('naming'),
    )
  })

  it.each<[string, (doc: KeyRingDocument) => object]>([
    ['another version', (doc) => ({ ...doc, v: 2 })],
    ['an unknown member', (doc) => ({ ...doc, extra: 1 })],
    ['no root', ({ root: _, ...doc }) => doc],
    ['a short root', (doc) => ({ ...doc, root: 'AAAA' })],
    ['an empty ring', (doc) => ({ ...doc, long: [] })],
    ['a last key that ends', (doc) => ({ ...doc, long: [{ ...doc.long[0]!, retireAt: start + 1, dropAt: start + 2 }] })],
    [
      'a gap between two keys',
      (doc) => ({
        ...doc,
        long: [
          { ...doc.long[0]!, retireAt: start, dropAt: start },
          { ...doc.long[0]!, kid: '00000000', activateAt: start + 1 },
        ],
      }),
    ],
    [
      'two keys of one name',
      (doc) => ({
        ...doc,
        long: [
          { ...doc.long[0]!, retireAt: start, dropAt: start },
          { ...doc.long[0]!, activateAt: start },
        ],
      }),
    ],
    [
      'a key published after it is active',
      (doc) => ({ ...doc, short: [{ ...doc.short[0]!, publishAt: start + 1, activateAt: start }] }),
    ],
    ['a short secret', (doc) => ({ ...doc, short: [{ ...doc.short[0]!, secret: 'AAAA' }] })],
    ['a kid that is not its key', (doc) => ({ ...doc, signing: [{ ...doc.signing[0]!, kid: 'A'.repeat(43) }] })],
    [
      'a private key without signer',
      (doc) => ({ ...doc, signing: [{ ...doc.signing[0]!, jwk: { ...doc.signing[0]!.jwk, d: undefined } }] }),
    ],
    ['a key of another algorithm', (doc) => ({ ...doc, signing: [{ ...doc.signing[0]!, alg: 'Ed25519' }] })],
    ['null', () => null as unknown as object],
  ])('does not open with %s', async (_, change) => {
    expect((await refusalOf(openKeyRing(change(first) as KeyRingDocument, crypto)))?.code).toMatch(
      /^(?:keys\.invalid|crypto\.invalid_key)$/,
    )
  })
})

describe('rotation', () => {
  it.each(kinds)('T46 the %s ring changes state on the millisecond: waiting, next, active, retired, gone', async (kind) => {
    const doc = await rotateKeyRing(first, kind, portsAt(start))
    const ring = (await openKeyRing(doc, crypto))[kind]
    const [old, next] = doc[kind]
    const { kid } = next!
    expect(next!.publishAt).toBe(start)
    expect(next!.activateAt).toBe(start + LEAD_MS)
    expect(old!.retireAt).toBe(next!.activateAt)
    expect(old!.dropAt).toBe(old!.retireAt + RETAIN_MS[kind])
    // −1, 0, +1 of each edge
    expect([-1, 0, 1].map((d) => ring.find(kid, next!.publishAt + d)?.kid)).toEqual([undefined, kid, kid])
    expect([-1, 0, 1].map((d) => ring.active(next!.activateAt + d).kid)).toEqual([old!.kid, kid, kid])
    expect([-1, 0, 1].map((d) => ring.find(old!.kid, old!.dropAt + d)?.kid)).toEqual([old!.kid, undefined, undefined])
    expect([-1, 0, 1].map((d) => ring.published(old!.dropAt + d).length)).toEqual([2, 1, 1])
    expect([-1, 0].map((d) => ring.published(start + d).length)).toEqual([1, 2])
  })

  it('T47 a retired key stays for the overlap, then it is gone and is deleted', async () => {
    const doc = await rotateKeyRing(first, 'signing', portsAt(start), { retainMs: 1000 })
    const { kid, dropAt } = doc.signing[0]!
    const ring = await openKeyRing(doc, crypto)
    expect(ring.signing.find(kid, dropAt - 1)).not.toBeNull()
    expect(ring.signing.find(kid, dropAt)).toBeNull()
    expect(ring.signing.published(dropAt).map((key) => key.kid)).not.toContain(kid)
    // Deleted a minute later, when it is gone by the clock of every node.
    expect(pruneKeyRing(doc, dropAt + 59_999).signing).toHaveLength(2)
    expect(pruneKeyRing(doc, dropAt + 60_000).signing).toHaveLength(1)
    expect(JSON.stringify(await rotateKeyRing(doc, 'signing', portsAt(dropAt + 60_000)))).not.toContain(kid)
  })

  it('a lead time that a cached key set could outlive is refused, and so is a ring without end', async () => {
    expect((await refusalOf(rotateKeyRing(first, 'signing', portsAt(start), { leadMs: LEAD_MS - 1 })))?.code).toBe('keys.invalid')
    expect((await refusalOf(rotateKeyRing(first, 'signing', portsAt(start), { leadMs: Number.NaN })))?.code).toBe('keys.invalid')
    expect((await refusalOf(rotateKeyRing(first, 'long', portsAt(start), { retainMs: -1 })))?.code).toBe('keys.invalid')
    let doc = first
    for (let i = 1; i < 64; i++) doc = await rotateKeyRing(doc, 'long', portsAt(start))
    expect((await refusalOf(rotateKeyRing(doc, 'long', portsAt(start))))?.code).toBe('keys.invalid')
  })

  it('a second rotation while one is pending comes behind it, though the clock is behind', async () => {
    const doc = await rotateKeyRing(await rotateKeyRing(first, 'short', portsAt(start)), 'short', portsAt(start - 30_000))
    const [, pending, last] = doc.short
    expect(last!.activateAt).toBe(pending!.activateAt + 1)
    const ring = (await openKeyRing(doc, crypto)).short
    expect(ring.active(start + LEAD_MS).kid).toBe(pending!.kid)
    expect(ring.active(start + LEAD_MS + 1).kid).toBe(last!.kid)
  })

  it('a rotation keeps the algorithm unless another is asked for', async () => {
    const edwards = await createKeyRingDocument({ ...portsAt(start), alg: 'Ed25519' })
    expect((await rotateKeyRing(edwards, 'signing', portsAt(start))).signing[1]!.alg).toBe('Ed25519')
    expect((await rotateKeyRing(edwards, 'signing', portsAt(start), { alg: 'ES256' })).signing[1]!.alg).toBe('ES256')
  })

  it('does not change the document it was given', async () => {
    const before = JSON.stringify(first)
    await rotateKeyRing(first, 'long', portsAt(start))
    expect(JSON.stringify(first)).toBe(before)
  })
})

describe('remote keys', () => {
  it('are in the document by their public part alone and sign through what is handed in', async () => {
    const held = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
    let calls = 0
    const remote = {
      ...held,
      sign(data: Uint8Array) {
        calls++
        return held.sign(data)
      },
    }
    const doc = await rotateKeyRing(first, 'signing', portsAt(start), { remote })
    const { kid, jwk } = doc.signing[1]!
    expect(Object.keys(jwk).sort()).toEqual(['crv', 'kty', 'x', 'y'])
    const { signing } = await openKeyRing(doc, crypto, { remote: new Map([[kid, remote]]) })
    const signature = await signing.active(start + LEAD_MS).signer.sign(utf8('x'))
    expect(calls).toBe(1)
    expect(await crypto.verify(await crypto.verifyKey('ES256', jwk), utf8('x'), signature)).toBe(true)
    expect((await refusalOf(openKeyRing(doc, crypto)))?.code).toBe('keys.invalid')
    const other = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
    expect((await refusalOf(openKeyRing(doc, crypto, { remote: new Map([[kid, other]]) })))?.code).toBe('keys.invalid')
    expect((await refusalOf(rotateKeyRing(doc, 'signing', portsAt(start), { remote })))?.code).toBe('keys.invalid')
  })
})

describe('at rest', () => {
  const masterKey = seeded('master')(32)

  it('a sealed document opens under its master key alone and shows nothing', async () => {
    const sealed = await sealKeyRingDocument(first, masterKey, { crypto, random })
    expect(await unsealKeyRingDocument(sealed, masterKey, { crypto })).toEqual(first)
    expect(fromUtf8(sealed)).toBeNull()
    expect((await refusalOf(unsealKeyRingDocument(sealed, seeded('x')(32), { crypto })))?.code).toBe('keys.invalid')
    expect(await sealKeyRingDocument(first, masterKey, { crypto, random })).not.toEqual(sealed)
  })

  it('refuses a changed bit, a cut and a master key of another length', async () => {
    const sealed = await sealKeyRingDocument(first, masterKey, { crypto, random })
    for (const at of [0, 1, 13, 24, 25, 200, sealed.length - 1]) {
      expect(
        (
          await refusalOf(
            unsealKeyRingDocument(
              sealed.map((byte, i) => (i === at ? byte ^ 1 : byte)),
              masterKey,
              { crypto },
            ),
          )
        )?.code,
      ).toBe('keys.invalid')
      expect((await refusalOf(unsealKeyRingDocument(sealed.slice(0, at), masterKey, { crypto })))?.code).toBe('keys.invalid')
    }
    for (const length of [0, 16, 31, 33])
      expect((await refusalOf(sealKeyRingDocument(first, new Uint8Array(length), { crypto, random })))?.code).toBe('keys.invalid')
  })
})
