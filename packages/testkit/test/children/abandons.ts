/// <reference types="node" />
/** A test run that starts a server and dies before it can end it. */
import { writeSync } from 'node:fs'
import { startRedis } from '@postern/testkit/servers'

const { pid, folder } = await startRedis()
writeSync(1, `${pid} ${folder}\n`)
setInterval(() => {}, 1000)
