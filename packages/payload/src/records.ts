/**
 * Records that an app keeps sealed on its device: values under names, of which storage sees neither. Wrong key, damage, loss, rollback and
 * absence are told apart, and a crash at any moment leaves the old value or the new one.
 *
 * @example
 * const records = createSealedRecords({ storage, kek: kekFromCryptoKey(key, { random }), store: 'wallet', crypto, random })
 * await records.set('accounts', bytes)
 */
import { utf8 } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Random } from '@postern/core/runtime'
import { changed, isAhead, MAX_NAME_BYTES, MAX_NAMES, nextGen } from './internal/records/manifest.js'
import { headOf, isCommitted, openRecord, sealRecord, tampered } from './internal/records/record.js'
import { recordShelf, type Shelf } from './internal/records/shelf.js'
import { newDek } from './internal/records/wraps.js'

export { kekFromCryptoKey, kekFromHpke } from './internal/records/kek.js'

/** Where sealed bytes go. `set` is atomic per key: after a crash there is the old value or the new one. One process writes at a time. */
export interface RecordStorage {
  get(key: string): Promise<Uint8Array | null>
  set(key: string, value: Uint8Array): Promise<void>
  remove(key: string): Promise<void>
}

/** A key that wraps keys, best one that cannot be taken off the device. What it throws means that the handle is gone or was invalidated. */
export interface Kek {
  /** @param key - 32 bytes */
  wrap(key: Uint8Array, aad: Uint8Array): Now<Uint8Array>
  /** `null` for what this key did not wrap, or under another `aad`. */
  unwrap(wrapped: Uint8Array, aad: Uint8Array): Now<Uint8Array | null>
}

/**
 * A number where storage's writer cannot reach it: the keychain, the server. Its size counts the writes of the store, its sign says whether
 * that store was destroyed; begin with 0.
 */
export interface RecordAnchor {
  get(): Promise<number>
  set(generation: number): Promise<void>
}

export interface SealedRecordsOptions {
  readonly storage: RecordStorage
  readonly kek: Kek
  /** Name of this store: its records open in no other. */
  readonly store: string
  readonly crypto: CryptoPort
  readonly random: Random
  /** Without it, putting back everything at once goes unnoticed; a single old record does not. */
  readonly anchor?: RecordAnchor
}

/** Every code that sealed records refuse with; what storage, anchor or `random` throw comes through as it is. */
export type RecordCode =
  | 'record.key_missing'
  | 'record.key_wrong'
  | 'record.tampered'
  | 'record.lost'
  | 'record.stale'
  | 'record.limit'

export interface SealedRecords {
  /**
   * The value of a name; `null` where none was ever written, or it was removed.
   * @throws PosternError `record.key_missing` (the handle or the wrapped key is gone) | `record.key_wrong` | `record.tampered` |
   * `record.lost` (written, and its bytes are gone) | `record.stale` (an older one was put back)
   */
  get(name: string): Promise<Uint8Array | null>
  /**
   * Writes a value, sealed under a key of its own.
   * @throws PosternError `record.limit` for a name that is empty or above 255 bytes, a value above 64 MiB, more than 4,096 names; beside
   * what the manifest may be refused with
   */
  set(name: string, value: Uint8Array): Promise<void>
  remove(name: string): Promise<void>
  /**
   * Begins a new data key and moves every record under it, then drops the old ones; goes on with what an interrupted call has left.
   * @param o.kek - wraps the keys from now on. Keep the old handle until this has answered
   * @returns how many records moved, and how many are unreadable, for whose sake the old keys stay
   */
  reseal(o?: { readonly kek?: Kek }): Promise<{ readonly moved: number; readonly left: number }>
  /** Drops the wrapped keys, so that nothing of the store can be read again, and then what they sealed. */
  destroy(): Promise<void>
}

const MAX_VALUE_BYTES = 64 * 1024 * 1024
const SLOTS = [0, 1] as const

