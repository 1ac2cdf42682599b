import { equal } from '@postern/core/bytes'
import type { Fetch } from '@postern/core/runtime'
import { describe, expect, it } from 'vitest'
import { allowUnsignedKeys, type SealedFetchOptions } from '../../src/client.js'
import { openKemRing, rotateKemRing } from '../../src/keys.js'
import { localReplayGuard, noReplayGuard } from '../../src/replay.js'
import { localSessions } from '../../src/session.js'
import { backends } from '../backends.js'
import { codeOf } from '../codeOf.js'
import { ORIGIN, random, recording, world } from '../world.js'

describe('a sealed fetch', () => {
  for (const crypto of backends)
    it(`${crypto.name}: method, path, header, body and answer arrive; the handler is told how`, async () => {
      const w = await world(crypto)
      const call = w.client(w.server())
      const answer = await call(`${ORIGIN}/transfers?x=1`, { method: 'POST', body: 'amount=2500', headers: { 'x-a': 'é' } })
      expect([answer.status, await answer.text(), answer.url]).toEqual([200, 'hello POST', `${ORIGIN}/transfers?x=1`])
      expect(w.seen).toHaveLength(1)
      expect(w.seen[0]).toMatchObject({ method: 'POST', url: `${ORIGIN}/transfers?x=1`, body: 'amount=2500' })
      expect(w.seen[0]!.headers.get('x-a')).toBe('é')
      expect(w.seen[0]!.call).toMatchObject({ level: 'single', early: true, keyId: 1, binding: null })
    })

  it('gives the headers hook and the server the same ekm, another for each call', async () => {
    const w = await world()
    const ekms: Uint8Array[] = []
    const headers: NonNullable<SealedFetchOptions['headers']> = async ({ ekm }) => {
      ekms.push(await ekm())
      return { authorization: 'DPoP t' }
    }
    const call = w.client(w.server(), { headers })
    await call(`${ORIGIN}/a`)
    await call(`${ORIGIN}/a`)
    expect(w.seen.map(({ headers }) => headers.get('authorization'))).toEqual(['DPoP t', 'DPoP t'])
    expect(equal(w.seen[0]!.call.ekm!, ekms[0]!)).toBe(true)
    expect(equal(ekms[0]!, ekms[1]!)).toBe(false)
  })

  it('hands over several set-cookie lines, and no field of this layer in either direction', async () => {
    const w = await world()
    w.next = async (inner) => {
      w.seen.push({ method: '', url: '', headers: inner.headers, body: '', call: null as never })
      return new Response(null, {
        status: 204,
        headers: [
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
          ['payload-error', 'payload.replayed'],
        ],
      })
    }
    const answer = await w.client(w.server())(`${ORIGIN}/a`, { headers: { 'payload-session': 'x', 'accept-encoding': 'gzip' } })
    expect([answer.status, answer.headers.getSetCookie(), answer.headers.get('payload-error')]).toEqual([
      204,
      ['a=1', 'b=2'],
      null,
    ])
    expect([w.seen[0]!.headers.get('payload-session'), w.seen[0]!.headers.get('accept-encoding')]).toEqual([null, null]) // C15
  })

  it('calls no other origin', async () => {
    const w = await world()
    expect(await codeOf(() => w.client(w.server())('https://evil.example/'))).toBe('payload.misdirected')
  })

  it('trusts TLS alone only when the symbol says so, and then reads the literal list', async () => {
    const w = await world()
    const answer = await w.client(w.server(), { roots: allowUnsignedKeys })(`${ORIGIN}/a`)
    expect(answer.status).toBe(200)
  })

  it('refuses a document of another root, and never goes plain', async () => {
    const w = await world()
    const other = await w.crypto.signer('ES256', await w.crypto.generateKey('ES256', random))
    expect(await codeOf(() => w.client(w.server(), { roots: [other.publicJwk] })(`${ORIGIN}/a`))).toBe('payload.keys_untrusted')
    expect(w.seen).toEqual([])
  })

  it('persists the highest seq, and refuses a lower one', async () => {
    const w = await world()
    let seq = 0
    const seen = { get: async () => seq, set: async (n: number) => void (seq = n) }
    await w.client(w.server(), { seen })(`${ORIGIN}/a`)
    expect(seq).toBeGreaterThan(0)
    seq += 1
    expect(await codeOf(() => w.client(w.server(), { seen })(`${ORIGIN}/a`))).toBe('payload.keys_rolled_back')
  })

  it('corrects its clock for one retry by an inner date alone', async () => {
    const w = await world()
    const server = w.server()
    const call = w.client(server, {
      runtime: {
        clock: () => w.now + 3_600_000,
        random,
        crypto: w.crypto,
        fetch: (input, init) => server.fetch(new Request(input, init), w.next),
      },
    })
    expect((await call(`${ORIGIN}/a`, { method: 'POST', body: 'x' })).status).toBe(200)
    expect(w.seen).toHaveLength(1)
  })

  it('after a rotation a cached key still opens, and the next call uses the new key', async () => {
    const w = await world()
    let ring = w.ring
    const server = w.server({ ring: () => ring })
    const call = w.client(server)
    await call(`${ORIGIN}/a`)
    const turned = await rotateKemRing(w.document, { clock: () => w.now, random, crypto: w.crypto })
    ring = await openKemRing(turned, w.crypto)
    w.now += 300_000
    await call(`${ORIGIN}/a`)
    await new Promise((resolve) => setTimeout(resolve, 20))
    await call(`${ORIGIN}/a`)
    expect(w.seen.map((s) => s.call.keyId)).toEqual([1, 1, 2])
  })

  it.each(['GET', 'POST'])('%s: an outer error is re-sent only where that cannot run it twice', async (method) => {
    const w = await world()
    let dropped = 0
    const drop = (inner: (r: Request) => Promise<Response>) => async (input: Request | URL | string, init?: RequestInit) => {
      const request = new Request(input, init)
      const answer = await inner(request)
      return request.method === 'POST' && dropped++ === 0 ? new Response('busy', { status: 502 }) : answer
    }
    const call = w.client(w.server(), { wire: drop as never })
    const code = await codeOf(async () => call(`${ORIGIN}/a`, { method }))
    expect(code).toBe(method === 'GET' ? null : 'payload.outcome_unknown')
    expect(w.seen).toHaveLength(method === 'GET' ? 2 : 1)
  })

  it('an unsafe request with an idempotency key is sent again, sealed afresh', async () => {
    const w = await world()
    const kept: Parameters<typeof recording>[0] = []
    let first = true
    const wire: Parameters<typeof w.client>[1] = {
      wire: (inner) => {
        const record = recording(kept)(inner)
        return async (input, init) => {
          const answer = await record(input, init)
          if (!new Request(input, init).url.endsWith('/ohttp') || !first) return answer
          first = false
          throw new TypeError('fetch failed')
        }
      },
    }
    const answer = await w.client(w.server(), wire)(`${ORIGIN}/a`, { method: 'POST', headers: { 'idempotency-key': 'k' } })
    expect(answer.status).toBe(200)
    expect(equal(kept[0]!.body, kept[1]!.body)).toBe(false)
  })

  it.each([
    ['html with 200', () => new Response('<html>', { headers: { 'content-type': 'text/html' } }), 'payload.transport'],
    [
      'a sealed type with garbage',
      () => new Response('x'.repeat(99), { headers: { 'content-type': 'message/ohttp-res' } }),
      'payload.reply_refused',
    ],
    [
      'a redirect',
      () => new Response(null, { status: 302, headers: { location: 'https://portal.example' } }),
      'payload.transport',
    ],
  ])('%s is never shown as the answer of the API', async (_, reply, code) => {
    const w = await world()
    const wire = (inner: (i: Request) => Promise<Response>) => async (input: Request | URL | string, init?: RequestInit) => {
      const request = new Request(input, init)
      return request.method === 'POST' ? reply() : inner(request)
    }
    expect(await codeOf(() => w.client(w.server(), { wire: wire as never })(`${ORIGIN}/a`))).toBe(code)
  })

  it('rejects with the reason of its signal', async () => {
    const w = await world()
    const reason = new Error('enough')
    const call = w.client(w.server())(`${ORIGIN}/a`, { signal: AbortSignal.abort(reason) })
    await expect(call).rejects.toBe(reason)
  })

  it('rejects a body that is larger than it may hold where the gateway may not take chunks, before anything is sent', async () => {
    const w = await world()
    const call = w.client(w.server(), { maxBufferBytes: 10, roots: allowUnsignedKeys })
    expect(await codeOf(() => call(`${ORIGIN}/a`, { method: 'POST', body: 'x'.repeat(11) }))).toBe('payload.body_too_large')
  })

  it.each([
    ['no guard', noReplayGuard],
    ['a guard of one node among several', localReplayGuard({ clock: () => 0 })],
  ] as const)('with %s only safe methods are served early', async (_, replay) => {
    const w = await world()
    const call = w.client(w.server({ replay }))
    expect((await call(`${ORIGIN}/a`)).status).toBe(200)
    expect((await call(`${ORIGIN}/a`, { method: 'POST' })).status).toBe(425)
  })
})

