/** OPRF and 3DH over a prime-order group, and the hash functions around them. @see RFC 9497 §3.2, §4; RFC 9807 §6.4.1 */

import type { IField } from '@noble/curves/abstract/modular.js'
import { invertCt } from '@noble/curves/abstract/modular.js'
import { bytesToNumberBE, bytesToNumberLE } from '@noble/curves/utils.js'
import type { sha256, sha512 } from '@noble/hashes/sha2.js'
import { concat, u8, u16, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { DhGroup, OpaqueSuite, Oprf } from '../opaque/suite.js'

type Hash = typeof sha256 | typeof sha512

/** An element of a prime-order group. */
export interface Element {
  is0(): boolean
  /** In constant operations; the scalar is 1 to the group's order − 1. */
  multiply(scalar: bigint): Element
  toBytes(): Uint8Array
}

/** A prime-order group (RFC 9497 §2.1). */
export interface PrimeGroup {
  /** Scalars. */
  readonly Fn: Pick<IField<bigint>, 'ORDER' | 'isLE' | 'toBytes' | 'fromBytes'>
  readonly BASE: Element
  /** @throws Error for anything but the one encoding of an element; the identity passes */
  fromBytes(bytes: Uint8Array): Element
  hashToGroup(message: Uint8Array, dst: Uint8Array): Element
  hashToScalar(message: Uint8Array, dst: Uint8Array): bigint
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
    mac,
    extract: (ikm) => mac(none, ikm),
    expand(prk, info, length) {
      const blocks: Uint8Array[] = []
      for (let i = 1; (i - 1) * H.outputLen < length; i++) blocks.push(mac(prk, concat(blocks.at(-1) ?? none, info, u8(i))))
      return concat(...blocks).slice(0, length)
    },
  }

  /** HMAC (RFC 2104 §2); HKDF above (RFC 5869 §2). */
  function mac(key: Uint8Array, data: Uint8Array): Uint8Array {
    const block = new Uint8Array(H.blockLen)
    block.set(key.length > H.blockLen ? H(key) : key)
    const padded = (pad: number) => block.map((byte) => byte ^ pad)
    return H(concat(padded(0x5c), H(concat(padded(0x36), data))))
  }
}

/** OPRF and 3DH over one prime-order group (RFC 9497 §4.1, §4.3; RFC 9807 §6.4.1). */
export function primeOrder(name: string, made: PrimeGroup, H: Hash, size: number): { oprf: Oprf; group: DhGroup } {
  const { Fn } = made
  const toNumber = Fn.isLE ? bytesToNumberLE : bytesToNumberBE
  const context = concat(utf8('OPRFV1-'), u8(0), utf8(`-${name}`))
  const toGroup = concat(utf8('HashToGroup-'), context)
  const toScalar = concat(utf8('DeriveKeyPair'), context)
  const dhInfo = utf8('OPAQUE-DeriveDiffieHellmanKeyPair')

  function element(bytes: Uint8Array): Element {
    if (bytes.length !== size) throw opaqueRefused('element size')
    try {
      const point = made.fromBytes(bytes)
      if (!point.is0()) return point
    } catch {
      // Refused below, like the identity.
    }
    throw opaqueRefused('element')
  }

  function deriveScalar(seed: Uint8Array, info: Uint8Array): bigint {
    for (let counter = 0; counter < 256; counter++) {
      const scalar = made.hashToScalar(concat(seed, u16(info.length), info, u8(counter)), toScalar)
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
      blind: (input, blind) => made.hashToGroup(input, toGroup).multiply(Fn.fromBytes(blind)).toBytes(),
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
        return { privateKey: Fn.toBytes(scalar), publicKey: made.BASE.multiply(scalar).toBytes() }
      },
      dh(pairs, publicKey) {
        const point = element(publicKey)
        return pairs.map((pair) => point.multiply(Fn.fromBytes(pair.privateKey)).toBytes())
      },
    },
  }
}
