// @ts-check
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { equal, fromHex, hex, utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { createCrypto as createWeb } from '@postern/core/crypto/web'
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
const key = fromHex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f') ?? new Uint8Array(0)

/** @type {readonly import('../suite.js').Runtime[]} */
const withWebCrypto = ['node20', 'node22', 'node24', 'deno', 'bun', 'workerd', 'chromium']

/** @type {readonly import('../suite.js').Case[]} */
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
    'core: the crypto port is the one that the runtime should get',
    (runtime) => {
      const web = runtime === 'workerd' || runtime === 'chromium'
      same(crypto.name, runtime === 'reactNative' ? 'noble' : web ? 'web' : 'node')
    },
  ],
  ...agreement('the own port', createCrypto),
  ...agreement('WebCrypto', createWeb, { only: withWebCrypto }),
  [
    'core: RSA signatures of the platform verify in JavaScript',
    async () => {
      for (const [alg, name] of /** @type {const} */ ([
        ['RS256', 'RSASSA-PKCS1-v1_5'],
        ['PS256', 'RSA-PSS'],
      ])) {
        const rsa = { name, modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: 'SHA-256' }
        const pair = await globalThis.crypto.subtle.generateKey(rsa, true, ['sign', 'verify'])
        const {
          key_ops: _operations,
          ext: _ext,
          alg: _alg,
          ...jwk
        } = await globalThis.crypto.subtle.exportKey('jwk', pair.privateKey)
        for (const port of [crypto, createWeb()]) {
          const signer = await port.signer(alg, jwk)
          const signature = await signer.sign(message)
          const verify = await noble.verifyKey(alg, signer.publicJwk)
          same(await noble.verify(verify, message, signature), true, `${alg} of ${port.name}`)
          same(await port.verify(await port.verifyKey(alg, signer.publicJwk), message, signature), true, `${alg} of ${port.name}`)
          same(await port.verify(await port.verifyKey(alg, signer.publicJwk), key, signature), false, `${alg} of ${port.name}`)
        }
      }
    },
    { only: withWebCrypto },
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

/**
 * One implementation of the port against noble's.
 * @param {string} name @param {() => import('@postern/core/cryptoPort').CryptoPort} make
 * @param {{ only?: readonly import('../suite.js').Runtime[] }} [o] @returns {import('../suite.js').Case[]}
 */
function agreement(name, make, o = {}) {
  return [
    [
      `core/${name}: digests and MACs agree with noble`,
      async () => {
        const port = make()
        for (const alg of /** @type {const} */ (['SHA-256', 'SHA-384', 'SHA-512', 'SHA3-256']))
          same(hex(await port.digest(alg, message)), hex(await noble.digest(alg, message)), alg)
        for (const alg of /** @type {const} */ (['SHA-256', 'SHA-512']))
          same(
            hex(await port.hmac(await port.hmacKey(alg, key), message)),
            hex(await noble.hmac(await noble.hmacKey(alg, key), message)),
            alg,
          )
      },
      o,
    ],
    [
      `core/${name}: what one implementation seals, noble opens; a flipped bit opens nowhere`,
      async () => {
        const port = make()
        const nonce = key.slice(0, 12)
        for (const alg of /** @type {const} */ (['A128GCM', 'A256GCM', 'C20P']))
          for (const text of [message, new Uint8Array(0)]) {
            const raw = alg === 'A128GCM' ? key.slice(0, 16) : key
            const sealed = await port.seal(await port.aeadKey(alg, raw), nonce, utf8('aad'), text)
            same(await noble.open(await noble.aeadKey(alg, raw), nonce, utf8('aad'), sealed), text, alg)
            same(await port.open(await port.aeadKey(alg, raw), nonce, utf8('aad'), sealed), text, alg)
            sealed[3] = (sealed[3] ?? 0) ^ 1
            same(await port.open(await port.aeadKey(alg, raw), nonce, utf8('aad'), sealed), null, alg)
          }
      },
      o,
    ],
    [
      `core/${name}: Diffie-Hellman agrees with noble; a low-order point is refused (C10)`,
      async () => {
        const port = make()
        for (const group of /** @type {const} */ (['X25519', 'P-256'])) {
          const a = await port.dhKeyPair(group, key)
          const b = await noble.dhKeyPair(group, key.slice().reverse())
          same(await port.dh(group, a, b.publicKey), await noble.dh(group, b, a.publicKey), group)
        }
        same(await port.dh('X25519', await port.dhKeyPair('X25519', key), new Uint8Array(32)), null)
      },
      o,
    ],
    [
      `core/${name}: signatures verify across implementations; r = s = 0 does not (T29)`,
      async () => {
        const port = make()
        for (const alg of /** @type {const} */ (['ES256', 'ES384', 'ES512', 'Ed25519'])) {
          const signer = await port.signer(alg, await port.generateKey(alg, ports.random))
          const signature = await signer.sign(message)
          const theirs = await noble.verifyKey(alg, signer.publicJwk)
          const own = await port.verifyKey(alg, signer.publicJwk)
          same(await noble.verify(theirs, message, signature), true, alg)
          same(await port.verify(own, message, signature), true, alg)
          same(await port.verify(own, key, signature), false, alg)
          same(await port.verify(own, message, new Uint8Array(signature.length)), false, alg)
        }
      },
      o,
    ],
  ]
}
