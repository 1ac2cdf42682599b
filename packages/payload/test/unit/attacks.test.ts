import { concat, hex } from '@postern/core/bytes'
import { faultyStore } from '@postern/testkit/faulty'
import { describe, expect, it } from 'vitest'
import { type BhttpRequest, decodeResponse, encodeRequest } from '../../src/bhttp.js'
import { setupReceiver } from '../../src/hpke.js'
import { createKemRing, openKemRing } from '../../src/keys.js'
import { type Exchange, openResponse, sealRequest } from '../../src/ohttp.js'
import { localReplayGuard, storeReplayGuard } from '../../src/replay.js'
import type { PayloadServer } from '../../src/server.js'
import { backends } from '../backends.js'
import { codeOf } from '../codeOf.js'
import { ORIGIN, outer, random, type World, world } from '../world.js'

type Message = Partial<BhttpRequest>

async function sealed(w: World, message: Message = {}): Promise<{ sealed: Uint8Array; exchange: Exchange }> {
  const config = w.ring.offered(w.now)[0]!.config
  return sealRequest({ crypto: w.crypto, random }, config, 0x0002, encodeRequest(plain(w, message)))
}

function plain(w: World, message: Message): BhttpRequest {
  const date = ['date', new Date(w.now).toUTCString()] as const
  return {
    method: 'GET',
    scheme: 'https',
    authority: 'api.bank.example',
    path: '/a',
    fields: [date],
    content: new Uint8Array(0),
    trailers: [],
    ...message,
  }
}

/** Sends and opens the reply: outer status, inner status, inner code. */
async function run(
  w: World,
  server: PayloadServer,
  message: { sealed: Uint8Array; exchange: Exchange },
): Promise<[number, number | null, string | null]> {
  const answer = await server.fetch(outer(message.sealed), (inner, call) => w.next(inner, call))
  if (answer.status !== 200) return [answer.status, null, null]
  const reply = decodeResponse(await openResponse(w.crypto, message.exchange, new Uint8Array(await answer.arrayBuffer())))
  return [200, reply.status, reply.fields.find(([name]) => name === 'payload-error')?.[1] ?? null]
}

async function outside(answer: Response): Promise<string> {
  return JSON.stringify([answer.status, [...answer.headers], await answer.text()])
}

