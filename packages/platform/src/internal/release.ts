/** A device out of the records of all its users. Removal starts there: it is the partition that approvals commit in, and where the limit is counted. */
import { devicesKey, readDevices, releaseDevice } from '@postern/authenticators/devices'
import { PosternError } from '@postern/core/errors'
import { newRev, type Part, type Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { Places } from '@postern/tokens/places'
import { enrolledOn } from './enrolled.js'
import type { EventDraft, Journal } from './journal.js'

interface Release {
  readonly runtime: Runtime
  readonly tenant: string
  readonly places: Places
  readonly journal: Journal
}

/**
 * @param by - the operator whose act it is; told in the same commit
 * @throws PosternError `store.overloaded` when other writers stay in between: call again, it is idempotent
 */
export async function releaseEverywhere(o: Release, device: string, by: string | undefined): Promise<void> {
  const { store, clock } = o.runtime
  const enrolled = await enrolledOn(store, o.places.device(device), clock())
  const owners = new Set(enrolled.map(({ value }) => value.owner))
  for (const id of owners) await releaseOne(o, { tenant: o.tenant, id }, device, by)
}

async function releaseOne({ runtime, journal }: Release, owner: Part, device: string, by: string | undefined): Promise<void> {
  const { store, clock, random } = runtime
  for (let tries = 0; tries < 16; tries++) {
    const now = clock()
    const [rec] = await store.read(owner, [devicesKey], { now })
    if (!readDevices(rec ?? null, now).some(({ id }) => id === device)) return
    const change = releaseDevice(rec ?? null, { device, now })
    if (!change.ok) return
    const told = by === undefined ? [] : [journal.event(changed(device, by))]
    const commit = await store.commit(owner, [change.op, ...told.map(eventOp)], { now, rev: newRev(random) })
    if (commit.ok) return journal.shipped(owner, told, undefined)
  }
  throw new PosternError('store.overloaded')
}

function changed(device: string, operator: string): EventDraft {
  return {
    type: 'admin.changed',
    outcome: 'success',
    operator,
    device,
    detail: { resource: `devices/${device}`, change: 'remove', fields: 'devices' },
  }
}
