import { hex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { kemPrivateKey, type Psk, type Suite, setupReceiver, setupSender } from '../../src/hpke.js'
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
})
