/** DHKEM(X25519, HKDF-SHA256) and DHKEM(P-256, HKDF-SHA256). @see RFC 9180 §4.1, §7.1 */
import { concat, u8, u16, utf8 } from '@postern/core/bytes'
import type { CryptoPort, DhGroup, DhKeyPair, Now } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import type { Random } from '@postern/core/runtime'
import type { KemId, KemPrivateKey } from '../../hpke.js'
import { EMPTY, extract, ikmHead, infoHead, mac, oneBlock } from '../labels.js'
import { andThen, orElse } from '../now.js'
import { invalidKey } from './invalidKey.js'
import type { Encapsulated, Kem, KemPair } from './kem.js'

const SECRET_BYTES = 32
/** A P-256 scalar is out of range once in 2^32. */
const MAX_DRAWS = 8

export const X25519: DhKem = /* @__PURE__ */ dhKem(0x0020, 'X25519', 32)
export const P256: DhKem = /* @__PURE__ */ dhKem(0x0010, 'P-256', 65)

/** A private key that only agrees: where its bytes are, is the keystore's affair. */
export interface Agreement {
  readonly publicKey: Uint8Array
  /** The shared secret, `null` for a peer's key that the group refuses. */
  agree(peer: Uint8Array): Now<Uint8Array | null>
}

interface DhKem extends Kem {
  /** A handle around an agreement. */
  handle(crypto: CryptoPort, own: Agreement): KemPrivateKey
}

function dhKem(id: KemId, group: DhGroup, publicBytes: number): DhKem {
  const suiteId = concat(utf8('KEM'), u16(id))
  const eaePrk = ikmHead(suiteId, 'eae_prk')
  const dkpPrk = ikmHead(suiteId, 'dkp_prk')
  const sharedSecret = infoHead(suiteId, 'shared_secret', SECRET_BYTES)

  function shared(
    crypto: CryptoPort,
    agree: (peer: Uint8Array) => Now<Uint8Array | null>,
    peer: Uint8Array,
    enc: Uint8Array,
    recipient: Uint8Array,
  ): Now<Uint8Array> {
    if (peer.length !== publicBytes) throw invalidKey(`a public key that is not ${publicBytes} bytes`)
    return andThen(agree(peer), (dh) => {
      // A keystore may answer a point of low order with zeros.
      if (dh === null || dh.every((byte) => byte === 0)) throw invalidKey('a point off the curve or of low order') //                    RFC 9180 §7.1.4
      return andThen(extract(crypto, concat(eaePrk, dh)), (prk) =>
        mac(crypto, prk, oneBlock(sharedSecret, concat(enc, recipient))),
      )
    })
  }

  function handle(crypto: CryptoPort, own: Agreement): KemPrivateKey {
    const publicKey = own.publicKey.slice()
    if (publicKey.length !== publicBytes) throw invalidKey(`a public key that is not ${publicBytes} bytes`)
    return { kem: id, publicKey, decap: (enc) => shared(crypto, (peer) => own.agree(peer), enc, enc, publicKey) }
  }

  function pairOf(crypto: CryptoPort, own: DhKeyPair): KemPair {
    const agree = (peer: Uint8Array): Now<Uint8Array | null> => crypto.dh(group, own, peer)
    return { ...handle(crypto, { publicKey: own.publicKey, agree }), secret: own.privateKey }
  }

  function derive(crypto: CryptoPort, ikm: Uint8Array): Now<DhKeyPair> {
    return andThen(extract(crypto, concat(dkpPrk, ikm)), (prk) =>
      andThen(crypto.hmacKey('SHA-256', prk), (key) => {
        if (group === 'X25519')
          return andThen(crypto.hmac(key, oneBlock(infoHead(suiteId, 'sk', SECRET_BYTES), EMPTY)), (secret) =>
            crypto.dhKeyPair(group, secret),
          )
        const head = infoHead(suiteId, 'candidate', SECRET_BYTES)
        return inRange(256, (counter) =>
          andThen(crypto.hmac(key, oneBlock(head, u8(counter))), (secret) => crypto.dhKeyPair(group, secret)),
        )
      }),
    )
  }

  return {
    id,
    handle,
    encBytes: publicBytes,
    publicBytes,
    pair: (crypto, secret) => andThen(crypto.dhKeyPair(group, secret.slice()), (own) => pairOf(crypto, own)),
    derive: (crypto, ikm) => andThen(derive(crypto, ikm), (own) => pairOf(crypto, own)),
    encap(crypto: CryptoPort, publicKey: Uint8Array, random: Random): Now<Encapsulated> {
      return andThen(
        inRange(MAX_DRAWS, () => crypto.dhKeyPair(group, random(SECRET_BYTES))),
        (own) =>
          andThen(
            shared(crypto, (peer) => crypto.dh(group, own, peer), publicKey, own.publicKey, publicKey),
            (secret) => ({ enc: own.publicKey.slice(), secret }),
          ),
      )
    },
  }
}

/** The first pair whose scalar is in range. @see RFC 9180 §7.1.3 */
function inRange(tries: number, pair: (counter: number) => Now<DhKeyPair>): Now<DhKeyPair> {
  const attempt = (counter: number): Now<DhKeyPair> =>
    orElse(
      () => pair(counter),
      (error) => {
        if (counter + 1 === tries || !isPosternError(error, 'crypto.invalid_key')) throw error
        return attempt(counter + 1)
      },
    )
  return attempt(0)
}
