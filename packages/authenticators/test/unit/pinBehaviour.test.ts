/// <reference types="node" />
/** What bad input gets from pin/v1: the tables of the design, §3.5 and §4, row by row. */
import { type Ceremony, runBegin, runFinish } from '@postern/authenticators/authenticator'
import { planLock } from '@postern/authenticators/enrolment'
import {
  changePin,
  enrolPin,
  loginPin,
  type PinClientOptions,
  type PinExchange,
  type PinSlot,
} from '@postern/authenticators/pin/client'
import { enrolRecordStatement, ke1Statement, pinContext } from '@postern/authenticators/pin/messages'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { fromHex, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { decodeEvent } from '@postern/core/events'
import { newRev, OutcomeUnknown, type Store } from '@postern/store'
import { describe, expect, it } from 'vitest'
import { codeOf, createWorld, crypto, type Device, issuer, Refused, random, type World } from '../world.js'

const BASE = fromHex('e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76')!
const LOW = fromHex('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800')!
const identity = new Uint8Array(32)

async function bank(o: Parameters<typeof createWorld>[0] = {}) {
  const w = createWorld(o)
  const d = await w.device('d1')
  const slot = await w.withPin(d, '27182')
  const counted = async () => (await w.read(d, `pin/${slot.enrolment}`, `pin/${slot.enrolment}/failed`)).map((rec) => rec?.n ?? 0)
  return { w, d, slot, counted }
}
const login = (w: World, d: Device, slot: PinSlot, digits: string, more: Partial<PinClientOptions> = {}) =>
  loginPin({
    ...w.client(d),
    exchange: w.exchange(d, 'login', slot.enrolment),
    ...more,
    pin: utf8(digits),
    slots: [slot],
    purpose: 'login',
  })
const contextOf = (d: Device, slot: Pick<PinSlot, 'enrolment' | 'generation'>, purpose: 'login' | 'enrol' = 'login') =>
  pinContext({
    issuer,
    tenant: d.tenant,
    app: 'retail',
    device: d.id,
    bind: null,
    purpose,
    enrolment: slot.enrolment,
    generation: slot.generation,
  })

/** A KE1 of these parts, signed, under a fresh challenge. */
async function ke1(w: World, d: Device, slot: PinSlot, element = BASE, share = BASE) {
  const { handle, step } = await w.exchange(d, 'login', slot.enrolment).begin(null, null)
  const bytes = Uint8Array.from([...element, ...random(32), ...share])
  const m1 = ke1Statement(contextOf(d, slot), decodeBase64url((step as { nonce: string }).nonce)!, bytes)
  return { handle, input: { ke1: encodeBase64url(bytes), signature: encodeBase64url(await d.signer.sign(m1)) } }
}
const begin = async (w: World, d: Device, slot: PinSlot, made: { handle: string; input: unknown }, store: Store = w.store) =>
  runBegin(w.pin, await w.ceremony(d, 'login', slot.enrolment, { handle: made.handle }), made.input, {
    runtime: { ...w.runtime, store },
  })

describe('§4: messages that are none', () => {
  it.each([
    ['KE1 a byte short', { ke1: 95, signature: 64 }],
    ['KE1 a byte long', { ke1: 97, signature: 64 }],
    ['a signature a byte short', { ke1: 96, signature: 63 }],
    ['an empty KE1', { ke1: 0, signature: 64 }],
    ['a text for a message', 'ke1'],
  ])('%s is pin.refused, nothing counted', async (_, shape) => {
    const { w, d, slot, counted } = await bank()
    const { handle } = await w.exchange(d, 'login', slot.enrolment).begin(null, null)
    const input =
      typeof shape === 'string'
        ? shape
        : Object.fromEntries(Object.entries(shape).map(([k, n]) => [k, encodeBase64url(random(n))]))
    expect(await begin(w, d, slot, { handle, input })).toMatchObject({ ok: false, code: 'pin.refused', ops: [], event: null })
    expect(await counted()).toEqual([0, 0])
  })

  it.each([63, 65, 0])('KE3 of %i bytes is pin.refused; the attempt that KE2 took stays taken', async (n) => {
    const { w, d, slot, counted } = await bank()
    const inner = w.exchange(d, 'login', slot.enrolment)
    const exchange: PinExchange = {
      ...inner,
      finish: (h, a) => inner.finish(h, { ...a, ke3: encodeBase64url(random(n)) } as typeof a),
    }
    expect(await codeOf(login(w, d, slot, '27182', { exchange }))).toBe('pin.refused')
    expect(await counted()).toEqual([1, 1])
  })

  it.each([319, 321])('KE2 of %i bytes is no answer of this protocol, says the app', async (n) => {
    const { w, d, slot } = await bank()
    const inner = w.exchange(d, 'login', slot.enrolment)
    const exchange: PinExchange = {
      ...inner,
      async begin(h, a) {
        const done = await inner.begin(h, a)
        return h === null ? done : { ...done, step: { ask: 'ke3', ke2: encodeBase64url(random(n)) } }
      },
    }
    expect(await codeOf(login(w, d, slot, '27182', { exchange }))).toBe('pin.protocol')
  })

  it.each(['ke2', 'response'] as const)(
    'a %s whose element is none is no answer of this protocol, says the app',
    async (member) => {
      const { w, d, slot } = await bank()
      const purpose = member === 'ke2' ? 'login' : 'enrol'
      const inner = w.exchange(d, purpose, member === 'ke2' ? slot.enrolment : null)
      const exchange: PinExchange = {
        ...inner,
        async begin(h, a) {
          const done = await inner.begin(h, a)
          const step = done.step as Record<string, string>
          const bytes = step[member] === undefined ? null : decodeBase64url(step[member])
          return bytes === null ? done : { ...done, step: { ...step, [member]: encodeBase64url(bytes.fill(0, 0, 32)) } }
        },
      }
      const done =
        member === 'ke2' ? login(w, d, slot, '27182', { exchange }) : enrolPin({ ...w.client(d), exchange, pin: utf8('27182') })
      expect(await codeOf(done)).toBe('pin.protocol')
    },
  )

  it.each([
    ['0001', identity, BASE],
    ['0001', BASE, identity],
    ['0001', BASE, new Uint8Array(32).fill(255)],
    ['0001', Uint8Array.of(1, ...new Uint8Array(31)), BASE],
    ['0003', identity, new Uint8Array(32).fill(9)],
    ['0003', BASE, identity],
    ['0003', BASE, LOW],
  ] as const)('suite %s: an element that is none costs nothing', async (suite, element, share) => {
    const { w, d, slot, counted } = await bank({ suites: [suite] })
    expect(await begin(w, d, slot, await ke1(w, d, slot, element, share))).toMatchObject({
      ok: false,
      code: 'pin.refused',
      ops: [],
    })
    expect(await counted()).toEqual([0, 0])
  })

  it.each([
    ['0001', identity],
    ['0003', LOW],
  ] as const)('suite %s: a record whose key is no element is refused, and no enrolment stays', async (suite, key) => {
    const w = createWorld({ suites: [suite] })
    const d = await w.device('d1')
    const inner = w.exchange(d, 'enrol', null)
    let enrolment = ''
    let nonce = ''
    const messages: { request?: string; response?: string } = {}
    const exchange: PinExchange = {
      async begin(h, a) {
        const done = await inner.begin(h, a)
        const step = done.step as Record<string, string>
        if (h === null) [enrolment, nonce] = [step['enrolment']!, step['nonce']!]
        else Object.assign(messages, { request: (a as { request: string }).request, response: step['response'] })
        return done
      },
      async finish(h) {
        const record = Uint8Array.from([...key, ...random(160)])
        const hash = (text: string) => crypto.digest('SHA-256', decodeBase64url(text)!)
        const [request, response] = [await hash(messages.request!), await hash(messages.response!)]
        const context = contextOf(d, { enrolment, generation: 1 }, 'enrol')
        const signed = enrolRecordStatement(context, decodeBase64url(nonce)!, request, response, record, new Uint8Array(0))
        const signature = encodeBase64url(await d.signer.sign(signed))
        return inner.finish(h, { record: encodeBase64url(record), policy: '', signature })
      },
    }
    expect(await codeOf(enrolPin({ ...w.client(d), exchange, pin: utf8('27182') }))).toBe('pin.refused')
    expect(await w.read(d, `enr/${enrolment}`, `pin/${enrolment}`)).toEqual([null, null])
  })
})

describe('§4: what comes again, and handles', () => {
  it('KE3 again, and KE3 of the older of two begins: superseded twice, and the counter stands', async () => {
    const { w, d, slot, counted } = await bank()
    const kept: (() => Promise<unknown>)[] = []
    const hold: PinExchange = {
      ...w.exchange(d, 'login', slot.enrolment),
      finish: async (h, a) => void kept.push(() => w.exchange(d, 'login', slot.enrolment).finish(h, a)),
    }
    for (let i = 0; i < 2; i++) await login(w, d, slot, '27182', { exchange: hold })
    const codes = []
    for (const finish of [kept[0]!, kept[1]!, kept[1]!, kept[0]!]) codes.push(await codeOf(finish()))
    expect(codes).toEqual(['authenticator.superseded', 'ok', 'authenticator.superseded', 'authenticator.superseded'])
    // The right one took back its own try; the one it overtook stays a failure of the window.
    expect(await counted()).toEqual([0, 1])
  })

  it('a handle opens at its own step alone, whatever the bytes', async () => {
    const { w, d, slot } = await bank({ maxAttempts: 10 })
    const made = await ke1(w, d, slot)
    const second = await begin(w, d, slot, made)
    if (!second.ok) throw new Error(second.code)
    const { handle: offer } = await w.exchange(d, 'enrol', null).begin(null, null)
    const fresh = await ke1(w, d, slot)
    const answer = { ke3: encodeBase64url(random(64)), signature: fresh.input.signature }
    const c = (handle: string) => w.ceremony(d, 'login', slot.enrolment, { handle })
    for (const handle of [second.value.handle, offer, '', 'x', 'A'.repeat(5000)])
      expect(await begin(w, d, slot, { ...fresh, handle })).toMatchObject({ code: 'pin.refused', reason: 'handle' })
    for (const handle of [fresh.handle, offer, ''])
      expect(await runFinish(w.pin, await c(handle), answer, { runtime: w.runtime })).toMatchObject({
        code: 'pin.refused',
        reason: 'handle',
      })
    const enrolling = await w.ceremony(d, 'enrol', null, { handle: fresh.handle })
    const request = { request: encodeBase64url(BASE), signature: fresh.input.signature }
    expect(await runBegin(w.pin, enrolling, request, { runtime: w.runtime })).toMatchObject({
      code: 'pin.refused',
      reason: 'handle',
    })
  })

  it('51 begins in parallel, N = 3: three KE2, 48 refusals of one text, and the enrolment ended', async () => {
    const { w, d, slot } = await bank()
    const made = await Promise.all(Array.from({ length: 51 }, () => ke1(w, d, slot)))
    const c = await w.ceremony(d, 'login', slot.enrolment)
    const all = await Promise.all(
      made.map(({ handle, input }) => runBegin(w.pin, { ...c, handle }, input, { runtime: w.runtime })),
    )
    const refused = all.flatMap((one) => (one.ok ? [] : [[one.code, one.next, one.attemptsLeft ?? 0, one.body]]))
    expect(refused).toHaveLength(48)
    expect(new Set(refused.map(([code, next]) => `${code} ${next}`))).toEqual(new Set(['authenticator.removed removed']))
    expect((await w.enrolled(d, slot.enrolment)).value).toMatchObject({ status: 'removed', cause: 'attempts' })
  })

  it('a challenge of the generation before gets a fake KE2, on counters of its own', async () => {
    const { w, d, slot } = await bank()
    const old = await ke1(w, d, slot)
    const changed = await changePin({
      ...w.client(d),
      exchange: w.exchange(d, 'change', slot.enrolment),
      pin: utf8('27182'),
      newPin: utf8('31415'),
      slots: [slot],
      keep: async () => {},
    })
    expect(await begin(w, d, slot, old)).toMatchObject({ ok: true, value: { body: { ask: 'ke3' }, attemptsLeft: 2 } })
    expect((await w.read(d, `pin/${slot.enrolment}`))[0]!.n).toBe(0)
    expect(await codeOf(login(w, d, changed.slot, '31415'))).toBe('ok')
  })
})

describe('§3.5: unknown device, enrolment, state', () => {
  it('an enrolment that never was is counted on ghosts that go after a day', async () => {
    const { w, d, slot } = await bank()
    const ghost = { ...slot, enrolment: 'f'.repeat(32) }
    expect(await begin(w, d, ghost, await ke1(w, d, ghost))).toMatchObject({ ok: true, value: { attemptsLeft: 2 } })
    const ghosts = await w.store.list(w.part(d), 'pin/-', { now: w.clock(), limit: 10 })
    expect(ghosts.map((rec) => [rec.n, rec.value.length, rec.expiresAt])).toEqual([
      [1, 0, w.clock() + 86_400_000],
      [1, 0, w.clock() + 86_400_000],
    ])
    expect(ghosts.map(({ key }) => key.replace(/[0-9a-f]{32}/, 'h'))).toEqual(['pin/-h', 'pin/-h/failed'])
  })

  it.each(['active', 'locked', 'removed', 'never was'] as const)(
    'A06 whoever cannot sign for the device gets one answer, whatever the enrolment is: %s',
    async (state) => {
      const { w, d, slot } = await bank()
      const thief = await w.device('d2')
      const [right, forged] = [await ke1(w, d, slot), await ke1(w, d, slot)]
      const signed = await thief.signer.sign(random(300))
      const c = await w.ceremony(d, 'login', slot.enrolment, { handle: forged.handle })
      const value = c.enrolment!.value!
      const seen: Ceremony = {
        ...c,
        enrolment: { ...c.enrolment!, value: state === 'never was' ? null : { ...value, status: state } },
      }
      const input = { ...forged.input, signature: encodeBase64url(signed) }
      const done = await runBegin(w.pin, seen, input, { runtime: w.runtime })
      const { lost: _, ...plain } = done as Refused['refusal']
      expect(plain).toEqual({ ok: false, code: 'pin.refused', reason: 'signature', ops: [], event: null, next: 'retry' })
      expect(await begin(w, d, slot, right)).toMatchObject({ ok: true })
    },
  )

  it.each([
    ['locked', 'authenticator.locked'],
    ['removed', 'authenticator.removed'],
    ['pending', 'pin.refused'],
  ] as const)('a device that is proven learns that its enrolment is %s, and nothing is counted', async (status, code) => {
    const { w, d, slot, counted } = await bank()
    const { handle, input } = await ke1(w, d, slot)
    const c = await w.ceremony(d, 'login', slot.enrolment, { handle })
    const seen = { ...c, enrolment: { ...c.enrolment!, value: { ...c.enrolment!.value!, status } } }
    expect(await runBegin(w.pin, seen, input, { runtime: w.runtime })).toMatchObject({ ok: false, code, ops: [], event: null })
    expect(await counted()).toEqual([0, 0])
  })

  it('A04 a lock refuses every purpose, and the KE3 that was on its way', async () => {
    const { w, d, slot } = await bank({ onExhausted: 'lock' })
    const inner = w.exchange(d, 'login', slot.enrolment)
    const exchange: PinExchange = {
      ...inner,
      async finish(h, a) {
        await w.store.commit(w.part(d), [planLock(await w.enrolled(d, slot.enrolment), 'operator')], {
          now: w.clock(),
          rev: newRev(random),
        })
        return inner.finish(h, a)
      },
    }
    expect(await codeOf(login(w, d, slot, '27182', { exchange }))).toBe('pin.refused')
    for (const purpose of ['login', 'step-up', 'confirm', 'remove'] as const) {
      const o = { ...w.client(d), exchange: w.exchange(d, purpose, slot.enrolment), pin: utf8('27182'), slots: [slot], purpose }
      expect(await codeOf(loginPin(o)), purpose).toBe('authenticator.locked')
    }
  })

  it('A04 a lock between the finish and its commit wins', async () => {
    const { w, d, slot } = await bank()
    const c = await w.ceremony(d, 'login', slot.enrolment)
    const inner = w.exchange(d, 'login', slot.enrolment)
    const exchange: PinExchange = {
      ...inner,
      async finish(handle, answer) {
        await w.store.commit(w.part(d), [planLock(await w.enrolled(d, slot.enrolment), 'operator')], {
          now: w.clock(),
          rev: newRev(random),
        })
        // What the caller has read is older than the lock.
        const done = await runFinish(w.pin, { ...c, handle }, answer, { runtime: w.runtime })
        if (!done.ok) throw new Refused(done)
        return done
      },
    }
    expect(await codeOf(login(w, d, slot, '27182', { exchange }))).toBe('authenticator.superseded')
    expect((await w.enrolled(d, slot.enrolment)).value.usedAt).toBe(0)
  })

  it('A19 a copy of the slot on another device proves nothing and counts nothing', async () => {
    const { w, d, slot, counted } = await bank()
    const copy = await w.device('d2')
    const o = {
      ...w.client(d),
      sign: (m: Uint8Array) => copy.signer.sign(m),
      pin: utf8('27182'),
      slots: [slot],
      purpose: 'login' as const,
    }
    expect(await codeOf(loginPin({ ...o, exchange: w.exchange(d, 'login', slot.enrolment) }))).toBe('pin.refused')
    // As itself it gets what an enrolment that never was there gets.
    const own = { ...o, ...w.client(copy), exchange: w.exchange(copy, 'login', slot.enrolment), pin: utf8('27182') }
    expect(await codeOf(loginPin(own))).toBe('pin.wrong')
    expect(await counted()).toEqual([0, 0])
    expect(await codeOf(login(w, d, slot, '27182'))).toBe('ok')
  })

  it('A20 one enrolment handle makes one enrolment, 50 in parallel', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const inner = w.exchange(d, 'enrol', null)
    const ends: Promise<string>[] = []
    const exchange: PinExchange = {
      ...inner,
      finish: async (h, a) => void ends.push(...Array.from({ length: 50 }, () => codeOf(inner.finish(h, a)))),
    }
    await enrolPin({ ...w.client(d), exchange, pin: utf8('27182') })
    const codes = await Promise.all(ends)
    expect(codes.filter((code) => code === 'ok')).toHaveLength(1)
    expect(codes.filter((code) => code === 'authenticator.already_enrolled')).toHaveLength(49)
    expect(await w.store.list(w.part(d), 'enr/', { now: w.clock(), limit: 10 })).toHaveLength(1)
  })

  it.each([
    ['begin', 'device.removed'],
    ['finish', 'pin.refused'],
  ] as const)('A21 the device is removed while its PIN is at its %s: refused, and no success is told', async (at, code) => {
    const { w, d, slot } = await bank()
    const c = await w.ceremony(d, 'login', slot.enrolment)
    const inner = w.exchange(d, 'login', slot.enrolment)
    const removed = () => w.store.commit(w.part(d), [{ op: 'del', key: 'd' }], { now: w.clock(), rev: newRev(random) })
    const exchange: PinExchange = {
      async begin(handle, answer) {
        if (handle === null || at === 'finish') return inner.begin(handle, answer)
        await removed()
        const done = await runBegin(w.pin, { ...c, handle }, answer, { runtime: w.runtime })
        throw done.ok ? new Error('accepted') : new Refused(done)
      },
      async finish(handle, answer) {
        await removed()
        const done = await runFinish(w.pin, { ...c, handle }, answer, { runtime: w.runtime })
        throw done.ok ? new Error('accepted') : new Refused(done)
      },
    }
    expect(await codeOf(login(w, d, slot, '27182', { exchange }))).toBe(code)
    const events = (await w.store.outbox!({ now: w.clock(), limit: 100 })).map((rec) => decodeEvent(rec.value)!.type)
    expect(events).not.toContain('pin.succeeded')
  })
})