describe('attacks on sealed requests', () => {
  it('C01 bit flip in any byte: outer 400, nothing runs; in a reply: refused', async () => {
    const w = await world()
    const server = w.server()
    const good = await sealed(w)
    const step = 7
    for (let i = 0; i < good.sealed.length; i += i < 45 ? 1 : step) {
      const bad = good.sealed.slice()
      bad[i]! ^= 1 << (i % 8)
      expect((await server.fetch(outer(bad), w.next)).status, `byte ${i}`).toBe(400)
    }
    expect(w.seen).toEqual([])
    const reply = new Uint8Array(await (await server.fetch(outer(good.sealed), w.next)).arrayBuffer())
    for (let i = 0; i < reply.length; i += step) {
      const bad = reply.slice()
      bad[i]! ^= 1
      expect(await codeOf(() => openResponse(w.crypto, good.exchange, bad))).toBe('payload.reply_refused')
    }
  })

  it('C02 truncation at any length, of request and reply: refused', async () => {
    const w = await world()
    const server = w.server()
    const good = await sealed(w)
    for (let length = 0; length < good.sealed.length; length += 5)
      expect((await server.fetch(outer(good.sealed.slice(0, length)), w.next)).status).toBe(400)
    expect(w.seen).toEqual([])
    const reply = new Uint8Array(await (await server.fetch(outer(good.sealed), w.next)).arrayBuffer())
    for (let length = 0; length < reply.length; length += 5)
      expect(await codeOf(() => openResponse(w.crypto, good.exchange, reply.slice(0, length)))).toBe('payload.reply_refused')
  })

  it('C04 message replayed, 50 parallel over two servers with one store: exactly one runs', async () => {
    const w = await world()
    const servers = [w.server(), w.server()]
    const message = await sealed(w, { method: 'POST', content: random(9) })
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => run(w, servers[i % 2]!, message)))
    expect(w.seen).toHaveLength(1)
    expect(answers.filter(([, status]) => status === 200)).toHaveLength(1)
    expect(answers.filter(([, status, code]) => status === 409 && code === 'payload.replayed')).toHaveLength(49)
    w.now += 119_000
    expect(await run(w, servers[0]!, message)).toEqual([200, 409, 'payload.replayed'])
    w.now += 600_000 // the marker is gone, and so is the window
    expect(await run(w, servers[0]!, message)).toEqual([200, 400, 'payload.stale'])
    expect(w.seen).toHaveLength(1)
    expect(w.events.map(({ type }) => type)).toContain('payload.replayed')
  })

  it('C04 two nodes whose clocks are 30 s apart: neither runs what the other ran, for as long as a date can be taken', async () => {
    for (const [first, second] of [
      [30_000, 0],
      [0, 30_000],
    ] as const)
      for (const dated of [0, 119_000]) {
        const w = await world()
        const node = (ahead: number) => {
          const clock = () => w.now + ahead
          const replay = storeReplayGuard({ store: w.store, tenant: 'bank', clock, random })
          return w.server({ runtime: { ...w.runtime, clock }, replay })
        }
        const nodes = [node(first), node(second)]
        const date = ['date', new Date(w.now + first + dated).toUTCString()] as const
        const message = await sealed(w, { method: 'POST', fields: [date] })
        expect(await run(w, nodes[0]!, message)).toEqual([200, 200, null])
        for (let passed = 0; passed <= 280_000; passed += 1000) {
          // Both sweep all the while, the one that is ahead included.
          if (passed % 30_000 === 0) await w.store.sweep!(w.now + Math.max(first, second), 1000)
          const near = [90_000, 120_000, 150_000].some((edge) => Math.abs(passed - dated - edge) < 4000)
          if (passed % 9000 === 0 || near) for (const one of nodes) await run(w, one, message)
          w.now += 1000
        }
        expect(w.seen).toHaveLength(1)
      }
  })

  it('C04 a key that ends while the caller is verified: the call does not run, for its marker has ended too', async () => {
    const w = await world()
    const [dropAt, config] = [w.now + 90_000, w.ring.offered(w.now)[0]!.config]
    const keys = w.document.keys.map((key) => ({ ...key, retireAt: dropAt, dropAt }))
    const ring = await openKemRing({ ...w.document, keys }, w.crypto)
    const date = ['date', new Date(dropAt).toUTCString()] as const
    const content = encodeRequest(plain(w, { method: 'POST', fields: [date] }))
    const message = await sealRequest({ crypto: w.crypto, random }, config, 0x0002, content)
    let slow = 0
    const bind = async () => {
      w.now += slow
      return { jkt: 'j', ath: null, expiresAt: 1 }
    }
    const server = w.server({ ring, requirement: () => 'bound', bind })
    expect(await run(w, server, message)).toEqual([200, 200, null])
    w.now = dropAt - 1
    slow = 5000
    await run(w, server, message)
    expect(w.seen).toHaveLength(1)
  })

  it('C04 a message dated tomorrow is refused today and cannot be delivered tomorrow', async () => {
    const w = await world()
    const server = w.server()
    const date = ['date', new Date(w.now + 86_400_000).toUTCString()] as const
    const message = await sealed(w, { fields: [date] })
    expect(await run(w, server, message)).toEqual([200, 400, 'payload.stale'])
    w.now += 86_400_000
    expect(await run(w, server, message)).toEqual([200, 409, 'payload.replayed'])
    expect(w.seen).toEqual([])
  })

  it('C04 long markers are bounded a minute: beyond that nothing is decided and nothing runs', async () => {
    const w = await world()
    const server = w.server()
    const date = ['date', new Date(w.now + 86_400_000).toUTCString()] as const
    const codes = new Set<string | null>()
    for (let i = 0; i < 62; i++) codes.add((await run(w, server, await sealed(w, { fields: [date] })))[2])
    expect([...codes]).toEqual(['payload.stale', 'payload.guard_unavailable'])
    expect((await run(w, server, await sealed(w)))[1]).toBe(200)
  })

  it('C04 a guard of unknown outcome runs at most once', async () => {
    const w = await world()
    const store = faultyStore(w.store, { seed: 7, plan: { dropAfter: 0.2, late: 0.2, duplicate: 0.2, dropBefore: 0.1 } })
    const server = w.server({ replay: storeReplayGuard({ store, tenant: 'bank', clock: () => w.now, random }) })
    for (let i = 0; i < 20; i++) {
      const message = await sealed(w, { method: 'POST', path: `/${i}` })
      const tries = await Promise.all([run(w, server, message), run(w, server, message), run(w, server, message)])
      expect(tries.filter(([, status]) => status === 200).length).toBeLessThanOrEqual(1)
      expect(w.seen.filter(({ url }) => url.endsWith(`/${i}`)).length).toBeLessThanOrEqual(1)
    }
  })

  it('C04 a local guard runs one of many, and when full decides nothing', async () => {
    const guard = localReplayGuard({ clock: () => 1000, maxEntries: 2 })
    const name = random(32)
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => guard.claim({ name, expiresAt: 2000 })))
    expect(verdicts.filter((verdict) => verdict === 'first')).toHaveLength(1)
    expect(await guard.claim({ name: random(32), expiresAt: 900 })).toBe('first')
    expect(await guard.claim({ name: random(32), expiresAt: 2000 })).toBe('first') // in place of the expired one
    expect(await guard.claim({ name: random(32), expiresAt: 2000 })).toBe('unknown')
  })

  it('C05 a request reflected as reply, and a reply sent as request: refused', async () => {
    const w = await world()
    const server = w.server()
    const message = await sealed(w)
    expect(await codeOf(() => openResponse(w.crypto, message.exchange, message.sealed))).toBe('payload.reply_refused')
    const reply = new Uint8Array(await (await server.fetch(outer(message.sealed), w.next)).arrayBuffer())
    const head = message.sealed.slice(0, 39)
    expect((await server.fetch(outer(concat(head, reply)), w.next)).status).toBe(400)
    expect((await server.fetch(outer(concat(head, reply.slice(32))), w.next)).status).toBe(400)
    expect(w.seen).toHaveLength(1)
  })

  it('C05 the reply of another call does not open', async () => {
    const w = await world()
    const server = w.server()
    const [a, b] = [await sealed(w), await sealed(w)]
    const reply = new Uint8Array(await (await server.fetch(outer(b.sealed), w.next)).arrayBuffer())
    expect(await codeOf(() => openResponse(w.crypto, a.exchange, reply))).toBe('payload.reply_refused')
  })

  it('C07 one key is tried, the one that is named: a ciphertext for another key of the ring does not open', async () => {
    const w = await world()
    const second = await createKemRing({ clock: () => w.now, random, crypto: w.crypto })
    const document = { ...w.document, keys: [...w.document.keys, { ...second.keys[0]!, keyId: 2 }] }
    const server = w.server({ ring: await openKemRing(document, w.crypto) })
    const message = await sealed(w)
    const bad = message.sealed.slice()
    bad[0] = 2
    expect((await server.fetch(outer(bad), w.next)).status).toBe(400)
    expect((await run(w, server, message))[1]).toBe(200)
  })

  it('C08 a suite that is not offered, or another in the header: refused', async () => {
    const w = await world()
    const document = { ...w.document, aeads: [0x0002 as const] }
    const server = w.server({ ring: await openKemRing(document, w.crypto) })
    const { sealed: bytes } = await sealed(w)
    for (const [at, value] of [
      [2, 0x10],
      [4, 2],
      [6, 1],
      [6, 3],
      [5, 0xff],
    ] as const) {
      const bad = bytes.slice()
      bad[at] = value
      const answer = await server.fetch(outer(bad), w.next)
      expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('#ohttp-key')])
    }
    // The header is under the key schedule: an offered suite in its place does not open either.
    const both = w.server()
    const bad = bytes.slice()
    bad[6] = 3
    expect((await both.fetch(outer(bad), w.next)).status).toBe(400)
    expect(w.seen).toEqual([])
  })

  it('C09 key id unknown, or of another tenant: refused, never a search', async () => {
    const [w, other] = [await world(), await world()]
    const message = await sealed(other)
    expect((await w.server().fetch(outer(message.sealed), w.next)).status).toBe(400)
    const unknown = message.sealed.slice()
    unknown[0] = 77
    const answer = await w.server().fetch(outer(unknown), w.next)
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('#ohttp-key')])
    expect(w.seen).toEqual([])
  })

  it('C10 all-zero, low-order and off-curve points, and a wrong length: refused', async () => {
    const low = [new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31)), LOW_ORDER_8]
    for (const crypto of backends) {
      const x = (await openKemRing(await createKemRing({ clock: () => 1e12, random, crypto }), crypto)).find(1, 1e12)!
      const p = (await openKemRing(await createKemRing({ clock: () => 1e12, random, crypto }, { kem: 0x0010 }), crypto)).find(
        1,
        1e12,
      )!
      const setup = (kem: 0x0010 | 0x0020, enc: Uint8Array) =>
        codeOf(async () =>
          setupReceiver(crypto, { kem, kdf: 1, aead: 2 }, (kem === 0x0010 ? p : x).privateKey, enc, new Uint8Array(0)),
        )
      for (const point of [...low, random(31), random(33), new Uint8Array(0)])
        expect(await setup(0x0020, point), crypto.name).toBe('hpke.invalid_key')
      const offCurve = p.privateKey.publicKey.slice()
      offCurve[64]! ^= 1
      const infinity = new Uint8Array(65)
      for (const point of [
        offCurve,
        infinity,
        Uint8Array.of(4, ...new Uint8Array(64)),
        p.privateKey.publicKey.slice(1),
        p.privateKey.publicKey.slice(0, 33),
      ])
        expect(await setup(0x0010, point), crypto.name).toBe('hpke.invalid_key')
    }
    const w = await world()
    const { sealed: bytes } = await sealed(w)
    for (const point of low) {
      const bad = bytes.slice()
      bad.set(point, 7)
      expect((await w.server().fetch(outer(bad), w.next)).status).toBe(400)
    }
  })

  it('C11 sizes on the wire say the padding class and nothing else', async () => {
    const w = await world()
    const sizes = new Set<number>()
    for (const length of [0, 1, 50, 100]) sizes.add((await sealed(w, { method: 'POST', content: random(length) })).sealed.length)
    expect([...sizes]).toEqual([256 + 55])
    const server = w.server()
    const replies = new Set<number>()
    for (const text of ['', 'short', 'x'.repeat(150)]) {
      const answer = await server.fetch(outer((await sealed(w)).sealed), async () => new Response(text))
      replies.add((await answer.arrayBuffer()).byteLength)
    }
    expect([...replies]).toEqual([256 + 48])
  })

  it('C12 every failure before anything opened has one answer, byte for byte', async () => {
    const w = await world()
    const server = w.server()
    const { sealed: good } = await sealed(w)
    const answers = new Set<string>()
    const tag = good.slice()
    tag[tag.length - 1]! ^= 1
    const zero = good.slice()
    zero.fill(0, 7, 39)
    for (const bad of [new Uint8Array(0), good.slice(0, 6), good.slice(0, 20), good.slice(0, 54), good.slice(0, 100), tag, zero])
      answers.add(await outside(await server.fetch(outer(bad), w.next)))
    expect(answers.size).toBe(1)
    expect([...answers][0]).toContain('payload.refused')
    // Why, stands in the events alone.
    expect(new Set(w.events.map(({ reason }) => reason)).size).toBeGreaterThan(1)
  })

  it('C15 nothing is compressed inside: equal lengths stay equal, and no handler is asked for an encoding', async () => {
    const w = await world()
    const same = (await sealed(w, { method: 'POST', content: new Uint8Array(5000) })).sealed.length
    expect((await sealed(w, { method: 'POST', content: random(5000) })).sealed.length).toBe(same)
    const date = ['date', new Date(w.now).toUTCString()] as const
    await run(w, w.server(), await sealed(w, { fields: [date, ['accept-encoding', 'gzip, br']] }))
    expect(w.seen[0]!.headers.get('accept-encoding')).toBeNull()
  })
})

