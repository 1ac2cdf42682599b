/** Calls whose content comes and goes while they run, over the whole server: what is not authenticated to its end is an error of the body. */
import { concat, utf8 } from '@postern/core/bytes'
import type { Fetch } from '@postern/core/runtime'
import { describe, expect, it } from 'vitest'
import { allowUnsignedKeys, type SealedFetch } from '../../src/client.js'
import type { PayloadServerOptions } from '../../src/server.js'
import { localSessions } from '../../src/session.js'
import { codeOf } from '../codeOf.js'
import { ORIGIN, random, type World, world } from '../world.js'

const streams: Partial<PayloadServerOptions> = { streams: (_, { pathname }) => pathname.startsWith('/stream') }
const sessions = (w: World) => localSessions({ clock: () => w.now, random, crypto: w.crypto })

/** Content of `pieces`, each when it is asked for; fails at the end where told to. */
function pieces(count: number, bytes: number, failing?: Error): ReadableStream<Uint8Array> {
  let i = 0
  return new ReadableStream({
    pull(controller) {
      if (i++ < count) controller.enqueue(new Uint8Array(bytes).fill(i))
      else if (failing) controller.error(failing)
      else controller.close()
    },
  })
}

const upload = (call: SealedFetch, path: string, body: ReadableStream<Uint8Array>, more: RequestInit = {}) =>
  call(`${ORIGIN}${path}`, { method: 'POST', body, duplex: 'half', ...more } as RequestInit)

/** A wire on which the sealed bytes of requests, or of replies, are changed. */
function tampering(where: 'request' | 'reply', change: (bytes: Uint8Array) => Uint8Array): (inner: Fetch) => Fetch {
  const changed = async (body: ReadableStream<Uint8Array> | null) =>
    change(new Uint8Array(await new Response(body).arrayBuffer())) as Uint8Array<ArrayBuffer>
  return (inner) => async (input, init) => {
    const request = new Request(input, init)
    const { url, method, headers } = request
    if (method !== 'POST' || request.headers.get('content-type') === 'message/ohttp-req') return inner(request)
    const answer = await inner(
      where === 'request' ? new Request(url, { method, headers, body: await changed(request.body) }) : request,
    )
    if (where === 'request') return answer
    return new Response(await changed(answer.body), { status: answer.status, headers: answer.headers })
  }
}

const flip = (at: number) => (bytes: Uint8Array) => bytes.map((byte, i) => (i === bytes.length + at ? byte ^ 1 : byte))
const cut = (by: number) => (bytes: Uint8Array) => bytes.slice(0, bytes.length - by)

describe.each([
  ['in a session', (w: World): Partial<PayloadServerOptions> => ({ sessions: sessions(w) }), {}],
  ['to a key, in chunks', (): Partial<PayloadServerOptions> => ({}), { session: 'off' }],
] as const)('content %s', (_, options, client) => {
  it('streams up and down, and is whole', async () => {
    const w = await world()
    const server = w.server({ ...streams, ...options(w) })
    w.next = async (inner) => new Response(inner.body, { headers: { 'x-type': inner.headers.get('x-type')! } })
    const answer = await upload(w.client(server, client), '/stream', pieces(40, 10_000), { headers: { 'x-type': 'a' } })
    expect([answer.status, answer.headers.get('x-type')]).toEqual([200, 'a'])
    const bytes = new Uint8Array(await answer.arrayBuffer())
    expect(bytes.length).toBe(400_000)
    expect(bytes.every((byte, i) => byte === Math.floor(i / 10_000) + 1)).toBe(true)
  })

  it('reaches the handler before it is all there, and the caller before the handler is done', async () => {
    const w = await world()
    const server = w.server({ ...streams, ...options(w) })
    let sent = 0
    let atHandler = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent++ < 200) controller.enqueue(new Uint8Array(10_000))
        else controller.close()
      },
    })
    w.next = async (inner) => {
      atHandler = sent
      await inner.arrayBuffer()
      return new Response(pieces(200, 10_000))
    }
    const answer = await upload(w.client(server, client), '/stream', body)
    expect(atHandler).toBeLessThan(30)
    const reader = answer.body!.getReader()
    expect((await reader.read()).value!.length).toBeGreaterThan(0)
    await reader.cancel()
  })

  it('on a route that does not stream is authenticated to its end before the handler, and bounded', async () => {
    const w = await world()
    const server = w.server({ ...options(w) })
    const call = w.client(server, client)
    expect((await upload(call, '/whole', pieces(20, 10_000))).status).toBe(200)
    expect(w.seen.at(-1)!.body.length).toBe(200_000)
    const answer = await upload(call, '/whole', pieces(200, 10_000))
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('bhttp.limit')])
    expect(w.seen).toHaveLength(1)
  })

  it.each([
    ['C01 a flipped bit in the last chunk', flip(-5), 'payload.refused'],
    ['C14 a cut before the end', cut(20), 'payload.refused'],
    ['C14 an end that was cut off', cut(400_000), 'payload.truncated'],
  ])('%s of an upload: the handler gets an error in place of the end, and its signal aborts', async (_, change, code) => {
    const w = await world()
    const server = w.server({ ...streams, ...options(w) })
    let aborted = false
    let got: string | null = null
    w.next = async (inner) => {
      inner.signal.addEventListener('abort', () => {
        aborted = true
      })
      got = await codeOf(() => inner.arrayBuffer())
      return new Response('never said')
    }
    const call = w.client(server, { ...client, wire: tampering('request', change) })
    await codeOf(() => upload(call, '/stream', pieces(60, 10_000)))
    expect([got, aborted]).toEqual([code, true])
  })

  it.each([
    ['C01 a flipped bit in the last chunk', flip(-5), 'payload.reply_refused'],
    ['C14 an end that was cut off', cut(300_000), 'payload.truncated'],
  ])('%s of a download: an error of the body', async (_, change, code) => {
    const w = await world()
    const server = w.server({ ...options(w) })
    w.next = async () => new Response(pieces(60, 10_000))
    const call = w.client(server, { ...client, wire: tampering('reply', change) })
    const answer = await upload(call, '/stream', pieces(10, 10_000))
    expect(answer.status).toBe(200)
    expect(await codeOf(() => answer.arrayBuffer())).toBe(code)
  })

  it('C14 a handler that fails after its headers never writes an end', async () => {
    const w = await world()
    const server = w.server({ ...options(w) })
    w.next = async () => new Response(pieces(30, 10_000, new Error('secret detail')))
    const answer = await upload(w.client(server, client), '/a', pieces(10, 10_000))
    expect(answer.status).toBe(200)
    expect(await codeOf(() => answer.arrayBuffer())).toBe('payload.truncated')
  })

  it('of a caller that fails midway is never ended: nothing runs on a route that does not stream', async () => {
    const w = await world()
    const server = w.server({ ...options(w) })
    const own = new Error('the camera was unplugged')
    const call = w.client(server, client)
    await expect(upload(call, '/a', pieces(20, 10_000, own))).rejects.toBe(own)
    expect(w.seen).toEqual([])
  })

  it('an aborted call rejects with its reason, also while its answer is read', async () => {
    const w = await world()
    const server = w.server({ ...options(w) })
    const [controller, reason] = [new AbortController(), new Error('enough')]
    const wire =
      (inner: Fetch): Fetch =>
      async (input, init) => {
        const { signal } = new Request(input, init)
        const answer = await inner(input, init)
        const body = answer.body!.pipeThrough(new TransformStream(), { signal })
        return new Response(body, answer)
      }
    w.next = async () => new Response(pieces(1000, 10_000))
    const call = w.client(server, { ...client, wire })
    const answer = await upload(call, '/a', pieces(10, 10_000), { signal: controller.signal })
    const reader = answer.body!.getReader()
    await reader.read()
    controller.abort(reason)
    await expect(
      (async () => {
        for (;;) if ((await reader.read()).done) return
      })(),
    ).rejects.toBe(reason)
  })
})