describe('§4: a store that is down, or does not say', () => {
  /** Commits fail as told, in order; then they are the store's own. */
  function failing(store: Store, fates: ('down' | 'lost' | 'applied' | 'ok')[]): Store {
    return {
      ...store,
      async commit(part, ops, o) {
        const fate = fates.shift() ?? 'ok'
        if (fate === 'down') throw new PosternError('store.unavailable')
        if (fate === 'lost') throw new OutcomeUnknown(o.rev)
        const done = await store.commit(part, ops, o)
        if (fate === 'applied') throw new OutcomeUnknown(o.rev)
        return done
      },
    }
  }

  it('a store that is down: nothing answered, nothing counted', async () => {
    const { w, d, slot, counted } = await bank()
    const made = await ke1(w, d, slot)
    expect(await codeOf(begin(w, d, slot, made, failing(w.store, Array<'down'>(50).fill('down'))))).toBe('store.unavailable')
    expect(await counted()).toEqual([0, 0])
    expect(await begin(w, d, slot, made)).toMatchObject({ ok: true })
  })

  it.each([
    ['it was applied', ['applied' as const], 1],
    ['it was not', ['lost' as const], 1],
  ])('an outcome that is unknown is settled: %s, and one attempt is counted', async (_, fates, n) => {
    const { w, d, slot, counted } = await bank()
    const done = await begin(w, d, slot, await ke1(w, d, slot), failing(w.store, [...fates]))
    expect(done).toMatchObject({ ok: true, value: { attemptsLeft: 2 } })
    expect(await counted()).toEqual([n, n])
  })

  it('an outcome that stays unknown is spent, and nothing is answered', async () => {
    const { w, d, slot, counted } = await bank()
    const deaf = failing(w.store, ['applied', ...Array<'lost'>(50).fill('lost')])
    const blind: Store = { ...deaf, read: () => Promise.reject(new PosternError('store.unavailable')) }
    const code = await codeOf(begin(w, d, slot, await ke1(w, d, slot), blind))
    expect(['store.outcome_unknown', 'store.unavailable']).toContain(code)
    expect(await counted()).toEqual([1, 1])
  })
})

