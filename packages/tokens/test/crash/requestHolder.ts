/// <reference types="node" />
/** The child of the crash test: ends a pushed request, commits, says so, and never replies. */
import { writeSync } from 'node:fs'
import { sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'
import { good, granted } from '../authorization.js'
import { basic, ISSUER, SECRET, world } from '../world.js'

const [file = ''] = process.argv.slice(2)
const w = await world({
  nodes: 1,
  wrap: () => {
    const store = sqliteStore(new Database(file))
    return {
      ...store,
      async commit(part, ops, o) {
        const answer = await store.commit(part, ops, o)
        if (!ops.some(({ key }) => key === 'done')) return answer
        writeSync(1, 'committed\n')
        return new Promise(() => setInterval(() => undefined, 1000))
      },
    }
  },
})
const { body } = await w.post('/par', good, { headers: { authorization: basic('portal', SECRET) } })
const query = new URLSearchParams({ client_id: 'portal', request_uri: body.request_uri })
const page = await w.nodes[0]!.fetch(new Request(`${ISSUER}/authorize?${query}`))
const cookie = page.headers.get('set-cookie')!.split(';')[0]!
const handle = await page.text()
writeSync(1, `${JSON.stringify({ request_uri: body.request_uri, handle, cookie })}\n`)
await w.nodes[0]!.resume(handle, granted(w), new Request(`${ISSUER}/login`, { headers: { cookie } }))
