/** The keys of a store, wrapped: `01 ‖ u16 n ‖ { id 4 ‖ lp(wrapped) }*`. Id 0 is the key that names are hidden under; the last one seals. */
import { concat, equal, fromHex, hex, toUnsigned, u16 } from '@postern/core/bytes'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Random } from '@postern/core/runtime'
import { lp, tuple } from '@postern/core/tuple'
import type { Kek } from '../../records.js'
import type { DataKey } from './record.js'

/** Unwrapped keys. */
export interface StoreKeys {
  readonly nameKey: Uint8Array
  /** Oldest first; the last one seals. */
  readonly deks: readonly DataKey[]
}

const VERSION = 1
const NAME_KEY_ID = '00000000'
const KEY_BYTES = 32

export function newStoreKeys(random: Random): StoreKeys {
  return { nameKey: random(KEY_BYTES), deks: [newDek([], random)] }
}

export function newDek(others: readonly DataKey[], random: Random): DataKey {
  let id = hex(random(4))
  while (id === NAME_KEY_ID || others.some((other) => other.id === id)) id = hex(random(4))
  return { id, secret: random(KEY_BYTES) }
}

export async function wrapKeys(kek: Kek, store: string, { nameKey, deks }: StoreKeys): Promise<Uint8Array> {
  const all = [{ id: NAME_KEY_ID, secret: nameKey }, ...deks]
  const entries: Uint8Array[] = []
  for (const { id, secret } of all) entries.push(fromHex(id)!, lp(await wrap(kek, secret, aadOf(store, id))))
  return concat(Uint8Array.of(VERSION), u16(all.length), ...entries)
}

/**
 * @throws PosternError `record.key_missing` where the handle is gone, `record.key_wrong` where it does not unwrap them, `record.tampered`
 * for bytes that are no wraps
 */
export async function unwrapKeys(kek: Kek, store: string, bytes: Uint8Array): Promise<StoreKeys> {
  const all: DataKey[] = []
  for (const { id, wrapped } of readWraps(bytes)) all.push({ id, secret: await unwrap(kek, wrapped, aadOf(store, id)) })
  const [first, ...deks] = all
  if (first?.id !== NAME_KEY_ID || deks.length === 0 || new Set(all.map(({ id }) => id)).size !== all.length)
    throw new PosternError('record.tampered', { reason: 'wrapped keys' })
  return { nameKey: first.secret, deks }
}

function readWraps(bytes: Uint8Array): readonly { readonly id: string; readonly wrapped: Uint8Array }[] {
  const wraps: { id: string; wrapped: Uint8Array }[] = []
  let at = 3
  while (at + 6 <= bytes.length) {
    const length = toUnsigned(bytes.subarray(at + 4, at + 6))
    wraps.push({ id: hex(bytes.subarray(at, at + 4)), wrapped: bytes.slice(at + 6, at + 6 + length) })
    at += 6 + length
  }
  if (bytes[0] !== VERSION || at !== bytes.length || !equal(bytes.subarray(1, 3), u16(wraps.length)))
    throw new PosternError('record.tampered', { reason: 'wrapped keys' })
  return wraps
}

async function wrap(kek: Kek, secret: Uint8Array, aad: Uint8Array): Promise<Uint8Array> {
  try {
    return await kek.wrap(secret, aad)
  } catch (cause) {
    throw missing(cause)
  }
}

async function unwrap(kek: Kek, wrapped: Uint8Array, aad: Uint8Array): Promise<Uint8Array> {
  let secret: Uint8Array | null
  try {
    secret = await kek.unwrap(wrapped, aad)
  } catch (cause) {
    throw missing(cause)
  }
  if (secret?.length !== KEY_BYTES) throw new PosternError('record.key_wrong')
  return secret
}

function missing(cause: unknown): Error {
  return isPosternError(cause, 'record.key_missing') ? cause : new PosternError('record.key_missing', { cause })
}

function aadOf(store: string, id: string): Uint8Array {
  return tuple('postern:dek/v1', store, fromHex(id)!)
}
