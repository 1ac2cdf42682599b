/** Where an app instance is woken, and the waking: an opaque id and nothing else. What is asked, the app fetches itself. */
import { devicesKey, readDevices } from '@postern/authenticators/devices'
import { type PushEndpoint, type PushPort, readEndpoint } from '@postern/authenticators/push/port'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { anyObject, object, text } from '@postern/core/fields'
import type { JsonValue } from '@postern/core/json'
import type { Sealer, SealScope } from '@postern/core/sealed'
import { newRev, type Op, type Part, type Rec, type Runtime } from '@postern/store'
import { commitSettled } from '@postern/store/settle'
import type { Places } from '@postern/tokens/places'
import type { HostContext } from '../node.js'
import type { Caller } from './caller.js'
import { deviceOf } from './deviceRecord.js'
import { readJson, readQuery } from './http.js'
import { deviceKey } from './partition.js'

export interface PushOptions {
  readonly runtime: Runtime
  readonly issuer: string
  readonly tenant: string
  readonly places: Places
  readonly caller: Caller
  /** For endpoints at rest; its keys outlive them. */
  readonly sealer: Sealer
  readonly ports: readonly PushPort[]
}

export interface Push {
  /** `PUT /push`, `DELETE /push?client_id=` */
  enrol(request: Request): Promise<Response>
  forget(request: Request): Promise<Response>
  /** Wakes a user's devices that run this app. Never throws: a push is a favour, and the list is there without it. */
  wake(user: Part, app: string, id: string, expiresAt: number, host: HostContext | undefined): Promise<void>
}

const KEY = 'push'
const query = object({ client_id: text({ min: 1, max: 64 }) })
const body = object({ client_id: text({ min: 1, max: 64 }), endpoint: (value: JsonValue) => anyObject(value) })

export function createPush({ runtime, issuer, tenant, places, caller, sealer, ports }: PushOptions): Push {
  const { store, clock, random } = runtime
  const scopeOf = (device: string): SealScope => ({ type: 'push', tenant, issuer, purpose: device })
  const commit = (part: Part, op: Op) => commitSettled(store, part, [op], { now: clock(), rev: newRev(random) })

  async function enrolled(part: Part): Promise<Rec | null> {
    const [rec] = await store.read(part, [KEY], { now: clock() })
    return rec ?? null
  }

  async function wakeOne(device: string, app: string, id: string, ttlSec: number): Promise<void> {
    const part = places.device(device)
    const [d, rec] = await store.read(part, [deviceKey.record, KEY], { now: clock() })
    if (!d || !rec || deviceOf(device, d).value.app !== app) return
    const opened = await sealer.open(scopeOf(device), rec.value)
    const endpoint = opened === null ? null : (JSON.parse(fromUtf8(opened)!) as PushEndpoint)
    const port = endpoint === null ? undefined : ports.find((one) => one.serves(endpoint))
    if (endpoint === null || port === undefined) return
    const outcome = await port.send(endpoint, id, { ttlSec, urgency: 'high' })
    // The one that is dead; another that the app has told meanwhile stays.
    if (outcome === 'gone')
      await store.commit(part, [{ op: 'del', key: KEY, rev: rec.rev }], { now: clock(), rev: newRev(random) })
  }

  return {
    async enrol(request) {
      const sent = body(await readJson(request))
      const { device } = await caller(request, sent.client_id)
      const endpoint = readEndpoint(sent.endpoint)
      if (!ports.some((port) => port.serves(endpoint))) throw new PosternError('push.endpoint', { reason: 'not served' })
      const value = await sealer.seal(scopeOf(device.id), utf8(JSON.stringify(endpoint)))
      const part = places.device(device.id)
      const done = await commit(part, { op: 'put', key: KEY, value, rev: (await enrolled(part))?.rev ?? null })
      if (!done.ok) throw new PosternError('store.overloaded')
      return new Response(null, { status: 204 })
    },

    async forget(request) {
      const { client_id } = query(readQuery(request))
      const { device } = await caller(request, client_id)
      await store.commit(places.device(device.id), [{ op: 'del', key: KEY }], { now: clock(), rev: newRev(random) })
      return new Response(null, { status: 204 })
    },

    async wake(user, app, id, expiresAt, host) {
      if (ports.length === 0) return
      const ttlSec = Math.max(0, Math.floor((expiresAt - clock()) / 1000))
      const work = (async () => {
        const [rec] = await store.read(user, [devicesKey], { now: clock() })
        const devices = readDevices(rec ?? null, clock()).filter(({ status }) => status === 'active')
        await Promise.all(devices.map((one) => wakeOne(one.id, app, id, ttlSec).catch(() => undefined)))
      })().catch(() => undefined)
      if (host?.waitUntil) host.waitUntil(work)
      else await work
    },
  }
}
