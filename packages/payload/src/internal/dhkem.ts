/** DHKEM(X25519, HKDF-SHA256) and DHKEM(P-256, HKDF-SHA256). @see RFC 9180 §4.1, §7.1 */
import { concat, u8, u16, utf8 } from '@postern/core/bytes'
import type { CryptoPort, DhGroup, DhKeyPair, Now } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { KemId, KemPrivateKey, KemPublicKey } from '../hpke.js'
import { EMPTY, expand, extract, ikmHead, infoHead, mac, oneBlock } from './labels.js'
import { andThen, orElse } from './now.js'

interface Kem {
  readonly group: DhGroup
  /** Nenc and Npk. */
  readonly publicBytes: number
  readonly suiteId: Uint8Array
  readonly eaePrk: Uint8Array
  readonly sharedSecret: Uint8Array
}

export const SECRET_BYTES = 32

const X25519: Kem = /* @__PURE__ */ describe(0x0020, 'X25519', 32)
const P256: Kem = /* @__PURE__ */ describe(0x0010, 'P-256', 65)

function describe(id: KemId, group: DhGroup, publicBytes: number): Kem {
  const suiteId = concat(utf8('KEM'), u16(id))
  const eaePrk = ikmHead(suiteId, 'eae_prk')
  return { group, publicBytes, suiteId, eaePrk, sharedSecret: infoHead(suiteId, 'shared_secret', SECRET_BYTES) }
}

function kemOf(id: number): Kem {
  if (id === 0x0020) return X25519
  if (id === 0x0010) return P256
  throw invalid('a KEM that is not known here')
}

/** Length of `enc` and of a public key, or `null` for a KEM that is not known here. */
export function publicBytesOf(id: number): number | null {
  return id === 0x0020 ? X25519.publicBytes : id === 0x0010 ? P256.publicBytes : null
}

/** A fresh ephemeral pair. A P-256 scalar out of range (once in 2^32) is drawn again. */
export function ephemeral(crypto: CryptoPort, id: KemId, random: (n: number) => Uint8Array): Now<DhKeyPair> {
  const { group } = kemOf(id)
  if (group === 'X25519') return crypto.dhKeyPair(group, random(SECRET_BYTES))
  const draw = (left: number): Now<DhKeyPair> =>
    orElse(
      () => crypto.dhKeyPair(group, random(SECRET_BYTES)),
      (error) => {
        if (left === 0 || !isPosternError(error, 'crypto.invalid_key')) throw error
        return draw(left - 1)
      },
    )
  return draw(8)
}

/** Encap with a given ephemeral pair. */
export function encapWith(
  crypto: CryptoPort,
  pair: DhKeyPair,
  publicKey: KemPublicKey,
): Now<{ readonly enc: Uint8Array; readonly secret: Uint8Array }> {
  const kem = kemOf(publicKey.kem)
  const enc = pair.publicKey
  return andThen(agree(crypto, kem, pair, publicKey.bytes, concat(enc, publicKey.bytes)), (secret) => ({ enc, secret }))
}

/** A handle around a pair. */
export function handleOf(crypto: CryptoPort, id: KemId, pair: DhKeyPair): KemPrivateKey {
  const kem = kemOf(id)
  return {
    kem: id,
    publicKey: pair.publicKey.slice(),
    decap: (enc) => agree(crypto, kem, pair, enc, concat(enc, pair.publicKey)),
  }
}

function agree(crypto: CryptoPort, kem: Kem, pair: DhKeyPair, peer: Uint8Array, context: Uint8Array): Now<Uint8Array> {
  if (peer.length !== kem.publicBytes) throw invalid(`a public key that is not ${kem.publicBytes} bytes`)
  return andThen(crypto.dh(kem.group, pair, peer), (dh) => {
    if (dh === null) throw invalid('a point off the curve or of low order') //                      RFC 9180 §7.1.4
    return andThen(extract(crypto, concat(kem.eaePrk, dh)), (prk) => mac(crypto, prk, oneBlock(kem.sharedSecret, context)))
  })
}

/** The pair that follows from keying material. @see RFC 9180 §7.1.3 */
export function deriveKeyPair(crypto: CryptoPort, id: KemId, ikm: Uint8Array): Now<DhKeyPair> {
  const { group, suiteId } = kemOf(id)
  return andThen(extract(crypto, concat(ikmHead(suiteId, 'dkp_prk'), ikm)), (prk) =>
    andThen(crypto.hmacKey('SHA-256', prk), (key) => {
      if (group === 'X25519')
        return andThen(expand(crypto, key, concat(infoHead(suiteId, 'sk', SECRET_BYTES), EMPTY), SECRET_BYTES), (secret) =>
          crypto.dhKeyPair(group, secret),
        )
      const candidate = (counter: number): Now<DhKeyPair> =>
        orElse(
          () =>
            andThen(
              expand(crypto, key, concat(infoHead(suiteId, 'candidate', SECRET_BYTES), u8(counter)), SECRET_BYTES),
              (secret) => crypto.dhKeyPair(group, secret),
            ),
          (error) => {
            if (counter === 255 || !isPosternError(error, 'crypto.invalid_key')) throw error
            return candidate(counter + 1)
          },
        )
      return candidate(0)
    }),
  )
}

function invalid(reason: string): PosternError<'hpke.invalid_key'> {
  return new PosternError('hpke.invalid_key', { reason })
}
