/** Rows of the attack catalogue against calls in chunks and in sessions, at the server. */
import { concat, hex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { encodeRequest } from '../../src/bhttp.js'
import { beginChunkedRequest } from '../../src/ohttp.js'
import type { PayloadServer } from '../../src/server.js'
import { localSessions } from '../../src/session.js'
import { ORIGIN, random, recording, type World, world } from '../world.js'

type Sealed = { readonly type: string; readonly body: Uint8Array; readonly chunksAt: number }
const CHUNK = 1000

function post({ type }: Pick<Sealed, 'type'>, body: Uint8Array): Request {
  return new Request(`${ORIGIN}/ohttp`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: body as Uint8Array<ArrayBuffer>,
  })
}

/** A sealed call that nobody has sent yet. */
async function caught(w: World, server: PayloadServer, kind: 'chunked' | 'session'): Promise<Sealed> {
  if (kind === 'chunked') {
    const ports = { crypto: w.crypto, random }
    const sealing = await beginChunkedRequest(ports, w.ring.offered(w.now)[0]!.config, 2, { chunkBytes: CHUNK })
    const date = ['date', new Date(w.now).toUTCString()] as const
    const head = { method: 'POST', scheme: 'https', authority: 'api.bank.example', path: '/a', fields: [date], trailers: [] }
    return {
      type: 'message/ohttp-chunked-req',
      body: await sealing.seal(encodeRequest({ ...head, content: random(5000) })),
      chunksAt: 39,
    }
  }
  let body: Uint8Array | null = null
  let catching = false
  const call = w.client(server, {
    early: 'never',
    wire: (inner) => async (input, init) => {
      if (!catching) return inner(input, init)
      body = new Uint8Array(await new Request(input, init).arrayBuffer())
      return new Response('busy', { status: 503 })
    },
  })
  await call.reopen()
  catching = true
  await call(`${ORIGIN}/a`, { method: 'POST', body: random(5000) as Uint8Array<ArrayBuffer> }).catch(() => undefined)
  return { type: 'application/vnd.postern.session-req', body: body!, chunksAt: 39 }
}

/** The framed chunks: `varint ‖ ct`, the last with its zero. */
function cutUp({ body, chunksAt }: Sealed): { head: Uint8Array; chunks: Uint8Array[] } {
  const chunks: Uint8Array[] = []
  for (let at = chunksAt; at < body.length; ) {
    const long = body[at]! >> 6 === 1
    const length = long ? ((body[at]! & 63) << 8) | body[at + 1]! : body[at]! & 63
    const end = length === 0 ? body.length : at + (long ? 2 : 1) + length
    chunks.push(body.slice(at, end))
    at = end
  }
  return { head: body.slice(0, chunksAt), chunks }
}

async function refused(server: PayloadServer, w: World, message: Sealed, body: Uint8Array): Promise<void> {
  const answer = await server.fetch(post(message, body), (inner, call) => w.next(inner, call))
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('payload.refused')])
  expect(w.seen).toEqual([])
}

describe.each(['chunked', 'session'] as const)('a %s call', (kind) => {
  async function scene() {
    const w = await world()
    const sessions = localSessions({ clock: () => w.now, random, crypto: w.crypto })
    const server = w.server({ sessions, sessionLimits: { chunkBytes: CHUNK } })
    return { w, server, sealed: await caught(w, server, kind) }
  }

  it('C01 with a bit flipped anywhere, C02 cut anywhere: one constant answer, nothing runs; and then it runs as it is', async () => {
    const { w, server, sealed } = await scene()
    for (let at = kind === 'session' ? 23 + 8 : 39; at < sealed.body.length; at += 89) {
      const bad = sealed.body.slice()
      bad[at]! ^= 1 << (at % 8)
      await refused(server, w, sealed, bad)
      await refused(server, w, sealed, sealed.body.slice(0, at))
    }
    // What did not open has used up no counter.
    expect((await server.fetch(post(sealed, sealed.body), (inner, call) => w.next(inner, call))).status).toBe(200)
    expect(w.seen).toHaveLength(1)
  })

  it('C03 whose chunks are swapped, dropped, repeated or another call’s: refused', async () => {
    const { w, server, sealed } = await scene()
    const { head, chunks } = cutUp(sealed)
    const other = cutUp(await caught(w, server, kind)).chunks
    expect(chunks.length).toBeGreaterThan(4)
    const [a, b, ...rest] = chunks as [Uint8Array, Uint8Array, ...Uint8Array[]]
    for (const bad of [
      [b, a, ...rest],
      [b, ...rest],
      [a, ...rest],
      [a, a, b, ...rest],
      [a, b, ...rest, rest.at(-1)!],
      [a, other[1]!, ...rest],
      [a, b, ...rest.slice(0, -1), other.at(-1)!],
      [a, b, ...rest.slice(0, -1)],
      [...chunks.slice(0, -2), chunks.at(-1)!],
    ])
      await refused(server, w, sealed, concat(head, ...bad))
  })

  it('C14 whose last chunk is passed for one before the end, and the reverse: refused', async () => {
    const { w, server, sealed } = await scene()
    const { head, chunks } = cutUp(sealed)
    const last = chunks.at(-1)!.slice(1)
    const framed = concat(Uint8Array.of(0x40 | (last.length >>> 8), last.length & 255), last)
    await refused(server, w, sealed, concat(head, ...chunks.slice(0, -1), framed, Uint8Array.of(0), new Uint8Array(16)))
    const first = chunks[0]!.slice(2)
    await refused(server, w, sealed, concat(head, Uint8Array.of(0), first))
  })

  it('with an empty chunk that is not the last, or one above the limit: refused before reading on', async () => {
    const { w, server, sealed } = await scene()
    const head = sealed.body.slice(0, sealed.chunksAt)
    await refused(server, w, sealed, concat(head, Uint8Array.of(16), random(16)))
    await refused(server, w, sealed, concat(head, Uint8Array.of(0xc0, 0, 0, 0, 0x80, 0, 0, 0), random(100)))
    let pulled = 0
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(pulled++ === 0 ? concat(head, Uint8Array.of(0xbf, 0xff, 0xff, 0xff)) : new Uint8Array(10_000))
      },
    })
    const request = new Request(`${ORIGIN}/ohttp`, {
      method: 'POST',
      headers: { 'content-type': sealed.type },
      body: endless,
      duplex: 'half',
    } as RequestInit)
    expect((await server.fetch(request, w.next)).status).toBe(400)
    expect(pulled).toBeLessThan(12)
  })

  it('C09 for another server, or of a session that it does not hold: refused by name, never searched for', async () => {
    const { w, sealed } = await scene()
    const other = await world()
    const sessions = localSessions({ clock: () => w.now, random, crypto: w.crypto })
    const answer = await other.server({ sessions }).fetch(post(sealed, sealed.body), other.next)
    const code = kind === 'session' ? 'payload.session_unknown' : 'payload.refused'
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(code)])
    expect((await other.server().fetch(post(sealed, sealed.body), other.next)).status).toBe(400)
    expect(other.seen).toEqual([])
  })
})

