/**
 * Encryption at rest over any driver. What a reader of the database sees of a value is its first byte, its size and which key it is
 * under; a value moved to another key, partition or tenant does not open. Keys of records, `rev`, `n` and `expiresAt` stay readable,
 * and an *older* value of the same record still opens: sealing hides, it does not date.
 */
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import type { Random } from '@postern/core/runtime'
import type { Commit, Op, Part, Rec, Store } from './contract.js'
import { OutcomeUnknown } from './errors.js'
import { type Box, createBox, MAX_PLAINTEXT_BYTES } from './internal/sealed/box.js'
import { type DataKey, type DataKeys, type KeySource, keysOf } from './internal/sealed/dataKeys.js'
import { chain, chainAll } from './internal/sealed/now.js'
import { type CheckedOp, checkedKeys, checkedOps, checkedPart, opOf } from './internal/validate.js'

export type { DataKey, DataKeys, KeySource } from './internal/sealed/dataKeys.js'

/** Take values that are not sealed as they are, while a store of plain values is being migrated: until it ends, whoever writes the database forges them. */
export const acceptPlaintext: unique symbol = Symbol('postern.acceptPlaintext')

/** What sealing needs of its host. */
export interface SealedPorts {
  readonly crypto: CryptoPort
  readonly random: Random
  readonly [acceptPlaintext]?: true
}

/** A record as a scan shows it: its value as it is stored. */
export type ScannedRec = Rec & { readonly part: Part }

export interface ResealOptions extends SealedPorts {
  /** The time that the active key is chosen by. */
  readonly now: number
  /** The value in its present schema, or `null` when it is in it already: `migrate` of the codec that the key's prefix stands for. */
  readonly migrate?: (rec: ScannedRec) => Uint8Array | null
  /** Told of a value that does not open or decode, which then stays as it is; without it, it ends the scan with `store.corrupt`. */
  readonly corrupt?: (at: { readonly part: Part; readonly key: string }) => void
}

/**
 * The store with every value sealed on its way in and opened on its way out, 33 bytes longer; empty values stay empty.
 *
 * The first byte of a value is its schema, 1…127, and stays readable: keep no secret there. Of a value that begins otherwise nothing shows.
 * Values are under the key that is active at `now`; a key must be found for as long as a value is under it, which {@link reseal} ends. (A key
 * of core's `long` ring goes 400 days after it retired, whatever is still under it.)
 * Destroying a tenant's keys, so that `keys(tenant)` gives `null`, erases the tenant: its values are `store.corrupt` for ever, and its
 * events are no longer in the outbox. `keys` is asked at each call; remembering what it unwrapped is the host's part.
 *
 * @throws PosternError beside what the driver throws: `store.corrupt`, in one text, for a value that does not open; `store.invalid` for one
 * of more than 65,503 bytes; `store.unavailable` when no key is to be had, in which case nothing was sent
 * @throws OutcomeUnknown with that error as its cause when a commit was applied and a record that it met (a `check`, an `add`) does not open
 *
 * @example
 * const store = sealed(await postgresStore({ port }), (tenant) => unwrapped(tenant), { crypto, random })
 */
export function sealed(store: Store, keys: KeySource, ports: SealedPorts): Store {
  const box = boxOf(keys, ports)

  return {
    guarantees: store.guarantees,

    async read(part, names, { now }) {
      const own = checkedPart(part)
      const wanted = checkedKeys(names)
      const recs = await store.read(own, wanted, { now })
      const open = box.opener(own, now)
      return chainAll(recs, (rec, i) => rec && opened(rec, open(wanted[i]!, rec.value)))
    },

    async commit(part, ops, { now, rev }) {
      const own = checkedPart(part)
      const checked = checkedOps(ops, { now, rev }, MAX_PLAINTEXT_BYTES)
      const sending = sealOps(box, own, checked, now)
      const answer = await store.commit(own, sending instanceof Promise ? await sending : sending, { now, rev })
      try {
        const told = openAnswer(box, own, checked, answer, now)
        return told instanceof Promise ? await told : told
      } catch (error) {
        // It is applied, and every other error of a commit says that it is not.
        throw answer.ok && checked.some(({ op }) => op !== 'check') ? new OutcomeUnknown(rev, error) : error
      }
    },

    async list(part, prefix, o) {
      const own = checkedPart(part)
      const { now } = o
      const recs = await store.list(own, prefix, { ...o, now })
      const open = box.opener(own, now)
      return chainAll(recs, (rec) => opened(rec, open(rec.key, rec.value)))
    },

    ...(store.outbox && { outbox: (o: OutboxOptions) => outboxOf(store, box, keys, { ...o }) }),
    ...(store.sweep && { sweep: (now: number, budgetMs: number) => store.sweep!(now, budgetMs) }),
    ...(store.time && { time: () => store.time!() }),
    close: () => store.close(),
  }
}

