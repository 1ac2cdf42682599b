/** Independent implementations seal what we open and open what we seal, on every suite that both know. */

import {
  Aes128Gcm,
  Aes256Gcm,
  CipherSuite as CoreSuite,
  DhkemP256HkdfSha256,
  DhkemX25519HkdfSha256,
  HkdfSha256,
} from '@hpke/core'
import * as hpkeNoble from '@panva/hpke-noble'
import { concat, equal, utf8 } from '@postern/core/bytes'
import * as panva from 'hpke'
import { describe, expect, it } from 'vitest'
import { type AeadId, type KemId, kemPrivateKey, setupReceiver, setupSender } from '../../src/hpke.js'
import { kemOf } from '../../src/internal/kem/kem.js'
import { openRequest, openResponse, sealRequest } from '../../src/ohttp.js'
import { beginSessionRequest, openSessionRequest } from '../../src/session.js'
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

type Suites = (kem: KemId, aead: AeadId) => panva.CipherSuite

function panvaOracle(name: string, suiteOf: Suites): Oracle {
  return {
    name,
    async seal(kem, aead, publicKey, info, message) {
      const suite = suiteOf(kem, aead)
      const { encapsulatedSecret, ctx } = await suite.SetupSender(await suite.DeserializePublicKey(publicKey), { info })
      const sealed = await ctx.Seal(message, AAD)
      return { enc: encapsulatedSecret, sealed, exported: await ctx.Export(CONTEXT, 77) }
    },
    async open(kem, aead, secret, enc, info, sealed) {
      const suite = suiteOf(kem, aead)
      const ctx = await suite.SetupRecipient(await suite.DeserializePrivateKey(secret, true), enc, { info })
      return { message: await ctx.Open(sealed, AAD), exported: await ctx.Export(CONTEXT, 77) }
    },
  }
}

const panvaSuite: Suites = (kem, aead) => {
  const aeads = { 1: panva.AEAD_AES_128_GCM, 2: panva.AEAD_AES_256_GCM, 3: panva.AEAD_ChaCha20Poly1305 }
  const kemOfIt = kem === 0x0020 ? panva.KEM_DHKEM_X25519_HKDF_SHA256 : panva.KEM_DHKEM_P256_HKDF_SHA256
  return new panva.CipherSuite(kemOfIt, panva.KDF_HKDF_SHA256, aeads[aead])
}

const NOBLE_AEADS = { 1: hpkeNoble.AEAD_AES_128_GCM, 2: hpkeNoble.AEAD_AES_256_GCM, 3: hpkeNoble.AEAD_ChaCha20Poly1305 }
const NOBLE_KEMS = {
  16: hpkeNoble.KEM_DHKEM_P256_HKDF_SHA256,
  32: hpkeNoble.KEM_DHKEM_X25519_HKDF_SHA256,
  25722: hpkeNoble.KEM_MLKEM768_X25519,
}

const hpke = panvaOracle('hpke', panvaSuite)
const noble = panvaOracle(
  '@panva/hpke-noble',
  (kem, aead) => new panva.CipherSuite(NOBLE_KEMS[kem], hpkeNoble.KDF_HKDF_SHA256, NOBLE_AEADS[aead]),
)

const webChaCha = await crypto.subtle
  .importKey('raw', new Uint8Array(32), { name: 'ChaCha20-Poly1305' }, false, ['encrypt'])
  .then(
    () => true,
    () => false,
  )

for (const oracle of [hpkeCore, hpke, noble])
  describe(oracle.name, () => {
    for (const kem of [0x0020, 0x0010, 0x647a] as const)
      for (const aead of [1, 2, 3] as const) {
        // What an oracle does not know here, Wycheproof and the RFC's own vectors cover.
        if (oracle !== noble && (kem === 0x647a || (aead === 3 && !(oracle === hpke && webChaCha)))) continue
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

describe('a session call composed from hpke, its KEM through the door for custom ones', () => {
  const port = backends[0]!
  const secret = random(32)

  it('is opened by us, and ours by it; its reply is read', async () => {
    const session = {
      id: random(16),
      key: await port.hmacKey('SHA-256', secret),
      aead: 2,
      max: 9,
      chunkBytes: 65_536,
      expiresAt: 1,
      binding: null,
    } as const
    const head = Uint8Array.of(0, 0xff, 0x01, 0, 1, 0, 2)
    const info = concat(utf8('application/vnd.postern.session request'), new Uint8Array(1), head)
    const suite = (enc: Uint8Array) =>
      new panva.CipherSuite(sessionKem(secret, enc), panva.KDF_HKDF_SHA256, panva.AEAD_AES_256_GCM)
    const enc = concat(session.id, new Uint8Array(8), random(8))

    const theirs = suite(enc)
    const client = await theirs.SetupSender(await theirs.DeserializePublicKey(new Uint8Array(0)), { info })
    const sealed = concat(head, enc, Uint8Array.of(0), await client.ctx.Seal(utf8('inner'), utf8('final')))
    const opened = await openSessionRequest(port, () => session, sealed)
    expect(equal(opened.message, utf8('inner'))).toBe(true)
    const exported = await client.ctx.Export(utf8('application/vnd.postern.session response'), 32)
    expect(equal(await opened.exchange.context.export(utf8('application/vnd.postern.session response'), 32), exported)).toBe(true)

    const ours = await beginSessionRequest({ crypto: port, random }, session, 1)
    const gateway = suite(ours.enc)
    const recipient = await gateway.SetupRecipient(await gateway.DeserializePrivateKey(new Uint8Array(0), true), ours.enc, {
      info,
    })
    const message = (await ours.seal(utf8('ours'))).subarray(40)
    expect(equal(await recipient.Open(message, utf8('final')), utf8('ours'))).toBe(true)
  })
})

/** One HMAC over `enc`, written from the design: no key pair at all. */
function sessionKem(secret: Uint8Array, enc: Uint8Array): panva.KEMFactory {
  const key = { algorithm: { name: 'session' }, type: 'private', extractable: true } as const
  const shared = async (of: Uint8Array): Promise<Uint8Array> => {
    const mac = await crypto.subtle.importKey('raw', buffer(secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
    return new Uint8Array(
      await crypto.subtle.sign('HMAC', mac, buffer(concat(utf8('postern session kem v1'), new Uint8Array(1), of))),
    )
  }
  const none = async (): Promise<never> => Promise.reject(new Error('no key pair'))
  return () => ({
    ...{ id: 0xff01, type: 'KEM', name: 'session', Nsecret: 32, Nenc: 32, Npk: 0, Nsk: 0 },
    ...{ DeriveKeyPair: none, GenerateKeyPair: none, SerializePublicKey: none, SerializePrivateKey: none },
    DeserializePublicKey: async () => ({ ...key, type: 'public' as const }),
    DeserializePrivateKey: async () => key,
    Encap: async () => ({ shared_secret: await shared(enc), enc }),
    Decap: shared,
  })
}

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