describe('the inner request', () => {
  it.each<[string, Message, number, string]>([
    ['another origin', { authority: 'other.example' }, 421, 'payload.misdirected'],
    ['the gateway itself', { path: '/ohttp' }, 400, 'payload.nested'],
    ['the gateway by another spelling', { path: '/x/../ohttp' }, 400, 'payload.nested'],
    ['the key path', { path: '/.well-known/ohttp-gateway' }, 400, 'payload.nested'],
    ['http', { scheme: 'http' }, 400, 'bhttp.malformed'],
    ['TRACE', { method: 'TRACE' }, 400, 'bhttp.malformed'],
    ['no date', { fields: [] }, 400, 'payload.stale'],
    ['a date that is no HTTP date', { fields: [['date', '2026-03-01']] }, 400, 'payload.stale'],
    ['a route that wants a session', { path: '/session' }, 425, 'payload.too_early'],
    ['a route that wants a bound caller', { path: '/bound' }, 403, 'payload.required'],
    ['a route that takes no sealed calls', { path: '/plain' }, 403, 'payload.forbidden'],
    ['a sealed route', { path: '/sealed' }, 200, ''],
  ])('for %s is answered inside', async (_, message, status, code) => {
    const w = await world()
    const requirement = (_method: string, url: URL) =>
      ({ '/session': 'session', '/bound': 'bound', '/plain': 'forbidden', '/sealed': 'sealed' })[url.pathname] as never
    const server = w.server({ requirement: (m, url) => requirement(m, url) ?? 'allowed' })
    expect(await run(w, server, await sealed(w, message))).toEqual([200, status, code === '' ? null : code])
    expect(w.seen).toHaveLength(status === 200 ? 1 : 0)
  })

  it('reaches a bound route with what bind verified, under the exporter both ends know', async () => {
    const w = await world()
    const message = await sealed(w)
    const binding = { jkt: 'j', ath: null, expiresAt: 1 }
    let under: Uint8Array | null = null
    const bind = async (_: Request, ekm: Uint8Array) => {
      under = ekm
      return binding
    }
    await run(w, w.server({ requirement: () => 'bound', bind }), message)
    expect(w.seen[0]!.call.binding).toEqual(binding)
    expect(hex(under!)).toBe(hex(w.seen[0]!.call.ekm!))
  })

  it('a handler that throws, or answers what cannot be said, becomes an inner 500 without a message', async () => {
    const w = await world()
    for (const next of [
      () => Promise.reject(new Error('secret detail')),
      async () => new Response('x', { headers: { 'x-a': 'y'.repeat(40_000) } }),
    ]) {
      w.next = next
      expect(await run(w, w.server(), await sealed(w))).toEqual([200, 500, expect.stringMatching('payload.failed')])
    }
  })
})

