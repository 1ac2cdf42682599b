import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { createCrypto as createNode } from '@postern/core/crypto/node'
import { createCrypto as createWeb } from '@postern/core/crypto/web'
import type { CryptoPort } from '@postern/core/cryptoPort'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { RUNS, seeded } from '../support.js'

const ports = [createNode(), createWeb(), createNoble()]
const data = fc.uint8Array({ maxLength: 300 })
const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
/** Below the order of P-256 and never zero. */
const scalar = key32.map((bytes) => bytes.map((byte, i) => (i === 0 ? byte & 127 : i === 31 ? byte | 1 : byte)))

/** The one answer of all three, a plain Uint8Array in memory of its own. */
async function agreed(ask: (crypto: CryptoPort) => Promise<Uint8Array | null>): Promise<Uint8Array | null> {
  const [node, web, noble] = await Promise.all(ports.map(ask))
  expect(web).toEqual(node)
  expect(noble).toEqual(node)
  if (node) expect([Object.getPrototypeOf(node) === Uint8Array.prototype, node.byteOffset]).toEqual([true, 0])
  return node!
}

it('digests and MACs agree', async () => {
  await fc.assert(
    fc.asyncProperty(data, data, async (raw, input) => {
      for (const alg of ['SHA-256', 'SHA-384', 'SHA-512', 'SHA3-256'] as const) await agreed(async (c) => c.digest(alg, input))
      for (const alg of ['SHA-256', 'SHA-512'] as const) await agreed(async (c) => c.hmac(await c.hmacKey(alg, raw), input))
    }),
    { numRuns: RUNS },
  )
})

it('sealed texts agree, open again, and are null when a bit is turned', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('A128GCM', 'A256GCM', 'C20P'),
      key32,
      data,
      data,
      fc.nat(),
      async (alg, raw, aad, text, at) => {
        const key = (c: CryptoPort) => c.aeadKey(alg, alg === 'A128GCM' ? raw.slice(16) : raw)
        const nonce = raw.slice(0, 12)
        const sealed = (await agreed(async (c) => c.seal(await key(c), nonce, aad, text)))!
        expect(await agreed(async (c) => c.open(await key(c), nonce, aad, sealed))).toEqual(text)
        sealed[at % sealed.length]! ^= 1
        expect(await agreed(async (c) => c.open(await key(c), nonce, aad, sealed))).toBeNull()
      },
    ),
    { numRuns: RUNS },
  )
})

it('key agreement agrees on any bytes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('X25519', 'P-256'), scalar, scalar, async (group, a, b) => {
      const theirs = (await agreed(async (c) => (await c.dhKeyPair(group, b)).publicKey))!
      expect(await agreed(async (c) => c.dh(group, await c.dhKeyPair(group, a), theirs))).not.toBeNull()
      await agreed(async (c) => c.dh(group, await c.dhKeyPair(group, a), b))
    }),
    { numRuns: Math.ceil(RUNS / 4) },
  )
})

it('one seed makes one key, and each verifies what the others sign', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('ES256', 'ES384', 'ES512', 'Ed25519'),
      fc.string(),
      data,
      fc.nat(),
      async (alg, seed, input, at) => {
        const [jwk, ...others] = await Promise.all(ports.map(async (c) => c.generateKey(alg, seeded(seed))))
        for (const other of others) expect(other).toEqual(jwk)
        for (const c of ports) {
          const signer = await c.signer(alg, jwk!)
          const good = await signer.sign(input)
          const bad = good.map((byte, i) => (i === at % good.length ? byte ^ 1 : byte))
          for (const v of ports) {
            const key = await v.verifyKey(alg, signer.publicJwk)
            expect([await v.verify(key, input, good), await v.verify(key, input, bad)]).toEqual([true, false])
          }
        }
      },
    ),
    { numRuns: Math.ceil(RUNS / 10) },
  )
})
