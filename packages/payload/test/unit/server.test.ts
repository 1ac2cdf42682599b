/** The gateway with handlers, hosts and senders at their worst. */
import { PosternError } from '@postern/core/errors'
import { describe, expect, it } from 'vitest'
import { decodeResponse, encodeRequest } from '../../src/bhttp.js'
import { openResponse, sealRequest } from '../../src/ohttp.js'
import { localReplayGuard } from '../../src/replay.js'
import type { PayloadServer } from '../../src/server.js'
import { localSessions, openSession, type SessionKeeper } from '../../src/session.js'
import { ORIGIN, outer, random, type World, world } from '../world.js'

const local = (w: World): SessionKeeper => localSessions({ clock: () => w.now, random, crypto: w.crypto })

interface Said {
  readonly method?: string
  readonly authority?: string
  readonly path?: string
  /** Fields beside the date. */
  readonly more?: readonly (readonly [string, string])[]
}

/** Sends a request, sealed by itself, and gives the inner status and the fields of this layer. */
async function send(
  w: World,
  server: PayloadServer,
  { method = 'GET', authority = 'api.bank.example', path = '/a', more = [] }: Said = {},
): Promise<{ status: number; code: string | null; opened: boolean; again: () => Promise<boolean> }> {
  const fields = [['date', new Date(w.now).toUTCString()] as const, ...more]
  const head = { method, scheme: 'https', authority, path, fields }
  const message = encodeRequest({ ...head, content: new Uint8Array(0), trailers: [] })
  const { sealed, exchange } = await sealRequest({ crypto: w.crypto, random }, w.ring.offered(w.now)[0]!.config, 2, message)
  const post = async () => {
    const answer = await server.fetch(outer(sealed), (inner, call) => w.next(inner, call))
    expect(answer.status).toBe(200)
    const { status, fields } = decodeResponse(await openResponse(w.crypto, exchange, new Uint8Array(await answer.arrayBuffer())))
    const named = (name: string): string | null => fields.find((line) => line[0] === name)?.[1] ?? null
    return { status, code: named('payload-error'), opened: named('payload-session') !== null }
  }
  return { ...(await post()), again: async () => (await post()).opened }
}

const offer = async (w: World) =>
  ['payload-session', (await openSession({ crypto: w.crypto, random }, { kem: 0x0020, aeads: [2] })).field] as const

describe('a handler', () => {
  it.each<[string, () => unknown]>([
    ['answers nothing', () => undefined],
    ['answers what it read before', () => answered],
    ['answers with an error of the network', () => Response.error()],
  ])('that %s has failed: the caller is told so inside', async (_, next) => {
    const w = await world()
    await answered.text().catch(() => undefined)
    w.next = async () => next() as Response
    expect(await send(w, w.server())).toMatchObject({ status: 500, code: 'payload.failed' })
  })
  const answered = new Response('once')

  it('whose answer cannot be said is not left waiting for a reader', async () => {
    const w = await world()
    let told: unknown
    const body = new ReadableStream<Uint8Array>(
      { pull: (controller) => controller.enqueue(random(50_000)), cancel: (reason) => void (told = reason) },
      { highWaterMark: 0 },
    )
    w.next = async () => new Response(body, { headers: { 'x-a': 'y'.repeat(40_000) } })
    const call = w.client(w.server({ sessions: local(w) }), { early: 'never' })
    expect((await call(`${ORIGIN}/a`)).status).toBe(500)
    expect(told).toBeDefined()
  })

  it('that answers HEAD, and statuses without content, with what it likes: the caller gets none', async () => {
    const w = await world()
    const call = w.client(w.server({ sessions: local(w) }))
    w.next = async () => new Response('x'.repeat(100_000), { headers: { 'content-length': '5' } })
    const head = await call(`${ORIGIN}/a`, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, null])
    for (const status of [204, 205, 304]) {
      w.next = async () => new Response(null, { status, headers: { 'content-length': '5' } })
      const answer = await call(`${ORIGIN}/a`)
      expect([answer.status, await answer.text()]).toEqual([status, ''])
    }
  })
})

describe('a sealed request', () => {
  it.each(['message/ohttp-req', 'message/ohttp-chunked-req', 'application/vnd.postern.session-req'])(
    'of type %s whose bytes break off on the way is answered as whatever does not open',
    async (type) => {
      const w = await world()
      const refused = await (await w.server().fetch(outer(random(3), type), w.next)).text()
      let sent = 0
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent++ === 0) controller.enqueue(random(20))
          else controller.error(new Error('the socket was closed'))
        },
      })
      const init = { method: 'POST', headers: { 'content-type': type }, body, duplex: 'half' }
      const answer = await w.server({ sessions: local(w) }).fetch(new Request(`${ORIGIN}/ohttp`, init), w.next)
      expect([answer.status, await answer.text()]).toEqual([400, refused])
    },
  )
})

