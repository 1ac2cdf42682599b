/** OPRF and 3DH over a prime-order group, and the hash functions around them. @see RFC 9497 §3.2, §4; RFC 9807 §6.4.1 */
import { invertCt } from '@noble/curves/abstract/modular.js'
import type { ristretto255 } from '@noble/curves/ed25519.js'
import type { p256 } from '@noble/curves/nist.js'
import { bytesToNumberBE, bytesToNumberLE } from '@noble/curves/utils.js'
import { expand, extract } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import type { sha256, sha512 } from '@noble/hashes/sha2.js'
import { concat, u8, u16, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { DhGroup, OpaqueSuite, Oprf } from '../opaque/suite.js'

type Hash = typeof sha256 | typeof sha512
type Group = typeof ristretto255.Point | typeof p256.Point
/** The two hooks of hash-to-curve that are used. */
export interface Hasher {
  hashToCurve(message: Uint8Array, options: { DST: Uint8Array }): { multiply(n: bigint): { toBytes(): Uint8Array } }
  hashToScalar(message: Uint8Array, options: { DST: Uint8Array }): bigint
}

/** The refusal of everything that is no message of the protocol. */
export function opaqueRefused(reason: string): PosternError<'opaque.refused'> {
  return new PosternError('opaque.refused', { reason })
}

/** A configuration of its parts. */
export function opaqueSuite(name: string, H: Hash, { oprf, group }: { oprf: Oprf; group: DhGroup }): OpaqueSuite {
  const none = new Uint8Array(0)
  return {
    name,
    Nh: H.outputLen as 32 | 64,
    oprf,
    group,
    hash: (data) => H(data),
    mac: (key, data) => hmac(H, key, data),
    extract: (ikm) => extract(H, ikm, none),
    expand: (prk, info, length) => expand(H, prk, info, length),
  }
}

/** OPRF and 3DH over one prime-order group (RFC 9497 §4.1, §4.3; RFC 9807 §6.4.1). */
export function primeOrder(name: string, Point: Group, hasher: Hasher, H: Hash, size: number): { oprf: Oprf; group: DhGroup } {
  const { Fn } = Point
  const toNumber = Fn.isLE ? bytesToNumberLE : bytesToNumberBE
  const context = concat(utf8('OPRFV1-'), u8(0), utf8(`-${name}`))
  const toGroup = { DST: concat(utf8('HashToGroup-'), context) }
  const toScalar = { DST: concat(utf8('DeriveKeyPair'), context) }
  const dhInfo = utf8('OPAQUE-DeriveDiffieHellmanKeyPair')

  function element(bytes: Uint8Array): { multiply(n: bigint): { toBytes(): Uint8Array } } {
    if (bytes.length !== size) throw opaqueRefused('element size')
    try {
      const point = Point.fromBytes(bytes)
      if (!point.is0()) return point
    } catch {
      // Refused below, like the identity.
    }
    throw opaqueRefused('element')
  }

  function deriveScalar(seed: Uint8Array, info: Uint8Array): bigint {
    for (let counter = 0; counter < 256; counter++) {
      const scalar = hasher.hashToScalar(concat(seed, u16(info.length), info, u8(counter)), toScalar)
      if (scalar !== 0n) return scalar
    }
    throw opaqueRefused('key derivation')
  }

  return {
    oprf: {
      Noe: size,
      randomScalar(random) {
        for (;;) {
          const scalar = toNumber(random(64)) % Fn.ORDER
          if (scalar !== 0n) return Fn.toBytes(scalar)
        }
      },
      blind: (input, blind) => hasher.hashToCurve(input, toGroup).multiply(Fn.fromBytes(blind)).toBytes(),
      check: (bytes) => void element(bytes),
      blindEvaluate: (key, bytes) => element(bytes).multiply(Fn.fromBytes(key)).toBytes(),
      finalize(input, blind, evaluated) {
        const unblinded = element(evaluated)
          .multiply(invertCt(Fn.fromBytes(blind), Fn.ORDER))
          .toBytes()
        return H(concat(u16(input.length), input, u16(unblinded.length), unblinded, utf8('Finalize')))
      },
      deriveKey: (seed, info) => Fn.toBytes(deriveScalar(seed, info)),
    },
    group: {
      Npk: size,
      check: (bytes) => void element(bytes),
      deriveKeyPair(seed) {
        const scalar = deriveScalar(seed, dhInfo)
        return { privateKey: Fn.toBytes(scalar), publicKey: Point.BASE.multiply(scalar).toBytes() }
      },
      dh(pairs, publicKey) {
        const point = element(publicKey)
        return pairs.map((pair) => point.multiply(Fn.fromBytes(pair.privateKey)).toBytes())
      },
    },
  }
}
