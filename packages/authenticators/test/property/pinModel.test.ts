/// <reference types="node" />
/** One enrolment over a network that lies: owner, clone, stranger, operator and the clock, in any order; the invariants hold after each step. */
import { type Purpose, runBegin } from '@postern/authenticators/authenticator'
import { decodeEnrolment, planUnlock } from '@postern/authenticators/enrolment'
import { changePin, loginPin, type PinExchange, type PinSlot } from '@postern/authenticators/pin/client'
import {
  type Context,
  clientIdentity,
  credentialIdentifier,
  ke1Statement,
  ke3Statement,
  pinContext,
  wrongStatement,
} from '@postern/authenticators/pin/messages'
import { decodeBase64url } from '@postern/core/base64url'
import { hex, utf8 } from '@postern/core/bytes'
import { decodeEvent } from '@postern/core/events'
import { newRev, type Rec } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { faultyStore } from '@postern/testkit/faulty'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createWorld, crypto, type Device, Refused, random } from '../world.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const maxAttempts = 3
const maxFailures = 8
const PINS = ['2718281828', '3141592653', '1618033988'] as const

type Act =
  | 'right'
  | 'wrong'
  | 'silent'
  | 'replay'
  | 'change'
  | 'stranger'
  | 'forger'
  | 'unlock'
  | 'day'
  | { readonly abandon: number }
const acts = fc.array(
  fc.oneof(
    ...(['right', 'wrong', 'silent', 'replay', 'change', 'stranger', 'forger', 'unlock', 'day'] as const).map((act) =>
      fc.constant<Act>(act),
    ),
    fc.record({ abandon: fc.integer({ min: 1, max: 6 }) }),
  ),
  { minLength: 1, maxLength: 14 },
)

async function scene(seed: number) {
  const inner = memoryStore()
  const quiet = createWorld({ store: inner, maxAttempts, maxFailures, onExhausted: 'lock' })
  const [d, thief] = [await quiet.device('d1'), await quiet.device('d2')]
  const slot = await quiet.withPin(d, PINS[0])
  const store = faultyStore(inner, { seed })
  const w = createWorld({ store, maxAttempts, maxFailures, onExhausted: 'lock', seal: quiet.seal })
  w.time.now = quiet.time.now
  const seen = { ke2: 0, ok: 0, unlocks: 0, changes: 0 }
  const slots: PinSlot[] = [slot]
  const id = slot.enrolment
  const counters = async (): Promise<unknown> => {
    const recs = await inner.read(w.part(d), [`pin/${id}`, `pin/${id}/failed`, `pin/${id}/next`, `enr/${id}`], { now: w.clock() })
    return recs.map((rec: Rec | null) => (rec === null ? null : [rec.n, rec.rev]))
  }
  const events = async () => (await inner.outbox!({ now: w.clock(), limit: 1000 })).map((rec) => decodeEvent(rec.value)!)

  /** Calls as an app makes them; a KE2 is compared with what is durable at that moment, and may be asked for twice. */
  function exchange(
    purpose: Purpose,
    o: { readonly silent?: boolean; readonly twice?: boolean; readonly dies?: number } = {},
  ): PinExchange {
    const base = w.exchange(d, purpose, id)
    let calls = 0
    const count = async <T>(answer: Promise<T>): Promise<T> => {
      const value = await answer
      if (++calls === o.dies) throw Object.assign(new Error('abandoned'), { code: 'abandoned' })
      return value
    }
    return {
      begin: (handle, answer) =>
        count(
          (async () => {
            const done = await base.begin(handle, answer)
            if (answer === null || !('ke1' in answer)) return done
            seen.ke2++
            // I8: whoever has KE2 in hand, its attempt is in the store.
            expect((await events()).filter(({ type }) => type === 'pin.attempted').length).toBeGreaterThanOrEqual(seen.ke2)
            if (o.twice) {
              const again = await base.begin(handle, answer).catch(refusedOr)
              // I3: the same KE2 or none; never another of the same try.
              if (again !== null) expect((again.step as { ke2: string }).ke2).toBe((done.step as { ke2: string }).ke2)
            }
            return done
          })(),
        ),
      finish: (handle, answer) =>
        count(
          (async () => {
            if (o.silent && 'wrong' in answer) throw Object.assign(new Error('silent'), { code: 'silent' })
            const done = await base.finish(handle, answer)
            seen.ok++
            if (o.twice) {
              const again = await base.finish(handle, answer).then(
                () => 'accepted',
                () => 'refused',
              )
              expect(again, 'I3').toBe('refused')
            }
            return done
          })(),
        ),
    }
  }
  return { w, d, thief, slots, id, store, inner, seen, exchange, counters, events }
}
type Scene = Awaited<ReturnType<typeof scene>>

const refusedOr = (error: { code?: string }): null => {
  if (!(error instanceof Refused) && error.code === undefined) throw error
  return null
}

