/** How a session opens: two key agreements into one secret that hangs on everything that was said. */
import { concat, u16, u32, utf8 } from '@postern/core/bytes'
import type { CryptoPort, HmacKey, Now } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import { tuple } from '@postern/core/tuple'
import { type AeadId, type HpkeContext, type HpkePorts, type KemId, setupReceiver, setupSender } from '../hpke.js'
import type { Binding, ClientSession, OpeningCall, Session, SessionLimits, SessionOpening } from '../session.js'
import { kemOf, knownKem, SECRET_BYTES } from './kem/kem.js'
import { mac } from './labels.js'
import { andThen, orElse } from './now.js'
import { MAX_CHUNK_BYTES } from './ohttpWire.js'
import { readGrant, type SessionShare, shareBytes, writeGrant, writeShare } from './sessionField.js'
import { beginSessionRequest } from './sessionMessages.js'

const EKM_LABEL = 'postern:payload-ekm/v1'
const OPENING_LABEL = 'postern:payload-session/v1'
const OPENING_INFO: Uint8Array = /* @__PURE__ */ utf8(`${OPENING_LABEL}\0`)
const SECRET_CONTEXT: Uint8Array = /* @__PURE__ */ utf8('postern session')

/**
 * 32 bytes that only a sealed call's two ends know; base64url of it is the claim `ekm` of a DPoP proof.
 * @param share - what the request offers to open a session with; empty without
 */
export function ekmOf(context: Pick<HpkeContext, 'export'>, share: Uint8Array = new Uint8Array(0)): Now<Uint8Array> {
  return context.export(tuple(EKM_LABEL, share), 32)
}

/** Begins an opening with a fresh key pair. @throws PosternError `hpke.invalid_key` for a KEM that is not known */
export function openSession(
  ports: HpkePorts,
  { kem, aeads }: { readonly kem: KemId; readonly aeads: readonly AeadId[] },
): Now<SessionOpening> {
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
        return orElse<ClientSession | null>(
          () =>
            andThen(info, (bytes) =>
              andThen(setupReceiver(crypto, exportOnly(kem), pair, grant.enc, bytes), (second) =>
                andThen(secretOf(crypto, call.context, second), (secret) => {
                  pair.secret.fill(0)
                  return andThen(crypto.hmacKey('SHA-256', secret), (key) => clientSession(key, { ...grant, caller: known }))
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

function exportOnly(kem: KemId) {
  return { kem, kdf: 0x0001, aead: 0xffff } as const
}

/** Everything that was agreed, hashed: two ends that saw different openings have different secrets. */
function openingInfo(
  crypto: CryptoPort,
  { keyConfig, enc }: OpeningCall,
  share: Uint8Array,
  { id, lifeS, max, chunkBytes, aead }: { id: Uint8Array; lifeS: number; max: number; chunkBytes: number; aead: AeadId },
  caller: Pick<Binding, 'jkt' | 'ath'> | null,
): Now<Uint8Array> {
  const limits = concat(u32(lifeS), u32(max), u32(chunkBytes), u16(aead))
  const said = tuple(OPENING_LABEL, keyConfig, enc, share, id, limits, caller?.jkt ?? '', caller?.ath ?? '')
  return andThen(crypto.digest('SHA-256', said), (transcript) => concat(OPENING_INFO, transcript))
}

/** HKDF-Extract as a dual PRF: secret while either half is. */
function secretOf(crypto: CryptoPort, first: Pick<HpkeContext, 'export'>, second: Pick<HpkeContext, 'export'>): Now<Uint8Array> {
  return andThen(first.export(SECRET_CONTEXT, 32), (salt) =>
    andThen(second.export(SECRET_CONTEXT, 32), (ikm) => mac(crypto, salt, ikm)),
  )
}

function clientSession(
  secret: HmacKey,
  {
    id,
    aead,
    max,
    chunkBytes,
    lifeS,
    caller,
  }: { lifeS: number } & Pick<ClientSession, 'id' | 'aead' | 'max' | 'chunkBytes' | 'caller'>,
): ClientSession {
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
      return beginSessionRequest(ports, { id, key, aead, chunkBytes }, counter++)
    },
    close() {
      key = null
    },
  }
}