describe('§3.6: changes that begin anew', () => {
  it('of two slots of one generation the newest counts', async () => {
    const { w, d, slot } = await bank()
    const slots = [slot]
    const keep = async (next: PinSlot) => void slots.push(next)
    const change = (newPin: string, dies: number) => {
      const inner = w.exchange(d, 'change', slot.enrolment)
      let calls = 0
      const step = async <T>(call: () => Promise<T>) => {
        const done = await call()
        if (++calls === dies) throw Object.assign(new Error('killed'), { code: 'killed' })
        return done
      }
      const exchange: PinExchange = {
        begin: (h, a) => step(() => inner.begin(h, a)),
        finish: (h, a) => step(() => inner.finish(h, a)),
      }
      return codeOf(changePin({ ...w.client(d), exchange, pin: utf8('27182'), newPin: utf8(newPin), slots, keep }))
    }
    // The first is stored and never proved; the second swaps, and its answer is lost.
    expect([await change('31415', 5), await change('16180', 7)]).toEqual(['killed', 'killed'])
    expect(slots.map(({ generation }) => generation)).toEqual([1, 2, 2])
    const by = (digits: string) =>
      codeOf(
        loginPin({
          ...w.client(d),
          exchange: w.exchange(d, 'login', slot.enrolment),
          pin: utf8(digits),
          slots,
          purpose: 'login',
        }),
      )
    expect([await by('27182'), await by('31415'), await by('16180')]).toEqual(['pin.wrong', 'pin.wrong', 'ok'])
  })

  it('a wrong new PIN spends the waiting record’s own attempts, never the old one’s', async () => {
    const { w, d, slot, counted } = await bank()
    const inner = w.exchange(d, 'change', slot.enrolment)
    const codes: string[] = []
    let activate: { handle: string; step: unknown } | undefined
    const exchange: PinExchange = {
      ...inner,
      async begin(h, a) {
        const done = await inner.begin(h, a)
        if (a !== null && 'record' in a) {
          activate = done
          throw Object.assign(new Error('stop'), { code: 'stop' })
        }
        return done
      },
    }
    const slots: PinSlot[] = []
    const keep = async (next: PinSlot) => void slots.push(next)
    await codeOf(changePin({ ...w.client(d), exchange, pin: utf8('27182'), newPin: utf8('31415'), slots: [slot], keep }))
    const { nonce } = activate!.step as { nonce: string }
    for (let i = 0; i < 5; i++) {
      const bytes = Uint8Array.from([...BASE, ...random(32), ...BASE])
      const context = pinContext({
        issuer,
        tenant: d.tenant,
        app: 'retail',
        device: d.id,
        enrolment: slot.enrolment,
        generation: 2,
        purpose: 'activate',
        bind: null,
      })
      const signature = await d.signer.sign(ke1Statement(context, decodeBase64url(nonce)!, bytes))
      const c = await w.ceremony(d, 'change', slot.enrolment, { handle: activate!.handle })
      const done = await runBegin(
        w.pin,
        c,
        { ke1: encodeBase64url(bytes), signature: encodeBase64url(signature) },
        { runtime: w.runtime },
      )
      codes.push(done.ok ? 'ok' : done.code)
    }
    // One challenge, one KE1; the others are refused uncounted.
    expect(codes).toEqual(['ok', 'pin.refused', 'pin.refused', 'pin.refused', 'pin.refused'])
    expect((await w.read(d, `pin/${slot.enrolment}/next`))[0]!.n).toBe(1)
    expect(await counted()).toEqual([0, 0])
    expect(await codeOf(login(w, d, slot, '27182'))).toBe('ok')
  })

  it('a PIN that waits is gone after ten minutes', async () => {
    const { w, d, slot } = await bank()
    const inner = w.exchange(d, 'change', slot.enrolment)
    const exchange: PinExchange = {
      ...inner,
      async finish(h, a) {
        w.time.now += 600_000
        return inner.finish(h, a)
      },
    }
    const change = changePin({
      ...w.client(d),
      exchange,
      pin: utf8('27182'),
      newPin: utf8('31415'),
      slots: [slot],
      keep: async () => {},
    })
    expect(await codeOf(change)).toBe('pin.expired')
    expect((await w.read(d, `pin/${slot.enrolment}/next`))[0]).toBeNull()
    expect(await codeOf(login(w, d, slot, '27182'))).toBe('ok')
  })

  it('a change keeps the failures of the window: a new PIN forgives nothing', async () => {
    const { w, d, slot, counted } = await bank()
    expect(await codeOf(login(w, d, slot, '00000'))).toBe('pin.wrong')
    await changePin({
      ...w.client(d),
      exchange: w.exchange(d, 'change', slot.enrolment),
      pin: utf8('27182'),
      newPin: utf8('31415'),
      slots: [slot],
      keep: async () => {},
    })
    expect(await counted()).toEqual([0, 1])
  })
})
