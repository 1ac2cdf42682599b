import { hex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { kemFromAgreement, kemPrivateKey, type Psk, type Suite, setupReceiver, setupSender } from '../../src/hpke.js'
import { backends } from '../backends.js'
import { codeOf } from '../codeOf.js'
import { random } from '../world.js'

const NONE = new Uint8Array(0)
const suite: Suite = { kem: 0x0020, kdf: 1, aead: 2 }

describe('HPKE contexts', () => {
  for (const crypto of backends) {
    it(`${crypto.name}: seals at once never share a nonce; a failed open stays where it was`, async () => {
      const key = await kemPrivateKey(crypto, 0x0020, random(32))
      const { enc, context } = await setupSender({ crypto, random }, suite, { kem: 0x0020, bytes: key.publicKey }, NONE)
      const same = new Uint8Array(40)
      const sealed = await Promise.all(Array.from({ length: 300 }, () => context.seal(NONE, same)))
      expect(new Set(sealed.map(hex)).size).toBe(300)
      const receiver = await setupReceiver(crypto, suite, key, enc, NONE)
      expect(await codeOf(() => receiver.open(NONE, sealed[1]!))).toBe('hpke.open_failed')
      for (const one of sealed) expect(await receiver.open(NONE, one)).toEqual(same)
      expect(await codeOf(() => receiver.open(NONE, sealed[299]!))).toBe('hpke.open_failed')
    })

    it(`${crypto.name}: another info, psk or name opens nothing; a short psk or one without a name is refused`, async () => {
      const key = await kemPrivateKey(crypto, 0x0020, random(32))
      const psk: Psk = { psk: random(32), id: random(4) }
      const info = random(100)
      const publicKey = { kem: 0x0020, bytes: key.publicKey } as const
      const { enc, context } = await setupSender({ crypto, random }, suite, publicKey, info, psk)
      const sealed = await context.seal(NONE, NONE)
      const open = (i: Uint8Array, p?: Psk) =>
        codeOf(async () => (await setupReceiver(crypto, suite, key, enc, i, p)).open(NONE, sealed))
      expect(await open(info, psk)).toBeNull()
      expect(await open(random(100), psk)).toBe('hpke.open_failed')
      expect(await open(info, { ...psk, psk: random(32) })).toBe('hpke.open_failed')
      expect(await open(info, { ...psk, id: random(4) })).toBe('hpke.open_failed')
      expect(await open(info)).toBe('hpke.open_failed')
      expect(await open(info, { ...psk, psk: random(31) })).toBe('hpke.invalid_key')
      expect(await open(info, { ...psk, id: NONE })).toBe('hpke.invalid_key')
    })
  }

  it('keys of another KEM or length are refused, and an export-only suite exports alone', async () => {
    const crypto = backends[0]!
    const key = await kemPrivateKey(crypto, 0x0010, Uint8Array.of(1, ...new Uint8Array(31)))
    expect(await codeOf(() => setupReceiver(crypto, suite, key, random(32), NONE))).toBe('hpke.invalid_key')
    expect(await codeOf(() => setupSender({ crypto, random }, suite, { kem: 0x0010, bytes: key.publicKey }, NONE))).toBe(
      'hpke.invalid_key',
    )
    expect(await codeOf(() => kemPrivateKey(crypto, 0x0010, new Uint8Array(32)))).toBe('hpke.invalid_key')
    expect(await codeOf(() => kemPrivateKey(crypto, 0x0020, new Uint8Array(31)))).toBe('hpke.invalid_key')
    const only: Suite = { kem: 0x0010, kdf: 1, aead: 0xffff }
    const { context } = await setupSender({ crypto, random }, only, { kem: 0x0010, bytes: key.publicKey }, NONE)
    expect(await context.export(NONE, 8160)).toHaveLength(8160)
    expect(await codeOf(() => context.seal(NONE, NONE))).toBe('crypto.unsupported')
  })

  it('a key that never leaves its keystore opens what its public key was sealed to', async () => {
    const { subtle } = globalThis.crypto
    const pair = await subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveBits'])
    const publicKey = new Uint8Array(await subtle.exportKey('raw', pair.publicKey))
    const agree = async (peer: Uint8Array): Promise<Uint8Array | null> => {
      const algorithm = { name: 'ECDH', namedCurve: 'P-256' }
      const theirs = await subtle.importKey('raw', peer as Uint8Array<ArrayBuffer>, algorithm, false, []).catch(() => null)
      return theirs && new Uint8Array(await subtle.deriveBits({ name: 'ECDH', public: theirs }, pair.privateKey, 256))
    }
    await expect(subtle.exportKey('jwk', pair.privateKey)).rejects.toThrow()
    for (const crypto of backends) {
      const p256: Suite = { kem: 0x0010, kdf: 1, aead: 2 }
      const key = kemFromAgreement(crypto, 0x0010, { publicKey, agree })
      const { enc, context } = await setupSender({ crypto, random }, p256, { kem: 0x0010, bytes: publicKey }, NONE)
      const sealed = await context.seal(NONE, enc)
      expect(await (await setupReceiver(crypto, p256, key, enc, NONE)).open(NONE, sealed)).toEqual(enc)
      const off = enc.slice()
      off[64]! ^= 1
      expect(await codeOf(() => setupReceiver(crypto, p256, key, off, NONE))).toBe('hpke.invalid_key')
    }
    const zeros = { publicKey: new Uint8Array(32).fill(9), agree: () => new Uint8Array(32) }
    expect(await codeOf(() => kemFromAgreement(backends[0]!, 0x0020, zeros).decap(random(32)))).toBe('hpke.invalid_key')
    expect(await codeOf(() => kemFromAgreement(backends[0]!, 0x0010, zeros))).toBe('hpke.invalid_key')
  })

  it('C10 the hybrid refuses a low-order point, a key that is not reduced and a wrong length; a changed ciphertext opens nothing', async () => {
    const hybrid: Suite = { kem: 0x647a, kdf: 1, aead: 2 }
    for (const crypto of backends) {
      const key = await kemPrivateKey(crypto, 0x647a, random(32))
      const to = (bytes: Uint8Array) => setupSender({ crypto, random }, hybrid, { kem: 0x647a, bytes }, NONE)
      const low = key.publicKey.slice().fill(0, 1184)
      const unreduced = key.publicKey.slice().fill(0xff, 0, 3)
      for (const bad of [low, unreduced, key.publicKey.slice(1), NONE])
        expect(await codeOf(() => to(bad)), crypto.name).toBe('hpke.invalid_key')
      const { enc, context } = await to(key.publicKey)
      const sealed = await context.seal(NONE, NONE)
      const open = (e: Uint8Array) => codeOf(async () => (await setupReceiver(crypto, hybrid, key, e, NONE)).open(NONE, sealed))
      expect(await open(enc)).toBeNull()
      for (const at of [0, 500, 1087, 1088, 1119])
        expect(await open(enc.map((b, i) => (i === at ? b ^ 1 : b)))).toBe('hpke.open_failed')
      for (const bad of [enc.slice(1), enc.slice().fill(0, 1088), NONE]) expect(await open(bad)).toBe('hpke.invalid_key')
    }
  })

  it('100,000 fresh keys are made within their time: Node 20 may hang where a generated key is exported', {
    timeout: 240_000,
  }, async () => {
    const crypto = backends[0]!
    let last: Uint8Array = NONE
    for (let i = 0; i < 100_000; i++) last = (await crypto.dhKeyPair('X25519', random(32))).publicKey
    expect(last).toHaveLength(32)
  })
})
