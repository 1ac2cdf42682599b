/** What every KEM here can do, and which there are. @see RFC 9180 §4 */
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import type { Random } from '@postern/core/runtime'
import type { KemId, KemPrivateKey } from '../../hpke.js'
import { andThen } from '../now.js'
import { P256, X25519 } from './dhkem.js'
import { invalidKey } from './invalidKey.js'

/** Nsk: all KEMs here have private keys (seeds) of this length, and Nsecret too. */
export const SECRET_BYTES = 32

/** A private key whose bytes are at hand. */
export interface KemPair extends KemPrivateKey {
  /** 32 bytes. */
  readonly secret: Uint8Array
}

export interface Encapsulated {
  readonly enc: Uint8Array
  readonly secret: Uint8Array
}

export interface Kem {
  readonly id: KemId
  /** Nenc. */
  readonly encBytes: number
  /** Npk. */
  readonly publicBytes: number
  /** @throws PosternError `crypto.invalid_key` */
  pair(crypto: CryptoPort, secret: Uint8Array): Now<KemPair>
  /** DeriveKeyPair. */
  derive(crypto: CryptoPort, ikm: Uint8Array): Now<KemPair>
  /** Encap. @throws PosternError `hpke.invalid_key` */
  encap(crypto: CryptoPort, publicKey: Uint8Array, random: Random): Now<Encapsulated>
}

/** Few use it, so it is loaded when a key of it is first wanted; from then on it is as synchronous as its port. */
const HYBRID: Kem = /* @__PURE__ */ onDemand({ id: 0x647a, encBytes: 1120, publicBytes: 1216 }, () =>
  import('./hybrid.js').then(({ HYBRID }) => HYBRID),
)

const KEMS: ReadonlyMap<number, Kem> = /* @__PURE__ */ new Map([
  [0x0020, X25519],
  [0x0010, P256],
  [0x647a, HYBRID],
])

/** The KEM of an id, or `null` where it is not known here. */
export function knownKem(id: number): Kem | null {
  return KEMS.get(id) ?? null
}

/** @throws PosternError `hpke.invalid_key` for a KEM that is not known here */
export function kemOf(id: number): Kem {
  const kem = KEMS.get(id)
  if (kem === undefined) throw invalidKey('a KEM that is not known here')
  return kem
}

function onDemand(sizes: Pick<Kem, 'id' | 'encBytes' | 'publicBytes'>, load: () => Promise<Kem>): Kem {
  let kem: Now<Kem> | null = null
  const loaded = (): Now<Kem> =>
    (kem ??= load().then((here) => {
      kem = here
      return here
    }))
  return {
    ...sizes,
    pair: (...given) => andThen(loaded(), (here) => here.pair(...given)),
    derive: (...given) => andThen(loaded(), (here) => here.derive(...given)),
    encap: (...given) => andThen(loaded(), (here) => here.encap(...given)),
  }
}
