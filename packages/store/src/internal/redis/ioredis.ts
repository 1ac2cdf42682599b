/** ioredis, single or Cluster. */
import { PosternError } from '@postern/core/errors'
import { bufferOf, type Line, portOver, type RedisArg, type RedisPort } from './ports.js'
import { slotOf } from './slot.js'

interface Resending {
  readonly autoResendUnfulfilledCommands?: boolean | undefined
  readonly maxRetriesPerRequest?: number | null | undefined
}

/** Every command has a method that answers in bytes; the driver uses `evalsha`, `eval`, `set`, `mget`, `exists`, `wait` and a few to ask about the server. */
interface Caller {
  mgetBuffer(...args: never[]): unknown
  quit(): Promise<unknown>
  disconnect(): void
}

/** What the driver uses of `new Redis(…)`. */
export interface IoredisSingle extends Caller {
  readonly status: string
  readonly stream: { cork(): void; uncork(): void }
  readonly options: Resending & {
    readonly keyPrefix?: unknown
    readonly readOnly?: boolean | undefined
    readonly sentinels?: unknown
    readonly role?: unknown
    readonly host?: string | undefined
    readonly port?: number | undefined
  }
}

/** What the driver uses of `new Cluster(…)`. */
export interface IoredisCluster extends Caller {
  readonly isCluster: boolean
  /** By slot, the addresses of the primary and its replicas. */
  readonly slots: readonly (readonly string[])[]
  nodes(role: 'master'): readonly IoredisSingle[]
  readonly options: {
    readonly keyPrefix?: unknown
    readonly scaleReads?: unknown
    readonly retryDelayOnFailover?: number | undefined
    readonly redisOptions?: Resending | undefined
  }
}

/**
 * The driver's port over an ioredis client that sends nothing again by itself: after a reconnect its default is to repeat what was
 * under way, which may have run.
 *
 * @example
 * const once = { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 }
 * const single = fromIoredis(new Redis({ host, ...once }))
 * const cluster = fromIoredis(new Cluster(nodes, { retryDelayOnFailover: 0, redisOptions: once }))
 * @throws PosternError `store.refused_guarantee` for a client that does, and for one that reads from replicas or renames keys
 */
export function fromIoredis(client: IoredisSingle | IoredisCluster): RedisPort {
  return 'nodes' in client ? overCluster(client) : overSingle(client)
}

function overSingle(client: IoredisSingle): RedisPort {
  const { options } = client
  requireOnce(options, 'options')
  requireOwnKeys(options.keyPrefix)
  if (options.readOnly || (options.sentinels && options.role === 'slave'))
    throw refused('connect ioredis to the primary, not to a replica')
  const line = lineOf(client)
  return portOver({
    slotOf: () => 0,
    lineTo: (_slot, answered) => (answered || client.status === 'ready' ? line : undefined),
    ask: (_key, args) => call(client, args),
    close: () => quit(client),
  })
}

function overCluster(client: IoredisCluster): RedisPort {
  const { options } = client
  requireOnce(options.redisOptions ?? {}, 'redisOptions')
  requireOwnKeys(options.keyPrefix)
  if (options.retryDelayOnFailover !== 0)
    throw refused('give ioredis Cluster retryDelayOnFailover: 0; it sends commands again after a lost connection')
  if (options.scaleReads !== 'master') throw refused("give ioredis Cluster scaleReads: 'master'; a replica is behind")
  const lines = new WeakMap<IoredisSingle, Line>()
  return portOver({
    slotOf,
    lineTo(slot, answered) {
      const address = client.slots[slot]?.[0]
      const node = client.nodes('master').find(({ options: { host, port } }) => `${host}:${port}` === address)
      if (node === undefined || !(answered || node.status === 'ready')) return undefined
      const line = lines.get(node) ?? lineOf(node)
      lines.set(node, line)
      return line
    },
    ask: (_key, args) => call(client, args),
    close: () => quit(client),
  })
}

/** One write for what is said in one microtask: ioredis itself writes each command by itself. */
function lineOf(client: IoredisSingle): Line {
  let corked = false
  return (args, resolve, reject) => {
    if (!corked) {
      corked = true
      const { stream } = client
      stream.cork()
      queueMicrotask(() => {
        corked = false
        stream.uncork()
      })
    }
    call(client, args).then(resolve, reject)
  }
}

/** By the command's own method: with `enableAutoPipelining` the general `callBuffer` of ioredis loses the command. */
function call(client: Caller, [command, ...args]: readonly RedisArg[]): Promise<unknown> {
  const methods = client as unknown as Record<string, (args: readonly RedisArg[]) => Promise<unknown>>
  return methods[`${(command as string).toLowerCase()}Buffer`]!(args.map(bufferOf))
}

async function quit(client: Caller): Promise<void> {
  try {
    await client.quit()
  } catch {
    client.disconnect()
  }
}

/** With 0 retries ioredis rejects, when the connection ends, all that was under way; with more it keeps it, to send it again or never to answer. */
function requireOnce({ autoResendUnfulfilledCommands, maxRetriesPerRequest }: Resending, where: string): void {
  if (autoResendUnfulfilledCommands === false && maxRetriesPerRequest === 0) return
  throw refused(
    `give ioredis autoResendUnfulfilledCommands: false and maxRetriesPerRequest: 0 in its ${where}; it sends commands again after a lost connection`,
  )
}

function requireOwnKeys(keyPrefix: unknown): void {
  if (keyPrefix) throw refused('open ioredis without keyPrefix; the driver names its keys')
}

function refused(what: string): PosternError<'store.refused_guarantee'> {
  return new PosternError('store.refused_guarantee', { publicMessage: `A commit must be sent once, to the primary: ${what}.` })
}
