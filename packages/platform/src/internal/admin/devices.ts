/** `devices`: app instances by app, one of them, and its end, which no update can win against. */
import { PosternError } from '@postern/core/errors'
import { type Device, deviceOf } from '../deviceRecord.js'
import { deviceKey, partition } from '../partition.js'
import { releaseEverywhere } from '../release.js'
import type { AdminOptions } from './admin.js'
import type { Answer, Call, Room } from './call.js'
import { deviceView } from './deviceView.js'
import { stale } from './precondition.js'
import { invalid, limitOf, nextLink } from './query.js'

const PATH = /^\/v1\/devices\/([a-z2-7]{26})$/

export function deviceRooms(o: AdminOptions, base: string): readonly Room[] {
  const { runtime, tenant, instances, places } = o
  const { store, clock } = runtime

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

  async function remove(call: Call): Promise<Answer> {
    const device = await deviceNow(call.params[0]!)
    if (device === null) throw new PosternError('admin.not_found')
    // A stolen phone waits for nobody: the precondition is kept where it is sent, not asked for.
    const match = call.request.headers.get('if-match')
    if (match !== null && match.trim() !== '*' && match.trim() !== `"${device.rev}"`)
      return stale({ body: deviceView(device), rev: device.rev })
    if (device.value.status === 'removed') await releaseEverywhere(o, device.id, call.operator.id)
    else await instances.end(device, { operator: call.operator.id })
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
