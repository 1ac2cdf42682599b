/** What a store of records stands on: the wrapped keys `k`, and the manifest in its two slots, `m.0` and `m.1`. */
import { equal, hex } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { tuple } from '@postern/core/tuple'
import type { Kek, SealedRecordsOptions } from '../../records.js'
import { decodeManifest, encodeManifest, type Manifest } from './manifest.js'
import { type DataKey, headOf, openRecord, sealRecord, tampered } from './record.js'
import { newStoreKeys, type StoreKeys, unwrapKeys, wrapKeys } from './wraps.js'

/** The store as it stood when it was read. */
export interface Shelf {
  readonly keys: StoreKeys
  readonly manifest: Manifest
  /** @throws PosternError `record.key_missing` */
  dekOf(id: string): DataKey
  /** Where a version lies: of the name only its length class and nothing else shows. */
  keyOf(name: string, slot: number): Promise<string>
}

export interface RecordShelf {
  /** `null` where there is no store yet, or no more. @throws PosternError with every code but `record.limit` */
  open(): Promise<Shelf | null>
  create(): Promise<Shelf>
  /** Writes a manifest: from here on it counts. */
  commit(on: Shelf, manifest: Manifest): Promise<Shelf>
  /** Writes these data keys, wrapped by `kek` from now on where it is given. */
  rekey(on: Shelf, deks: readonly DataKey[], kek?: Kek): Promise<Shelf>
  destroy(): Promise<void>
}

const WRAPS = 'k'
const MANIFEST = ''
const slotOf = (gen: number): string => `m.${gen % 2}`

export function recordShelf({ storage, store, crypto, random, anchor, kek: given }: SealedRecordsOptions): RecordShelf {
  const ports = { crypto, random }
  let kek = given
  // What was unwrapped and opened last, and from which bytes: the same bytes need not be opened twice.
  let unwrapped: { readonly from: Uint8Array; readonly keys: StoreKeys } | null = null
  const opened: ({ readonly from: Uint8Array; readonly manifest: Manifest } | null)[] = [null, null]

  function shelfOf(keys: StoreKeys, manifest: Manifest): Shelf {
    return {
      keys,
      manifest,
      dekOf(id) {
        const dek = keys.deks.find((one) => one.id === id)
        if (dek === undefined) throw new PosternError('record.key_missing', { reason: 'data key' })
        return dek
      },
      async keyOf(name, slot) {
        const mac = await crypto.hmac(await crypto.hmacKey('SHA-256', keys.nameKey), tuple(store, name))
        return `r.${hex(mac.subarray(0, 16))}.${slot}`
      },
    }
  }

  async function keysIn(bytes: Uint8Array): Promise<StoreKeys> {
    if (unwrapped !== null && equal(unwrapped.from, bytes)) return unwrapped.keys
    unwrapped = { from: bytes.slice(), keys: await unwrapKeys(kek, store, bytes) }
    return unwrapped.keys
  }

  async function manifestIn(slot: 0 | 1, bytes: Uint8Array | null, keys: StoreKeys): Promise<Manifest | null> {
    if (bytes === null) return null
    const known = opened[slot]
    if (known && equal(known.from, bytes)) return known.manifest
    const head = headOf(bytes)
    if (head === null) throw tampered('manifest')
    const dek = shelfOf(keys, none(0)).dekOf(head.dekId)
    const content = await openRecord(crypto, dek, { store, name: MANIFEST, gen: head.gen }, bytes)
    if (head.gen % 2 !== slot) throw stale('a manifest in the other slot')
    const manifest = decodeManifest(head.gen, content)
    opened[slot] = { from: bytes.slice(), manifest }
    return manifest
  }

  async function open(): Promise<Shelf | null> {
    const wraps = await storage.get(WRAPS)
    const slots = [await storage.get('m.0'), await storage.get('m.1')] as const
    const seen = (await anchor?.get()) ?? 0
    if (wraps === null) {
      // The first manifest is written before the keys: alone, it is what an interrupted beginning leaves.
      if (seen < 0 || slots.includes(null)) {
        if (seen > 0) throw stale('everything is gone')
        return null
      }
      throw new PosternError('record.key_missing', { reason: 'wrapped keys' })
    }
    const keys = await keysIn(wraps)
    const [even, odd] = [await manifestIn(0, slots[0], keys), await manifestIn(1, slots[1], keys)]
    const newest = even !== null && (odd === null || even.gen > odd.gen) ? even : odd
    if (newest === null) throw new PosternError('record.lost', { reason: 'manifest' })
    if (even === null || odd === null) {
      if (newest.gen !== newest.first) throw new PosternError('record.lost', { reason: 'a slot of the manifest' })
    } else if (Math.abs(even.gen - odd.gen) !== 1) throw stale('manifests that do not follow one another')
    // What was destroyed stays so, also when it is put back.
    if (seen < 0 && newest.gen <= -seen) return null
    if (newest.gen < seen) throw stale('a manifest below the anchor')
    if (newest.gen !== seen) await anchor?.set(newest.gen)
    return shelfOf(keys, newest)
  }

  async function commit({ keys }: Shelf, manifest: Manifest): Promise<Shelf> {
    const place = { store, name: MANIFEST, gen: manifest.gen }
    await storage.set(slotOf(manifest.gen), await sealRecord(ports, keys.deks.at(-1)!, place, encodeManifest(manifest)))
    await anchor?.set(manifest.gen)
    return shelfOf(keys, manifest)
  }

  return {
    open,
    commit,

    async create() {
      // Whatever an interrupted beginning or end has left.
      for (const key of [WRAPS, 'm.0', 'm.1']) await storage.remove(key)
      const keys = newStoreKeys(random)
      const first = Math.abs((await anchor?.get()) ?? 0) + 1
      const manifest = none(first)
      const place = { store, name: MANIFEST, gen: first }
      await storage.set(slotOf(first), await sealRecord(ports, keys.deks[0]!, place, encodeManifest(manifest)))
      await storage.set(WRAPS, await wrapKeys(kek, store, keys))
      await anchor?.set(first)
      return shelfOf(keys, manifest)
    },

    async rekey({ keys: { nameKey }, manifest }, deks, next = kek) {
      const keys = { nameKey, deks }
      await storage.set(WRAPS, await wrapKeys(next, store, keys))
      kek = next
      return shelfOf(keys, manifest)
    },

    async destroy() {
      const on = await open().catch(() => null)
      const seen = Math.abs((await anchor?.get()) ?? 0)
      // First of all: from here on, what is put back counts as destroyed.
      await anchor?.set(-Math.max(seen, on?.manifest.gen ?? 0))
      await storage.remove(WRAPS)
      unwrapped = null
      for (const name of on?.manifest.names.keys() ?? [])
        for (const slot of [0, 1]) await storage.remove(await on!.keyOf(name, slot))
      for (const slot of [0, 1] as const) {
        await storage.remove(`m.${slot}`)
        opened[slot] = null
      }
    },
  }
}

function none(first: number): Manifest {
  return { gen: first, first, top: 0, names: new Map() }
}

function stale(reason: string): PosternError<'record.stale'> {
  return new PosternError('record.stale', { reason })
}
