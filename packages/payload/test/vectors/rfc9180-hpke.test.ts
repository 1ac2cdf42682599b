import { equal, fromHex, hex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { type HpkeContext, type KemId, type Psk, type Suite, setupReceiver } from '../../src/hpke.js'
import { contextOf, senderWith } from '../../src/internal/context.js'
import { deriveKeyPair, encapWith, handleOf } from '../../src/internal/dhkem.js'
import { backends } from '../backends.js'
import { absent, load } from '../vectors.js'

interface Vector {
  readonly suite: string
  readonly name: string
  readonly [key: string]: unknown
}

const FILE = 'payload/hpke/rfc9180-appendix-a.json'
const bytes = (text: unknown): Uint8Array => fromHex(String(text ?? ''))!

describe.skipIf(absent(FILE))('RFC 9180 Appendix A', () => {
  const all = absent(FILE) ? [] : load<readonly Vector[]>(FILE)
  const ours = all.filter((v) => suiteOf(v) !== null && Number(v['mode']) <= 1)

  it('holds 28 vectors, of which ours are base and psk of X25519 and P-256 with HKDF-SHA256', () => {
    expect(all.length).toBe(28)
    expect(ours.length).toBe(EXPECTED)
  })

  for (const crypto of backends)
    it.each(ours)(`${crypto.name}: $suite, $name`, async (v) => {
      const suite = suiteOf(v)!
      const psk: Psk | undefined = Number(v['mode']) === 1 ? { psk: bytes(v['psk']), id: bytes(v['psk_id']) } : undefined
      const pairE = await deriveKeyPair(crypto, suite.kem, bytes(v['ikmE']))
      const pairR = await deriveKeyPair(crypto, suite.kem, bytes(v['ikmR']))
      expect(hex(pairE.publicKey)).toBe(v['pkEm'])
      expect(hex(pairR.publicKey)).toBe(v['pkRm'])
      expect(hex(pairR.privateKey)).toBe(v['skRm'])
      const publicKey = { kem: suite.kem, bytes: pairR.publicKey }
      const { enc, secret } = await encapWith(crypto, pairE, publicKey)
      expect(hex(enc)).toBe(v['enc'])
      expect(hex(secret)).toBe(v['shared_secret'])
      const info = bytes(v['info'])
      const { context: sender } = await senderWith(crypto, suite, publicKey, info, pairE, psk)
      const receiver = await setupReceiver(crypto, suite, handleOf(crypto, suite.kem, pairR), enc, info, psk)
      for (const e of v['exports'] as readonly Record<string, unknown>[])
        for (const context of [sender, receiver, await contextOf(crypto, suite, secret, info, psk)])
          expect(hex(await context.export(bytes(e['exporter_context']), Number(e['L'])))).toBe(e['exported_value'])
      await walk(v['encryptions'] as readonly Record<string, unknown>[] | undefined, sender, receiver)
    })
})

/** Seals and opens up to the last sequence number that the vector names. */
async function walk(
  encryptions: readonly Record<string, unknown>[] = [],
  sender: HpkeContext,
  receiver: HpkeContext,
): Promise<void> {
  let sequence = 0
  for (const e of encryptions) {
    for (; sequence < Number(e['sequence_number']); sequence++)
      await receiver.open(bytes(''), await sender.seal(bytes(''), bytes('')))
    const sealed = await sender.seal(bytes(e['aad']), bytes(e['pt']))
    expect(hex(sealed)).toBe(e['ct'])
    expect(equal(await receiver.open(bytes(e['aad']), sealed), bytes(e['pt']))).toBe(true)
    sequence++
  }
}

const EXPECTED = 10

function suiteOf(v: Vector): Suite | null {
  const kem = Number(v['kem_id'])
  const kdf = Number(v['kdf_id'])
  if ((kem !== 0x0010 && kem !== 0x0020) || kdf !== 1) return null
  return { kem: kem as KemId, kdf: 1, aead: Number(v['aead_id']) as Suite['aead'] }
}
