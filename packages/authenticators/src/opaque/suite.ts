/**
 * The configurations of OPAQUE: an OPRF, a group for 3DH and a hash, each as RFC 9807 §7 combines them. Key stretching is the client's.
 *
 * Wire elements are checked on the way in: length, canonical encoding, not the identity, no low-order point.
 * @see RFC 9807 §4, §7; RFC 9497 §3.2, §4
 */

import { invertCt } from '@noble/curves/abstract/modular.js'
import { ristretto255, ristretto255_hasher, x25519 } from '@noble/curves/ed25519.js'
import { p256, p256_hasher } from '@noble/curves/nist.js'
import { bytesToNumberBE, bytesToNumberLE } from '@noble/curves/utils.js'
import { expand, extract } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { concat, u8, u16, utf8 } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { Random } from '@postern/core/runtime'

/** A pair for 3DH, as bytes. */
export interface KeyPair {
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
}

/** RFC 9497's OPRF mode over one prime-order group. */
export interface Oprf {
  /** Bytes of an element. */
  readonly Noe: number
  /** A blind; never zero. */
  randomScalar(random: Random): Uint8Array
  blind(input: Uint8Array, blind: Uint8Array): Uint8Array
  /** @throws PosternError `opaque.refused` for an element that is none */
  check(element: Uint8Array): void
  /** @throws PosternError `opaque.refused` for an element that is none */
  blindEvaluate(key: Uint8Array, element: Uint8Array): Uint8Array
  /** @throws PosternError `opaque.refused` */
  finalize(input: Uint8Array, blind: Uint8Array, evaluated: Uint8Array): Uint8Array
  /** DeriveKeyPair's private half: the public one costs a multiplication that OPAQUE never uses. */
  deriveKey(seed: Uint8Array, info: Uint8Array): Uint8Array
}

/** The group of 3DH. Functions may answer later, for native implementations. */
export interface DhGroup {
  /** Bytes of a public key. */
  readonly Npk: number
  /** DeriveDiffieHellmanKeyPair of 32 bytes. */
  deriveKeyPair(seed: Uint8Array): Now<KeyPair>
  /** @throws PosternError `opaque.refused` for a public key that is none */
  check(publicKey: Uint8Array): Now<void>
  /** The shared secret of each pair with one public key; the server needs two. @throws PosternError `opaque.refused` */
  dh(pairs: readonly KeyPair[], publicKey: Uint8Array): Now<readonly Uint8Array[]>
}

/** One configuration. */
export interface OpaqueSuite {
  readonly name: string
  /** Output bytes of hash, MAC and KDF. */
  readonly Nh: 32 | 64
  readonly oprf: Oprf
  readonly group: DhGroup
  hash(data: Uint8Array): Uint8Array
  mac(key: Uint8Array, data: Uint8Array): Uint8Array
  extract(ikm: Uint8Array): Uint8Array
  expand(prk: Uint8Array, info: Uint8Array, length: number): Uint8Array
}

/** Bytes of a nonce. */
export const Nn = 32
/** Bytes of a seed. */
export const Nseed = 32

type Hash = typeof sha256 | typeof sha512
type Group = typeof ristretto255.Point | typeof p256.Point
interface Hasher {
  hashToCurve(message: Uint8Array, options: { DST: Uint8Array }): { multiply(n: bigint): { toBytes(): Uint8Array } }
  hashToScalar(message: Uint8Array, options: { DST: Uint8Array }): bigint
}

/** ristretto255-SHA512 for both: pin/v1 suite 0001. */
export const ristretto255Sha512: OpaqueSuite = /* @__PURE__ */ suite(
  'ristretto255-SHA512',
  sha512,
  /* @__PURE__ */ primeOrder('ristretto255-SHA512', ristretto255.Point, ristretto255_hasher as unknown as Hasher, sha512, 32),
)

/** OPRF over ristretto255, 3DH over curve25519: pin/v1 suite 0003. */
export const curve25519Sha512: OpaqueSuite = /* @__PURE__ */ suite('curve25519-SHA512', sha512, {
  oprf: ristretto255Sha512.oprf,
  group: /* @__PURE__ */ montgomery(),
})

/** P-256 and SHA-256, for peers that ask for it. */
export const p256Sha256: OpaqueSuite = /* @__PURE__ */ suite(
  'P256-SHA256',
  sha256,
  /* @__PURE__ */ primeOrder('P256-SHA256', p256.Point, p256_hasher as unknown as Hasher, sha256, 33),
)

/** Bytes of each message of a suite; anything else is refused before it is parsed. */
export function sizes(s: OpaqueSuite): {
  readonly request: number
  readonly response: number
  readonly record: number
  readonly ke1: number
  readonly ke2: number
  readonly ke3: number
} {
  const { Noe } = s.oprf
  const { Npk } = s.group
  const envelope = Nn + s.Nh
  return {
    request: Noe,
    response: Noe + Npk,
    record: Npk + s.Nh + envelope,
    ke1: Noe + Nn + Npk,
    ke2: Noe + Nn + Npk + envelope + Nn + Npk + s.Nh,
    ke3: s.Nh,
  }
}

/** The refusal of everything that is no message of the protocol. */
export function opaqueRefused(reason: string): PosternError<'opaque.refused'> {
  return new PosternError('opaque.refused', { reason })
}

function suite(name: string, H: Hash, { oprf, group }: { oprf: Oprf; group: DhGroup }): OpaqueSuite {
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
function primeOrder(name: string, Point: Group, hasher: Hasher, H: Hash, size: number): { oprf: Oprf; group: DhGroup } {
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
