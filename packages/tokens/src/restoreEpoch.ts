/**
 * The restore epoch of a tenant: raised after any restore to an earlier point, so that no sealed handle from before it opens and every refresh
 * family ends. `pending` until the revocations and removals since the backup have been re-applied.
 */
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { newRev, type Rec, type Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { commit } from './internal/commit.js'
import { eventOf } from './internal/events.js'
import { keysPart } from './places.js'

/** `none`: never restored. */
export type RestoreState = 'none' | 'pending' | 'done'

/** The epoch as it stands. `id` is what handles carry: 96 random bits of the raising, so that none comes round again; `'0'` before the first. */
export interface RestoreEpoch {
  readonly id: string
  readonly state: RestoreState
  /** When it was raised, ms. */
  readonly at: number
}

interface EpochStore {
  readonly runtime: Runtime
  readonly tenant: string
}

const EPOCH = 'epoch'
const FIRST: RestoreEpoch = { id: '0', state: 'none', at: 0 }

/** The tenant's epoch. */
export async function readEpoch(store: EpochStore): Promise<RestoreEpoch> {
  return epochIn(await recordOf(store))
}

/**
 * Raises the epoch: handles made before it no longer open, on any node within a minute; users log in again, enrolments stay. It is pending.
 * Called again before {@link finishEpoch}, it raises another.
 * @throws PosternError `keys.conflict` (412) when somebody else did at the same time
 */
export async function raiseEpoch(store: EpochStore): Promise<RestoreEpoch> {
  const standing = await recordOf(store)
  const epoch: RestoreEpoch = { id: newRev(store.runtime.random), state: 'pending', at: store.runtime.clock() }
  const event = eventOf('keys.epoch_raised', store, {})
  await write(store, epoch, standing, [eventOp(event)])
  return epoch
}

/** Says that everything since the backup is re-applied. @param id - of the epoch that was raised. @throws PosternError `keys.conflict` for another one */
export async function finishEpoch(store: EpochStore, id: string): Promise<void> {
  const standing = await recordOf(store)
  const epoch = epochIn(standing)
  if (epoch.id !== id) throw new PosternError('keys.conflict')
  if (epoch.state === 'pending') await write(store, { ...epoch, state: 'done' }, standing, [])
}

/** The epoch of a record. @throws PosternError `store.schema_unknown` */
export function epochIn(rec: Rec | null): RestoreEpoch {
  if (rec === null) return FIRST
  const { v, id, state, at } = JSON.parse(fromUtf8(rec.value) ?? '{}') as Partial<RestoreEpoch> & { readonly v?: number }
  if (v !== 1 || id === undefined || state === undefined || at === undefined) throw new PosternError('store.schema_unknown')
  return { id, state, at }
}

async function recordOf({ runtime, tenant }: EpochStore): Promise<Rec | null> {
  const [rec] = await runtime.store.read(keysPart(tenant), [EPOCH], { now: runtime.clock() })
  return rec ?? null
}

async function write(
  { runtime, tenant }: EpochStore,
  epoch: RestoreEpoch,
  standing: Rec | null,
  ops: readonly ReturnType<typeof eventOp>[],
): Promise<void> {
  const value = utf8(JSON.stringify({ v: 1, ...epoch }))
  const put = { op: 'put', key: EPOCH, value, rev: standing?.rev ?? null } as const
  const { answer } = await commit(keysPart(tenant), [put, ...ops], { runtime })
  if (!answer.ok) throw new PosternError('keys.conflict')
}