/** The sealed records of one store. Calls are served one after the other. */
export function createSealedRecords(o: SealedRecordsOptions): SealedRecords {
  const { storage, crypto, random, store } = { ...o }
  const ports = { crypto, random }
  const shelf = recordShelf({ ...o })
  let last: Promise<unknown> = Promise.resolve()

  /** One at a time: each reads what the one before it wrote. */
  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = last.then(run, run)
    last = turn.catch(() => undefined)
    return turn
  }

  async function read(on: Shelf, name: string): Promise<Uint8Array | null> {
    const { manifest } = on
    const slots = [await storage.get(await on.keyOf(name, 0)), await storage.get(await on.keyOf(name, 1))] as const
    const gen = manifest.names.get(name)
    for (const stored of slots)
      if (stored !== null && isAhead(manifest, headOf(stored)?.gen ?? 0) && (await isGenuine(on, name, stored)))
        throw stale('a record that the manifest has not come to')
    if (gen === undefined) return null
    const [own, other] = gen % 2 === 0 ? slots : [slots[1], slots[0]]
    if (own === null) {
      const newer = other !== null && (headOf(other)?.gen ?? 0) > manifest.top && (await isGenuine(on, name, other))
      throw newer ? stale('a record newer than the manifest') : new PosternError('record.lost')
    }
    const head = headOf(own)
    if (head === null) throw tampered('form')
    if (head.gen !== gen) throw (await isGenuine(on, name, own)) ? stale('generation') : tampered('generation')
    return openRecord(crypto, on.dekOf(head.dekId), { store, name, gen }, own)
  }

  /** Whether a version was once written here: damage alone must not look like a rollback. */
  async function isGenuine({ keys }: Shelf, name: string, stored: Uint8Array): Promise<boolean> {
    const head = headOf(stored)
    const dek = keys.deks.find(({ id }) => id === head?.dekId)
    return head !== null && dek !== undefined && isCommitted(crypto, dek, { store, name, gen: head.gen }, stored)
  }

  async function write(on: Shelf, name: string, value: Uint8Array): Promise<Shelf> {
    const gen = nextGen(on.manifest, name)
    const sealed = await sealRecord(ports, on.keys.deks.at(-1)!, { store, name, gen }, value)
    // The slot that the standing version is not in; only then the manifest, which is where the new one begins to count.
    await storage.set(await on.keyOf(name, gen % 2), sealed)
    const next = await shelf.commit(on, changed(on.manifest, name, gen))
    await storage.remove(await on.keyOf(name, (gen + 1) % 2))
    return next
  }

  async function moveAll(from: Shelf): Promise<{ readonly on: Shelf; readonly moved: number; readonly left: number }> {
    let [on, moved, left] = [from, 0, 0]
    for (const name of on.manifest.names.keys()) {
      const stored = await storage.get(await on.keyOf(name, on.manifest.names.get(name)! % 2))
      if (stored !== null && headOf(stored)?.dekId === on.keys.deks.at(-1)!.id) continue
      try {
        on = await write(on, name, (await read(on, name))!)
        moved++
      } catch (error) {
        if (!isPosternError(error)) throw error
        if (error.code !== 'record.lost') left++
      }
    }
    return { on, moved, left }
  }

  return {
    get(name) {
      const checked = checkedName(name)
      return inTurn(async () => {
        const on = await shelf.open()
        return on === null ? null : read(on, checked)
      })
    },

    set(name, value) {
      const [checked, taken] = [checkedName(name), checkedValue(value)]
      return inTurn(async () => {
        const on = (await shelf.open()) ?? (await shelf.create())
        const { names } = on.manifest
        if (!names.has(checked) && names.size >= MAX_NAMES) throw limit(`more than ${MAX_NAMES} names`)
        await write(on, checked, taken)
      })
    },

    remove(name) {
      const checked = checkedName(name)
      return inTurn(async () => {
        const on = await shelf.open()
        if (on === null) return
        if (on.manifest.names.has(checked)) await shelf.commit(on, changed(on.manifest, checked, null))
        for (const slot of SLOTS) await storage.remove(await on.keyOf(checked, slot))
      })
    },

    reseal({ kek } = {}) {
      return inTurn(async () => {
        let on = await shelf.open()
        if (on === null) return { moved: 0, left: 0 }
        const unfinished = on.keys.deks.length > 1
        const deks = unfinished ? on.keys.deks : [...on.keys.deks, newDek(on.keys.deks, random)]
        on = await shelf.rekey(on, deks, kek)
        const { on: after, moved, left } = await moveAll(on)
        if (left > 0) return { moved, left }
        // Both slots of the manifest, too: an old key that one of them is under could not go.
        const once = await shelf.commit(after, { ...after.manifest, gen: after.manifest.gen + 1 })
        const twice = await shelf.commit(once, { ...once.manifest, gen: once.manifest.gen + 1 })
        await shelf.rekey(twice, deks.slice(-1))
        return { moved, left }
      })
    },

    destroy: () => inTurn(() => shelf.destroy()),
  }
}

function checkedName(name: string): string {
  const { length } = utf8(name)
  if (length === 0 || length > MAX_NAME_BYTES) throw limit(`a name of ${length} bytes; 1 to ${MAX_NAME_BYTES} are taken`)
  return name
}

function checkedValue(value: Uint8Array): Uint8Array {
  if (value.length > MAX_VALUE_BYTES) throw limit(`a value above ${MAX_VALUE_BYTES} bytes`)
  return value.slice()
}

function limit(publicMessage: string): PosternError<'record.limit'> {
  return new PosternError('record.limit', { publicMessage: `Not stored: ${publicMessage}.` })
}

function stale(reason: string): PosternError<'record.stale'> {
  return new PosternError('record.stale', { reason })
}
