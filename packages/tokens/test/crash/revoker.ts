/// <reference types="node" />
/** The child of the crash test: makes the first commit of a revocation or a logout, says so, and gets no further. */
import { writeSync } from 'node:fs'
import { sqliteStore } from '@postern/store/sqlite'
import { logOut } from '@postern/tokens/logout'
import { revoke } from '@postern/tokens/revoke'
import Database from 'libsql'
import { loggingOut, loginAt } from '../loggingOut.js'

const [file = '', what = ''] = process.argv.slice(2)
let held = false
const w = await loggingOut({
  nodes: 1,
  wrap: () => {
    const store = sqliteStore(new Database(file))
    return {
      ...store,
      async commit(part, ops, o) {
        const answer = await store.commit(part, ops, o)
        if (!held || !ops.some(({ key }) => key.startsWith('e/~revoke/') || key.startsWith('e/~sessionend/'))) return answer
        writeSync(1, 'committed\n')
        return new Promise(() => setInterval(() => undefined, 1000))
      },
    }
  },
})
if (what === 'logout') {
  const tokens = await Promise.all(['portal', 'shop'].map((id) => loginAt(w, id)))
  writeSync(1, `${JSON.stringify(tokens)}\n`)
  held = true
  await logOut({ subject: 'user-1', sid: 'session1' }, w.contexts[0]!)
} else {
  const devices = [await w.device(), await w.device()]
  const tokens = await Promise.all(devices.map(async ({ id }, i) => (await w.redeem(devices[i]!, await w.code(id))).body))
  writeSync(1, `${JSON.stringify(tokens)}\n`)
  held = true
  await revoke({ subject: 'user-1', devices: devices.map(({ id }) => id) }, w.contexts[0]!)
}
