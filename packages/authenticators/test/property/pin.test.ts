/// <reference types="node" />
import { type Reply, runBegin, runFinish, type Success } from '@postern/authenticators/authenticator'
import { loginPin, type PinSlot } from '@postern/authenticators/pin/client'
import { utf8 } from '@postern/core/bytes'
import { decodeEvent } from '@postern/core/events'
import { tuple } from '@postern/core/tuple'
import { memoryStore } from '@postern/store/memory'
import { faultyStore } from '@postern/testkit/faulty'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createWorld, type Device, Refused, type World } from '../world.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const day = 86_400_000

/** One login, held at any of its three calls by the schedule. */
async function tryPin(
  w: World,
  d: Device,
  slot: PinSlot,
  digits: string,
  gate: () => Promise<void>,
  seen: Seen,
  store = w.store,
): Promise<void> {
  const runtime = { ...w.runtime, store }
  const at = async (handle: string | null) => w.ceremony(d, 'login', slot.enrolment, handle === null ? {} : { handle })
  const exchange = {
    async begin(handle: string | null, answer: unknown) {
      const c = await at(handle)
      await gate()
      const done = await runBegin(w.pin, c, answer, { runtime })
      if (!done.ok) throw new Refused(done)
      if (handle !== null) seen.ke2.push(done.value)
      return { handle: done.value.handle, step: done.value.body as unknown }
    },
    async finish(handle: string, answer: unknown) {
      const c = await at(handle)
      await gate()
      const done = await runFinish(w.pin, c, answer, { runtime })
      if (!done.ok) throw new Refused(done)
      seen.ok.push(done.value)
      return done.value
    },
  }
  await loginPin({ ...w.client(d), exchange, pin: utf8(digits), slots: [slot], purpose: 'login' }).catch(
    (error: { code?: string }) => {
      if (error.code === undefined && !(error instanceof Refused)) throw error
    },
  )
}

interface Seen {
  readonly ke2: Reply[]
  readonly ok: Success[]
}

describe('the bounds of a PIN', () => {
  it('I1 I3 never more than N KE2 between two successes, whatever the interleaving', { timeout: 600_000 }, () =>
    fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.boolean(), { minLength: 2, maxLength: 7 }),
        async (s, maxAttempts, tries) => {
          const w = createWorld({ maxAttempts, maxFailures: 100 })
          const d = await w.device('d1')
          const slot = await w.withPin(d, '2718')
          const seen: Seen = { ke2: [], ok: [] }
          const gate = () => s.schedule(Promise.resolve())
          await s.waitFor(Promise.all(tries.map((right) => tryPin(w, d, slot, right ? '2718' : '0000', gate, seen))))
          expect(seen.ke2.length).toBeLessThanOrEqual(maxAttempts * (seen.ok.length + 1))
          expect(seen.ok.length).toBeLessThanOrEqual(tries.filter(Boolean).length)
          const { status } = (await w.enrolled(d, slot.enrolment)).value
          if (seen.ke2.length < maxAttempts) expect(status).toBe('active')
        },
      ),
      { numRuns: Math.ceil(numRuns / 4) },
    ),
  )

  it('I1 I8 the same over a network that lies: at most N KE2, and a success only when it is durable', { timeout: 600_000 }, () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1e6 }),
        fc.array(fc.boolean(), { minLength: 2, maxLength: 6 }),
        async (seed, tries) => {
          const inner = memoryStore()
          const w = createWorld({ store: inner })
          const d = await w.device('d1')
          const slot = await w.withPin(d, '2718')
          const store = faultyStore(inner, { seed })
          const seen: Seen = { ke2: [], ok: [] }
          for (const right of tries) await tryPin(w, d, slot, right ? '2718' : '0000', async () => {}, seen, store)
          await store.drain()
          const told = (await inner.outbox!({ now: w.clock(), limit: 1000 })).map((r) => decodeEvent(r.value)?.type)
          const durable = told.filter((type) => type === 'pin.succeeded').length
          expect(seen.ok.length).toBeLessThanOrEqual(durable)
          expect(seen.ke2.length).toBeLessThanOrEqual(3 * (durable + 1))
          expect(seen.ke2.length).toBeLessThanOrEqual(told.filter((type) => type === 'pin.attempted').length)
          if (seen.ok.length > 0) expect((await w.enrolled(d, slot.enrolment)).value.usedAt).toBeGreaterThan(0)
        },
      ),
      { numRuns: Math.ceil(numRuns / 4) },
    ),
  )

  it('I1 a model of N, F and the window agrees, try for try', { timeout: 600_000 }, () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 5, max: 7 }),
        fc.array(fc.oneof(fc.constant('right' as const), fc.constant('wrong' as const), fc.integer({ min: 1, max: 40 })), {
          maxLength: 24,
        }),
        async (maxAttempts, maxFailures, acts) => {
          const w = createWorld({ maxAttempts, maxFailures, onExhausted: 'lock' })
          const d = await w.device('d1')
          const slot = await w.withPin(d, '2718')
          let model = { n: 0, failed: 0, windowEnd: 0, locked: false }
          for (const act of acts) {
            if (typeof act === 'number') {
              w.time.now += act * day
              continue
            }
            if (model.windowEnd <= w.time.now) model = { ...model, failed: 0, windowEnd: 0 }
            const seen: Seen = { ke2: [], ok: [] }
            await tryPin(w, d, slot, act === 'right' ? '2718' : '0000', async () => {}, seen)
            const allowed = !model.locked && model.n < maxAttempts && model.failed < maxFailures
            expect([seen.ke2.length, seen.ok.length]).toEqual([allowed ? 1 : 0, allowed && act === 'right' ? 1 : 0])
            if (!allowed) model.locked = true
            else {
              const windowEnd = model.windowEnd === 0 ? w.time.now + 30 * day : model.windowEnd
              if (act === 'right') model = { ...model, n: 0, windowEnd }
              else {
                model = { ...model, n: model.n + 1, failed: model.failed + 1, windowEnd }
                // The client tells a wrong PIN at once, and the last one ends it.
                model.locked = model.n >= maxAttempts || model.failed >= maxFailures
              }
            }
          }
        },
      ),
      { numRuns: Math.ceil(numRuns / 2) },
    ),
  )

  it('T is injective: other fields, other bytes', () =>
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 4 }),
        fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 4 }),
        (a, b) => {
          const same = a.length === b.length && a.every((x, i) => Buffer.compare(x, b[i]!) === 0)
          expect(Buffer.compare(tuple('l', ...a), tuple('l', ...b)) === 0).toBe(same)
        },
      ),
      { numRuns },
    ))
})