describe('an outer request without a body', () => {
  it.each(['message/ohttp-req', 'message/ohttp-chunked-req', 'application/vnd.postern.session-req'])(
    'of type %s is answered as whatever does not open',
    async (type) => {
      const w = await world()
      const server = w.server({ sessions: local(w) })
      const init = { method: 'POST', headers: { 'content-type': type } }
      const answers = [new Request(`${ORIGIN}/ohttp`, init), outer(random(3), type)].map(async (request) => {
        const answer = await server.fetch(request, w.next)
        return [answer.status, await answer.text()]
      })
      const [none, short] = await Promise.all(answers)
      expect(none).toEqual(short)
      expect(none![0]).toBe(400)
    },
  )
})

describe('a request for the gateway itself', () => {
  it.each([
    ['opens a session and does nothing else', 'GET', true, true, { status: 204, code: null, opened: true }],
    ['without an offer is refused', 'GET', false, true, { status: 400, code: 'payload.nested' }],
    ['where none are offered is refused', 'GET', true, false, { status: 400, code: 'payload.nested' }],
    ['with another method is refused', 'POST', true, true, { status: 400, code: 'payload.nested' }],
  ] as const)('%s', async (_, method, offers, keeps, told) => {
    const w = await world()
    const server = w.server(keeps ? { sessions: local(w) } : {})
    for (const path of ['/ohttp', '/.well-known/ohttp-gateway', '/x/../ohttp'])
      expect(await send(w, server, { method, path, more: offers ? [await offer(w)] : [] })).toMatchObject(told)
    expect(w.seen).toEqual([])
  })

  it('of another origin that is served here is a call like any other', async () => {
    const w = await world()
    const server = w.server({ sessions: local(w), targets: [ORIGIN, 'https://other.example'] })
    expect(await send(w, server, { path: '/ohttp', authority: 'other.example' })).toMatchObject({ status: 200, code: null })
    expect(w.seen.map(({ url }) => url)).toEqual(['https://other.example/ohttp'])
  })
})

describe('what a route wants', () => {
  it.each(['post', 'PoSt', 'POST'])('is asked with the method that the handler sees: %s', async (method) => {
    const w = await world()
    const asked: string[] = []
    const requirement = (method: string): 'bound' | 'allowed' => {
      asked.push(method)
      return method === 'POST' ? 'bound' : 'allowed'
    }
    expect(await send(w, w.server({ requirement }), { method })).toMatchObject({ status: 403, code: 'payload.required' })
    expect([asked, w.seen]).toEqual([['POST'], []])
  })
})

describe('an opening', () => {
  it('where no sessions are kept opens none, and the call goes on', async () => {
    const w = await world()
    expect(await send(w, w.server(), { more: [await offer(w)] })).toMatchObject({ status: 200, code: null, opened: false })
    expect(w.seen).toHaveLength(1)
  })

  it('that no guard watches is bounded for everybody: a copy of it proves the same caller each time', async () => {
    const w = await world()
    const keeper: SessionKeeper = { ...local(w), windowMs: 120_000 }
    const bind = async () => ({ jkt: 'j', ath: null, expiresAt: w.now + 600_000 })
    const replay = localReplayGuard({ clock: () => w.now })
    const server = w.server({ sessions: keeper, bind, replay, limits: { anonymousSessions: 3 } })
    const first = await send(w, server, { method: 'POST', more: [await offer(w)] })
    expect(first).toMatchObject({ code: 'payload.too_early', opened: true })
    const copies: boolean[] = []
    for (let i = 0; i < 4; i++) copies.push(await first.again())
    expect(copies).toEqual([true, true, false, false])
  })

  it.each<[string, (w: World) => SessionKeeper, boolean]>([
    ['of a stranger in this node alone', local, false],
    ['of a caller that proves who he is, in a store', (w) => ({ ...local(w), windowMs: 120_000 }), true],
  ])('%s is not counted where the guard watches it', async (_, keeper, known) => {
    const w = await world()
    const bind = async () => (known ? { jkt: 'j', ath: null, expiresAt: w.now + 600_000 } : null)
    const server = w.server({ sessions: keeper(w), bind, limits: { anonymousSessions: 1 } })
    for (let i = 0; i < 3; i++)
      expect(await send(w, server, { more: [await offer(w)] })).toMatchObject({ status: 200, opened: true })
  })

  it.each([
    ['store.unavailable', 200],
    ['store.outcome_unknown', 200],
    ['store.overloaded', 200],
    ['store.invalid', 500],
  ] as const)('whose keeper fails with %s: inner %s', async (code, status) => {
    const w = await world()
    const keep = () => Promise.reject(new PosternError(code))
    const server = w.server({ sessions: { ...local(w), keep } })
    expect(await send(w, server, { more: [await offer(w)] })).toMatchObject({ status, opened: false })
    expect(w.seen).toHaveLength(status === 200 ? 1 : 0)
  })
})
