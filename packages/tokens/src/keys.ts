/**
 * The keys of a tenant at run time: a document in the store, sealed under a key that the host keeps elsewhere, which says by the clock when each
 * key is published, signs, retires and goes. Nodes read it once a minute at most and switch at the same instants; nobody restarts.
 *
 * @example
 * const tenant = keysInStore({ runtime, tenant: 'bank', masterKeys: [masterKey] })
 * const resolveIssuer = async () => ({ ...context, ...(await tenant.current()) })
 */
import type { SignAlg, Signer } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import {
  createKeyRingDocument,
  type KeyRing,
  type KeyRingDocument,
  LEAD_MS,
  type NewKey,
  openKeyRing,
  pruneKeyRing,
  type RingKind,
  type RotateOptions,
  rotateKeyRing,
  type Schedule,
  sealKeyRingDocument,
  unsealKeyRingDocument,
} from '@postern/core/keyRing'
import { tuple } from '@postern/core/tuple'
import type { Rec, Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { commit } from './internal/commit.js'
import { eventOf } from './internal/events.js'
import { keysPart } from './places.js'
import { epochIn, type RestoreState } from './restoreEpoch.js'

/** Where a tenant's keys are and what opens them. */
export interface KeyStore {
  readonly runtime: Runtime
  readonly tenant: string
  /** 32 random bytes each, from the host's secret store: the first one seals, all of them open. */
  readonly masterKeys: readonly [Uint8Array, ...Uint8Array[]]
  /**
   * The handle of a signing key that is held elsewhere (KMS, hardware), asked for whenever a document with it is opened; `null` for one that is
   * not to be had. A retired key needs none: what it signed still verifies.
   */
  readonly remote?: (key: {
    readonly kid: string
    readonly alg: SignAlg
    readonly publicJwk: JsonWebKey
  }) => Promise<Signer | null>
}

/** A tenant's keys as one request sees them, to be spread into its `IssuerContext`. */
export interface TenantKeys {
  readonly keys: KeyRing
  readonly restoreEpoch: string
  /** `pending`: a restore has begun and its revocations are not all re-applied; a host that asks for readiness says no. */
  readonly restore: RestoreState
}

/** A node's view of a tenant's keys. */
export interface KeySource {
  /**
   * The keys as they stand, read again when that was a minute ago; one read for all who wait. While the store cannot be read, or what it holds
   * cannot be opened, the last ones serve on for as long as a rotation leads.
   * @throws PosternError `keys.none_active` where nobody has made keys | `keys.invalid` | `store.*`
   */
  current(): Promise<TenantKeys>
}

/** What became of a rotation. */
export interface Rotated {
  readonly ring: RingKind
  readonly kid: string
  /** Ms: when it takes over from the key before it. */
  readonly activateAt: number
}

const RING = 'ring'
const EPOCH = 'epoch'
const RELOAD_MS = 60_000
const RETRY_MS = 5000
const DAY_MS = 86_400_000

/**
 * A tenant's first keys.
 * @param o.document - keys made elsewhere (`postern keys create`), instead of new ones
 * @throws PosternError `keys.conflict` where there are some already
 */
export async function createKeys(store: KeyStore, o: NewKey & { readonly document?: KeyRingDocument } = {}): Promise<void> {
  const { document, ...choice } = o
  await write(store, document ?? (await createKeyRingDocument({ ...store.runtime, ...choice })), null, [])
}

/**
 * Announces one more key in a ring; it takes over after the lead time, when every key set that may be cached has it.
 * @param o.rev - the document that the operator looked at, from {@link readKeys}
 * @throws PosternError `keys.conflict` (412) when another rotation came between: look again, for one of the two is enough | `keys.invalid`
 */
export async function rotateKeys(
  store: KeyStore,
  ring: RingKind,
  { rev, ...options }: RotateOptions & { readonly rev?: string } = {},
): Promise<Rotated> {
  const standing = await readKeys(store)
  if (rev !== undefined && rev !== standing.rev) throw new PosternError('keys.conflict')
  const next = await rotateKeyRing(standing.document, ring, store.runtime, options)
  const rotated = newest(next, ring)
  await write(store, next, standing.rev, [rotated])
  return rotated
}

/**
 * What a host's timer does, once an hour or oftener: turns the rings that are old enough, and destroys what is gone by every node's clock.
 * Any number of nodes may do it at once.
 * @param o - ms from one activation to the next; `short` default a day, the others default never
 * @returns what was rotated
 */
export async function tendKeys(store: KeyStore, o: { readonly [K in RingKind]?: number } = {}): Promise<readonly Rotated[]> {
  const { clock } = store.runtime
  const { short = DAY_MS } = o
  const standing = await readKeys(store)
  let document = pruneKeyRing(standing.document, clock())
  const rotated: Rotated[] = []
  for (const [ring, everyMs] of [
    ['signing', o.signing],
    ['long', o.long],
    ['short', short],
  ] as const) {
    if (everyMs === undefined || clock() + LEAD_MS < document[ring].at(-1)!.activateAt + everyMs) continue
    document = await rotateKeyRing(document, ring, store.runtime)
    rotated.push(newest(document, ring))
  }
  if (rotated.length === 0 && countOf(document) === countOf(standing.document)) return []
  try {
    await write(store, document, standing.rev, rotated)
    return rotated
  } catch (error) {
    // Another node has done it.
    if (isPosternError(error, 'keys.conflict')) return []
    throw error
  }
}

/**
 * The document as it stands, secret, with the `rev` that a rotation may be conditional on.
 * @throws PosternError `keys.none_active` | `keys.invalid`
 */
export async function readKeys(store: KeyStore): Promise<{ readonly document: KeyRingDocument; readonly rev: string }> {
  const { runtime, tenant } = store
  const [rec] = await runtime.store.read(keysPart(tenant), [RING], { now: runtime.clock() })
  if (!rec) throw new PosternError('keys.none_active')
  return { document: await unseal(store, rec.value), rev: rec.rev }
}

/** One node's source of a tenant's keys. */
export function keysInStore(store: KeyStore): KeySource {
  const { runtime, tenant } = store
  const { clock } = runtime
  let held: { readonly rings: string; readonly keys: TenantKeys } | null = null
  let readAt = 0
  let dueAt = Number.NEGATIVE_INFINITY
  let running: Promise<void> | null = null

  async function load(): Promise<void> {
    // Before the read: what comes of it is no younger than that.
    const at = clock()
    try {
      const [ring, epoch] = await runtime.store.read(keysPart(tenant), [RING, EPOCH], { now: at })
      if (!ring) throw new PosternError('keys.none_active')
      const { id, state } = epochIn(epoch ?? null)
      // The same ring is the same object: what follows from it is prepared once.
      const keys = held?.rings === ring.rev ? held.keys.keys : await open(store, ring)
      held = { rings: ring.rev, keys: { keys, restoreEpoch: id, restore: state } }
      readAt = at
      dueAt = at + RELOAD_MS
    } catch (error) {
      dueAt = clock() + RETRY_MS
      if (held === null || clock() - readAt >= LEAD_MS) throw error
    } finally {
      running = null
    }
  }
  return {
    async current() {
      if (held === null || clock() >= dueAt || clock() - readAt >= LEAD_MS) await (running ??= load())
      return held!.keys
    },
  }
}

async function open(store: KeyStore, { value }: Rec): Promise<KeyRing> {
  const { crypto, clock } = store.runtime
  const document = await unseal(store, value)
  const signers = new Map<string, Signer>()
  for (const { kid, alg, jwk, retireAt } of document.signing) {
    if (jwk.d !== undefined) continue
    const signer = await store.remote?.({ kid, alg, publicJwk: jwk })
    if (signer) signers.set(kid, signer)
    else if (retireAt <= clock()) signers.set(kid, retired(alg, jwk))
  }
  return openKeyRing(document, crypto, { remote: signers })
}

/** A key that has retired verifies; whoever held it may have destroyed it. */
function retired(alg: SignAlg, publicJwk: JsonWebKey): Signer {
  return {
    alg,
    publicJwk,
    sign() {
      throw new PosternError('keys.none_active', { reason: 'a retired remote key' })
    },
  }
}

async function write(store: KeyStore, document: KeyRingDocument, rev: string | null, rotated: readonly Rotated[]): Promise<void> {
  const { runtime, tenant, masterKeys } = store
  const value = await sealKeyRingDocument(document, await masterOf(store, masterKeys[0]), runtime)
  const events = rotated.map(({ ring, kid, activateAt }) =>
    eventOf('keys.rotated', { runtime, tenant }, { detail: { ring, kid, activateAt } }),
  )
  const { answer } = await commit(keysPart(tenant), [{ op: 'put', key: RING, value, rev }, ...events.map(eventOp)], { runtime })
  if (!answer.ok) throw new PosternError('keys.conflict')
}

async function unseal(store: KeyStore, sealed: Uint8Array): Promise<KeyRingDocument> {
  let refusal: unknown
  for (const key of store.masterKeys) {
    try {
      return await unsealKeyRingDocument(sealed, await masterOf(store, key), store.runtime)
    } catch (error) {
      if (!isPosternError(error, 'keys.invalid')) throw error
      refusal ??= error
    }
  }
  throw refusal
}

/** Each tenant has its own: whoever writes the store cannot give one the keys of another. */
async function masterOf({ runtime: { crypto }, tenant }: KeyStore, masterKey: Uint8Array): Promise<Uint8Array> {
  if (masterKey.length !== 32) throw new PosternError('keys.invalid', { reason: 'a master key that is not 32 bytes' })
  return crypto.hmac(await crypto.hmacKey('SHA-256', masterKey), tuple('postern:keys/v1:master', tenant))
}

function newest(document: KeyRingDocument, ring: RingKind): Rotated {
  const { kid, activateAt }: Schedule & { readonly kid: string } = document[ring].at(-1)!
  return { ring, kid, activateAt }
}

function countOf({ signing, long, short }: KeyRingDocument): number {
  return signing.length + long.length + short.length
}
