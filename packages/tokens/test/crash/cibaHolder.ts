/// <reference types="node" />
/** The child of the crash test: a user decides about a push, and the process never gets further than the commit that it is to die after. */
import { writeSync } from 'node:fs'
import { sqliteStore } from '@postern/store/sqlite'
import { deliver } from '@postern/tokens/ciba'
import Database from 'libsql'
import { cibaWorld, granted } from '../waiting.js'

const [file = '', what = ''] = process.argv.slice(2)
let held = false
const w = await cibaWorld({
  nodes: 1,
  wrap: () => {
    const store = sqliteStore(new Database(file))
    return {
      ...store,
      async commit(part, ops, o) {
        const answer = await store.commit(part, ops, o)
        if (!held || !ops.some(({ key }) => key.startsWith('e/~ciba/'))) return answer
        writeSync(1, 'committed\n')
        return new Promise(() => setInterval(() => undefined, 1000))
      },
    }
  },
})
await w.begin({ client_id: 'pushed', scope: 'openid offline_access' })
writeSync(1, `${w.asked[0]!.id}\n`)
held = what === 'decision'
await w.decide(granted())
held = true
await deliver(w.contexts[0]!)
