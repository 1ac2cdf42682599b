/**
 * One sealed version of one record: `01|02 ‖ dek_id 4 ‖ gen u64 ‖ salt 16 ‖ commit 32 ‖ sealed`. Its key is used for nothing else, so its
 * nonce is zero; the commitment leaves one key that it can open under, and tells another key from damage.
 */
import { concat, equal, fromHex, hex, u32, u64 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import { hkdfExpand, hkdfExtract } from '@postern/core/hkdf'
import type { Random } from '@postern/core/runtime'
import { tuple } from '@postern/core/tuple'
import { openChunks, sealChunks } from '../chunks.js'
import { CountingCipher } from '../cipher.js'
import { NONCE_BYTES } from '../context.js'
import { paddedLength } from '../padme.js'

/** What a version is of. The manifest's name is empty. */
export interface RecordPlace {
  readonly store: string
  readonly name: string
  readonly gen: number
}

/** A key that records are under, and its id. */
export interface DataKey {
  readonly id: string
  readonly secret: Uint8Array
}

/** What stands in front of a sealed version, in the clear. */
export interface RecordHead {
  readonly dekId: string
  readonly gen: number
}

const SMALL = 1
const LARGE = 2
const SALT_AT = 13
const COMMIT_AT = 29
const BODY_AT = 61
const TAG_BYTES = 16
/** Values up to this many bytes are sealed in one piece, larger ones in chunks of it. */
const CHUNK_BYTES = 65_536
/** Of the format; a later one derives other keys. */
const SCHEMA = 1
const FLOOR = { floor: 256 }
const ZERO_NONCE: Uint8Array = /* @__PURE__ */ new Uint8Array(NONCE_BYTES)

/** A value as it is stored. Its size tells its Padmé class. */
export async function sealRecord(
  { crypto, random }: { readonly crypto: CryptoPort; readonly random: Random },
  dek: DataKey,
  place: RecordPlace,
  value: Uint8Array,
): Promise<Uint8Array> {
  const plaintext = new Uint8Array(paddedLength(4 + value.length, FLOOR))
  plaintext.set(u32(value.length))
  plaintext.set(value, 4)
  const salt = random(16)
  const { key, commit } = await derive(crypto, dek, salt, place)
  const small = value.length <= CHUNK_BYTES
  const head = concat(Uint8Array.of(small ? SMALL : LARGE), fromHex(dek.id)!, u64(place.gen), salt, commit)
  const cipher = await crypto.aeadKey('A256GCM', key)
  if (small) return concat(head, await crypto.seal(cipher, ZERO_NONCE, head, plaintext))
  return sealChunks(new CountingCipher(crypto, cipher, ZERO_NONCE), head, plaintext, CHUNK_BYTES)
}

/** What a stored version says of itself, unauthenticated; `null` for bytes that are none. */
export function headOf(stored: Uint8Array): RecordHead | null {
  if (stored.length < BODY_AT + TAG_BYTES || (stored[0] !== SMALL && stored[0] !== LARGE)) return null
  let gen = 0
  for (const byte of stored.subarray(5, SALT_AT)) gen = gen * 256 + byte
  return Number.isSafeInteger(gen) ? { dekId: hex(stored.subarray(1, 5)), gen } : null
}

/** Whether the version was sealed under this key for this place. */
export async function isCommitted(crypto: CryptoPort, dek: DataKey, place: RecordPlace, stored: Uint8Array): Promise<boolean> {
  const { commit } = await derive(crypto, dek, stored.subarray(SALT_AT, COMMIT_AT), place)
  return equal(commit, stored.subarray(COMMIT_AT, BODY_AT))
}

/** @throws PosternError `record.key_wrong` for another key or place, `record.tampered` for what is under it and does not open */
export async function openRecord(crypto: CryptoPort, dek: DataKey, place: RecordPlace, stored: Uint8Array): Promise<Uint8Array> {
  const head = stored.subarray(0, BODY_AT)
  const { key, commit } = await derive(crypto, dek, head.subarray(SALT_AT, COMMIT_AT), place)
  if (!equal(commit, head.subarray(COMMIT_AT))) throw new PosternError('record.key_wrong')
  const cipher = await crypto.aeadKey('A256GCM', key)
  const body = stored.subarray(BODY_AT)
  const plaintext =
    head[0] === SMALL
      ? await crypto.open(cipher, ZERO_NONCE, head, body)
      : await openChunks(new CountingCipher(crypto, cipher, ZERO_NONCE), body, CHUNK_BYTES, (_, reason) => tampered(reason))
  if (plaintext === null) throw tampered('tag')
  return unpadded(plaintext)
}

export function tampered(reason: string): PosternError<'record.tampered'> {
  return new PosternError('record.tampered', { reason })
}

function unpadded(plaintext: Uint8Array): Uint8Array {
  const length = plaintext.length < 4 ? -1 : new DataView(plaintext.buffer, plaintext.byteOffset).getUint32(0)
  if (length < 0 || plaintext.length !== paddedLength(4 + length, FLOOR)) throw tampered('length')
  if (plaintext.subarray(4 + length).some((byte) => byte !== 0)) throw tampered('padding')
  return plaintext.slice(4, 4 + length)
}

async function derive(
  crypto: CryptoPort,
  { secret }: DataKey,
  salt: Uint8Array,
  { store, name, gen }: RecordPlace,
): Promise<{ readonly key: Uint8Array; readonly commit: Uint8Array }> {
  const prk = await hkdfExtract(crypto, 'SHA-256', salt, secret)
  const okm = await hkdfExpand(crypto, 'SHA-256', prk, tuple('postern:record/v1', store, name, u32(SCHEMA), u64(gen)), 64)
  return { key: okm.subarray(0, 32), commit: okm.subarray(32) }
}
