import { encodeBase64url } from '@postern/core/base64url'
import { concat, equal, hex, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { newRev, OutcomeUnknown } from '@postern/store'
import { describe, expect, it } from 'vitest'
import type { SealedFetchOptions } from '../../src/client.js'
import { localReplayGuard, noReplayGuard } from '../../src/replay.js'
import type { PayloadServerOptions } from '../../src/server.js'
import { localSessions, type SessionKeeper, sharedSessions } from '../../src/session.js'
import { backends } from '../backends.js'
import { codeOf } from '../codeOf.js'
import { ORIGIN, random, recording, type World, world } from '../world.js'

type Kept = Parameters<typeof recording>[0]

function local(w: World): SessionKeeper {
  return localSessions({ clock: () => w.now, random, crypto: w.crypto })
}

async function shared(w: World, store = w.store): Promise<SessionKeeper> {
  const clock = () => w.now
  const keys = await openKeyRing(await createKeyRingDocument({ clock, random, crypto: w.crypto }), w.crypto)
  return sharedSessions({ store, tenant: 'bank', ring: keys.short, clock, random, crypto: w.crypto })
}

const keepers = [
  ['local', async (w: World) => local(w)],
  ['shared', shared],
] as const

const types = (kept: Kept): string[] => kept.map(({ headers }) => headers.get('content-type')!.replace(/^.*[/.]/, ''))

describe.each(keepers)('a sealed fetch over %s sessions', (_, keeper) => {
  for (const crypto of backends)
    it(`${crypto.name}: opens with the first call and goes on in the session`, async () => {
      const w = await world(crypto)
      const kept: Kept = []
      const call = w.client(w.server({ sessions: await keeper(w) }), { wire: recording(kept) })
      for (const path of ['a', 'b', 'c']) expect(await (await call(`${ORIGIN}/${path}`)).text()).toBe('hello GET')
      const answer = await call(`${ORIGIN}/d`, { method: 'POST', body: 'x'.repeat(200_000) })
      expect([answer.status, await answer.text()]).toEqual([200, 'hello POST'])
      expect(w.seen.map(({ call }) => [call.level, call.keyId, call.early])).toEqual([
        ['single', 1, true],
        ['session', 0, false],
        ['session', 0, false],
        ['session', 0, false],
      ])
      expect(w.seen[3]!.body.length).toBe(200_000)
      expect(types(kept)).toEqual(['ohttp-req', 'session-req', 'session-req', 'session-req'])
    })

  it('opens first where the first call must not be early, once for all who wait', async () => {
    const w = await world()
    const kept: Kept = []
    const call = w.client(w.server({ sessions: await keeper(w) }), { wire: recording(kept) })
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => call(`${ORIGIN}/${i}`, { method: 'POST', body: 'x' })))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(w.seen).toHaveLength(20)
    expect(w.seen.every(({ call }) => call.level === 'session')).toBe(true)
    expect(types(kept).filter((type) => type === 'ohttp-req')).toHaveLength(1)
  })

  it('early says what may travel before a session exists', async () => {
    for (const [early, method, level] of [
      ['never', 'GET', 'session'],
      ['safe', 'GET', 'single'],
      ['safe', 'POST', 'session'],
      ['any', 'POST', 'single'],
    ] as const) {
      const w = await world()
      await w.client(w.server({ sessions: await keeper(w) }), { early })(`${ORIGIN}/a`, { method })
      expect([early, method, w.seen[0]!.call.level]).toEqual([early, method, level])
    }
  })

  it('a route that wants a session gets one: what came early was not processed and is sent again', async () => {
    const w = await world()
    const server = w.server({ sessions: await keeper(w), requirement: () => 'session' })
    expect((await w.client(server)(`${ORIGIN}/a`)).status).toBe(200)
    expect(w.seen.map(({ call }) => call.level)).toEqual(['session'])
  })

  it('the caller is bound at the opening, under an exporter that covers the share, and known in every later call', async () => {
    const w = await world()
    const { headers, bind, asked } = await dpop(w)
    const server = w.server({ sessions: await keeper(w), bind, requirement: () => 'bound' })
    const call = w.client(server, { headers, early: 'never' })
    for (let i = 0; i < 3; i++) expect((await call(`${ORIGIN}/a`, { method: 'POST' })).status).toBe(200)
    expect(w.seen.map(({ call }) => call.binding?.jkt)).toEqual([asked.jkt, asked.jkt, asked.jkt])
    // Bound once; no later call was asked for a proof of its own.
    expect([asked.binds, asked.bound]).toEqual([1, [false, true, true, true]])
  })

  it.each<[string, (o: { share: boolean }) => boolean]>([
    ['another ekm', () => true],
    ['an ekm without the share', () => false],
  ])('a proof over %s binds nothing: the session is anonymous, and a bound route refuses', async (_, wrong) => {
    const w = await world()
    const { headers, bind } = await dpop(w)
    const server = w.server({
      sessions: await keeper(w),
      bind,
      requirement: (_, { pathname }) => (pathname === '/a' ? 'bound' : 'allowed'),
    })
    const call = w.client(server, {
      early: 'never',
      headers: (call) => headers({ ...call, bound: null, ekm: () => (wrong({ share: true }) ? random(32) : random(32).fill(7)) }),
    })
    const answer = await call(`${ORIGIN}/a`, { method: 'POST' })
    expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('payload.required')])
    expect((await call(`${ORIGIN}/b`, { method: 'POST' })).status).toBe(200)
    expect(w.seen.map(({ call }) => [call.level, call.binding])).toEqual([['session', null]])
  })

  it('a changed token is bound by opening again inside the session', async () => {
    const w = await world()
    const { headers, bind, asked } = await dpop(w)
    const kept: Kept = []
    const server = w.server({ sessions: await keeper(w), bind, requirement: () => 'bound' })
    const call = w.client(server, { headers, wire: recording(kept), early: 'never' })
    await call(`${ORIGIN}/a`)
    asked.token = 'second'
    for (let i = 0; i < 3; i++) await call(`${ORIGIN}/a`)
    const aths = w.seen.map(({ call }) => call.binding?.ath)
    expect(new Set(aths).size).toBe(2)
    expect(aths.at(-1)).toBe(encodeBase64url(await w.crypto.digest('SHA-256', utf8('second'))))
    expect(types(kept).filter((type) => type === 'ohttp-req')).toHaveLength(1)
  })

  it('C13 the old session after a re-keying: serves what is under way for 30 s, then nothing', async () => {
    const w = await world()
    const kept: Kept = []
    const server = w.server({ sessions: await keeper(w), sessionLimits: { max: 10 } })
    const call = w.client(server, { wire: recording(kept) })
    await call(`${ORIGIN}/a`)
    const first = () =>
      kept.filter(({ headers }) => headers.get('content-type')?.includes('session')).map(({ body }) => hex(body.slice(7, 23)))
    for (let i = 0; i < 12; i++) await call(`${ORIGIN}/${i}`)
    const ids = [...new Set(first())]
    expect(ids.length).toBe(2)
    const held = await heldSession(w, server, ids[0]!)
    expect(held).toBe(true)
    w.now += 30_000
    expect(await heldSession(w, server, ids[0]!)).toBe(false)
    expect((await call(`${ORIGIN}/last`)).status).toBe(200)
  })

  it('forget ends sessions at once, by id, by caller and all; the next call opens another where it may', async () => {
    for (const selection of ['sid', 'jkt', 'all'] as const) {
      const w = await world()
      const { headers, bind, asked } = await dpop(w)
      const kept: Kept = []
      const server = w.server({ sessions: await keeper(w), bind })
      const call = w.client(server, { headers, wire: recording(kept) })
      await call(`${ORIGIN}/a`)
      await call(`${ORIGIN}/b`)
      const sid = kept.at(-1)!.body.slice(7, 23)
      await server.forget({ jkt: 'somebody else' })
      expect((await call(`${ORIGIN}/c`, { method: 'POST' })).status).toBe(200)
      await server.forget(selection === 'sid' ? { sid } : selection === 'jkt' ? { jkt: asked.jkt } : { all: true })
      // It cannot be known that the session's end was not made up on the way.
      expect(await codeOf(() => call(`${ORIGIN}/d`, { method: 'POST' }))).toBe('payload.outcome_unknown')
      expect((await call(`${ORIGIN}/e`, { method: 'POST' })).status).toBe(200)
      await server.forget({ all: true })
      expect((await call(`${ORIGIN}/f`)).status).toBe(200)
      expect(w.seen.map(({ url }) => url.at(-1))).toEqual(['a', 'b', 'c', 'e', 'f'])
    }
  })

  it('an expired session is not called in, and a call that comes late is not served', async () => {
    const w = await world()
    const kept: Kept = []
    const server = w.server({ sessions: await keeper(w) })
    const call = w.client(server, { wire: recording(kept) })
    await call(`${ORIGIN}/a`)
    await call(`${ORIGIN}/b`)
    const late = kept.at(-1)!
    w.now += 3_600_000
    const answer = await server.fetch(replayed(late), w.next)
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('payload.session_unknown')])
    await call(`${ORIGIN}/c`)
    expect(types(kept)).toEqual(['ohttp-req', 'session-req', 'ohttp-req'])
  })

  it('C04 a session call copied 50 times in parallel runs once; later copies are told so inside', async () => {
    const w = await world()
    const kept: Kept = []
    const sessions = await keeper(w)
    const servers = [w.server({ sessions }), w.server({ sessions })]
    const call = w.client(servers[0]!, { wire: (inner) => recording(kept)(inner) })
    await call(`${ORIGIN}/a`)
    await call(`${ORIGIN}/b`)
    w.seen.length = 0
    let copies = 0
    const stolen = w.client(servers[0]!, {
      wire: (inner) => async (input, init) => {
        const request = new Request(input, init)
        if (!request.headers.get('content-type')?.includes('session')) return inner(request)
        const body = new Uint8Array(await request.arrayBuffer())
        const send = (i: number) =>
          servers[i % 2]!.fetch(replayed({ ...kept[0]!, headers: request.headers, body }), (r, c) => w.next(r, c))
        const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => send(i)))
        copies += answers.length
        return answers[0]!
      },
    })
    await stolen(`${ORIGIN}/x`)
    await codeOf(() => stolen(`${ORIGIN}/y`, { method: 'POST' }))
    expect(copies).toBe(50)
    expect(w.seen.filter(({ url }) => url.endsWith('/y'))).toHaveLength(1)
  })
})

