/** What a server says of itself when the store is opened. What `INFO` and `CONFIG` do not show counts as the worst. */
import { isPosternError, PosternError } from '@postern/core/errors'
import type { Guarantees } from '../../contract.js'
import { readError } from './errors.js'
import type { RedisPort } from './ports.js'
import { keyWithin } from './slot.js'

export interface Probed {
  readonly guarantees: Guarantees
  readonly cluster: boolean
}

/**
 * Asks every primary. Failover is `may-lose` whatever the settings: replication is asynchronous, and `WAIT` does not change that.
 * @throws PosternError `store.refused_guarantee` | `store.unavailable`
 */
export async function probe(port: RedisPort): Promise<Probed> {
  try {
    const first = await infoOf(port, '')
    const cluster = first.get('redis_mode') === 'cluster'
    const servers = cluster
      ? await Promise.all((await keysOfPrimaries(port)).map((key) => serverOf(port, key)))
      : [await serverOf(port, '')]
    const durable = (['none', 'process', 'power'] as const).find((level) => servers.some((server) => server.durable === level))
    return {
      cluster,
      guarantees: { durable: durable ?? 'none', failover: 'may-lose' },
    }
  } catch (error) {
    throw isPosternError(error) ? error : readError(error)
  }
}

async function serverOf(port: RedisPort, key: string): Promise<{ durable: Guarantees['durable']; version: number }> {
  const info = await infoOf(port, key)
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(info.get('redis_version') ?? '') ?? []
  const version = Number(major) * 100 + Number(minor)
  if (version < 602) throw refused('use Redis 6.2 or later, or Valkey')
  if (info.get('role') !== 'master') throw refused('connect to the primary: a replica is behind')
  // An evicted marker is a replay.
  if (info.get('maxmemory_policy') !== 'noeviction')
    throw refused('set maxmemory-policy to noeviction, and let this user read INFO')
  return { version, durable: info.get('aof_enabled') === '1' ? await syncOf(port, key) : 'none' }
}

/** With `always` each reply comes after its sync. `everysec` may hold writes back while a sync is under way and answers all the same: killed then, it forgets them. */
async function syncOf(port: RedisPort, key: string): Promise<Guarantees['durable']> {
  const settings = new Map<string, string>()
  try {
    const reply = (await port.send(key, 'CONFIG', 'GET', '*append*')) as readonly unknown[]
    for (let i = 0; i < reply.length; i += 2) settings.set(textOf(reply[i]), textOf(reply[i + 1]))
  } catch {
    return 'none'
  }
  const appendfsync = settings.get('appendfsync')
  if (appendfsync === 'always' && settings.get('no-appendfsync-on-rewrite') === 'no') return 'power'
  return appendfsync === 'always' ? 'process' : 'none'
}

async function infoOf(port: RedisPort, key: string): Promise<ReadonlyMap<string, string>> {
  const text = textOf(await port.send(key, 'INFO'))
  return new Map(text.split('\r\n').flatMap((line) => (line.includes(':') ? [line.split(/:(.*)/) as [string, string]] : [])))
}

/** A key of each primary, by the largest range of slots it has. */
async function keysOfPrimaries(port: RedisPort): Promise<readonly string[]> {
  const ranges = (await port.send('', 'CLUSTER', 'SLOTS')) as readonly [number, number, readonly unknown[]][]
  const largest = new Map<string, readonly [number, number]>()
  for (const [first, last, primary] of ranges) {
    const name = primary.slice(0, 2).map(textOf).join(':')
    const [from, to] = largest.get(name) ?? [0, -1]
    if (last - first > to - from) largest.set(name, [Number(first), Number(last)])
  }
  return [...largest.values()].map(([first, last]) => keyWithin(first, last))
}

export function textOf(reply: unknown): string {
  return reply instanceof Uint8Array ? new TextDecoder().decode(reply) : String(reply)
}

function refused(what: string): PosternError<'store.refused_guarantee'> {
  return new PosternError('store.refused_guarantee', {
    publicMessage: `This Redis may forget a marker, or show an old one: ${what}.`,
  })
}
