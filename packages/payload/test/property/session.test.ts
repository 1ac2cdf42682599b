import { concat, equal, hex, utf8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import type { Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readGrant, readShare } from '../../src/internal/sessionField.js'
import { counterWindow, WINDOW } from '../../src/internal/window.js'
import {
  beginSessionRequest,
  type HeldSession,
  localSessions,
  openSessionRequest,
  openSessionRequestStream,
  openSessionResponse,
  openSessionResponseStream,
  type SessionKeeper,
  sealSessionResponse,
  sharedSessions,
} from '../../src/session.js'
import { backends } from '../backends.js'
import { codeOf } from '../codeOf.js'
import { collected, cutAt, streamOf } from '../streams.js'
import { random } from '../world.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const NOW = 1_772_000_000_000
const clock = () => NOW
const [node] = backends
const keys = await openKeyRing(await createKeyRingDocument({ clock, random, crypto: node! }), node!)
const places = fc.array(fc.nat(), { maxLength: 8 })

async function keptIn(crypto: CryptoPort, keeper: SessionKeeper, max = 1 << 20, chunkBytes = 100): Promise<HeldSession> {
  const id = keeper.newId()
  await keeper.keep({ id, secret: random(32), aead: 2, max, chunkBytes, expiresAt: NOW + 3_600_000, binding: null })
  expect(crypto.name).toBeTruthy()
  return (await keeper.find(id))!
}

const local = (crypto: CryptoPort) => localSessions({ clock, random, crypto })

async function shared(crypto: CryptoPort): Promise<SessionKeeper> {
  const ring = (await openKeyRing(await createKeyRingDocument({ clock, random, crypto }), crypto)).short
  return sharedSessions({ store: memoryStore(), tenant: 'bank', ring, clock, random, crypto })
}

describe('forgetting the sessions of a caller', () => {
  it.each(['one', 'all'])('%s, while they open: what is not ended by it can be ended later, for forget can find it', (which) =>
    fc.assert(
      fc.asyncProperty(fc.scheduler(), async (schedule) => {
        const inner = memoryStore()
        const store: Store = {
          ...inner,
          commit: schedule.scheduleFunction((...given: Parameters<Store['commit']>) => inner.commit(...given)),
          read: schedule.scheduleFunction((...given: Parameters<Store['read']>) => inner.read(...given)),
          list: schedule.scheduleFunction((...given: Parameters<Store['list']>) => inner.list(...given)),
        }
        const of = (store: Store) => sharedSessions({ store, tenant: 'bank', ring: keys.short, clock, random, crypto: node! })
        const [slow, later] = [of(store), of(inner)]
        const binding = { jkt: 'j', ath: null, expiresAt: NOW + 3_600_000 }
        const ids = [slow.newId(), slow.newId()]
        const kept = ids.map((id) =>
          codeOf(() =>
            slow.keep({ id, secret: random(32), aead: 2, max: 9, chunkBytes: 100, expiresAt: NOW + 3_600_000, binding }),
          ),
        )
        const selection = which === 'one' ? { jkt: 'j' } : ({ all: true } as const)
        await schedule.waitFor(Promise.all([...kept, slow.forget(selection)]))
        for (const [i, id] of ids.entries()) expect((await of(inner).find(id)) === null || (await kept[i]) === null).toBe(true)
        await later.forget(selection)
        for (const id of ids) expect(await of(inner).find(id)).toBeNull()
      }),
      { numRuns: Math.ceil(numRuns / (which === 'one' ? 1 : 10)) },
    ),
  )
})

describe('the counter window', () => {
  it('takes what a set of all counters would, down to 1,024 below the highest, and nothing below', () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.nat(50),
            fc.nat(3000),
            fc.integer({ min: 2 ** 32 - 3000, max: 2 ** 32 }),
            fc.constantFrom(1023, 1024, 1025, 2047, 2048),
          ),
          {
            maxLength: 200,
          },
        ),
        (counters) => {
          const window = counterWindow()
          const taken = new Set<number>()
          let highest = -1
          for (const counter of counters) {
            const expected = counter > highest - WINDOW && !taken.has(counter)
            expect(window.take(counter)).toBe(expected)
            if (!expected) continue
            taken.add(counter)
            highest = Math.max(highest, counter)
          }
        },
      ),
      { numRuns: numRuns * 5 },
    ))
})