/** Which of the PINs the owner knows the server takes: the truth, asked for at the end. */
async function log(s: Scene, digits: string, purpose: 'login' | 'confirm' = 'login', o: Parameters<Scene['exchange']>[1] = {}) {
  const { w, d, slots, exchange } = s
  return loginPin({ ...w.client(d), exchange: exchange(purpose, o), pin: utf8(digits), slots, purpose }).catch(refusedOr)
}

async function act(s: Scene, one: Act, pin: { now: string; maybe: string | null }): Promise<void> {
  const { w, d, thief, id, slots, seen, exchange, counters, inner } = s
  if (one === 'day') {
    w.time.now += 11 * 86_400_000
    return
  }
  if (one === 'right') return void (await log(s, pin.now, 'login'))
  if (one === 'replay') return void (await log(s, pin.now, 'login', { twice: true }))
  if (one === 'wrong') return void (await log(s, '0000000000'))
  if (one === 'silent') return void (await log(s, '0000000000', 'login', { silent: true }))
  if (one === 'unlock') {
    const [enr, counter] = await inner.read(w.part(d), [`enr/${id}`, `pin/${id}`], { now: w.clock() })
    const value = decodeEnrolment(enr!.value)
    if (value.status !== 'locked') return
    const done = await inner.commit(w.part(d), planUnlock({ id, rev: enr!.rev, value }, counter!), {
      now: w.clock(),
      rev: newRev(random),
    })
    if (done.ok) seen.unlocks++
    return
  }
  if (one === 'stranger' || one === 'forger') {
    // I7: another device's signature, and an honest KE1 with one bit of its signature changed.
    const before = await counters()
    const { handle, step } = await w
      .exchange(d, 'login', id)
      .begin(null, null)
      .catch(() => ({ handle: '', step: null }))
    if (step === null) return
    const { nonce, generation } = step as { nonce: string; generation: number }
    const signer = one === 'stranger' ? thief.signer : d.signer
    const input = await ke1By(d, id, generation, nonce, (m) => signer.sign(m), one === 'forger')
    const c = await w.ceremony(d, 'login', id, { handle }).catch(() => null)
    if (c === null) return
    const done = await runBegin(w.pin, c, input, { runtime: { ...w.runtime, store: inner } })
    expect(done).toMatchObject({ ok: false, code: 'pin.refused', ops: [], event: null })
    expect(await counters(), 'I7').toEqual(before)
    return
  }
  seen.changes++
  const dies = one === 'change' ? 99 : one.abandon
  const newPin = PINS[(PINS.indexOf(pin.now as never) + 1) % PINS.length]!
  const changed = await changePin({
    ...w.client(d),
    exchange: exchange('change', { dies }),
    pin: utf8(pin.now),
    newPin: utf8(newPin),
    slots: [...slots],
    keep: async (next) => void slots.push(next),
  }).catch(refusedOr)
  if (changed !== null) pin.now = newPin
  else pin.maybe = newPin
}

async function ke1By(
  d: Device,
  enrolment: string,
  generation: number,
  nonce: string,
  sign: (m: Uint8Array) => Uint8Array | Promise<Uint8Array>,
  bend: boolean,
) {
  const base = 'e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76'
  const ke1 = Uint8Array.from(Buffer.concat([Buffer.from(base, 'hex'), random(32), Buffer.from(base, 'hex')]))
  const names = { issuer: 'https://bank.example', tenant: d.tenant, app: 'retail', device: d.id }
  const context = pinContext({ ...names, enrolment, generation, purpose: 'login', bind: null })
  const signature = (await sign(ke1Statement(context, decodeBase64url(nonce)!, ke1))).slice()
  if (bend) signature[10]! ^= 4
  return { ke1: Buffer.from(ke1).toString('base64url'), signature: Buffer.from(signature).toString('base64url') }
}

