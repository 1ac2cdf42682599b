/** How a client opens a session. */
import type { HmacKey, Now } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import { type AeadId, type HpkePorts, type KemId, setupReceiver } from '../hpke.js'
import type { ClientSession, HeldSession, SessionOpening } from '../session.js'
import { kemOf, SECRET_BYTES } from './kem/kem.js'
import { andThen, orElse } from './now.js'
import { MAX_CHUNK_BYTES } from './ohttpWire.js'
import { readGrant, shareBytes, writeShare } from './sessionField.js'
import { exportOnly, openingInfo, secretOf } from './sessionOpening.js'

/** How a call of a session begins. */
export type BeginCall<T> = (
  ports: HpkePorts,
  session: Pick<HeldSession, 'id' | 'key' | 'aead' | 'chunkBytes'>,
  counter: number,
) => Now<T>

/** A session whose calls begin as `T`. */
export interface SessionOf<T> extends Omit<ClientSession, 'begin'> {
  begin(ports: HpkePorts): Now<T> | null
}

/** An opening of such a session. */
export interface OpeningOf<T> extends Omit<SessionOpening, 'finish'> {
  finish(...arguments_: Parameters<SessionOpening['finish']>): Now<SessionOf<T> | null>
}

/**
 * Begins an opening with a fresh key pair.
 * @param begin - how the session's calls begin
 * @throws PosternError `hpke.invalid_key` for a KEM that is not known
 */
export function beginOpening<T>(
  ports: HpkePorts,
  { kem, aeads }: { readonly kem: KemId; readonly aeads: readonly AeadId[] },
  begin: BeginCall<T>,
): Now<OpeningOf<T>> {
  const { crypto, random } = ports
  return andThen(kemOf(kem).derive(crypto, random(SECRET_BYTES)), (pair) => {
    const share = shareBytes({ kem, publicKey: pair.publicKey })
    return {
      field: writeShare(kem, pair.publicKey, aeads),
      share,
      finish(call, field, caller) {
        const grant = readGrant(field)
        if (grant === null || !aeads.includes(grant.aead) || grant.chunkBytes > MAX_CHUNK_BYTES) return null
        if (grant.bound && caller === null) return null
        const known = grant.bound ? caller : null
        const info = openingInfo(crypto, call, share, grant, known)
        return orElse<SessionOf<T> | null>(
          () =>
            andThen(info, (bytes) =>
              andThen(setupReceiver(crypto, exportOnly(kem), pair, grant.enc, bytes), (second) =>
                andThen(secretOf(crypto, call.context, second), (secret) => {
                  pair.secret.fill(0)
                  return andThen(crypto.hmacKey('SHA-256', secret), (key) =>
                    clientSession(key, { ...grant, caller: known }, begin),
                  )
                }),
              ),
            ),
          (cause) => {
            if (isPosternError(cause, 'hpke.invalid_key')) return null
            throw cause
          },
        )
      },
    }
  })
}

function clientSession<T>(
  secret: HmacKey,
  {
    id,
    aead,
    max,
    chunkBytes,
    lifeS,
    caller,
  }: { lifeS: number } & Pick<ClientSession, 'id' | 'aead' | 'max' | 'chunkBytes' | 'caller'>,
  begin: BeginCall<T>,
): SessionOf<T> {
  let key: HmacKey | null = secret
  let counter = 0
  return {
    id,
    aead,
    max,
    chunkBytes,
    lifeMs: lifeS * 1000,
    caller,
    get used() {
      return counter
    },
    begin(ports) {
      if (key === null || counter >= max) return null
      return begin(ports, { id, key, aead, chunkBytes }, counter++)
    },
    close() {
      key = null
    },
  }
}