describe('a keeper', () => {
  it.each([-1, 65_536, 1.5])('refuses the node number %s', async (node) => {
    const w = await world()
    const ports = { clock: () => w.now, random, crypto: w.crypto }
    expect(await codeOf(() => localSessions({ ...ports, node }))).toBe('payload.config')
    const ring = (await openKeyRing(await createKeyRingDocument(ports), w.crypto)).short
    expect(await codeOf(() => sharedSessions({ ...ports, ring, store: w.store, tenant: 'bank', node }))).toBe('payload.config')
  })
})

describe('a keeper in memory', () => {
  it('refuses to hold nothing, and holds one where it may hold one', async () => {
    const w = await world()
    const ports = { clock: () => w.now, random, crypto: w.crypto }
    expect(await codeOf(() => localSessions({ ...ports, maxSessions: 0 }))).toBe('payload.config')
    const keeper = localSessions({ ...ports, maxSessions: 1 })
    const ids = [keeper.newId(), keeper.newId()]
    const common = { secret: random(32), aead: 2, max: 9, chunkBytes: 100, expiresAt: w.now + 1000, binding: null } as const
    for (const id of ids) await keeper.keep({ id, ...common })
    expect([await keeper.find(ids[0]!), hex((await keeper.find(ids[1]!))!.id)]).toEqual([null, hex(ids[1]!)])
  })
})

