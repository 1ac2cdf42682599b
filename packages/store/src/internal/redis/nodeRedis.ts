/** node-redis (the package `redis`), single or cluster. It sends nothing again that was written, and writes the calls of a turn at once. */
import { PosternError } from '@postern/core/errors'
import { bufferOf, type Line, platform, portOver, type RedisArg, type RedisPort } from './ports.js'
import { slotOf } from './slot.js'

interface SendOptions {
  readonly chainId?: symbol
  readonly typeMapping: Readonly<Record<number, unknown>>
}

interface Closable {
  readonly isReady: boolean
  close(): Promise<void>
  destroy(): unknown
}

/** What the driver uses of `createClient(…)`. */
export interface NodeRedisSingle extends Closable {
  sendCommand(args: readonly RedisArg[], options: SendOptions): Promise<unknown>
  on(event: 'reconnecting', listener: () => void): unknown
}

/** What the driver uses of `createCluster(…)`. */
export interface NodeRedisCluster extends Closable {
  readonly slots: readonly { readonly master: { readonly client?: NodeRedisSingle | undefined } }[]
  nodeClient(node: never): unknown
  sendCommand(firstKey: string, isReadonly: boolean, args: RedisArg[], options: SendOptions): Promise<unknown>
}

/**
 * The driver's port over a node-redis client, which the host connects. Give it a `socketTimeout`, so that a connection which answers
 * nothing ends.
 *
 * @example
 * const client = createClient({ url })
 * await client.connect()
 * const store = await redisStore({ port: fromNodeRedis(client) })
 * @throws PosternError `store.refused_guarantee` for a Sentinel client, which sends again after a failover, a pool, or a `keyPrefix`
 */
export function fromNodeRedis(client: NodeRedisSingle | NodeRedisCluster): RedisPort {
  if ('getSentinelNode' in client || !('isReady' in client))
    throw refused(
      'give the driver a client of createClient or createCluster: a Sentinel client sends commands again, and a pool keeps no order',
    )
  if ((client as { _keyPrefix?: unknown })._keyPrefix)
    throw refused('open the client without keyPrefix: the driver names its keys')
  return 'slots' in client ? overCluster(client) : overSingle(client)
}

function overSingle(client: NodeRedisSingle): RedisPort {
  const line = lineOf(client)
  return portOver({
    slotOf: () => 0,
    lineTo: (_slot, answered) => (answered || client.isReady ? line : undefined),
    ask: (_key, args) => client.sendCommand(args.map(bufferOf), { typeMapping: asBytes() }),
    close: () => close(client),
  })
}

function overCluster(client: NodeRedisCluster): RedisPort {
  const lines = new WeakMap<NodeRedisSingle, Line>()
  return portOver({
    slotOf,
    lineTo(slot, answered) {
      const node = client.slots[slot]?.master.client
      if (node === undefined || !(answered || node.isReady)) return undefined
      const line = lines.get(node) ?? lineOf(node)
      lines.set(node, line)
      return line
    },
    ask: (key, args) => client.sendCommand(key, false, args.map(bufferOf), { typeMapping: asBytes() }),
    close: () => close(client),
  })
}

/**
 * What is said in one microtask is one chain: when the connection ends half-way, the rest is rejected with it, and never reaches
 * another. The client's time-out is for commands that wait for a connection, which these do not: they come when it is up. A timer
 * for each would cost more than all the rest.
 */
function lineOf(client: NodeRedisSingle): Line {
  const common = { typeMapping: asBytes(), timeout: undefined }
  let chain: SendOptions | undefined
  let last: ((error: unknown) => void)[] = []
  // The client writes a turn later. What the end of a connection catches in between it would keep for the next, however late.
  client.on('reconnecting', () => {
    for (const reject of last) reject(new Error('the connection ended'))
    last = []
  })
  return (args, resolve, reject) => {
    if (chain === undefined) {
      chain = { ...common, chainId: Symbol() }
      last = []
      queueMicrotask(() => {
        chain = undefined
      })
    }
    last.push(reject)
    client.sendCommand(args.map(bufferOf), chain).then(resolve, reject)
  }
}

/** Bulk strings (`$`) as bytes, maps (`%`) as they were before RESP3. */
const asBytes = (): SendOptions['typeMapping'] => ({ 36: platform.Buffer, 37: Array })

async function close(client: Closable): Promise<void> {
  if (client.isReady) await client.close()
  else client.destroy()
}

function refused(what: string): PosternError<'store.refused_guarantee'> {
  return new PosternError('store.refused_guarantee', { publicMessage: `A commit must be sent once, to the primary: ${what}.` })
}