describe('what a call may be made of', () => {
  const form = new FormData()
  form.set('amount', '2500')
  it.each<[string, () => [Request | URL | string, RequestInit?], string | RegExp, string | null]>([
    ['text', () => [`${ORIGIN}/a`, { method: 'POST', body: 'x' }], 'x', 'text/plain;charset=UTF-8'],
    [
      'a URL',
      () => [new URL('/a', ORIGIN), { method: 'POST', body: new URLSearchParams({ a: 'b' }) }],
      'a=b',
      'application/x-www-form-urlencoded;charset=UTF-8',
    ],
    ['a form', () => [`${ORIGIN}/a`, { method: 'POST', body: form }], /name="amount"\r\n\r\n2500/, null],
    ['a Blob', () => [`${ORIGIN}/a`, { method: 'POST', body: new Blob(['x'], { type: 'a/b' }) }], 'x', 'a/b'],
    ['bytes', () => [`${ORIGIN}/a`, { method: 'POST', body: Uint8Array.of(120) }], 'x', null],
    ['a Request', () => [new Request(`${ORIGIN}/a`, { method: 'POST', body: 'x' })], 'x', 'text/plain;charset=UTF-8'],
    [
      'a Request, changed',
      () => [new Request(`${ORIGIN}/a`, { method: 'POST', body: 'x' }), { body: 'y' }],
      'y',
      'text/plain;charset=UTF-8',
    ],
    ['a Request with a stream', () => [streamed()], 'x', null],
  ])('%s', async (_, given, body, type) => {
    const w = await world()
    await w.client(w.server())(...given())
    expect(w.seen.map(({ method, url }) => [method, url])).toEqual([['POST', `${ORIGIN}/a`]])
    if (body instanceof RegExp) expect(w.seen[0]!.body).toMatch(body)
    else expect(w.seen[0]!.body).toBe(body)
    if (type !== null) expect(w.seen[0]!.headers.get('content-type')).toBe(type)
  })
  const streamed = (): Request =>
    new Request(`${ORIGIN}/a`, { method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' } as RequestInit)

  it.each<[string, () => unknown]>([
    ['a target without an origin', () => '/a'],
    ['a user in the target', () => 'https://user:secret@api.bank.example/a'],
    [
      'a request that was read',
      async () => {
        const request = new Request(`${ORIGIN}/a`, { method: 'POST', body: 'x' })
        await request.text()
        return request
      },
    ],
  ])('%s is refused as fetch refuses it, and nothing is sent', async (_, given) => {
    const w = await world()
    await expect(w.client(w.server())((await given()) as string)).rejects.toBeInstanceOf(TypeError)
    expect(w.seen).toEqual([])
  })

  it('a redirect of the API is an answer: nothing follows it', async () => {
    const w = await world()
    w.next = async () => new Response(null, { status: 302, headers: { location: 'https://evil.example/' } })
    const answer = await w.client(w.server())(`${ORIGIN}/a`)
    expect([answer.status, answer.headers.get('location')]).toEqual([302, 'https://evil.example/'])
  })

  it.each([301, 307])('an outer redirect (%s) is no answer, and is not followed', async (status) => {
    const w = await world()
    const asked: string[] = []
    const call = w.client(w.server(), {
      wire: (inner) => async (input, init) => {
        const { method, url } = new Request(input, init)
        expect([init?.redirect, init?.credentials]).toEqual(['manual', 'omit'])
        if (method !== 'POST') return inner(input, init)
        asked.push(url)
        return new Response(null, { status, headers: { location: 'https://evil.example/' } })
      },
    })
    expect(await codeOf(() => call(`${ORIGIN}/a`, { method: 'POST', body: 'x' }))).toBe('payload.outcome_unknown')
    expect(asked).toEqual([`${ORIGIN}/ohttp`])
  })
})

describe('an answer from inside', () => {
  it.each([
    ['within half a minute proves that the call did not run: it is sent again', 30_000, null, 2],
    ['later proves nothing: a copy may have run whose marker is gone', 30_001, 'payload.outcome_unknown', 1],
  ] as const)('that the date is stale, %s', async (_, passed, code, sent) => {
    const w = await world()
    const server = w.server()
    let posts = 0
    const fetch: Fetch = async (input, init) => {
      const answer = await server.fetch(new Request(input, init), (inner, call) => w.next(inner, call))
      if (new Request(input, init).method === 'POST' && ++posts === 1) w.now += passed
      return answer
    }
    const runtime = { fetch, clock: () => w.now + 3_600_000, random, crypto: w.crypto }
    const call = w.client(server, { runtime })
    expect(await codeOf(() => call(`${ORIGIN}/a`, { method: 'POST', body: 'x' }))).toBe(code)
    expect([posts, w.seen.length]).toEqual([sent, sent - 1])
  })

  it.each(['unknown', 'replayed'] as const)('that its copy may have run (%s) proves nothing', async (verdict) => {
    const w = await world()
    const call = w.client(w.server({ replay: { shared: true, windowMs: 120_000, claim: async () => verdict } }))
    expect(await codeOf(() => call(`${ORIGIN}/a`, { method: 'POST', body: 'x' }))).toBe('payload.outcome_unknown')
    expect(await codeOf(() => call(`${ORIGIN}/a`))).toBe('payload.transport')
    expect(w.seen).toEqual([])
  })
})

describe('a caller', () => {
  it('that gives up is not kept waiting by its own content', async () => {
    const w = await world()
    const [controller, reason] = [new AbortController(), new Error('enough')]
    let told: unknown
    const body = new ReadableStream<Uint8Array>({ cancel: (why) => void (told = why) })
    const init = { method: 'POST', body, duplex: 'half', signal: controller.signal } as RequestInit
    const call = w.client(w.server())(`${ORIGIN}/a`, init)
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
    expect(told).toBe(reason)
  })

  it('whose token cannot be had is told so; no opening is put off for it', async () => {
    const w = await world()
    const sessions = localSessions({ clock: () => w.now, random, crypto: w.crypto })
    const loggedOut = new Error('logged out')
    let token: string | null = null
    const headers = async () => {
      if (token === null) throw loggedOut
      return { authorization: token }
    }
    const call = w.client(w.server({ sessions }), { headers })
    for (let i = 0; i < 3; i++) await expect(call(`${ORIGIN}/a`)).rejects.toBe(loggedOut)
    token = 'DPoP t'
    await call.reopen()
    expect((await call(`${ORIGIN}/b`, { method: 'POST' })).status).toBe(200)
    expect(w.seen.map(({ call }) => call.level)).toEqual(['session'])
  })

  it('that gives up while his token is fetched is not kept waiting for it', async () => {
    const w = await world()
    const [controller, reason] = [new AbortController(), new Error('enough')]
    const asked = new Promise<void>((resolve) => {
      const headers = () => {
        resolve()
        return new Promise<never>(() => undefined)
      }
      const call = w.client(w.server(), { headers })(`${ORIGIN}/a`, { signal: controller.signal })
      call.catch(() => undefined)
      pending = call
    })
    await asked
    controller.abort(reason)
    await expect(pending).rejects.toBe(reason)
  })
  let pending: Promise<Response>

  it('that gives up while a Blob of his content is sealed is not kept waiting, and his content is stopped', async () => {
    const streaming = globalThis.Request
    /** As browsers have it that cannot send a stream: `duplex` is not looked at. */
    globalThis.Request = class extends streaming {
      constructor(input: Request | URL | string, init?: RequestInit) {
        super(input, input === 'https://a.example' ? { method: 'POST', body: 'text' } : init)
      }
    }
    try {
      const w = await world()
      const [controller, reason] = [new AbortController(), new Error('enough')]
      let told: unknown
      let sent = 0
      const body = new ReadableStream<Uint8Array>(
        {
          pull: (stream) => (sent++ < 5 ? stream.enqueue(random(50_000)) : controller.abort(reason)),
          cancel: (why) => void (told = why),
        },
        { highWaterMark: 0 },
      )
      const call = w.client(w.server())
      expect(call.mode).toBe('blob')
      const init = { method: 'POST', body, duplex: 'half', signal: controller.signal } as RequestInit
      await expect(call(`${ORIGIN}/a`, init)).rejects.toBe(reason)
      expect(told).toBe(reason)
      expect(w.seen).toEqual([])
    } finally {
      globalThis.Request = streaming
    }
  })
})
