// One request sealed, Binary HTTP included, beside literal RFC 9458 composed from other HPKE libraries and bhttp-js. µs of CPU over all threads (WebCrypto works
// on others), the ratio of wall times beside it.
import { Aes256Gcm, CipherSuite as CoreSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import { decodeRequest, encodeRequest } from '@postern/payload/bhttp'
import { openRequest, sealRequest } from '@postern/payload/ohttp'
import { BHttpEncoder } from 'bhttp-js'
import * as panva from 'hpke'
import { compare, concat, mustEqual, random, report, round } from './harness.js'
import { config, crypto, fields, find, message, rawAes, url } from './world.js'

const TARGET = 3
const header = Uint8Array.of(config.keyId, 0, 0x20, 0, 1, 0, 2)
const info = concat(new TextEncoder().encode('message/bhttp request'), new Uint8Array(1), header)
const requests = (body) => (n) => Array.from({ length: n }, () => new Request(url, { method: 'POST', body, headers: fields }))

function postern(body) {
  const inner = message(body)
  return { run: () => sealRequest({ crypto, random }, config, 2, encodeRequest(inner)).sealed }
}

async function hpkeCore(body) {
  const suite = new CoreSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })
  const recipientPublicKey = await suite.kem.deserializePublicKey(config.publicKey.slice().buffer)
  const encoder = new BHttpEncoder()
  const run = async (request) => {
    const encoded = await encoder.encodeRequest(request)
    const sender = await suite.createSenderContext({ recipientPublicKey, info: info.buffer })
    const sealed = await sender.seal(encoded)
    return concat(header, new Uint8Array(sender.enc), new Uint8Array(sealed))
  }
  return { prepare: requests(body), run }
}

async function hpke(body) {
  const suite = new panva.CipherSuite(panva.KEM_DHKEM_X25519_HKDF_SHA256, panva.KDF_HKDF_SHA256, panva.AEAD_AES_256_GCM)
  const publicKey = await suite.DeserializePublicKey(config.publicKey)
  const encoder = new BHttpEncoder()
  const run = async (request) => {
    const encoded = await encoder.encodeRequest(request)
    const { encapsulatedSecret, ctx } = await suite.SetupSender(publicKey, { info })
    return concat(header, encapsulatedSecret, await ctx.Seal(encoded))
  }
  return { prepare: requests(body), run }
}

/** @param {(name: string) => boolean} wanted */
export async function sealCases(wanted) {
  for (const size of [256, 1024]) {
    if (!wanted(`seal.${size}`)) continue
    const body = random(size)
    const subjects = {
      postern: postern(body),
      '@hpke/core + bhttp-js': await hpkeCore(body),
      'hpke + bhttp-js': await hpke(body),
    }
    for (const [name, { prepare, run }] of Object.entries(subjects)) {
      const { message: opened } = await openRequest(crypto, find, await run(prepare?.(1)[0]))
      mustEqual(decodeRequest(opened).content, body, name)
    }
    const times = await compare({ ...subjects, aes: rawAes(size) }, 100)
    for (const peer of Object.keys(subjects).slice(1)) {
      const wall_ratio = round(times[peer].us / times.postern.us)
      report(`seal.${size}`, times.postern.cpu, peer, times[peer].cpu, times[peer].cpu / TARGET, { wall_ratio })
    }
  }
}