describe('an answer to HEAD', () => {
  it('is one when its end is authenticated, though nobody reads its content', async () => {
    const w = await world()
    w.next = async () => new Response(new Uint8Array(65_536 + 10))
    const server = w.server({ sessions: sessions(w) })
    expect((await w.client(server, { early: 'never' })(`${ORIGIN}/a`, { method: 'HEAD' })).status).toBe(200)
    const call = w.client(server, { early: 'never', wire: tampering('reply', flip(-1)) })
    expect(await codeOf(() => call(`${ORIGIN}/a`, { method: 'HEAD' }))).toBe('payload.reply_refused')
  })
})

describe('events', () => {
  it('are sent as they happen', async () => {
    const w = await world()
    let push: (text: string) => void = () => undefined
    w.next = async () =>
      new Response(
        new ReadableStream({
          start(controller) {
            push = (text) => controller.enqueue(utf8(text))
          },
        }),
        { headers: { 'content-type': 'text/event-stream' } },
      )
    const call = w.client(w.server({ sessions: sessions(w) }), { early: 'never' })
    const answer = await call(`${ORIGIN}/events`)
    const reader = answer.body!.getReader()
    for (const text of ['data: one\n\n', 'data: two\n\n']) {
      push(text)
      expect((await reader.read()).value).toEqual(utf8(text))
    }
    await reader.cancel()
  })
})

describe('a runtime without streams', () => {
  it('holds what it sends and receives, and the end is checked all the same', async () => {
    const streamless = globalThis.ReadableStream
    const w = await world()
    const server = w.server({ sessions: sessions(w) })
    /** Fetch as React Native has it: bodies go and come whole. */
    const bare =
      (inner: Fetch): Fetch =>
      async (input, init) => {
        const answer = await inner(input, init)
        const bytes = await answer.arrayBuffer()
        const { status, headers } = answer
        return { status, headers, body: undefined, arrayBuffer: async () => bytes } as unknown as Response
      }
    const call = w.client(server, { wire: bare, early: 'never' })
    const answer = await call(`${ORIGIN}/a`, { method: 'POST', body: 'x'.repeat(500_000) })
    expect([answer.status, await answer.text(), w.seen[0]!.body.length]).toEqual([200, 'hello POST', 500_000])
    const cutting = w.client(server, { wire: (inner) => bare(tampering('reply', cut(1))(inner)), early: 'never' })
    expect(await codeOf(() => cutting(`${ORIGIN}/b`, { method: 'POST' }))).toBe('payload.reply_refused')
    expect(globalThis.ReadableStream).toBe(streamless)
  })

  it('refuses what it cannot hold before anything is sent', async () => {
    const w = await world()
    const call = w.client(w.server(), { roots: allowUnsignedKeys, maxBufferBytes: 1000 })
    expect(await codeOf(() => upload(call, '/a', pieces(2, 1000)))).toBe('payload.body_too_large')
    expect(w.seen).toEqual([])
    expect(concat()).toHaveLength(0)
  })
})