describe('an outer answer in a session', () => {
  it.each([
    [
      'that says nothing of the session leaves it: the call goes in it again',
      503,
      'text/html',
      'busy',
      ['session-req', 'session-req'],
    ],
    [
      'that says the session is gone ends it',
      400,
      'application/problem+json',
      '"payload.session_unknown"',
      ['session-req', 'ohttp-req'],
    ],
    ['that nobody made as a problem is not read', 400, 'text/html', '"payload.session_unknown"', ['session-req', 'session-req']],
  ] as const)('%s', async (_, status, type, text, sent) => {
    const w = await world()
    const kept: Kept = []
    let [answers, told] = [0, false]
    const call = w.client(w.server({ sessions: local(w) }), {
      wire: (inner) => {
        const record = recording(kept)(inner)
        return async (input, init) => {
          const answer = await record(input, init)
          if (answers++ !== 2) return answer
          const body = new ReadableStream<Uint8Array>({
            start: (controller) => {
              controller.enqueue(utf8(text))
              if (type !== 'text/html') controller.close()
            },
            cancel: () => void (told = true),
          })
          return new Response(body, { status, headers: { 'content-type': type } })
        }
      },
    })
    // The keys, the opening, and then the call in question.
    await call(`${ORIGIN}/a`)
    expect((await call(`${ORIGIN}/b`)).status).toBe(200)
    expect(types(kept).slice(1)).toEqual(sent)
    expect(told).toBe(type === 'text/html')
  })
})

