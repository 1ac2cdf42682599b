/// <reference types="node" />
/** A process that commits to the Redis it is given, until it is killed. */
import { fromIoredis, redisStore } from '@postern/store/redis'
import { serveStore } from '@postern/testkit/crash'
import { Redis } from 'ioredis'

const [port = ''] = process.argv.slice(2)
const client = new Redis({ port: Number(port), autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 })
serveStore(await redisStore({ port: fromIoredis(client) }))