describe('a session', () => {
  it.each([
    ['local', local],
    ['shared', shared],
  ] as const)('%s: whatever the order and however often each call arrives, each runs once', (_, keeper) =>
    fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 4 }),
        async (schedule, calls, copies) => {
          const sessions = await keeper(node!)
          const session = await keptIn(node!, sessions)
          const runs = new Map<number, number>()
          const sealed = await Promise.all(
            Array.from({ length: calls }, async (_, i) =>
              (await beginSessionRequest({ crypto: node!, random }, session, i)).seal(utf8(`call ${i}`)),
            ),
          )
          const arrive = schedule.scheduleFunction(async (message: Uint8Array) => {
            const opened = await openSessionRequest(node!, sessions.find, message)
            const verdict = await sessions.claim(opened.session, opened.counter, NOW + 121_000)
            if (verdict === 'first') runs.set(opened.counter, (runs.get(opened.counter) ?? 0) + 1)
            return verdict
          })
          const verdicts = Promise.all(sealed.flatMap((message) => Array.from({ length: copies }, () => arrive(message))))
          await schedule.waitFor(verdicts)
          expect([...runs.values()]).toEqual(Array(calls).fill(1))
          expect((await verdicts).filter((verdict) => verdict === 'replayed')).toHaveLength(calls * (copies - 1))
        },
      ),
      { numRuns: Math.ceil(numRuns / 2) },
    ),
  )

  for (const crypto of backends)
    it(`${crypto.name}: any message comes back, both ways, whole and in pieces; any flipped bit, cut, splice or extension is refused`, async () => {
      const sessions = local(crypto)
      const session = await keptIn(crypto, sessions)
      let counter = 0
      await fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ maxLength: 500 }),
          fc.nat(),
          fc.nat({ max: 7 }),
          places,
          async (message, at, bit, where) => {
            const ports = { crypto, random }
            const call = await beginSessionRequest(ports, session, counter++)
            const other = await (await beginSessionRequest(ports, session, counter++)).seal(message)
            const sealed = await call.seal(message)
            const opened = await openSessionRequest(crypto, sessions.find, sealed)
            expect(equal(opened.message, message)).toBe(true)
            const streamed = await openSessionRequestStream(crypto, sessions.find, streamOf(cutAt(sealed, where)))
            expect(equal(concat(...(await collected(streamed.message))), message)).toBe(true)
            const reply = await sealSessionResponse(ports, opened.exchange, message, session.chunkBytes)
            expect(equal(await openSessionResponse(crypto, call, reply), message)).toBe(true)
            expect(
              equal(
                concat(...(await collected(openSessionResponseStream(crypto, call, streamOf(cutAt(reply, where)))))),
                message,
              ),
            ).toBe(true)
            const cut = at % sealed.length
            for (const bad of [
              flip(sealed, at, bit),
              sealed.slice(0, cut),
              concat(sealed, random(1)),
              spliced(sealed, other, 40 + (at % (sealed.length - 48))),
            ]) {
              expect(await codeOf(() => openSessionRequest(crypto, sessions.find, bad))).toMatch(
                /^payload\.(refused|session_unknown)$/,
              )
              const late = await codeOf(async () =>
                collected((await openSessionRequestStream(crypto, sessions.find, streamOf(cutAt(bad, where)))).message),
              )
              expect(late).toMatch(/^payload\.(refused|session_unknown|truncated)$/)
            }
            for (const bad of [flip(reply, at, bit), reply.slice(0, at % reply.length), concat(reply, random(1))])
              expect(await codeOf(() => openSessionResponse(crypto, call, bad))).toMatch(/^payload\.(reply_refused|truncated)$/)
          },
        ),
        { numRuns: Math.ceil(numRuns / (crypto.name === 'node' ? 2 : 10)) },
      )
    })

  it('C06 two clones of a client never meet in a key: equal counters have other random bits, and replies their own nonce', async () => {
    const sessions = local(node!)
    const session = await keptIn(node!, sessions)
    const seen = new Set<string>()
    const same = new Uint8Array(50)
    for (let clone = 0; clone < 20; clone++)
      for (let counter = 0; counter < 20; counter++) {
        const call = await beginSessionRequest({ crypto: node!, random }, session, counter)
        seen.add(hex((await call.seal(same)).slice(40)))
        seen.add(hex((await sealSessionResponse({ crypto: node!, random }, call, same)).slice(33)))
      }
    expect(seen.size).toBe(800)
  })

  it('has counters up to its last and none behind', async () => {
    const sessions = local(node!)
    const session = await keptIn(node!, sessions, 3)
    const ports = { crypto: node!, random }
    for (const [counter, code] of [
      [2, null],
      [3, 'payload.session_unknown'],
      [2 ** 32 - 1, 'payload.session_unknown'],
    ] as const) {
      const sealed = await (await beginSessionRequest(ports, session, counter)).seal(new Uint8Array(1))
      expect(await codeOf(() => openSessionRequest(node!, sessions.find, sealed))).toBe(code)
    }
    const sealed = await (await beginSessionRequest(ports, session, 1)).seal(new Uint8Array(1))
    // The upper half of the counter counts as well: a number near 2^64 is none of this session's.
    for (let at = 23; at < 27; at++)
      expect(await codeOf(() => openSessionRequest(node!, sessions.find, flip(sealed, at, 7)))).toBe('payload.session_unknown')
    expect(() => beginSessionRequest(ports, session, 2 ** 32)).toThrow(RangeError)
  })

  it('C08 of one AEAD takes no other in the header', async () => {
    const sessions = local(node!)
    const session = await keptIn(node!, sessions)
    const sealed = await (await beginSessionRequest({ crypto: node!, random }, session, 0)).seal(new Uint8Array(1))
    for (const aead of [1, 3, 0xff]) {
      const bad = sealed.slice()
      bad[6] = aead
      expect(await codeOf(() => openSessionRequest(node!, sessions.find, bad))).toBe('payload.refused')
    }
  })

  it('C05 a call does not open as a reply, nor a reply as a call', async () => {
    const sessions = local(node!)
    const session = await keptIn(node!, sessions)
    const ports = { crypto: node!, random }
    const call = await beginSessionRequest(ports, session, 0)
    const sealed = await call.seal(random(60))
    expect(await codeOf(() => openSessionResponse(node!, call, sealed))).toMatch(/^payload\.(reply_refused|truncated)$/)
    expect(await codeOf(() => openSessionResponse(node!, call, concat(random(32), sealed.slice(39))))).toBe(
      'payload.reply_refused',
    )
    const reply = await sealSessionResponse(ports, call, random(60))
    expect(await codeOf(() => openSessionRequest(node!, sessions.find, concat(sealed.slice(0, 39), reply.slice(32))))).toBe(
      'payload.refused',
    )
  })

  it('of many is found by its whole id, also where they begin alike', async () => {
    const sessions = localSessions({ clock, random, crypto: node!, node: 513, maxSessions: 3 })
    const kept = [await keptIn(node!, sessions), await keptIn(node!, sessions), await keptIn(node!, sessions)]
    expect(kept.map(({ id }) => [id[0], id[1]])).toEqual([
      [2, 1],
      [2, 1],
      [2, 1],
    ])
    await keptIn(node!, sessions)
    expect(await sessions.find(kept[0]!.id)).toBeNull()
    expect(await sessions.find(kept[2]!.id)).not.toBeNull()
  })
})