/**
 * Data keys as a list: the first one seals, all of them open, until the host takes them off the list.
 * @param list - at least one
 */
export function dataKeys(list: readonly [DataKey, ...DataKey[]]): DataKeys {
  const [first] = list
  const byKid = new Map(list.map((key) => [key.kid, key]))
  return { active: () => first, find: (kid) => byKid.get(kid) ?? null }
}

/**
 * What a scan does to bring every value under the key that is active now: the visitor of `scanSqlite` and `scanPostgres`.
 * With `acceptPlaintext` it seals what is plain; with `migrate` it also rewrites values of an older schema. Both at once: one walk.
 */
export function reseal(keys: KeySource, o: ResealOptions): (rec: ScannedRec) => Promise<Uint8Array | null> {
  const { now, migrate, corrupt } = o
  const box = boxOf(keys, o)
  return async (rec) => {
    const { part, key, value } = rec
    // Destroyed keys are no reason to end the walk over everyone else's records.
    if (value.length === 0 || (await keysOf(keys, part.tenant)) === null) return null
    const current = await box.isCurrent(part, value, now)
    if (current && migrate === undefined) return null
    try {
      const plaintext = await box.opener(part, now)(key, value)
      const migrated = migrate?.({ ...rec, value: plaintext }) ?? null
      if (current && migrated === null) return null
      return (await box.sealer(part, now))(key, migrated ?? plaintext)
    } catch (error) {
      if (corrupt === undefined || !isPosternError(error, 'store.corrupt')) throw error
      corrupt({ part, key })
      return null
    }
  }
}

type OutboxOptions = Parameters<NonNullable<Store['outbox']>>[0]

function boxOf(keys: KeySource, ports: SealedPorts): Box {
  const { crypto, random } = ports
  return createBox({ keys, crypto, random, plain: ports[acceptPlaintext] === true })
}

/** The ops as the driver is to have them. */
function sealOps(box: Box, part: Part, ops: readonly CheckedOp[], now: number): Now<readonly Op[]> {
  if (!ops.some(hasSecret)) return ops.map((op) => opOf(op))
  return chain(box.sealer(part, now), (seal) =>
    chainAll(ops, (op) => (hasSecret(op) ? chain(seal(op.key, op.value), (value) => opOf(op, value)) : opOf(op))),
  )
}

function hasSecret(op: CheckedOp): op is CheckedOp & { readonly op: 'put' } {
  return op.op === 'put' && op.value.length > 0
}

/** What was just put is known and need not be opened; what stood there is opened. */
function openAnswer(box: Box, part: Part, ops: readonly CheckedOp[], answer: Commit, now: number): Now<Commit> {
  const open = box.opener(part, now)
  if (answer.ok) {
    const recs = chainAll(answer.recs, (rec, i) => {
      const op = ops[i]!
      if (rec === null) return null
      return op.op === 'put' ? withValue(rec, op.value) : opened(rec, open(op.key, rec.value))
    })
    return chain(recs, (recs) => ({ ok: true, recs }))
  }
  const { at, current } = answer
  if (current === null) return answer
  return chain(opened(current, open(ops[at]!.key, current.value)), (current) => ({ ok: false, at, current }))
}

function opened(rec: Rec, value: Now<Uint8Array>): Now<Rec> {
  return chain(value, (value) => withValue(rec, value))
}

function withValue({ key, n, rev, expiresAt }: Rec, value: Uint8Array): Rec {
  return { key, value, n, rev, expiresAt }
}

/** Pages on over the events of tenants whose keys are gone: they must hold up nobody else's. */
async function outboxOf(store: Store, box: Box, keys: KeySource, o: OutboxOptions): Promise<readonly ScannedRec[]> {
  const { now, limit } = o
  const asked = new Map<string, Now<DataKeys | null>>()
  const once = (tenant: string): Now<DataKeys | null> => {
    const known = asked.get(tenant) ?? keysOf(keys, tenant)
    asked.set(tenant, known)
    return known
  }
  const found: ScannedRec[] = []
  for (let { after } = o; ; ) {
    const page = await store.outbox!({ now, limit, ...(after !== undefined && { after }) })
    for (const rec of page) {
      const { part, key, value } = rec
      if ((await once(part.tenant)) === null) continue
      found.push({ ...(await opened(rec, box.opener(part, now, once)(key, value))), part })
      if (found.length === limit) return found
    }
    if (page.length < limit) return found
    after = page.at(-1)!.key
  }
}
