/**
 * A subject's tokens everywhere: the user's own epoch first, and with it the list of instances that are still to come, so that whoever finds
 * the list after a crash finishes it. The status of a user is their epochs' value.
 */
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { isPosternError, PosternError } from '@postern/core/errors'
import { newRev, type Op, type Part, type Rec } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { IssuerContext } from '../issuer.js'
import type { Everywhere } from '../revoke.js'
import { commit } from './commit.js'
import { bumped } from './epochs.js'
import { eventOf, ship } from './events.js'
import { kitOf } from './kit.js'

/** What is left to do: `e/~revoke/<h(subject)>` in the user's partition. */
interface Pending {
  readonly v: 1
  readonly subject: string
  readonly devices: readonly string[]
  readonly status?: string
}

const PREFIX = 'e/~revoke/'
const PAGE = 256
const MAX_TRIES = 4
const MAX_DEVICES = 64
const MAX_OPS = 8

/** @throws PosternError `store.*` */
export async function revokeEverywhere(o: Everywhere, context: IssuerContext): Promise<void> {
  const { subject, status, ops = [] } = o
  if (o.devices.length > MAX_DEVICES || ops.length > MAX_OPS)
    throw new RangeError(`at most ${MAX_DEVICES} devices and ${MAX_OPS} ops`)
  const { places } = kitOf(context)
  const { store, clock } = context.runtime
  const part = await places.user(subject)
  const key = `${PREFIX}${await places.name('usr', subject)}`
  for (let n = 0; n < MAX_TRIES; n++) {
    const now = clock()
    const [epoch, before] = await store.read(part, [places.epoch, key], { now })
    // What an earlier call left over is still to be done.
    const devices = [...new Set([...o.devices, ...(before ? decode(before).devices : [])])]
    const pending: Pending = { v: 1, subject, devices, ...(status !== undefined && { status }) }
    const event = eventOf('token.revoked', context, { subject, detail: { epoch: places.epoch } })
    const all: readonly Op[] = [
      bumped(places.epoch, epoch ?? null, now),
      { op: 'put', key, value: utf8(JSON.stringify(pending)), rev: before?.rev ?? null },
      ...ops,
      eventOp(event),
    ]
    const { rev, answer } = await commit(part, all, context)
    if (answer.ok) {
      ship(part, [event], context)
      return finish(part, key, rev, pending, context)
    }
    if (answer.at >= 2) break
  }
  throw new PosternError('store.overloaded')
}

/**
 * Finishes what a crash has left over, for every user of the tenant.
 * @returns how many it was
 * @throws PosternError `store.list_disabled` for a driver without `outbox`
 */
export async function resumeRevocations(context: IssuerContext): Promise<number> {
  const { runtime, tenant } = context
  const { store, clock } = runtime
  if (store.outbox === undefined) throw new PosternError('store.list_disabled')
  let done = 0
  for (let after = PREFIX, more = true; more; ) {
    const page = await store.outbox({ now: clock(), after, limit: PAGE })
    const ours = page.filter(({ key }) => key.startsWith(PREFIX))
    for (const rec of ours.filter(({ part }) => part.tenant === tenant)) {
      await finish(rec.part, rec.key, rec.rev, decode(rec), context)
      done++
    }
    more = ours.length === PAGE
    after = page.at(-1)?.key ?? after
  }
  return done
}

async function finish(
  part: Part,
  key: string,
  rev: string,
  { subject, devices, status }: Pending,
  context: IssuerContext,
): Promise<void> {
  await Promise.all(devices.map((id) => bumpDevice(id, subject, rev, status, context)))
  // A later call may have put its own list there, which then holds this one.
  const { store, clock, random } = context.runtime
  await store.commit(part, [{ op: 'del', key, rev }], { now: clock(), rev: newRev(random) })
}

/**
 * The epoch's rev begins with the list that it was bumped for, so that a resumed one does not end what was granted since, and ends with the rev
 * before it, so that none ever comes back: where another revocation has come between, this one is made once more.
 */
async function bumpDevice(
  id: string,
  subject: string,
  list: string,
  status: string | undefined,
  context: IssuerContext,
): Promise<void> {
  const { places } = kitOf(context)
  const { store, clock } = context.runtime
  const part = places.device(id)
  const key = await places.userEpoch(subject)
  const done = (await places.name('revoke', `${list} ${id}`)).slice(0, 8)
  for (let n = 0; n < MAX_TRIES; n++) {
    const now = clock()
    const [rec] = await store.read(part, [key], { now })
    if (rec?.rev.startsWith(done)) return
    const rev = done + (await places.name('revoke', `${list} ${id} ${rec?.rev ?? ''}`)).slice(0, 8)
    const event = eventOf('token.revoked', context, { subject, client: { id, kind: 'instance' }, detail: { epoch: key } })
    try {
      const answer = await store.commit(part, [bumped(key, rec ?? null, now, status), eventOp(event)], { now, rev })
      if (answer.ok) return ship(part, [event], context)
    } catch (error) {
      // The next read says whether it was applied.
      if (!isPosternError(error, 'store.outcome_unknown') || n + 1 === MAX_TRIES) throw error
    }
  }
  throw new PosternError('store.overloaded')
}

function decode({ value }: Pick<Rec, 'value'>): Pending {
  const pending = JSON.parse(fromUtf8(value) ?? 'null') as Pending | null
  if (pending?.v !== 1) throw new PosternError('store.schema_unknown')
  return pending
}
