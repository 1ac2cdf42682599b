/** `devices`: app instances by app, one of them, and its end, which no update can win against. */
import { devicesKey, readDevices, releaseDevice } from '@postern/authenticators/devices'
import { PosternError } from '@postern/core/errors'
import { newRev, type Part } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { type Device, deviceOf } from '../deviceRecord.js'
import { deviceKey, partition } from '../partition.js'
import type { AdminOptions } from './admin.js'
import type { Answer, Call, Room } from './call.js'
import { deviceView, enrolmentsOf } from './deviceView.js'
import { stale } from './precondition.js'
import { invalid, limitOf, nextLink } from './query.js'

const PATH = /^\/v1\/devices\/([a-z2-7]{26})$/

export function deviceRooms(o: AdminOptions, base: string): readonly Room[] {
  const { runtime, tenant, instances, journal, places } = o
  const { store, clock, random } = runtime

  /** As it stands in the store: an operator decides on nothing remembered. */
  async function deviceNow(id: string): Promise<Device | null> {
    const [rec] = await store.read(places.device(id), [deviceKey.record], { now: clock() })
    return rec ? deviceOf(id, rec) : null
  }

  async function listed({ query }: Call): Promise<Answer> {
    const app = query.get('app')
    const after = query.get('after')
    const limit = limitOf(query, 100)
    if (app === undefined || !/^[a-z0-9][a-z0-9._-]{0,63}$/.test(app))
      throw invalid('app names the app whose devices are listed.')
    if (after !== undefined && !/^[a-z2-7]{26}$/.test(after)) throw invalid('after is a device id.')
    const part = partition.instances(tenant, app)
    const keys = await store.list(part, '', {
      now: clock(),
      limit: Math.min(limit + 1, 1000),
      ...(after === undefined ? {} : { after }),
    })
    const page = keys.slice(0, limit)
    const devices = await Promise.all(page.map(({ key }) => deviceNow(key)))
    const body = { devices: devices.flatMap((device) => (device === null ? [] : [deviceView(device)])) }
    const more = keys.length > limit || (limit === 1000 && keys.length === 1000)
    return more ? { body, headers: nextLink(base, '/v1/devices', query, page.at(-1)!.key) } : { body }
  }

  /** Takes the device out of a user's record, told in the same commit; until no other writer is in between. */
  async function release(owner: Part, device: string, call: Call): Promise<void> {
    for (let tries = 0; tries < 16; tries++) {
      const now = clock()
      const [rec] = await store.read(owner, [devicesKey], { now })
      if (!readDevices(rec ?? null, now).some(({ id }) => id === device)) return
      const change = releaseDevice(rec ?? null, { device, now })
      if (!change.ok) return
      const event = journal.event({
        type: 'admin.changed',
        outcome: 'success',
        operator: call.operator.id,
        device,
        detail: { resource: `devices/${device}`, change: 'remove', fields: 'devices' },
      })
      const commit = await store.commit(owner, [change.op, eventOp(event)], { now, rev: newRev(random) })
      if (commit.ok) return journal.shipped(owner, [event], call.host)
    }
    throw new PosternError('store.overloaded')
  }

  async function releaseAll(id: string, call: Call): Promise<void> {
    const owners = new Set((await enrolmentsOf(store, places.device(id), clock())).map(({ owner }) => owner))
    for (const owner of owners) await release({ tenant, id: owner }, id, call)
  }

  async function remove(call: Call): Promise<Answer> {
    const device = await deviceNow(call.params[0]!)
    if (device === null) throw new PosternError('admin.not_found')
    // A stolen phone waits for nobody: the precondition is kept where it is sent, not asked for.
    const match = call.request.headers.get('if-match')
    if (match !== null && match.trim() !== '*' && match.trim() !== `"${device.rev}"`)
      return stale({ body: deviceView(device), rev: device.rev })
    // Users first: it is their partition that approvals commit in. Again afterwards, for an enrolment that was under way.
    await releaseAll(device.id, call)
    if (device.value.status !== 'removed') await instances.end(device, { operator: call.operator.id })
    await releaseAll(device.id, call)
    return { status: 204 }
  }

  return [
    { method: 'GET', path: /^\/v1\/devices$/, scope: 'users:read', query: ['app', 'after', 'limit'], answer: listed },
    {
      method: 'GET',
      path: PATH,
      scope: 'users:read',
      async answer({ params: [id] }) {
        const device = await deviceNow(id!)
        if (device === null) throw new PosternError('admin.not_found')
        return { body: deviceView(device), rev: device.rev }
      },
    },
    { method: 'DELETE', path: PATH, scope: 'users:write', answer: remove },
  ]
}