describe('a session with few calls left', () => {
  it('is left by those that come too late for it: all that are made at once are answered', async () => {
    const w = await world()
    const call = w.client(w.server({ sessions: local(w), sessionLimits: { max: 3 } }))
    await call.reopen()
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => call(`${ORIGIN}/${i}`)))
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200))
    expect(w.seen.filter(({ call }) => call.level === 'session').length).toBeGreaterThanOrEqual(3)
    expect(w.seen).toHaveLength(12)
  })
})

describe('a keeper that sweeps', () => {
  it('makes room where a session is over, so that none that lives has to go', async () => {
    const w = await world()
    const keeper = localSessions({ clock: () => w.now, random, crypto: w.crypto, maxSessions: 2 })
    const keep = async (lifeMs: number, jkt: string | null) => {
      const [id, expiresAt] = [keeper.newId(), w.now + lifeMs]
      const binding = jkt === null ? null : { jkt, ath: null, expiresAt }
      await keeper.keep({ id, secret: random(32), aead: 2, max: 9, chunkBytes: 100, expiresAt, binding })
      return id
    }
    for (const jkt of [null, 'j']) {
      await keeper.forget({ all: true })
      const lives = await keep(60_000, jkt)
      await keep(1000, jkt)
      w.now += 1000
      await keeper.sweep(w.now, 100)
      await keep(60_000, jkt)
      expect(await keeper.find(lives)).not.toBeNull()
    }
  })
})

