// @ts-check
import { fromIoredis, fromNodeRedis, redisStore } from '@postern/store/redis'
import { present, startRedis } from '@postern/testkit/servers'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { compare, timed } from './measure.js'

const now = 1_767_225_600_000
const lifeMs = 60_000
const value = Buffer.alloc(300, 7)
const rev = 'AAAAAAAAAAAAAAAA'
let keys = 0

/** @typedef {{ inFlight: number, count: number, two?: boolean, hot?: boolean }} Work */
/** @typedef {{ port: import('@postern/store/redis').RedisPort, one(key: string): Promise<unknown>, two(a: string, b: string): Promise<unknown>, end(): Promise<unknown> }} Peer */

/** Put-if-absent of 300 bytes that live for a minute, into a throw-away server with `appendfsync everysec`, against `SET NX PX` of the same client. */
export async function redisCases() {
  if (!present.redis) return [{ case: 'redis', skipped: 'no Redis on this machine' }]
  const server = await startRedis({ settings: { appendonly: 'yes', appendfsync: 'everysec' } })
  // A server that stops keeps no process waiting for it.
  const waiting = setInterval(() => {}, 1000)
  try {
    return await cases(server)
  } finally {
    await server.stop()
    clearInterval(waiting)
  }
}

/** @param {import('@postern/testkit/servers').RedisServer} server */
async function cases(server) {
  const lines = []
  /** @param {string} name @param {keyof typeof clients} client @param {boolean} index @param {Work} work */
  const run = async (name, client, index, work) => {
    const [mine, theirs] = [await clients[client](server.port), await clients[client](server.port)]
    const { port, scripts } = counted(mine.port)
    const store = await redisStore({ port, index, graceMs: lifeMs })
    const fresh = async () => void (await server.cli('flushall'))
    let commits = 0
    const line = await compare(name, {
      postern: () => fresh().then(() => ours(store, work).finally(() => (commits += work.count))),
      peer: () => fresh().then(() => raw(theirs, work)),
      peerName: `${client}: SET NX PX${work.two ? ', two in MULTI' : ''}`,
      rounds: 31,
    })
    const batch_mean = Number((commits / scripts()).toPrecision(3))
    await fresh()
    await ours(store, { ...work, inFlight: 1, count: 1 })
    const key = (await server.cli('keys', '*marker*')).trim()
    lines.push({ ...line, index, batch_mean, bytes_a_record: Number(await server.cli('memory', 'usage', key)) })
    await store.close()
    await theirs.end()
  }
  const only = process.env['POSTERN_BENCH_CASE'] ?? ''
  const [one, two] = [
    { inFlight: 32, count: 1600 },
    { inFlight: 32, count: 800, two: true },
  ]
  /** @type {[string, keyof typeof clients, boolean, Work][]} */
  const all = [
    ['redis.commit.32', 'node-redis', false, one],
    ['redis.commit.32.two-op', 'node-redis', false, two],
    ['redis.commit.32.index', 'node-redis', true, one],
    ['redis.commit.32.two-op.index', 'node-redis', true, two],
    ['redis.commit.32.ioredis', 'ioredis', false, one],
    ['redis.commit.32.two-op.ioredis', 'ioredis', false, two],
    ['redis.commit.32.index.ioredis', 'ioredis', true, one],
    ['redis.commit.32.two-op.index.ioredis', 'ioredis', true, two],
    // The peers at their leanest: settings that a host has to know of.
    ['redis.commit.32.lean', 'node-redis without timers', false, one],
    ['redis.commit.32.two-op.lean', 'node-redis without timers', false, two],
    ['redis.commit.32.ioredis.lean', 'ioredis with auto-pipelining', false, one],
    ['redis.commit.32.two-op.ioredis.lean', 'ioredis with auto-pipelining', false, two],
    ['redis.commit.1', 'node-redis', false, { inFlight: 1, count: 200 }],
    ['redis.commit.1.index', 'node-redis', true, { inFlight: 1, count: 200 }],
    ['redis.commit.256', 'node-redis', false, { inFlight: 256, count: 5120 }],
    ['redis.commit.256.index', 'node-redis', true, { inFlight: 256, count: 5120 }],
    ['redis.commit.32.hot', 'node-redis', false, { ...one, hot: true }],
    ['redis.commit.32.hot.index', 'node-redis', true, { ...one, hot: true }],
  ]
  for (const [name, client, index, work] of all) if (name.startsWith(only)) await run(name, client, index, work)
  return lines
}

