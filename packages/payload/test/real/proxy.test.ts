/// <reference types="node" />
/** Over real sockets: app, a proxy that ends TLS's place and is hostile, the API. */
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createSealedFetch, type SealedFetch } from '../../src/client.js'
import { storeReplayGuard } from '../../src/replay.js'
import { createPayloadServer } from '../../src/server.js'
import { localSessions } from '../../src/session.js'
import { codeOf } from '../codeOf.js'
import { random, type World, world } from '../world.js'

interface Recorded {
  readonly head: string
  readonly body: Buffer
}

let w: World
let api: Server
let proxy: Server
let origin: string
let clients: Record<'single' | 'session', SealedFetch>
let call: SealedFetch
let recorded: Recorded[]
let tamper: (exchange: {
  path: string
  request: Buffer
  reply: Buffer
  status: number
  type: string
  again: () => Promise<{ body: Buffer }>
}) => Promise<{ status: number; type: string; body: Buffer } | null>

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)))
}

beforeAll(async () => {
  w = await world()
  let handle: (request: Request) => Promise<Response>
  api = createServer(async (req, res) => {
    const body = await bytesOf(req)
    const headers = Object.entries(req.headers).map(([name, value]) => [name, String(value)] as [string, string])
    const init = { method: req.method!, headers, body: body.length === 0 ? null : new Uint8Array(body) }
    const answer = await handle(new Request(`http://127.0.0.1${req.url}`, init))
    res.writeHead(answer.status, [...answer.headers].flat())
    res.end(Buffer.from(await answer.arrayBuffer()))
  })
  const apiPort = await listen(api)

  const forward = (req: IncomingMessage, body: Buffer): Promise<{ status: number; type: string; head: string; body: Buffer }> =>
    new Promise((resolve, reject) => {
      const onward = httpRequest({ port: apiPort, path: req.url!, method: req.method!, headers: req.headers }, async (answer) => {
        const reply = await bytesOf(answer)
        resolve({
          status: answer.statusCode!,
          type: answer.headers['content-type'] ?? '',
          head: answer.rawHeaders.join('\n'),
          body: reply,
        })
      })
      onward.on('error', reject)
      onward.end(body)
    })
  proxy = createServer(async (req, res) => {
    const body = await bytesOf(req)
    const reply = await forward(req, body)
    recorded.push(
      { head: `${req.method} ${req.url}\n${req.rawHeaders.join('\n')}`, body },
      { head: reply.head, body: reply.body },
    )
    const shown =
      req.method === 'POST'
        ? await tamper({ path: req.url!, request: body, reply: reply.body, ...reply, again: () => forward(req, body) })
        : reply
    if (shown === null) return void req.socket.destroy()
    res.writeHead(shown.status, { 'content-type': shown.type })
    res.end(shown.body)
  })
  origin = `http://127.0.0.1:${await listen(proxy)}`

  const { runtime } = w
  const replay = storeReplayGuard({ store: w.store, tenant: 'bank', clock: runtime.clock, random })
  const server = createPayloadServer({
    runtime,
    tenant: 'bank',
    origin,
    ring: w.ring,
    root: w.root,
    replay,
    requirement: () => 'sealed',
    sessions: localSessions({ clock: runtime.clock, random, crypto: w.crypto }),
  })
  handle = (request) => server.fetch(request, (inner, how) => w.next(inner, how))
  const ports = { fetch: globalThis.fetch, clock: runtime.clock, random, crypto: w.crypto }
  const client = (session: 'auto' | 'off') =>
    createSealedFetch({
      origin,
      roots: [w.root.publicJwk],
      runtime: ports,
      session,
      headers: async () => ({ authorization: 'DPoP topsecrettoken' }),
    })
  clients = { single: client('off'), session: client('auto') }
})

afterAll(() => {
  for (const server of [api, proxy]) {
    server?.closeAllConnections()
    server?.close()
  }
})

beforeEach(() => {
  recorded = []
  w.seen.length = 0
  tamper = async ({ status, type, reply }) => ({ status, type, body: reply })
})

const transfer = () =>
  call(`${origin}/accounts/DE8937040044/transfers?memo=birthday`, {
    method: 'PATCH',
    body: '{"amount":"2500.00 EUR"}',
    headers: { 'x-device': 'pixel-9-serial' },
  })