describe('a shared keeper', () => {
  it.each([true, false])(
    'whose store loses an answer, applied: %s, asks again: kept, and the first of its copies',
    async (applied) => {
      const w = await world()
      let lose = false
      const store: World['store'] = {
        ...w.store,
        async commit(part, ops, o) {
          const mine = lose
          lose = false
          const answer = mine && !applied ? null : await w.store.commit(part, ops, o)
          if (mine) throw new OutcomeUnknown(o.rev)
          return answer!
        },
      }
      const sessions = await shared(w, store)
      const id = sessions.newId()
      lose = true
      await sessions.keep({ id, secret: random(32), aead: 2, max: 9, chunkBytes: 1000, expiresAt: w.now + 60_000, binding: null })
      const session = (await sessions.find(id))!
      lose = true
      expect(await sessions.claim(session, 0, w.now + 60_000)).toBe('first')
      expect(await sessions.claim(session, 0, w.now + 60_000)).toBe('replayed')
      lose = true
      await sessions.forget({ sid: id })
      expect([await sessions.find(id), await sessions.claim(session, 1, w.now + 60_000)]).toEqual([null, 'closed'])
    },
  )

  it('whose record is under a key that is gone is closed, also where it was in use', async () => {
    const w = await world()
    const sessions = await shared(w)
    const id = sessions.newId()
    await sessions.keep({ id, secret: random(32), aead: 2, max: 9, chunkBytes: 1000, expiresAt: w.now + 60_000, binding: null })
    const session = (await sessions.find(id))!
    const part = { tenant: 'bank', id: `pay:${encodeBase64url(id)}` }
    await w.store.commit(part, [{ op: 'put', key: 's', value: random(99) }], { now: w.now, rev: newRev(random) })
    expect(await sessions.claim(session, 0, w.now + 60_000)).toBe('closed')
  })

  it('whose store is gone says so: nothing was forgotten', async () => {
    const w = await world()
    const store = { ...w.store, commit: () => Promise.reject(new PosternError('store.unavailable')) }
    const sessions = await shared(w, store)
    expect(await codeOf(() => sessions.forget({ sid: random(16) }))).toBe('store.unavailable')
  })

  it('that another node retired goes on until then, and no longer', async () => {
    const w = await world()
    const clock = () => w.now
    const ring = (await openKeyRing(await createKeyRingDocument({ clock, random, crypto: w.crypto }), w.crypto)).short
    const node = () => sharedSessions({ store: w.store, tenant: 'bank', ring, clock, random, crypto: w.crypto })
    const [a, b] = [node(), node()]
    const id = a.newId()
    await a.keep({ id, secret: random(32), aead: 2, max: 9, chunkBytes: 1000, expiresAt: w.now + 600_000, binding: null })
    const session = (await a.find(id))!
    await b.retire((await b.find(id))!, w.now + 30_000)
    expect(await a.claim(session, 0, w.now + 60_000)).toBe('first')
    expect(await a.claim(session, 0, w.now + 60_000)).toBe('replayed')
    await b.retire((await b.find(id))!, w.now + 900_000)
    w.now += 30_000
    expect([await a.claim(session, 1, w.now + 60_000), await a.find(id)]).toEqual(['closed', null])
  })
})

describe('a local session', () => {
  it('that ended between the opening of a call and its claim is closed', async () => {
    const w = await world()
    const sessions = local(w)
    const id = sessions.newId()
    await sessions.keep({ id, secret: random(32), aead: 2, max: 9, chunkBytes: 1000, expiresAt: w.now + 60_000, binding: null })
    const session = (await sessions.find(id))!
    await sessions.forget({ sid: id })
    expect(await sessions.claim(session, 0, 0)).toBe('closed')
  })

  it('asks for no date: its window lives and dies with its secret', async () => {
    const w = await world()
    const kept: Kept = []
    const server = w.server({ sessions: local(w) })
    let drift = 0
    const fetch = recording(kept)((input, init) => server.fetch(new Request(input, init), (inner, how) => w.next(inner, how)))
    const call = w.client(server, { early: 'never', runtime: { clock: () => w.now + drift, random, crypto: w.crypto, fetch } })
    await call(`${ORIGIN}/a`, { method: 'POST' })
    drift = 600_000
    expect((await call(`${ORIGIN}/b`, { method: 'POST' })).status).toBe(200)
    expect(types(kept)).toEqual(['ohttp-req', 'session-req', 'session-req'])
  })
})

