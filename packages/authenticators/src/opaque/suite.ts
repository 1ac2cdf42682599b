/**
 * The configurations of OPAQUE: an OPRF, a group for 3DH and a hash, each as RFC 9807 §7 combines them. Key stretching is the client's.
 *
 * Wire elements are checked on the way in: length, canonical encoding, not the identity, no low-order point.
 * @see RFC 9807 §4, §7; RFC 9497 §3.2, §4
 */

import { sha512 } from '@noble/hashes/sha2.js'
import type { Now } from '@postern/core/cryptoPort'
import type { Random } from '@postern/core/runtime'
import { opaqueSuite, primeOrder } from '../internal/primeOrder.js'
import { ristretto255 } from '../internal/ristretto255.js'

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

/** ristretto255-SHA512 for both: pin/v1 suites 0001 and 0002. */
export const ristretto255Sha512: OpaqueSuite = /* @__PURE__ */ opaqueSuite(
  'ristretto255-SHA512',
  sha512,
  /* @__PURE__ */ primeOrder('ristretto255-SHA512', /* @__PURE__ */ ristretto255(), sha512, 32),
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
