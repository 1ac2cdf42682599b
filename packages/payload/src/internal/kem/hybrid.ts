/**
 * MLKEM768-X25519: secret while either half is. A draft; its bytes change only with a new key configuration.
 * @see draft-ietf-hpke-pq, draft-irtf-cfrg-concrete-hybrid-kems
 */
import { concat, fromHex, u16, utf8 } from '@postern/core/bytes'
import type { CryptoPort, DhKeyPair, MlKemKeyPair, Now } from '@postern/core/cryptoPort'
import { andThen } from '../now.js'
import { invalidKey } from './invalidKey.js'
import type { Kem, KemPair } from './kem.js'

const ID = 0x647a
const SECRET_BYTES = 32
const ML_KEM_SEED_BYTES = 64
const ML_KEM_PUBLIC_BYTES = 1184
const ML_KEM_CIPHERTEXT_BYTES = 1088
const X25519_BYTES = 32
const LABEL: Uint8Array = /* @__PURE__ */ fromHex('5c2e2f2f5e5c')!
const DERIVE_HEAD: Uint8Array = /* @__PURE__ */ concat(utf8('HPKE-v1KEM'), u16(ID))
const DERIVE_LABEL: Uint8Array = /* @__PURE__ */ concat(u16(13), utf8('DeriveKeyPair'), u16(SECRET_BYTES))

/** ML-KEM-768 and X25519 under one seed. */
export const HYBRID: Kem = {
  id: ID,
  encBytes: ML_KEM_CIPHERTEXT_BYTES + X25519_BYTES,
  publicBytes: ML_KEM_PUBLIC_BYTES + X25519_BYTES,
  pair,
  derive: (crypto, ikm) =>
    andThen(crypto.shake256(concat(ikm, DERIVE_HEAD, DERIVE_LABEL), SECRET_BYTES), (secret) => pair(crypto, secret)),
  encap(crypto, publicKey, random) {
    if (publicKey.length !== HYBRID.publicBytes) throw invalidKey('a public key that is not 1216 bytes')
    const theirs = publicKey.slice(ML_KEM_PUBLIC_BYTES)
    // Drawn at once, in the order of the draft's `randomness`.
    const randomness = random(SECRET_BYTES + X25519_BYTES)
    return andThen(crypto.mlKemEncap(publicKey.subarray(0, ML_KEM_PUBLIC_BYTES), randomness.slice(0, SECRET_BYTES)), (pq) => {
      if (pq === null) throw invalidKey('an encapsulation key that is not reduced') //                 FIPS 203 §7.2
      return andThen(crypto.dhKeyPair('X25519', randomness.slice(SECRET_BYTES)), (own) =>
        andThen(agree(crypto, own, theirs), (dh) =>
          andThen(combine(crypto, pq.secret, dh, own.publicKey, theirs), (secret) => ({
            enc: concat(pq.ciphertext, own.publicKey),
            secret,
          })),
        ),
      )
    })
  },
}

function pair(crypto: CryptoPort, secret: Uint8Array): Now<KemPair> {
  const seed = secret.slice()
  return andThen(crypto.shake256(seed, ML_KEM_SEED_BYTES + X25519_BYTES), (expanded) =>
    andThen(crypto.mlKemPair(expanded.slice(0, ML_KEM_SEED_BYTES)), (pq) =>
      andThen(crypto.dhKeyPair('X25519', expanded.slice(ML_KEM_SEED_BYTES)), (dh) => handle(crypto, seed, pq, dh)),
    ),
  )
}

function handle(crypto: CryptoPort, secret: Uint8Array, pq: MlKemKeyPair, own: DhKeyPair): KemPair {
  return {
    kem: ID,
    publicKey: concat(pq.publicKey, own.publicKey),
    secret,
    decap(enc) {
      if (enc.length !== HYBRID.encBytes) throw invalidKey('an encapsulation that is not 1120 bytes')
      const theirs = enc.slice(ML_KEM_CIPHERTEXT_BYTES)
      return andThen(crypto.mlKemDecap(pq, enc.subarray(0, ML_KEM_CIPHERTEXT_BYTES)), (shared) =>
        andThen(agree(crypto, own, theirs), (dh) => combine(crypto, shared!, dh, theirs, own.publicKey)),
      )
    },
  }
}

function agree(crypto: CryptoPort, own: DhKeyPair, theirs: Uint8Array): Now<Uint8Array> {
  return andThen(crypto.dh('X25519', own, theirs), (dh) => {
    // Stricter than the draft, whose combiner would take it: no honest peer sends one.
    if (dh === null) throw invalidKey('a point of low order')
    return dh
  })
}

function combine(crypto: CryptoPort, pq: Uint8Array, dh: Uint8Array, enc: Uint8Array, recipient: Uint8Array): Now<Uint8Array> {
  return crypto.digest('SHA3-256', concat(pq, dh, enc, recipient, LABEL))
}