describe.each(['single', 'session'] as const)('a hostile proxy, level %s', (level) => {
  beforeEach(async () => {
    call = clients[level]
    await call.reopen()
    recorded = level === 'single' ? recorded : []
  })

  it('passes a call through, and its recording holds no method, path, header, status or body of it', async () => {
    w.next = async (inner, how) => {
      w.seen.push({ method: inner.method, url: inner.url, headers: inner.headers, body: await inner.text(), call: how })
      return new Response('{"balance":"17.41"}', {
        status: 202,
        headers: { 'x-trace': 'ledger-eu-1', 'content-type': 'application/json' },
      })
    }
    const answer = await transfer()
    expect([answer.status, answer.headers.get('x-trace'), await answer.text()]).toEqual([
      202,
      'ledger-eu-1',
      '{"balance":"17.41"}',
    ])
    expect(w.seen[0]).toMatchObject({
      method: 'PATCH',
      url: `${origin}/accounts/DE8937040044/transfers?memo=birthday`,
      body: '{"amount":"2500.00 EUR"}',
    })
    const all = Buffer.concat(recorded.flatMap(({ head, body }) => [Buffer.from(head), body]))
    for (const secret of [
      'PATCH',
      'accounts',
      'DE8937040044',
      'transfers',
      'birthday',
      'amount',
      '2500',
      'pixel-9',
      'x-device',
      'topsecrettoken',
      'DPoP',
      'balance',
      '17.41',
      'ledger',
      'x-trace',
    ])
      expect(all.includes(secret), secret).toBe(false)
    expect(recorded.length).toBeGreaterThanOrEqual(2)
    expect(all.includes(level === 'single' ? 'message/ohttp-req' : 'vnd.postern.session-req')).toBe(true)
    expect(w.seen[0]!.call.level).toBe(level)
  })

  it('C01 changes a bit of the reply: refused', async () => {
    tamper = async ({ status, type, reply }) => {
      const body = Buffer.from(reply)
      body[body.length >> 1]! ^= 1
      return { status, type, body }
    }
    expect(await codeOf(transfer)).toBe('payload.reply_refused')
  })

  it('C02 cuts the reply: refused', async () => {
    tamper = async ({ status, type, reply }) => ({ status, type, body: reply.subarray(0, reply.length - 20) })
    expect(await codeOf(transfer)).toBe('payload.reply_refused')
  })

  it('C04 replays the request: it ran once, and the app reads the answer of that', async () => {
    let second: { body: Buffer } | undefined
    tamper = async ({ status, type, reply, again }) => {
      second = await again()
      return { status, type, body: reply }
    }
    expect((await transfer()).status).toBe(202)
    expect(w.seen).toHaveLength(1)
    expect(second!.body.length).toBeGreaterThan(0)
  })

  it('C04 replays it and shows the answer of the copy: the outcome is unknown, and it ran once', async () => {
    tamper = async ({ status, type, again }) => ({ status, type, body: (await again()).body })
    expect(await codeOf(transfer)).toBe('payload.outcome_unknown')
    expect(w.seen).toHaveLength(1)
  })

  it('C05 sends the request back as reply: refused', async () => {
    tamper = async ({ status, type, request }) => ({ status, type, body: request })
    // Read as chunks, it is one that does not open, or none that ends.
    expect(await codeOf(transfer)).toMatch(/^payload\.(reply_refused|outcome_unknown)$/)
  })

  it('swaps the replies of two calls: both refused', async () => {
    let first: Buffer | null = null
    tamper = async ({ status, type, reply }) => {
      const body = first ?? Buffer.alloc(reply.length, 7)
      first = reply
      return { status, type, body }
    }
    expect(await codeOf(transfer)).toBe('payload.reply_refused')
    expect(await codeOf(transfer)).toBe('payload.reply_refused')
  })

  it('lets it run and says unknown key: never sent twice', async () => {
    const type = 'application/problem+json'
    const body = Buffer.from(JSON.stringify({ type: 'https://iana.org/assignments/http-problem-types#ohttp-key' }))
    tamper = async () => ({ status: 400, type, body })
    expect(await codeOf(transfer)).toBe('payload.outcome_unknown')
    expect(w.seen).toHaveLength(1)
  })

  it('lets it run and breaks the connection: never sent twice; a GET is', async () => {
    tamper = async () => null
    expect(await codeOf(transfer)).toBe('payload.outcome_unknown')
    expect(w.seen).toHaveLength(1)
    let broken = false
    tamper = async ({ status, type, reply }) => {
      if (broken) return { status, type, body: reply }
      broken = true
      return null
    }
    expect((await call(`${origin}/balance`)).status).toBe(202)
  })

  it('answers by itself: never shown as the answer of the API', async () => {
    tamper = async () => ({ status: 200, type: 'application/json', body: Buffer.from('{"balance":"0"}') })
    expect(await codeOf(() => call(`${origin}/balance`))).toBe('payload.transport')
  })
})
