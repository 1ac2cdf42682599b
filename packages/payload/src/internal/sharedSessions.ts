/** Sessions in a store, for every node: each call is one commit, which also makes closing immediate. */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { setBounded } from '@postern/core/boundedMap'
import { concat, fromHex, fromUtf8, hex, u16, utf8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import { boolean, integer, object, text } from '@postern/core/fields'
import { parseJson } from '@postern/core/json'
import type { Ring, SealKey } from '@postern/core/keyRing'
import type { Clock, Random } from '@postern/core/runtime'
import { createSealer, type SealScope } from '@postern/core/sealed'
import { newRev, type Op, OutcomeUnknown, type Part, type Rec, type Store } from '@postern/store'
import { commitSettled } from '@postern/store/settle'
import type { AeadId } from '../hpke.js'
import { windowOf } from '../replay.js'
import type { CounterVerdict, HeldSession, Session, SessionKeeper, SessionSelection } from '../session.js'
import { ID_BYTES } from './sessionWire.js'

export interface SharedSessionsOptions {
  readonly store: Store
  readonly tenant: string
  /**
   * Seals the sessions' secrets at rest: a ring that turns hourly and whose keys go when the last session under them is over, such as
   * `short` of the tenant's key ring. What is destroyed cannot open yesterday's recording.
   */
  readonly ring: Ring<SealKey>
  readonly clock: Clock
  readonly random: Random
  readonly crypto: CryptoPort
  /** The number of this node, 0 to 65,535: the first two bytes of the ids it gives out. @defaultValue 0 */
  readonly node?: number
  /** Sessions remembered by this node, so that a call reads nothing; default 10,000. */
  readonly maxCached?: number
}

interface Cached {
  readonly session: HeldSession
  readonly rev: string
  readonly expiresAt: number
}

const RECORD = 's'
const NOTHING: Uint8Array = /* @__PURE__ */ new Uint8Array(0)
const PAGE = 500
const MAX_TRIES = 5
const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const readRecord = object({
  v: integer({ min: 1, max: 1 }),
  secret: text({ min: 43, max: 43 }),
  aead: integer({ min: 1, max: 3 }),
  max: integer({ min: 1, max: 0xffff_ffff }),
  chunk: integer({ min: 1, max: 65_536 }),
  exp: time,
  bound: boolean,
  jkt: text({ max: 128 }),
  ath: text({ max: 128 }),
  until: time,
})

/**
 * Sessions that every node serves. Record `s` in part `pay:<sid>`, markers `c/<counter>` beside it, so that closing and counting are
 * one commit; an index part finds them by caller.
 * @throws PosternError `payload.config`
 */
export function sharedSessions(o: SharedSessionsOptions): SessionKeeper {
  const { store, tenant, clock, random, crypto, node = 0, maxCached = 10_000 } = o
  if (!Number.isInteger(node) || node < 0 || node > 0xffff)
    throw new PosternError('payload.config', { publicMessage: '`node` is 0 to 65535.' })
  const sealer = createSealer({ ring: o.ring, crypto, random, clock })
  const cache = new Map<string, Cached>()

  const partOf = (id: Uint8Array): Part => ({ tenant, id: `pay:${encodeBase64url(id)}` })
  const scopeOf = (id: Uint8Array): SealScope => ({ type: 'payload-session', tenant, issuer: '', purpose: hex(id) })

  const commit = (part: Part, ops: readonly Op[], rev: string = newRev(random)) =>
    commitSettled(store, part, ops, { now: clock(), rev })

  /** Done twice it is done once, so that an unknown outcome is simply sent again. */
  async function remove(part: Part, key: string, tries: number = MAX_TRIES): Promise<void> {
    try {
      await store.commit(part, [{ op: 'del', key }], { now: clock(), rev: newRev(random) })
    } catch (error) {
      if (!(error instanceof OutcomeUnknown) || tries <= 1) throw error
      await remove(part, key, tries - 1)
    }
  }

  async function opened(id: Uint8Array, rec: Rec): Promise<Cached | null> {
    const plain = await sealer.open(scopeOf(id), rec.value)
    const document = plain === null ? null : fromUtf8(plain)
    // Under a key that was destroyed, or moved from another place: no session.
    if (document === null) return null
    const { secret, aead, max, chunk, exp, bound, jkt, ath, until } = readRecord(parseJson(document))
    const key = await crypto.hmacKey('SHA-256', decodeBase64url(secret)!)
    const binding = bound ? { jkt, ath: ath === '' ? null : ath, expiresAt: until } : null
    const session = { id, key, aead: aead as AeadId, max, chunkBytes: chunk, expiresAt: exp, binding }
    return remember(id, { session, rev: rec.rev, expiresAt: rec.expiresAt })
  }

  function remember(id: Uint8Array, fresh: Cached): Cached {
    setBounded(cache, hex(id), fresh, maxCached)
    return fresh
  }

  async function lookUp(id: Uint8Array): Promise<Cached | null> {
    const known = cache.get(hex(id))
    if (known !== undefined && clock() < known.expiresAt) return known
    cache.delete(hex(id))
    const [rec] = await store.read(partOf(id), [RECORD], { now: clock() })
    return rec ? opened(id, rec) : null
  }

  /** One commit decides: the session still stands as it was read, and the counter is new. */
  async function claimIn(cached: Cached, counter: number, expiresAt: number): Promise<CounterVerdict | Rec> {
    const { session, rev } = cached
    const put = { op: 'put', key: `c/${counter.toString(16)}`, value: NOTHING, rev: null, expiresAt } as const
    const answer = await commit(partOf(session.id), [{ op: 'check', key: RECORD, rev }, put])
    if (answer.ok) return 'first'
    if (answer.at === 1) return 'replayed'
    return answer.current ?? 'closed'
  }

  async function close(id: Uint8Array): Promise<void> {
    cache.delete(hex(id))
    await remove(partOf(id), RECORD)
  }

  async function indexOf(id: Uint8Array, jkt: string | null): Promise<{ part: Part; key: string }> {
    const of = jkt === null ? id.subarray(2) : await crypto.digest('SHA-256', utf8(jkt))
    const name = jkt === null ? '' : hex(of.subarray(0, 16))
    return { part: { tenant, id: `payx:${hex(of.subarray(0, 1))}` }, key: `${name}/${hex(id)}` }
  }

  /** Closes what an index part lists under a prefix. */
  async function closeListed(part: Part, prefix: string): Promise<void> {
    for (let after: string | undefined; ; ) {
      const page = await store.list(part, prefix, { now: clock(), limit: PAGE, ...(after === undefined ? {} : { after }) })
      for (const { key } of page) {
        const id = fromHex(key.slice(-2 * ID_BYTES))
        if (id !== null) await close(id)
        await remove(part, key)
        // One that was being opened wrote itself meanwhile, or finds its entry gone.
        if (id !== null) await close(id)
      }
      if (page.length < PAGE) return
      after = page.at(-1)!.key
    }
  }

  return {
    windowMs: windowOf(store),
    newId: () => concat(u16(node), random(ID_BYTES - 2)),
    async keep(session) {
      const { id, binding, expiresAt } = session
      const { part, key } = await indexOf(id, binding?.jkt ?? null)
      // First the index: what `forget` cannot find must not exist.
      await commit(part, [{ op: 'put', key, value: NOTHING, rev: null, expiresAt }])
      const value = await sealer.seal(scopeOf(id), recordOf(session))
      const answer = await commit(partOf(id), [{ op: 'put', key: RECORD, value, rev: null, expiresAt }])
      if (!answer.ok) throw new PosternError('store.unavailable', { reason: 'a session id that is taken' })
      const [listed] = await store.read(part, [key], { now: clock() })
      if (listed) return
      await close(id)
      throw new PosternError('store.unavailable', { reason: 'a session that was ended while it opened' })
    },
    find: async (id) => (await lookUp(id))?.session ?? null,
    async claim({ id }, counter, expiresAt) {
      try {
        const cached = await lookUp(id)
        if (cached === null) return 'closed'
        const first = await claimIn(cached, counter, expiresAt)
        if (typeof first === 'string') return first
        // Another node changed when it ends; it is the same session.
        const changed = await opened(id, first)
        if (changed === null) return 'closed'
        const second = await claimIn(changed, counter, expiresAt)
        return typeof second === 'string' ? second : 'unknown'
      } catch (error) {
        if (isPosternError(error, 'store.outcome_unknown', 'store.unavailable', 'store.overloaded')) return 'unknown'
        throw error
      }
    },
    async retire({ id }, at) {
      const [rec] = await store.read(partOf(id), [RECORD], { now: clock() })
      if (!rec || rec.expiresAt <= at) return
      await commit(partOf(id), [{ op: 'put', key: RECORD, value: rec.value, rev: rec.rev, expiresAt: at }])
      cache.delete(hex(id))
    },
    async forget(selection: SessionSelection) {
      if ('sid' in selection) return close(selection.sid)
      if ('jkt' in selection) {
        const { part, key } = await indexOf(new Uint8Array(ID_BYTES), selection.jkt)
        return closeListed(part, key.slice(0, -2 * ID_BYTES))
      }
      for (let byte = 0; byte < 256; byte++) await closeListed({ tenant, id: `payx:${hex(Uint8Array.of(byte))}` }, '')
    },
    async sweep(now, budgetMs) {
      for (const [name, { expiresAt }] of cache) if (expiresAt <= now) cache.delete(name)
      await store.sweep?.(now, budgetMs)
    },
  }
}

function recordOf({ secret, aead, max, chunkBytes, expiresAt, binding }: Session): Uint8Array {
  const { jkt = '', ath = null, expiresAt: until = 0 } = binding ?? {}
  const common = { v: 1, secret: encodeBase64url(secret), aead, max, chunk: chunkBytes, exp: expiresAt }
  return utf8(JSON.stringify({ ...common, bound: binding !== null, jkt, ath: ath ?? '', until }))
}