describe('an opening', () => {
  it('of a phone whose clock is an hour off goes through: the date is corrected from inside, and the session keeps it', async () => {
    for (const [early, keeper] of [
      ['safe', local],
      ['never', shared],
    ] as const) {
      const w = await world()
      const server = w.server({ sessions: await keeper(w) })
      const fetch = (input: Request | URL | string, init?: RequestInit) =>
        server.fetch(new Request(input, init), (inner, how) => w.next(inner, how))
      const call = w.client(server, { early, runtime: { clock: () => w.now + 3_600_000, random, crypto: w.crypto, fetch } })
      expect((await call(`${ORIGIN}/a`)).status).toBe(200)
      for (let i = 0; i < 3; i++) expect((await call(`${ORIGIN}/b`, { method: 'POST' })).status).toBe(200)
      expect(w.seen.slice(1).map(({ call }) => call.level)).toEqual(['session', 'session', 'session'])
    }
  })

  it('in a store is bounded for strangers: beyond it the call goes on without', async () => {
    const w = await world()
    const server = w.server({ sessions: await shared(w), limits: { anonymousSessions: 2 } })
    const levels: string[] = []
    for (let i = 0; i < 4; i++) {
      await w.client(server)(`${ORIGIN}/a`, { method: 'POST' })
      levels.push(w.seen.at(-1)!.call.level)
    }
    expect(levels).toEqual(['session', 'session', 'single', 'single'])
    w.now += 60_000
    await w.client(server)(`${ORIGIN}/a`, { method: 'POST' })
    expect(w.seen.at(-1)!.call.level).toBe('session')
  })

  it('that is given up by its caller keeps nobody else waiting, nor does a slow first call', async () => {
    const w = await world()
    const server = w.server({ sessions: local(w) })
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    w.next = async (inner, call) => {
      w.seen.push({ method: inner.method, url: inner.url, headers: inner.headers, body: '', call })
      if (inner.url.endsWith('/slow')) await held
      return new Response('done')
    }
    const call = w.client(server)
    const controller = new AbortController()
    const slow = call(`${ORIGIN}/slow`, { signal: controller.signal })
    expect((await call(`${ORIGIN}/b`, { method: 'POST' })).status).toBe(200)
    const given = new Error('given up')
    controller.abort(given)
    release()
    await slow.catch(() => undefined)
    expect((await call(`${ORIGIN}/c`, { method: 'POST' })).status).toBe(200)
    expect(w.seen.slice(1).map(({ call }) => call.level)).toEqual(['session', 'session'])
  })

  it.each([
    ['no guard', noReplayGuard],
    ['a guard of one node among several', localReplayGuard({ clock: () => 0 })],
  ] as const)('with %s an unsafe call goes in a session', async (_, replay) => {
    const w = await world()
    const call = w.client(w.server({ replay, sessions: local(w) }))
    expect((await call(`${ORIGIN}/a`, { method: 'POST' })).status).toBe(200)
    expect(w.seen[0]!.call.level).toBe('session')
  })

  it('bound to a caller that proved nothing here opens nothing: the two ends would not agree on who it is', async () => {
    const w = await world()
    const bind = async () => ({ jkt: 'known by other means', ath: null, expiresAt: w.now + 600_000 })
    const call = w.client(w.server({ sessions: local(w), bind }), { early: 'never' })
    for (let i = 0; i < 2; i++) expect((await call(`${ORIGIN}/a`, { method: 'POST' })).status).toBe(200)
    expect(w.seen.map(({ call }) => call.level)).toEqual(['single', 'single'])
  })

  it('in the hybrid KEM, for key and share', async () => {
    const w = await world()
    const kept: Kept = []
    const call = w.client(w.server({ sessions: local(w) }), { shareKem: 0x647a, wire: recording(kept) })
    await call(`${ORIGIN}/a`)
    await call(`${ORIGIN}/b`)
    expect(w.seen.map(({ call }) => call.level)).toEqual(['single', 'session'])
    expect(kept[0]!.body.length).toBeGreaterThan(1600)
  })

  it('of nothing that is allowed opens nothing, and the call goes on', async () => {
    const w = await world()
    const signed = w.server({ sessions: local(w), sessionLimits: { aeads: [0x0001] } })
    const strict: Partial<PayloadServerOptions> = { sessions: local(w), sessionLimits: { aeads: [] } }
    const narrow = w.server(strict)
    let which = signed
    const call = w.client(signed, {
      wire: () => (input, init) => which.fetch(new Request(input, init), (inner, how) => w.next(inner, how)),
    })
    await call(`${ORIGIN}/a`)
    which = narrow
    await call(`${ORIGIN}/b`)
    const fresh = w.client(narrow)
    expect((await fresh(`${ORIGIN}/c`)).status).toBe(200)
    expect((await fresh(`${ORIGIN}/d`, { method: 'POST' })).status).toBe(200)
    expect(w.seen.slice(-2).map(({ call }) => call.level)).toEqual(['single', 'single'])
  })

  it('a gateway that answers nothing is not asked again at once', async () => {
    const w = await world()
    let tries = 0
    const server = w.server({ sessions: local(w) })
    const call = w.client(server, {
      wire: (inner) => async (input, init) => {
        if (new Request(input, init).method !== 'POST') return inner(input, init)
        tries++
        return new Response('busy', { status: 503 })
      },
    })
    expect(await codeOf(() => call(`${ORIGIN}/a`, { method: 'POST' }))).toBe('payload.transport')
    const before = tries
    expect(await codeOf(() => call(`${ORIGIN}/b`, { method: 'POST' }))).toBe('payload.transport')
    expect(tries).toBe(before)
    w.now += 60_000
    expect(await codeOf(() => call(`${ORIGIN}/c`, { method: 'POST' }))).toBe('payload.transport')
    expect(tries).toBeGreaterThan(before)
    expect(w.seen).toEqual([])
  })

  it('reopen opens one before any call; session off opens none', async () => {
    const w = await world()
    const kept: Kept = []
    const server = w.server({ sessions: local(w) })
    const call = w.client(server, { wire: recording(kept) })
    await call.reopen()
    await call(`${ORIGIN}/a`)
    expect(types(kept)).toEqual(['ohttp-req', 'session-req'])
    const off = w.client(server, { session: 'off' })
    await off.reopen()
    await off(`${ORIGIN}/b`, { method: 'POST' })
    expect(w.seen.map(({ call }) => call.level)).toEqual(['session', 'single'])
  })
})

