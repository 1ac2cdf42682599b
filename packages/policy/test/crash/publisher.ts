/// <reference types="node" />
/** The child of the crash test: publishes version after version, says when each is through the gate and when it is saved, and waits to be killed. */
import { randomFillSync } from 'node:crypto'
import { writeSync } from 'node:fs'
import { publish } from '@postern/policy/publish'
import { sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'
import { context, version } from '../publishing.js'
import { storeRepository } from '../repository.js'

const [file = '', stall = ''] = process.argv.slice(2)
const repository = storeRepository(sqliteStore(new Database(file)), (n) => randomFillSync(new Uint8Array(n)))
let n = 0
const approve = async (report: { readonly version: string | null }) => {
  writeSync(1, `gated ${report.version}\n`)
  if (stall === 'stall' && n === 3) await new Promise(() => setInterval(() => undefined, 1000))
  return true
}
for (;;) {
  const head = await repository.head('retail')
  const { version: saved } = await publish(await version(++n, head?.version ?? null), context(repository, { approve }))
  writeSync(1, `saved ${saved}\n`)
}
