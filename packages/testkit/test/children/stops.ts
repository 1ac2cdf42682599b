/// <reference types="node" />
/** Starts a server, stops it, and has nothing else that would keep it alive meanwhile. */
import { writeSync } from 'node:fs'
import { startRedis } from '@postern/testkit/servers'

const { stop } = await startRedis()
await stop()
writeSync(1, 'stopped\n')