/** @param {import('@postern/store').Store} store @param {Work} work */
function ours(store, { inFlight, count, two = false, hot = false }) {
  return timed(count, () =>
    each(inFlight, count, async (n) => {
      /** @type {import('@postern/store').Op[]} */
      const ops = [{ op: 'put', key: `marker/${n}`, value, rev: null, expiresAt: now + lifeMs }]
      if (two) ops.push({ op: 'put', key: `fam/${n}`, value, rev: null, expiresAt: now + lifeMs })
      const answer = await store.commit({ tenant: 'bank', id: `u:${hot ? 0 : n % 997}` }, ops, { now, rev })
      if (!answer.ok) throw new Error('a fresh marker was refused')
    }),
  )
}

/** @param {Peer} peer @param {Work} work */
function raw(peer, { inFlight, count, two = false, hot = false }) {
  return timed(count, () =>
    each(inFlight, count, async (n) => {
      const place = `{bank:u:${hot ? 0 : n % 997}}`
      await (two ? peer.two(`${place}marker/${n}`, `${place}fam/${n}`) : peer.one(`${place}marker/${n}`))
    }),
  )
}

/** @param {number} inFlight @param {number} count @param {(n: number) => Promise<void>} one */
function each(inFlight, count, one) {
  return Promise.all(
    Array.from({ length: inFlight }, async () => {
      for (let i = 0; i < count / inFlight; i++) await one(++keys)
    }),
  )
}

const clients = {
  'node-redis': (/** @type {number} */ port) => nodeRedis(port, {}),
  // It sets a timer for each command, by default.
  'node-redis without timers': (/** @type {number} */ port) => nodeRedis(port, { commandOptions: { timeout: undefined } }),
  ioredis: (/** @type {number} */ port) => ioredis(port, {}),
  // It writes each command by itself, by default.
  'ioredis with auto-pipelining': (/** @type {number} */ port) => ioredis(port, { enableAutoPipelining: true }),
}

/** @param {number} port @param {object} o @returns {Promise<Peer>} */
async function nodeRedis(port, o) {
  const client = createClient({ socket: { port }, ...o })
  await client.connect()
  const options = /** @type {const} */ ({ condition: 'NX', expiration: { type: 'PX', value: 2 * lifeMs } })
  return {
    port: fromNodeRedis(client),
    one: (key) => client.set(key, value, options),
    two: (a, b) => client.multi().set(a, value, options).set(b, value, options).exec(),
    end: () => client.close(),
  }
}

/** @param {number} port @param {object} o @returns {Promise<Peer>} */
async function ioredis(port, o) {
  const client = new Redis({ port, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, ...o })
  return {
    port: fromIoredis(client),
    one: (key) => client.set(key, value, 'PX', 2 * lifeMs, 'NX'),
    two: (a, b) =>
      client
        .multi()
        .set(a, value, 'PX', 2 * lifeMs, 'NX')
        .set(b, value, 'PX', 2 * lifeMs, 'NX')
        .exec(),
    end: () => client.quit(),
  }
}

/** Counts the scripts that commits leave in. @param {import('@postern/store/redis').RedisPort} port */
function counted(port) {
  let scripts = 0
  return {
    scripts: () => scripts,
    port: /** @type {typeof port} */ ({
      ...port,
      eval(...call) {
        scripts++
        return port.eval(...call)
      },
    }),
  }
}
