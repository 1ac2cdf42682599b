// @ts-check
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { equal, fromHex, hex, utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { PosternError } from '@postern/core/errors'
import { parseJson } from '@postern/core/json'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { createSealer } from '@postern/core/sealed'
import { systemPorts } from '@postern/core/systemRuntime'
import { refuses, same } from './assert.js'

const crypto = createCrypto()
const noble = createNoble()
const ports = systemPorts()
const message = utf8('the same bytes on every runtime')
const key = fromHex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f')

/** @type {readonly (readonly [string, () => void | Promise<void>])[]} */
export const cases = [
  [
    'core: base64url is canonical',
    () => {
      same(decodeBase64url(encodeBase64url(message)), message)
      same(decodeBase64url('AB'), null)
    },
  ],
  [
    'core: duplicate members and __proto__ are refused (H03, H06)',
    async () => {
      await refuses(() => parseJson('{"a":1,"a":2}'), 'json.malformed')
      await refuses(() => parseJson('{"__proto__":1}'), 'json.malformed')
    },
  ],
  [
    'core: an error is one class over all subpaths',
    async () => {
      try {
        parseJson('{')
      } catch (error) {
        same(error instanceof PosternError, true)
      }
    },
  ],
  [
    'core: digests and MACs agree with noble',
    async () => {
      for (const alg of /** @type {const} */ (['SHA-256', 'SHA-384', 'SHA-512', 'SHA3-256']))
        same(hex(await crypto.digest(alg, message)), hex(await noble.digest(alg, message)), alg)
      for (const alg of /** @type {const} */ (['SHA-256', 'SHA-512']))
        same(
          hex(await crypto.hmac(await crypto.hmacKey(alg, key), message)),
          hex(await noble.hmac(await noble.hmacKey(alg, key), message)),
          alg,
        )
    },
  ],
  [
    'core: what one implementation seals, noble opens',
    async () => {
      for (const alg of /** @type {const} */ (['A128GCM', 'A256GCM', 'C20P'])) {
        const raw = alg === 'A128GCM' ? key.slice(0, 16) : key
        const sealed = await crypto.seal(await crypto.aeadKey(alg, raw), key.slice(0, 12), utf8('aad'), message)
        same(await noble.open(await noble.aeadKey(alg, raw), key.slice(0, 12), utf8('aad'), sealed), message, alg)
        sealed[3] ^= 1
        same(await crypto.open(await crypto.aeadKey(alg, raw), key.slice(0, 12), utf8('aad'), sealed), null, alg)
      }
    },
  ],
  [
    'core: Diffie-Hellman agrees with noble; a low-order point is refused (C10)',
    async () => {
      for (const group of /** @type {const} */ (['X25519', 'P-256'])) {
        const a = await crypto.dhKeyPair(group, key)
        const b = await noble.dhKeyPair(group, key.slice().reverse())
        same(await crypto.dh(group, a, b.publicKey), await noble.dh(group, b, a.publicKey), group)
      }
      same(await crypto.dh('X25519', await crypto.dhKeyPair('X25519', key), new Uint8Array(32)), null)
    },
  ],
  [
    'core: signatures verify across implementations; r = s = 0 does not (T29)',
    async () => {
      for (const alg of /** @type {const} */ (['ES256', 'ES384', 'Ed25519'])) {
        const jwk = await crypto.generateKey(alg, ports.random)
        const signer = await crypto.signer(alg, jwk)
        const signature = await signer.sign(message)
        const verify = await noble.verifyKey(alg, signer.publicJwk)
        same(await noble.verify(verify, message, signature), true, alg)
        same(await noble.verify(verify, message, new Uint8Array(signature.length)), false, alg)
        same(
          await crypto.verify(await crypto.verifyKey(alg, signer.publicJwk), message, new Uint8Array(signature.length)),
          false,
          alg,
        )
      }
    },
  ],
  [
    'core: a sealed value opens for its own scope alone (T20)',
    async () => {
      const ring = await openKeyRing(await createKeyRingDocument({ ...ports, crypto }), crypto)
      const sealer = createSealer({ ring: ring.short, ...ports, crypto })
      const scope = { type: 'code', tenant: 'retail', issuer: 'https://bank.example', purpose: '' }
      const sealed = await sealer.seal(scope, message)
      same(equal((await sealer.open(scope, sealed)) ?? new Uint8Array(0), message), true)
      same(await sealer.open({ ...scope, type: 'device_code' }, sealed), null)
      same(await sealer.open({ ...scope, tenant: 'other' }, sealed), null)
    },
  ],
]
