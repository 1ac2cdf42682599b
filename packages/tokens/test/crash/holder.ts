/// <reference types="node" />
/** The child of the crash test: commits, says so, and never replies. */
import { writeSync } from 'node:fs'
import { sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'
import { world } from '../world.js'

const [file = '', what = ''] = process.argv.slice(2)
let held = false
const w = await world({
  nodes: 1,
  wrap: () => {
    const store = sqliteStore(new Database(file))
    return {
      ...store,
      async commit(part, ops, o) {
        const answer = await store.commit(part, ops, o)
        if (!held || !ops.some(({ key }) => key.startsWith('fam/'))) return answer
        writeSync(1, 'committed\n')
        return new Promise(() => setInterval(() => undefined, 1000))
      },
    }
  },
})
const device = await w.device()
const code = await w.code(device.id, { scope: ['openid', 'offline_access', 'accounts'] })
if (what === 'refresh') {
  const { refresh_token } = (await w.redeem(device, code)).body
  writeSync(1, `${refresh_token}\n`)
  held = true
  await w.refresh(device, refresh_token)
} else {
  writeSync(1, `${code}\n`)
  held = true
  await w.redeem(device, code)
}
