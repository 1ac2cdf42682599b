/**
 * A tenant's KEM keys in the store, sealed under a key that the host keeps elsewhere. Nodes read the ring once a minute at most and switch
 * by the clock at the same instants; nobody restarts, and no call is lost.
 *
 * @example
 * const keys = { runtime, tenant: 'bank', masterKeys: [masterKey] } as const
 * const ring = ringInStore(keys)
 * createPayloadServer({ ...options, ring: () => ring.current() })
 */
import { fromUtf8, hex, utf8 } from '@postern/core/bytes'
import { isPosternError, PosternError } from '@postern/core/errors'
import { ulid } from '@postern/core/ids'
import { parseJson } from '@postern/core/json'
import type { Ring, SealKey } from '@postern/core/keyRing'
import { createSealer, type Sealer, type SealScope } from '@postern/core/sealed'
import { tuple } from '@postern/core/tuple'
import { newRev, type Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { commitSettled } from '@postern/store/settle'
import { readKemRing } from './internal/kemRingDocument.js'
import {
  type CreateKemRingOptions,
  createKemRing,
  type KemRing,
  type KemRingDocument,
  LEAD_MS,
  openKemRing,
  type RotateKemRingOptions,
  rotateKemRing,
} from './keys.js'

/** Where a tenant's KEM keys are and what opens them. */
export interface RingStore {
  readonly runtime: Runtime
  readonly tenant: string
  /** 32 random bytes each, from the host's secret store: the first one seals, all of them open. */
  readonly masterKeys: readonly [Uint8Array, ...Uint8Array[]]
}

/** One node's view of a tenant's ring. */
export interface RingSource {
  /**
   * The ring as it stands, read again when that was a minute ago; one read for all who wait. While the store cannot be read, the last one
   * serves on for as long as a rotation leads.
   * @throws PosternError `keys.none_active` where nobody has made keys | `keys.invalid` | `store.*`
   */
  current(): Promise<KemRing>
}

/** What became of a rotation. */
export interface RotatedKem {
  readonly keyId: number
  /** Ms: when key documents begin to name it. */
  readonly activateAt: number
}

const RING = 'ring'
const RELOAD_MS = 60_000
const RETRY_MS = 5000
const DAY_MS = 86_400_000
const MASTER_KEY_BYTES = 32
const NEVER: number = Number.MAX_SAFE_INTEGER

/**
 * A tenant's first KEM key.
 * @param o.document - keys made elsewhere, instead of a new one
 * @throws PosternError `keys.conflict` where there are some already
 */
export async function createRing(
  store: RingStore,
  o: CreateKemRingOptions & { readonly document?: KemRingDocument } = {},
): Promise<void> {
  const { document, ...choice } = o
  await write(store, document ?? (await createKemRing(store.runtime, choice)), null, null)
}

/**
 * Announces the successor of the newest key, in one commit.
 * @param o.rev - the document that the operator looked at, from {@link readRing}
 * @throws PosternError `keys.conflict` (412) when another rotation came between: look again, for one of the two is enough | `keys.invalid`
 */
export async function rotateRing(
  store: RingStore,
  { rev, ...options }: RotateKemRingOptions & { readonly rev?: string } = {},
): Promise<RotatedKem> {
  const standing = await readRing(store)
  if (rev !== undefined && rev !== standing.rev) throw new PosternError('keys.conflict')
  const next = await rotateKemRing(standing.document, store.runtime, options)
  const { keyId, activateAt } = next.keys.at(-1)!
  await write(store, next, standing.rev, { keyId, activateAt })
  return { keyId, activateAt }
}

/**
 * What a host's timer does, once an hour or oftener: turns a ring that is old enough, which also destroys what is gone by every node's
 * clock. Any number of nodes may do it at once.
 * @param o.everyMs - from one key's first day to the next one's, default a day
 * @returns what was rotated, or `null`
 */
export async function tendRing(
  store: RingStore,
  { everyMs = DAY_MS, ...options }: RotateKemRingOptions & { readonly everyMs?: number } = {},
): Promise<RotatedKem | null> {
  const { document, rev } = await readRing(store)
  if (store.runtime.clock() + LEAD_MS < document.keys.at(-1)!.activateAt + everyMs) return null
  try {
    return await rotateRing(store, { ...options, rev })
  } catch (error) {
    // Another node has done it.
    if (isPosternError(error, 'keys.conflict')) return null
    throw error
  }
}

/**
 * The document as it stands, secret, with the `rev` that a rotation may be conditional on.
 * @throws PosternError `keys.none_active` | `keys.invalid`
 */
export async function readRing(store: RingStore): Promise<{ readonly document: KemRingDocument; readonly rev: string }> {
  const { runtime, tenant } = store
  const [rec] = await runtime.store.read(partOf(tenant), [RING], { now: runtime.clock() })
  if (!rec) throw new PosternError('keys.none_active')
  return { document: await unseal(store, rec.value), rev: rec.rev }
}

/** One node's source of a tenant's ring. */
export function ringInStore(store: RingStore): RingSource {
  const { runtime } = store
  const { clock, crypto } = runtime
  let held: { readonly rev: string; readonly ring: KemRing } | null = null
  let readAt = 0
  let dueAt = Number.NEGATIVE_INFINITY
  let running: Promise<void> | null = null

  async function load(): Promise<void> {
    // Before the read: what comes of it is no younger than that.
    const at = clock()
    try {
      const { document, rev } = await readRing(store)
      if (held?.rev !== rev) held = { rev, ring: await openKemRing(document, crypto) }
      readAt = at
      dueAt = at + RELOAD_MS
    } catch (error) {
      dueAt = clock() + RETRY_MS
      // Older than that it may lack the key that others offer by now.
      if (held === null || clock() - readAt >= LEAD_MS) throw error
    } finally {
      running = null
    }
  }
  return {
    async current() {
      if (held === null || clock() >= dueAt || clock() - readAt >= LEAD_MS) await (running ??= load())
      return held!.ring
    },
  }
}

function partOf(tenant: string): { readonly tenant: string; readonly id: string } {
  return { tenant, id: 'keys:payload' }
}

async function write(store: RingStore, document: KemRingDocument, rev: string | null, rotated: RotatedKem | null): Promise<void> {
  const { runtime, tenant } = store
  const { clock, random } = runtime
  const sealer = await sealerOf(store)
  const value = await sealer.seal(scopeOf(tenant), utf8(JSON.stringify(readKemRing(document))))
  const event = { id: ulid(clock, random), at: clock(), tenant, type: 'keys.rotated', outcome: 'success' } as const
  const told = rotated === null ? [] : [eventOp({ ...event, detail: { ring: 'payload', ...rotated } })]
  const ops = [{ op: 'put', key: RING, value, rev } as const, ...told]
  const answer = await commitSettled(runtime.store, partOf(tenant), ops, { now: clock(), rev: newRev(random) })
  if (!answer.ok) throw new PosternError('keys.conflict')
}

async function unseal(store: RingStore, sealed: Uint8Array): Promise<KemRingDocument> {
  const plaintext = await (await sealerOf(store)).open(scopeOf(store.tenant), sealed)
  const text = plaintext === null ? null : fromUtf8(plaintext)
  if (text === null) throw new PosternError('keys.invalid', { reason: 'the sealed KEM ring does not open' })
  return readKemRing(parseJson(text, { maxBytes: 1 << 20 }) as unknown as KemRingDocument)
}

function scopeOf(tenant: string): SealScope {
  return { type: 'kem-ring', tenant, issuer: '', purpose: '' }
}

async function sealerOf({ runtime, tenant, masterKeys }: RingStore): Promise<Sealer> {
  const { crypto, random, clock } = runtime
  const keys: SealKey[] = []
  for (const master of masterKeys) {
    if (master.length !== MASTER_KEY_BYTES)
      throw new PosternError('keys.invalid', { reason: `a master key that is not ${MASTER_KEY_BYTES} bytes` })
    const mac = await crypto.hmacKey('SHA-256', master)
    // Each tenant has its own: whoever writes the store cannot give one the keys of another.
    const secret = await crypto.hmac(mac, tuple('postern:kem-ring/v1', tenant))
    const kid = hex((await crypto.hmac(mac, tuple('postern:kem-ring/v1:kid', tenant))).subarray(0, 4))
    keys.push({ kid, secret, publishAt: 0, activateAt: 0, retireAt: NEVER, dropAt: NEVER })
  }
  const ring: Ring<SealKey> = {
    active: () => keys[0]!,
    published: () => keys,
    find: (kid) => keys.find((key) => key.kid === kid) ?? null,
  }
  return createSealer({ ring, crypto, random, clock })
}
