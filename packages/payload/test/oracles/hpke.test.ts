/** Independent implementations seal what we open and open what we seal, on every suite that both know. */

import {
  Aes128Gcm,
  Aes256Gcm,
  CipherSuite as CoreSuite,
  DhkemP256HkdfSha256,
  DhkemX25519HkdfSha256,
  HkdfSha256,
} from '@hpke/core'
import { concat, equal, utf8 } from '@postern/core/bytes'
import * as panva from 'hpke'
import { describe, expect, it } from 'vitest'
import { type AeadId, type KemId, kemPrivateKey, setupReceiver, setupSender } from '../../src/hpke.js'
import { kemOf } from '../../src/internal/kem/kem.js'
import { openRequest, openResponse, sealRequest } from '../../src/ohttp.js'
import { backends } from '../backends.js'
import { random } from '../world.js'

interface Oracle {
  readonly name: string
  seal(
    kem: KemId,
    aead: AeadId,
    publicKey: Uint8Array,
    info: Uint8Array,
    message: Uint8Array,
  ): Promise<{ enc: Uint8Array; sealed: Uint8Array; exported: Uint8Array }>
  open(
    kem: KemId,
    aead: AeadId,
    secret: Uint8Array,
    enc: Uint8Array,
    info: Uint8Array,
    sealed: Uint8Array,
  ): Promise<{ message: Uint8Array; exported: Uint8Array }>
}

const AAD = utf8('aad')
const CONTEXT = utf8('context')
const buffer = (bytes: Uint8Array): ArrayBuffer => bytes.slice().buffer as ArrayBuffer

const hpkeCore: Oracle = {
  name: '@hpke/core',
  async seal(kem, aead, publicKey, info, message) {
    const suite = coreSuite(kem, aead)
    const recipientPublicKey = await suite.kem.deserializePublicKey(buffer(publicKey))
    const sender = await suite.createSenderContext({ recipientPublicKey, info: buffer(info) })
    const sealed = new Uint8Array(await sender.seal(buffer(message), buffer(AAD)))
    return { enc: new Uint8Array(sender.enc), sealed, exported: new Uint8Array(await sender.export(buffer(CONTEXT), 77)) }
  },
  async open(kem, aead, secret, enc, info, sealed) {
    const suite = coreSuite(kem, aead)
    const recipientKey = await suite.kem.deserializePrivateKey(buffer(secret))
    const recipient = await suite.createRecipientContext({ recipientKey, enc: buffer(enc), info: buffer(info) })
    return {
      message: new Uint8Array(await recipient.open(buffer(sealed), buffer(AAD))),
      exported: new Uint8Array(await recipient.export(buffer(CONTEXT), 77)),
    }
  },
}

function coreSuite(kem: KemId, aead: AeadId): CoreSuite {
  const parts = { kem: kem === 0x0020 ? new DhkemX25519HkdfSha256() : new DhkemP256HkdfSha256(), kdf: new HkdfSha256() }
  return new CoreSuite({ ...parts, aead: aead === 1 ? new Aes128Gcm() : new Aes256Gcm() })
}

const hpke: Oracle = {
  name: 'hpke',
  async seal(kem, aead, publicKey, info, message) {
    const suite = panvaSuite(kem, aead)
    const { encapsulatedSecret, ctx } = await suite.SetupSender(await suite.DeserializePublicKey(publicKey), { info })
    const sealed = await ctx.Seal(message, AAD)
    return { enc: encapsulatedSecret, sealed, exported: await ctx.Export(CONTEXT, 77) }
  },
  async open(kem, aead, secret, enc, info, sealed) {
    const suite = panvaSuite(kem, aead)
    const ctx = await suite.SetupRecipient(await suite.DeserializePrivateKey(secret, true), enc, { info })
    return { message: await ctx.Open(sealed, AAD), exported: await ctx.Export(CONTEXT, 77) }
  },
}

function panvaSuite(kem: KemId, aead: AeadId): panva.CipherSuite {
  const aeads = { 1: panva.AEAD_AES_128_GCM, 2: panva.AEAD_AES_256_GCM, 3: panva.AEAD_ChaCha20Poly1305 }
  return new panva.CipherSuite(
    kem === 0x0020 ? panva.KEM_DHKEM_X25519_HKDF_SHA256 : panva.KEM_DHKEM_P256_HKDF_SHA256,
    panva.KDF_HKDF_SHA256,
    aeads[aead],
  )
}