describe('the field payload-session', () => {
  it('of any text is a value or nothing, in linear time', () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 5000 }),
          fc
            .array(
              fc.constantFrom('v=1', 'kem=32', 'share=:AAAA:', 'aead=(2 1)', 'id=:AA==:', ', ', ',', ' ', '(', ':', '=', 'bound'),
            )
            .map((parts) => parts.join('')),
        ),
        (text) => {
          for (const read of [readShare, readGrant]) expect(() => read(text)).not.toThrow()
        },
      ),
      { numRuns: numRuns * 5 },
    ))

  const key = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='
  it.each([
    [`v=1, kem=32, share=:${key}:, aead=(2 1 3)`, true],
    [`aead=(2),share=:${key}:,kem=32,v=1`, true],
    [`v=1, kem=32, share=:${key}:, aead=(2), later=?0, more=9`, true],
    [`v=1, kem=32, share=:${key}:, aead=(  2   1 ), none=( )`, true],
    [`v=1, kem=32, share=:${key}:, aead=(21 3)4`, false],
    [`v=2, kem=32, share=:${key}:, aead=(2)`, false],
    [`v=1, kem=65536, share=:${key}:, aead=(2)`, false],
    [`v=1, kem=32, share=::, aead=(2)`, false],
    [`v=1, kem=32, share=:${key.slice(1)}:, aead=(2)`, false],
    [`v=1, kem=32, share=:${key}:, aead=2`, false],
    [`v=1, v=1, kem=32, share=:${key}:, aead=(2)`, false],
    [`v=1, kem=32, share=:${key}:, aead=(2),`, false],
    ['', false],
  ])('%s offers: %s', (text, offers) => {
    expect(readShare(text) !== null).toBe(offers)
  })

  it('however much of nothing stands in a list, it is read in linear time', () => {
    const [blanks, numbers] = [`a=(${' '.repeat(4000)}`, `a=(${'1 '.repeat(2000)}`]
    const cpuFor = (text: string): number => {
      const before = process.cpuUsage()
      for (let i = 0; i < 50; i++) expect(readShare(text)).toBeNull()
      return process.cpuUsage(before).user
    }
    cpuFor(numbers)
    expect(cpuFor(blanks)).toBeLessThan(50 * Math.max(1000, cpuFor(numbers)))
  })

  const id = 'AAECAwQFBgcICQoLDA0ODw=='
  it.each([
    [`v=1, id=:${id}:, enc=:${key}:, exp=3600, max=65536, chunk=65536, aead=2`, false],
    [`v=1, id=:${id}:, enc=:${key}:, exp=3600, max=65536, chunk=65536, aead=2, bound`, true],
    [`v=1, id=:${id.replace('==', '')}:, enc=:${key}:, exp=3600, max=65536, chunk=65536, aead=2`, null],
    [`v=1, id=:AAAA:, enc=:${key}:, exp=3600, max=65536, chunk=65536, aead=2`, null],
    [`v=1, id=:${id}:, enc=:${key}:, exp=0, max=65536, chunk=65536, aead=2`, null],
    [`v=1, id=:${id}:, enc=:${key}:, exp=3600, max=4294967296, chunk=65536, aead=2`, null],
    [`v=1, id=:${id}:, enc=:${key}:, exp=3600, max=1, chunk=65536, aead=4`, null],
    [`id=:${id}:, enc=:${key}:, exp=3600, max=1, chunk=65536, aead=2`, null],
  ])('%s grants, bound: %s', (text, bound) => {
    expect(readGrant(text)?.bound ?? null).toBe(bound)
  })
})

function flip(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  const out = bytes.slice()
  out[at % out.length]! ^= 1 << bit
  return out
}

/** One message up to a place, another from there. */
function spliced(a: Uint8Array, b: Uint8Array, at: number): Uint8Array {
  return concat(a.slice(0, at), b.slice(at))
}