describe('the outer request', () => {
  it('passes plain calls where the route allows them, with level plain', async () => {
    const w = await world()
    const server = w.server({ requirement: (_, url) => (url.pathname === '/open' ? 'allowed' : 'sealed') })
    expect((await server.fetch(new Request(`${ORIGIN}/open`), w.next)).status).toBe(200)
    expect(w.seen[0]!.call).toEqual({ level: 'plain', ekm: null, binding: null, keyId: null, early: false })
    for (const path of ['/other', '//open', '/open/../other'])
      expect((await server.fetch(new Request(`${ORIGIN}${path}`), w.next)).status).toBe(403)
    expect(w.seen).toHaveLength(1)
  })

  it.each([
    ['another method', () => new Request(`${ORIGIN}/ohttp`), 405],
    ['another type', () => outer(random(99), 'application/json'), 415],
    ['too much', () => outer(new Uint8Array(1024 * 1024 + 1)), 413],
  ])('%s is refused before anything is computed', async (_, request, status) => {
    const w = await world()
    expect((await w.server().fetch(request(), w.next)).status).toBe(status)
  })

  it('all nodes serve the same signed bytes, also when they sign at once', async () => {
    const w = await world()
    const ask = () =>
      new Request(`${ORIGIN}/.well-known/ohttp-gateway`, { headers: { accept: 'application/vnd.postern.keys+jwt' } })
    const texts = await Promise.all([w.server(), w.server(), w.server()].map(async (s) => (await s.fetch(ask(), w.next)).text()))
    expect(new Set(texts).size).toBe(1)
    w.now += 13 * 3_600_000
    expect(await (await w.server().fetch(ask(), w.next)).text()).not.toBe(texts[0])
  })
})

const LOW_ORDER_8 = Uint8Array.from(Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex'))