const webChaCha = await crypto.subtle
  .importKey('raw', new Uint8Array(32), { name: 'ChaCha20-Poly1305' }, false, ['encrypt'])
  .then(
    () => true,
    () => false,
  )

for (const oracle of [hpkeCore, hpke])
  describe(oracle.name, () => {
    for (const kem of [0x0020, 0x0010] as const)
      for (const aead of [1, 2, 3] as const) {
        // What an oracle does not know here, Wycheproof and the RFC's own vectors cover.
        if (aead === 3 && !(oracle === hpke && webChaCha)) continue
        it(`kem ${kem}, aead ${aead}: opens what we seal, seals what we open, exports alike`, async () => {
          for (const port of backends) {
            const pair = await kemOf(kem).derive(port, random(32))
            const privateKey = await kemPrivateKey(port, kem, pair.secret)
            const suite = { kem, kdf: 1, aead } as const
            const [info, message] = [random(20), random(500)]
            const ours = await setupSender({ crypto: port, random }, suite, { kem, bytes: pair.publicKey }, info)
            const there = await oracle.open(kem, aead, pair.secret, ours.enc, info, await ours.context.seal(AAD, message))
            expect(equal(there.message, message)).toBe(true)
            expect(equal(there.exported, await ours.context.export(CONTEXT, 77))).toBe(true)
            const theirs = await oracle.seal(kem, aead, pair.publicKey, info, message)
            const here = await setupReceiver(port, suite, privateKey, theirs.enc, info)
            expect(equal(await here.open(AAD, theirs.sealed), message)).toBe(true)
            expect(equal(await here.export(CONTEXT, 77), theirs.exported)).toBe(true)
          }
        })
      }
  })

describe('RFC 9458 composed from hpke', () => {
  it('a client that we did not write reads our reply, and a gateway that we did not write answers us', async () => {
    const port = backends[0]!
    const suite = panvaSuite(0x0020, 1)
    const pair = await kemOf(0x0020).derive(port, random(32))
    const config = { keyId: 9, kem: 0x0020, publicKey: pair.publicKey, suites: [{ kdf: 1, aead: 1 }] } as const
    const header = Uint8Array.of(9, 0, 0x20, 0, 1, 0, 1)
    const info = concat(utf8('message/bhttp request'), new Uint8Array(1), header)

    const client = await suite.SetupSender(await suite.DeserializePublicKey(pair.publicKey), { info })
    const request = concat(header, client.encapsulatedSecret, await client.ctx.Seal(utf8('inner')))
    const privateKey = await kemPrivateKey(port, 0x0020, pair.secret)
    const opened = await openRequest(port, () => ({ config, privateKey }), request)
    expect(equal(opened.message, utf8('inner'))).toBe(true)

    const ours = await sealRequest({ crypto: port, random }, config, 1, utf8('ours'))
    const gateway = await suite.SetupRecipient(await suite.DeserializePrivateKey(pair.secret, true), ours.exchange.enc, {
      info,
    })
    expect(equal(await gateway.Open(ours.sealed.subarray(39)), utf8('ours'))).toBe(true)
    const reply = await composeReply(gateway, ours.exchange.enc, utf8('answer'))
    expect(equal(await openResponse(port, ours.exchange, reply), utf8('answer'))).toBe(true)
  })
})

/** RFC 9458 §4.4 with WebCrypto alone. */
async function composeReply(gateway: panva.RecipientContext, enc: Uint8Array, message: Uint8Array): Promise<Uint8Array> {
  const secret = await gateway.Export(utf8('message/bhttp response'), 16)
  const nonce = random(16)
  const key = await crypto.subtle.importKey('raw', buffer(secret), 'HKDF', false, ['deriveBits'])
  const derive = async (label: string, bytes: number) =>
    crypto.subtle.deriveBits(
      { name: 'HKDF', hash: 'SHA-256', salt: buffer(concat(enc, nonce)), info: buffer(utf8(label)) },
      key,
      bytes * 8,
    )
  const cipher = await crypto.subtle.importKey('raw', await derive('key', 16), 'AES-GCM', false, ['encrypt'])
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: await derive('nonce', 12) }, cipher, buffer(message))
  return concat(nonce, new Uint8Array(sealed))
}
