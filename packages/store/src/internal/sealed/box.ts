/**
 * Values sealed for their place: `schema 1 ‖ kid 4 ‖ nonce 12 ‖ ciphertext ‖ tag 16`, bit 7 of the schema byte set. The ciphertext is of
 * the whole value; its schema byte also stands in front, in clear and under the tag, so that a migration knows what it need not open.
 *
 * AES-256-GCM under a key of the partition's own, HMAC-SHA-256(data key, "postern/store/1" ‖ lp(tenant) ‖ lp(partition id)): under one key
 * for all, random 96-bit nonces would be used up within hours. AAD = lp(tenant) ‖ lp(partition id) ‖ lp(key) ‖ schema byte.
 */
import { fromHex, utf8 } from '@postern/core/bytes'
import type { AeadKey, CryptoPort, HmacKey, Now } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { Random } from '@postern/core/runtime'
import type { Part } from '../../contract.js'
import { blocks } from '../blocks.js'
import { MAX_VALUE_BYTES } from '../validate.js'
import { activeKey, type DataKey, type DataKeys, type KeySource, keysOf } from './dataKeys.js'
import { chain } from './now.js'

const SEALED = 0x80
const KID_AT = 1
const NONCE_AT = 5
const NONCE_BYTES = 12
const BODY_AT: number = NONCE_AT + NONCE_BYTES
const TAG_BYTES = 16
const LABEL: Uint8Array = /* @__PURE__ */ utf8('postern/store/1')

/** The longest value that still fits into a record once it is sealed. */
export const MAX_PLAINTEXT_BYTES: number = MAX_VALUE_BYTES - BODY_AT - TAG_BYTES

export interface BoxOptions {
  readonly keys: KeySource
  readonly crypto: CryptoPort
  readonly random: Random
  /** Whether values that are not sealed are taken as they are. */
  readonly plain: boolean
}

export interface Box {
  /** What seals values of a partition under the key that is active now. @throws PosternError `store.unavailable` without one */
  sealer(part: Part, now: number): Now<(key: string, value: Uint8Array) => Now<Uint8Array>>
  /** What opens the values of a partition. It throws `store.corrupt`, in one text for everything that can be wrong. */
  opener(part: Part, now: number, source?: KeySource): (key: string, stored: Uint8Array) => Now<Uint8Array>
  /** Whether a stored value is sealed under the key that is active now. */
  isCurrent(part: Part, stored: Uint8Array, now: number): Now<boolean>
}

interface Prepared {
  readonly kid: Uint8Array
  readonly master: Now<HmacKey>
}

/** Prepared keys live as long as the host's key objects. Partitions' keys are kept nowhere: in Node keeping them costs more than the HMAC. */
export function createBox({ keys, crypto, random, plain }: BoxOptions): Box {
  const known = new WeakMap<DataKey, Prepared>()
  // Sealed values go to the driver, which copies them, and to nobody else.
  const room = blocks()

  const prepare = (key: DataKey): Prepared => {
    const prepared = known.get(key)
    if (prepared !== undefined) return prepared
    const { secret } = key
    const kid = /^[0-9a-f]{8}$/.test(key.kid) ? fromHex(key.kid) : null
    if (kid === null || secret.length !== 32)
      throw new PosternError('store.invalid', {
        publicMessage: 'A data key has a kid of 8 hexadecimal digits and 32 secret bytes.',
      })
    const fresh = { kid, master: crypto.hmacKey('SHA-256', secret) }
    known.set(key, fresh)
    return fresh
  }

  const cipherOf = ({ master }: Prepared, part: Part): Now<AeadKey> => {
    const derived = chain(master, (key) => crypto.hmac(key, infoOf(part)))
    return chain(derived, (raw) => crypto.aeadKey('A256GCM', raw))
  }

  const open = (owner: DataKeys | null, part: Part, key: string, stored: Uint8Array, now: number): Now<Uint8Array> => {
    const first = stored[0]!
    const aad = aadOf(part, key, first)
    const dataKey = owner?.find(kidOf(stored), now) ?? null
    if (dataKey === null || aad === null) throw corrupt()
    const body = chain(cipherOf(prepare(dataKey), part), (aead) =>
      crypto.open(aead, stored.subarray(NONCE_AT, BODY_AT), aad, stored.subarray(BODY_AT)),
    )
    return chain(body, (bytes) => {
      if (bytes === null) throw corrupt()
      return bytes
    })
  }

  return {
    sealer: (part, now) =>
      chain(keysOf(keys, part.tenant), (owner) => {
        const prepared = prepare(activeKey(owner, now))
        return chain(cipherOf(prepared, part), (aead) => (key: string, value: Uint8Array): Now<Uint8Array> => {
          const first = SEALED | schemaOf(value)
          const nonce = random(NONCE_BYTES)
          const aad = aadOf(part, key, first)
          if (aad === null) throw corrupt()
          const body = crypto.seal(aead, nonce, aad, value)
          return chain(body, (bytes) => {
            const out = room(BODY_AT + bytes.length)
            out[0] = first
            out.set(prepared.kid, KID_AT)
            out.set(nonce, NONCE_AT)
            out.set(bytes, BODY_AT)
            return out
          })
        })
      }),

    opener(part, now, source = keys) {
      let owner: Now<DataKeys | null> | undefined
      return (key, stored) => {
        if (stored.length === 0) return stored
        if ((stored[0]! & SEALED) === 0) {
          if (!plain) throw corrupt()
          return stored
        }
        owner ??= keysOf(source, part.tenant)
        return chain(owner, (owner) => open(owner, part, key, stored, now))
      }
    },

    isCurrent(part, stored, now) {
      if (stored.length === 0 || (stored[0]! & SEALED) === 0) return false
      return chain(keysOf(keys, part.tenant), (owner) => activeKey(owner, now).kid === kidOf(stored))
    },
  }
}

/** The schema byte that a value begins with, 1…127; 0 when it begins with no such thing. */
function schemaOf(value: Uint8Array): number {
  const first = value[0]!
  return first < SEALED ? first : 0
}

function kidOf(stored: Uint8Array): string {
  let kid = ''
  for (let i = KID_AT; i < NONCE_AT; i++) kid += (stored[i] ?? 0).toString(16).padStart(2, '0')
  return kid
}

function infoOf({ tenant, id }: Part): Uint8Array {
  const info = new Uint8Array(LABEL.length + 4 + tenant.length + id.length)
  info.set(LABEL)
  put(info, put(info, LABEL.length, tenant), id)
  return info
}

/** `null` for a key or a partition that the database shows and the contract does not allow: it opens nowhere. */
function aadOf({ tenant, id }: Part, key: string, first: number): Uint8Array | null {
  const aad = new Uint8Array(7 + tenant.length + id.length + key.length)
  const end = put(aad, put(aad, put(aad, 0, tenant), id), key)
  aad[end] = first
  return end === aad.length - 1 ? aad : null
}

/** Writes lp(text). @returns where the next goes, beyond every end for a text that is not ASCII */
function put(out: Uint8Array, at: number, text: string): number {
  const { length } = text
  out[at] = length >>> 8
  out[at + 1] = length
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return Number.POSITIVE_INFINITY
    out[at + 2 + i] = code
  }
  return at + 2 + length
}

function corrupt(): PosternError<'store.corrupt'> {
  return new PosternError('store.corrupt')
}
