import { concat, equal, fromHex, hex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { type HpkeContext, type KemId, type Psk, type Suite, setupReceiver, setupSender } from '../../src/hpke.js'
import { contextOf } from '../../src/internal/context.js'
import { kemOf } from '../../src/internal/kem/kem.js'
import { backends } from '../backends.js'
import { absent, load } from '../vectors.js'

interface Vector {
  readonly [key: string]: unknown
}

const APPENDIX = 'payload/hpke/rfc9180-appendix-a.json'
const PSK = 'payload/hpke/rfc9180_psk_x25519_chacha.json'
const PQ = 'payload/hpke/hpke-pq-test-vectors.json'
const HYBRID = 'payload/hybrid-kem/concrete-hybrid-kems-test-vectors.json'
const bytes = (text: unknown): Uint8Array => fromHex(String(text ?? ''))!

const KEMS = [0x0010, 0x0020, 0x647a]
const files = [
  [APPENDIX, 28, 10, 12],
  [PSK, 1, 1, 1],
  [PQ, 13, 1, 4],
] as const

describe.skipIf(absent(APPENDIX))('HPKE', () => {
  for (const [file, total, inFull, toTheSecret] of files) {
    const all = absent(file) ? [] : load<readonly Vector[]>(file)
    const ours = all.filter((v) => suiteOf(v) !== null && Number(v['mode']) <= 1)
    const kemOnly = all.filter((v) => !ours.includes(v) && Number(v['mode']) <= 1 && KEMS.includes(Number(v['kem_id'])))

    it(`${file}: ${inFull} of ${total} in full, ${toTheSecret} to the KEM's secret, the rest skipped by mode, KEM and KDF`, () => {
      expect([all.length, ours.length, ours.length + kemOnly.length]).toEqual([total, inFull, toTheSecret])
      console.log(
        `${file}: used ${ours.length} in full, ${kemOnly.length} to the secret; skipped ${skipped(all, [...ours, ...kemOnly])}`,
      )
    })

    for (const crypto of backends) {
      it.each(ours.map((v) => [titleOf(v), v] as const))(`${crypto.name}: %s`, async (_, v) => {
        const suite = suiteOf(v)!
        const psk: Psk | undefined = Number(v['mode']) === 1 ? { psk: bytes(v['psk']), id: bytes(v['psk_id']) } : undefined
        const { pair, random, secret } = await agreed(crypto, v)
        const info = bytes(v['info'])
        const publicKey = { kem: suite.kem, bytes: pair.publicKey }
        const { enc, context: sender } = await setupSender({ crypto, random }, suite, publicKey, info, psk)
        expect(hex(enc)).toBe(v['enc'])
        const receiver = await setupReceiver(crypto, suite, pair, enc, info, psk)
        for (const e of v['exports'] as readonly Vector[])
          for (const context of [sender, receiver, await contextOf(crypto, suite, secret, info, psk)])
            expect(hex(await context.export(bytes(e['exporter_context']), Number(e['L'])))).toBe(e['exported_value'])
        await walk(v['encryptions'] as readonly Vector[] | undefined, sender, receiver)
      })

      it.each(kemOnly.map((v) => [titleOf(v), v] as const))(`${crypto.name}: %s, to the secret`, async (_, v) => {
        await agreed(crypto, v)
      })
    }
  }
})

/** Key pair and encapsulation as the vector has them, both ways. */
async function agreed(crypto: (typeof backends)[number], v: Vector) {
  const kem = kemOf(Number(v['kem_id']))
  const pair = await kem.derive(crypto, bytes(v['ikmR']))
  expect([hex(pair.publicKey), hex(pair.secret)]).toEqual([v['pkRm'], v['skRm']])
  // What an encapsulation draws: the hybrid its randomness, DHKEM the private key that ikmE gives.
  const drawn = isHybrid(v) ? bytes(v['ikmE']) : (await kem.derive(crypto, bytes(v['ikmE']))).secret
  const random = () => drawn.slice()
  const { enc, secret } = await kem.encap(crypto, pair.publicKey, random)
  expect([hex(enc), hex(secret)]).toEqual([v['enc'], v['shared_secret']])
  expect(hex(await pair.decap(enc))).toBe(v['shared_secret'])
  return { pair, random, secret }
}

/** Seals and opens up to the last sequence number that the vector names; where it names none, they follow one another. */
async function walk(encryptions: readonly Vector[] = [], sender: HpkeContext, receiver: HpkeContext): Promise<void> {
  let sequence = 0
  for (const e of encryptions) {
    for (; sequence < Number(e['sequence_number'] ?? sequence); sequence++)
      await receiver.open(bytes(''), await sender.seal(bytes(''), bytes('')))
    const sealed = await sender.seal(bytes(e['aad']), bytes(e['pt']))
    expect(hex(sealed)).toBe(e['ct'])
    expect(equal(await receiver.open(bytes(e['aad']), sealed), bytes(e['pt']))).toBe(true)
    sequence++
  }
}

describe.skipIf(absent(HYBRID))('concrete hybrid KEMs, MLKEM768-X25519', () => {
  const cases = absent(HYBRID) ? [] : load<Record<string, readonly Record<string, string>[]>>(HYBRID)['mlkem768_x25519']!
  console.log(`${HYBRID}: used ${cases.length} (mlkem768_x25519); skipped mlkem768_p256 and mlkem1024_p384`)

  for (const crypto of backends)
    it.each(cases.map((v, i) => [i, v] as const))(`${crypto.name}: case %i`, async (_, v) => {
      const kem = kemOf(0x647a)
      const pair = await kem.pair(crypto, bytes(v['seed']))
      expect(hex(pair.publicKey)).toBe(v['encapsulation_key'])
      const expanded = await crypto.shake256(bytes(v['seed']), 96)
      expect(hex(expanded)).toBe(hex(concat(bytes(v['decapsulation_key_pq']), bytes(v['decapsulation_key_t']))))
      const { enc, secret } = await kem.encap(crypto, pair.publicKey, () => bytes(v['randomness']))
      expect([hex(enc), hex(secret)]).toEqual([v['ciphertext'], v['shared_secret']])
      expect(hex(await pair.decap(enc))).toBe(v['shared_secret'])
    })
})

function isHybrid(v: Vector): boolean {
  return Number(v['kem_id']) === 0x647a
}

function suiteOf(v: Vector): Suite | null {
  const kem = Number(v['kem_id'])
  if (!KEMS.includes(kem) || Number(v['kdf_id']) !== 1) return null
  return { kem: kem as KemId, kdf: 1, aead: Number(v['aead_id']) as Suite['aead'] }
}

function titleOf(v: Vector): string {
  return `mode ${v['mode']}, kem ${v['kem_id']}, kdf ${v['kdf_id']}, aead ${v['aead_id']}`
}

function skipped(all: readonly Vector[], used: readonly Vector[]): string {
  const names = all.filter((v) => !used.includes(v)).map(titleOf)
  return names.length === 0 ? 'none' : `${names.length} (${names.join('; ')})`
}