describe('calls of a session', () => {
  it('C11 have sizes of a padding class, both ways, and so has every answer of the gateway inside', async () => {
    const w = await world()
    const kept: Parameters<typeof recording>[0] = []
    const replies = new Set<number>()
    const sessions = localSessions({ clock: () => w.now, random, crypto: w.crypto })
    const server = w.server({ sessions, requirement: (_, { pathname }) => (pathname === '/no' ? 'forbidden' : 'sealed') })
    const call = w.client(server, {
      early: 'never',
      wire: (inner) =>
        recording(kept)(async (input, init) => {
          const answer = await inner(input, init)
          const bytes = await answer.arrayBuffer()
          if (answer.headers.get('content-type')?.includes('session')) replies.add(bytes.byteLength)
          return new Response(bytes, answer)
        }),
    })
    for (const length of [0, 1, 50, 90])
      await call(`${ORIGIN}/a`, { method: 'POST', body: random(length) as Uint8Array<ArrayBuffer> })
    await call(`${ORIGIN}/no`, { method: 'POST' })
    const sizes = kept.filter(({ headers }) => headers.get('content-type')?.includes('session')).map(({ body }) => body.length)
    expect([...new Set(sizes)]).toEqual([256 + 56])
    expect([...replies]).toEqual([256 + 49])
  })

  it('C12 that do not open have one answer, byte for byte; how long each takes is printed, not judged', async () => {
    const w = await world()
    const sessions = localSessions({ clock: () => w.now, random, crypto: w.crypto })
    const server = w.server({ sessions })
    const { type, body } = await caught(w, server, 'session')
    const tampered = (at: number) => {
      const bad = body.slice()
      bad[at]! ^= 1
      return bad
    }
    const bad = {
      tag: tampered(body.length - 1),
      first: tampered(60),
      rnd: tampered(35),
      header: tampered(6),
      cut: body.slice(0, 60),
      short: body.slice(0, 30),
    }
    const answers = new Set<string>()
    const micros: Record<string, number> = {}
    for (const [name, bytes] of Object.entries(bad)) {
      const times: number[] = []
      for (let i = 0; i < 40; i++) {
        const request = post({ type }, bytes)
        const start = process.hrtime.bigint()
        const answer = await server.fetch(request, w.next)
        times.push(Number(process.hrtime.bigint() - start) / 1000)
        answers.add(JSON.stringify([answer.status, [...answer.headers], await answer.text()]))
      }
      micros[name] = Math.round(times.sort((a, b) => a - b)[20]!)
    }
    console.log(`C12, medians in µs of what does not open: ${JSON.stringify(micros)}`)
    expect(answers.size).toBe(1)
  })

  it('C06 are under keys of their own: no two calls of one session share any block of their ciphertext', async () => {
    const w = await world()
    const kept: Parameters<typeof recording>[0] = []
    const sessions = localSessions({ clock: () => w.now, random, crypto: w.crypto })
    const call = w.client(w.server({ sessions }), { wire: recording(kept), early: 'never' })
    for (let i = 0; i < 20; i++) await call(`${ORIGIN}/a`, { method: 'POST', body: 'the same' })
    const blocks = kept.slice(1).map(({ body }) => hex(body.slice(40, 56)))
    expect(new Set(blocks).size).toBe(20)
  })
})
