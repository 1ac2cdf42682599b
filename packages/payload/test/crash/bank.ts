/// <reference types="node" />
/** An API in a process of its own, to be killed: what runs, it writes to a file before it answers. */
import { appendFileSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createCrypto } from '@postern/core/crypto/node'
import { systemPorts } from '@postern/core/systemRuntime'
import { sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'
import { openKemRing } from '../../src/keys.js'
import { storeReplayGuard } from '../../src/replay.js'
import { createPayloadServer } from '../../src/server.js'
import { localSessions } from '../../src/session.js'

const [folder = '', port = '0'] = process.argv.slice(2)
const { document, root } = JSON.parse(readFileSync(`${folder}/keys.json`, 'utf8'))
const crypto = createCrypto()
const { clock, random, ...ports } = systemPorts()
const store = sqliteStore(new Database(`${folder}/bank.db`))
const server = createPayloadServer({
  runtime: { ...ports, clock, random, crypto, store, events: () => undefined },
  tenant: 'bank',
  origin: `http://127.0.0.1:${port}`,
  ring: await openKemRing(document, crypto),
  root: await crypto.signer('ES256', root),
  replay: storeReplayGuard({ store, tenant: 'bank', clock, random }),
  sessions: localSessions({ clock, random, crypto }),
  requirement: () => 'sealed',
})

createServer(async (req, res) => {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  const headers = Object.entries(req.headers).map(([name, value]) => [name, String(value)] as [string, string])
  const body = chunks.length === 0 ? null : new Uint8Array(Buffer.concat(chunks))
  const answer = await server.fetch(
    new Request(`http://127.0.0.1:${port}${req.url}`, { method: req.method!, headers, body }),
    async (inner, call) => {
      appendFileSync(`${folder}/ran`, `${inner.method} ${new URL(inner.url).pathname} ${call.level}\n`)
      return new Response('done')
    },
  )
  res.writeHead(answer.status, [...answer.headers].flat())
  res.end(Buffer.from(await answer.arrayBuffer()))
}).listen(Number(port), '127.0.0.1', () => console.log('ready'))