describe('pin/v1 against its invariants', () => {
  it('I1 I3 I5 I7 I8 I9 whatever owner, clone, stranger, operator, clock and network do', { timeout: 600_000 }, () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), acts, async (seed, list) => {
        const s = await scene(seed)
        const { w, d, id, inner, store, seen, events } = s
        const pin: { now: string; maybe: string | null } = { now: PINS[0], maybe: null }
        for (const one of list) {
          await act(s, one, pin)
          if (pin.maybe !== null) {
            // The answer that was lost may have been a yes: the owner finds out by logging in, over a network that is honest for once.
            await store.drain()
            pin.now = (await living(s, [pin.now, pin.maybe])) ?? pin.now
            pin.maybe = null
          }
        }
        await store.drain()
        const durable = (await events()).filter(({ type }) => type === 'pin.succeeded' || type === 'authenticator.changed').length
        // I1: N between two successes or unlocks; a PIN that waits has as many of its own.
        expect(seen.ke2).toBeLessThanOrEqual(maxAttempts * (durable + seen.unlocks + seen.changes + 1))
        expect(seen.ok).toBeLessThanOrEqual(durable)
        const [counter, failed] = await inner.read(w.part(d), [`pin/${id}`, `pin/${id}/failed`], { now: w.clock() })
        expect(counter!.n).toBeLessThanOrEqual(maxAttempts)
        expect(failed?.n ?? 0).toBeLessThanOrEqual(maxFailures)
        // I5: exactly one of all PINs ever chosen, once an operator has let everybody in again.
        const lives = await living(s, PINS)
        expect(lives).toBe(pin.now)
        // I9: neither a PIN nor a pepper in anything that is kept or told.
        const kept = [
          ...(await inner.list(w.part(d), '', { now: w.clock(), limit: 1000 })),
          ...(await inner.outbox!({ now: w.clock(), limit: 1000 })),
        ]
        for (const { value } of kept)
          for (const secret of [...PINS.map((digits) => utf8(digits)), ...s.slots.map(({ secret }) => secret)])
            expect(hex(value).includes(hex(secret)), 'I9').toBe(false)
      }),
      { numRuns: Math.ceil(numRuns / 4) },
    ),
  )

  const context = fc.record<Context>({
    issuer: fc.constantFrom('https://a.example', 'https://b.example'),
    tenant: fc.constantFrom('', 'a', 'b', 'ab'),
    app: fc.constantFrom('', 'a', 'b', 'ab'),
    device: fc.constantFrom('', 'a', 'b', 'ab'),
    enrolment: fc.constantFrom('0'.repeat(32), '1'.repeat(32)),
    generation: fc.constantFrom(0, 1, 256),
    purpose: fc.constantFrom<Purpose>('enrol', 'login', 'step-up', 'confirm', 'change', 'activate', 'remove'),
    bind: fc.constantFrom(null, new Uint8Array(32), new Uint8Array(32).fill(1)),
  })
  const same = (a: Context, b: Context) =>
    Object.keys(a).every((k) => {
      const [x, y] = [a[k as keyof Context], b[k as keyof Context]]
      return x instanceof Uint8Array && y instanceof Uint8Array ? hex(x) === hex(y) : x === y
    })

  it('I2 no two ceremonies share a byte string to sign, to derive from or to look up', () =>
    fc.assert(
      fc.property(context, context, (a, b) => {
        const [x, y, z] = [new Uint8Array(32), new Uint8Array(96), new Uint8Array(64)]
        const of = (c: Context) => {
          const full = pinContext(c)
          return [full, ke1Statement(full, x, y), ke3Statement(full, x, x, z), wrongStatement(full, x)].map(hex)
        }
        const [one, other] = [of(a), of(b)]
        for (const [i, bytes] of one.entries()) expect(bytes === other[i]).toBe(same(a, b))
        expect(new Set(one).size).toBe(4)
        const place = (c: Context) => [c.tenant, c.device, c.enrolment].join()
        const credential = (c: Context) => hex(credentialIdentifier(c.tenant, c.device, c.enrolment, c.generation))
        expect(credential(a) === credential(b)).toBe(place(a) === place(b) && a.generation === b.generation)
        const client = (c: Context) => hex(clientIdentity(c.tenant, c.device, c.enrolment))
        expect(client(a) === client(b)).toBe(place(a) === place(b))
      }),
      { numRuns: numRuns * 5 },
    ))

  it('I2 a signature over one ceremony is none over another', () =>
    fc.assert(
      fc.asyncProperty(context, context, async (a, b) => {
        fc.pre(!same(a, b))
        const signer = await owner
        const m = (c: Context) => ke1Statement(pinContext(c), new Uint8Array(32), new Uint8Array(96))
        const key = await crypto.verifyKey('ES256', signer.publicJwk)
        const signature = await signer.sign(m(a))
        expect([await crypto.verify(key, m(a), signature), await crypto.verify(key, m(b), signature)]).toEqual([true, false])
      }),
      { numRuns: Math.ceil(numRuns / 4) },
    ))
  const owner = (async () => crypto.signer('ES256', await crypto.generateKey('ES256', random)))()
})

/** The PIN that works, tried over an honest network on a store of which an operator has unlocked and reset the counters. */
async function living(s: Scene, candidates: readonly string[]): Promise<string | null> {
  const { w, d, id, inner, slots, seen } = s
  const honest = createWorld({ store: inner, maxAttempts: 10, maxFailures: 100, onExhausted: 'lock', seal: w.seal })
  honest.time.now = w.time.now
  const works: string[] = []
  for (const digits of new Set(candidates)) {
    const [enr, counter] = await inner.read(w.part(d), [`enr/${id}`, `pin/${id}`], { now: w.clock() })
    const unlock = planUnlock({ id, rev: enr!.rev, value: decodeEnrolment(enr!.value) }, counter!)
    await inner.commit(w.part(d), unlock, { now: w.clock(), rev: newRev(random) })
    seen.unlocks++
    const exchange = honest.exchange(d, 'login', id)
    const done = await loginPin({ ...honest.client(d), exchange, pin: utf8(digits), slots, purpose: 'login' }).catch(refusedOr)
    if (done !== null) works.push(digits)
  }
  expect(works.length, 'I5').toBe(1)
  return works[0]!
}
