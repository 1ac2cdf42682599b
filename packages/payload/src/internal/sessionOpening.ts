/** What both ends of an opening compute: one secret of two key agreements, that hangs on everything that was said. */
import { concat, u16, u32, utf8 } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { tuple } from '@postern/core/tuple'
import type { HpkeContext, KemId, Suite } from '../hpke.js'
import type { Binding, OpeningCall } from '../session.js'
import { mac } from './labels.js'
import { andThen } from './now.js'
import type { SessionGrant } from './sessionField.js'

const OPENING_LABEL = 'postern:payload-session/v1'
const OPENING_INFO: Uint8Array = /* @__PURE__ */ utf8(`${OPENING_LABEL}\0`)
const SECRET_CONTEXT: Uint8Array = /* @__PURE__ */ utf8('postern session')

/** The suite of the second agreement. */
export function exportOnly(kem: KemId): Suite {
  return { kem, kdf: 0x0001, aead: 0xffff }
}

/** Everything that was agreed, hashed: two ends that saw different openings have different secrets. */
export function openingInfo(
  crypto: CryptoPort,
  { keyConfig, enc }: OpeningCall,
  share: Uint8Array,
  { id, lifeS, max, chunkBytes, aead }: Omit<SessionGrant, 'enc' | 'bound'>,
  caller: Pick<Binding, 'jkt' | 'ath'> | null,
): Now<Uint8Array> {
  const limits = concat(u32(lifeS), u32(max), u32(chunkBytes), u16(aead))
  const said = tuple(OPENING_LABEL, keyConfig, enc, share, id, limits, caller?.jkt ?? '', caller?.ath ?? '')
  return andThen(crypto.digest('SHA-256', said), (transcript) => concat(OPENING_INFO, transcript))
}

/** HKDF-Extract as a dual PRF: secret while either half is. */
export function secretOf(
  crypto: CryptoPort,
  first: Pick<HpkeContext, 'export'>,
  second: Pick<HpkeContext, 'export'>,
): Now<Uint8Array> {
  return andThen(first.export(SECRET_CONTEXT, 32), (salt) =>
    andThen(second.export(SECRET_CONTEXT, 32), (ikm) => mac(crypto, salt, ikm)),
  )
}