/** A caller with a key and a token, and the host's check of its proof. */
async function dpop(w: World) {
  const jwk = await w.crypto.generateKey('ES256', random)
  const { publicJwk } = await w.crypto.signer('ES256', jwk)
  const { thumbprint } = await import('@postern/core/jwk')
  const asked = { jkt: await thumbprint(w.crypto, publicJwk), binds: 0, bound: [] as boolean[], token: 'first' }
  const part = (value: unknown): string => encodeBase64url(utf8(JSON.stringify(value)))
  const athOf = async (token: string) => encodeBase64url(await w.crypto.digest('SHA-256', utf8(token)))
  const headers: NonNullable<SealedFetchOptions['headers']> = async ({ ekm, bound }) => {
    asked.bound.push(bound !== null)
    const authorization = `DPoP ${asked.token}`
    if (bound !== null && bound.ath === (await athOf(asked.token))) return { authorization }
    const payload = { ath: await athOf(asked.token), ekm: encodeBase64url(await ekm()) }
    return { authorization, dpop: `${part({ typ: 'dpop+jwt', jwk: publicJwk })}.${part(payload)}.c2ln` }
  }
  const bind: NonNullable<PayloadServerOptions['bind']> = async (inner, ekm) => {
    asked.binds++
    const proof = inner.headers.get('dpop')
    if (proof === null) return null
    const { ath, ekm: claimed } = JSON.parse(Buffer.from(proof.split('.')[1]!, 'base64url').toString())
    return claimed === encodeBase64url(ekm) ? { jkt: asked.jkt, ath, expiresAt: w.now + 600_000 } : null
  }
  return { headers, bind, asked }
}

function replayed({ url, body, headers }: Kept[number]): Request {
  return new Request(url, {
    method: 'POST',
    headers: { 'content-type': headers.get('content-type')! },
    body: body as Uint8Array<ArrayBuffer>,
  })
}

/** Whether a session is held: one that is refuses a forged call, one that is not is unknown. */
async function heldSession(_: World, server: ReturnType<World['server']>, id: string): Promise<boolean> {
  const head = concat(
    Uint8Array.of(0, 0xff, 1, 0, 1, 0, 2),
    Uint8Array.from(Buffer.from(id, 'hex')),
    new Uint8Array(16),
    Uint8Array.of(0),
    random(40),
  )
  const answer = await server.fetch(
    new Request(`${ORIGIN}/ohttp`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.postern.session-req' },
      body: head as Uint8Array<ArrayBuffer>,
    }),
    () => Promise.reject(new Error('opened')),
  )
  const text = await answer.text()
  expect(answer.status).toBe(400)
  return !text.includes('session_unknown') && equal(utf8('x'), utf8('x'))
}
