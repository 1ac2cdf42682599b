/** OPAQUE with 3DH over curve25519, a file of its own so that nobody carries a curve that he does not use. @see RFC 9807 §6.4.1; RFC 7748 §5 */
import { x25519 } from '@noble/curves/ed25519.js'
import { sha512 } from '@noble/hashes/sha2.js'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { opaqueRefused, opaqueSuite } from '../internal/primeOrder.js'
import { type DhGroup, type KeyPair, type OpaqueSuite, ristretto255Sha512 } from './suite.js'

/** OPRF over ristretto255, 3DH over curve25519: pin/v1 suite 0003. */
export const curve25519Sha512: OpaqueSuite = /* @__PURE__ */ opaqueSuite('curve25519-SHA512', sha512, {
  oprf: ristretto255Sha512.oprf,
  group: /* @__PURE__ */ montgomery(),
})

/** X25519 (RFC 7748 §5): the seed is the private key, clamped by the function. */
function montgomery(): DhGroup {
  const dh = (pairs: readonly Pick<KeyPair, 'privateKey'>[], publicKey: Uint8Array): readonly Uint8Array[] => {
    if (publicKey.length !== 32) throw opaqueRefused('key size')
    try {
      return pairs.map((pair) => x25519.getSharedSecret(pair.privateKey, publicKey))
    } catch {
      throw opaqueRefused('low-order point')
    }
  }
  return {
    Npk: 32,
    deriveKeyPair: (seed) => ({ privateKey: seed, publicKey: x25519.getPublicKey(seed) }),
    // A low-order point gives zero whatever the scalar; there is no other way to be invalid.
    check: (publicKey) => void dh([{ privateKey: new Uint8Array(32).fill(64) }], publicKey),
    dh,
  }
}

/** Suite 0003 with the crypto port's X25519, which is native where the runtime has it. */
export function curve25519Over(crypto: CryptoPort): OpaqueSuite {
  const dh = async (pairs: readonly KeyPair[], publicKey: Uint8Array): Promise<readonly Uint8Array[]> => {
    const secrets: Uint8Array[] = []
    for (const pair of pairs) {
      const secret = await crypto.dh('X25519', pair, publicKey)
      if (secret === null) throw opaqueRefused('key')
      secrets.push(secret)
    }
    return secrets
  }
  const deriveKeyPair = (seed: Uint8Array) => crypto.dhKeyPair('X25519', seed)
  const check = async (publicKey: Uint8Array) => void (await dh([await deriveKeyPair(new Uint8Array(32).fill(64))], publicKey))
  return { ...curve25519Sha512, group: { Npk: 32, deriveKeyPair, check, dh } }
}
