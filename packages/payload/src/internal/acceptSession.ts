/** How a server opens a session. */
import type { Now } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import { type AeadId, type HpkePorts, setupSender } from '../hpke.js'
import type { Binding, OpeningCall, Session, SessionLimits } from '../session.js'
import { knownKem } from './kem/kem.js'
import { andThen, orElse } from './now.js'
import { type SessionShare, shareBytes, writeGrant } from './sessionField.js'
import { exportOnly, openingInfo, secretOf } from './sessionOpening.js'

/**
 * The server's half: the session that a share opens and the field of the reply; `null` where it offers nothing that is allowed.
 * @param o.now - milliseconds since the epoch
 */
export function acceptSession(
  ports: HpkePorts,
  o: {
    readonly share: SessionShare
    readonly call: OpeningCall
    readonly id: Uint8Array
    readonly binding: Binding | null
    readonly limits: SessionLimits
    readonly now: number
  },
): Now<{ readonly session: Session; readonly field: string } | null> {
  const { share, call, id, binding, limits, now } = o
  const kem = limits.kems.find((known) => known === share.kem)
  const aead = share.aeads.find((wanted): wanted is AeadId => (limits.aeads as readonly number[]).includes(wanted))
  const endsAt = Math.min(now + limits.lifeMs, binding?.expiresAt ?? Number.MAX_SAFE_INTEGER)
  const lifeS = Math.floor((endsAt - now) / 1000)
  if (kem === undefined || aead === undefined || lifeS < 1 || knownKem(kem)?.publicBytes !== share.publicKey.length) return null
  const { max, chunkBytes } = limits
  const terms = { id, lifeS, max, chunkBytes, aead }
  const publicKey = { kem, bytes: share.publicKey }
  return orElse<{ readonly session: Session; readonly field: string } | null>(
    () =>
      andThen(openingInfo(ports.crypto, call, shareBytes(share), terms, binding), (info) =>
        andThen(setupSender(ports, exportOnly(kem), publicKey, info), ({ enc, context }) =>
          andThen(secretOf(ports.crypto, call.context, context), (secret) => ({
            session: { id, secret, aead, max, chunkBytes, expiresAt: now + lifeS * 1000, binding },
            field: writeGrant({ ...terms, enc, bound: binding !== null }),
          })),
        ),
      ),
    (cause) => {
      if (isPosternError(cause, 'hpke.invalid_key')) return null
      throw cause
    },
  )
}
