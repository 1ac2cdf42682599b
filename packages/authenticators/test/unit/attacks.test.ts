/// <reference types="node" />

import { Buffer } from 'node:buffer'
import { p256_hasher } from '@noble/curves/nist.js'
import { type Reply, type RunResult, runBegin, runFinish } from '@postern/authenticators/authenticator'
import { claimDevice, devicesKey, readDevices } from '@postern/authenticators/devices'
import { enrolPin, loginPin, type PinExchange, type PinSlot } from '@postern/authenticators/pin/client'
import { ke1Statement, ke3Statement, pinContext } from '@postern/authenticators/pin/messages'
import { createRegistry, factsOf } from '@postern/authenticators/registry'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { fromHex, fromUtf8, hex, utf8 } from '@postern/core/bytes'
import { decodeEvent } from '@postern/core/events'
import { newRev } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { faultyStore } from '@postern/testkit/faulty'
import { describe, expect, it } from 'vitest'
import { decoy } from '../../src/internal/deviceSignature.js'
import { codeOf, createWorld, crypto, type Device, issuer, random, type World } from '../world.js'

const login = (w: World, d: Device, slot: PinSlot, digits: string, more = {}) =>
  loginPin({
    ...w.client(d),
    exchange: w.exchange(d, 'login', slot.enrolment, more),
    pin: utf8(digits),
    slots: [slot],
    purpose: 'login',
  })

async function signedKe1(d: Device, slot: PinSlot, nonce: string, signer = d) {
  const bytes = new Uint8Array(96)
  bytes.set(BASE, 0)
  bytes.set(random(32), 32)
  bytes.set(BASE, 64)
  const { enrolment, generation } = slot
  const context = pinContext({
    issuer,
    tenant: d.tenant,
    app: 'retail',
    device: d.id,
    enrolment,
    generation,
    purpose: 'login',
    bind: null,
  })
  const m1 = ke1Statement(context, decodeBase64url(nonce)!, bytes)
  return { ke1: encodeBase64url(bytes), signature: encodeBase64url(await signer.signer.sign(m1)), m1, context }
}

/** A challenge with a KE1 for it, signed by `signer`, ready to be sent. */
async function ke1For(w: World, d: Device, slot: PinSlot, signer = d) {
  const { handle, step } = await w.exchange(d, 'login', slot.enrolment).begin(null, null)
  const { ke1, signature } = await signedKe1(d, slot, (step as { nonce: string }).nonce, signer)
  return { handle, input: { ke1, signature } }
}
/** The ristretto255 base point: an element like any other. */
const BASE = fromHex('e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76')!

async function begin(w: World, d: Device, slot: PinSlot, made: { handle: string; input: unknown }): Promise<RunResult<Reply>> {
  return runBegin(w.pin, await w.ceremony(d, 'login', slot.enrolment, { handle: made.handle }), made.input, {
    runtime: w.runtime,
  })
}
const count = (all: readonly RunResult<unknown>[]) => {
  const sum: Record<string, number> = {}
  for (const r of all) {
    const code = r.ok ? 'ok' : r.code
    sum[code] = (sum[code] ?? 0) + 1
  }
  return sum
}

describe('attacks on the PIN', () => {
  it.each(['remove', 'lock'] as const)(
    'A01 brute force, 50 begins in parallel with N = 3: three KE2, then %s',
    async (onExhausted) => {
      const w = createWorld({ onExhausted })
      const d = await w.device('d1')
      const slot = await w.withPin(d, '27182')
      const made = await Promise.all(Array.from({ length: 50 }, () => ke1For(w, d, slot)))
      const c = await w.ceremony(d, 'login', slot.enrolment)
      const all = await Promise.all(made.map((m) => runBegin(w.pin, { ...c, handle: m.handle }, m.input, { runtime: w.runtime })))
      const code = onExhausted === 'remove' ? 'authenticator.removed' : 'authenticator.locked'
      expect(count(all)).toEqual({ ok: 3, [code]: 47 })
      expect((await w.enrolled(d, slot.enrolment)).value.status).toBe(onExhausted === 'remove' ? 'removed' : 'locked')
      expect(await codeOf(login(w, d, slot, '27182'))).toBe(code)
    },
  )

  it('A02 no crash or lost answer gives an attempt back, over 40 seeds of a lying network', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const inner = memoryStore()
      const w = createWorld({ store: inner })
      const d = await w.device('d1')
      const slot = await w.withPin(d, '27182')
      const made = await Promise.all(Array.from({ length: 12 }, () => ke1For(w, d, slot)))
      const store = faultyStore(inner, { seed })
      const c = await w.ceremony(d, 'login', slot.enrolment)
      const tries = made.map((m) =>
        runBegin(w.pin, { ...c, handle: m.handle }, m.input, { runtime: { ...w.runtime, store } }).catch(
          (error: { code: string }) => ({ ok: false as const, code: error.code }),
        ),
      )
      const all = await Promise.all(tries)
      await store.drain()
      expect(all.filter((r) => r.ok).length, `seed ${seed}`).toBeLessThanOrEqual(3)
    }
  })

  it('A03 another account’s success, another device’s and a time jump leave the own counter alone', async () => {
    const w = createWorld()
    const [d, other] = [await w.device('d1'), await w.device('d2')]
    const [slot, second, far] = [await w.withPin(d, '27182'), await w.withPin(d, '31415'), await w.withPin(other, '27182')]
    for (let i = 0; i < 2; i++) await codeOf(login(w, d, slot, '00000'))
    await login(w, d, second, '31415')
    await login(w, other, far, '27182')
    w.time.now += 400 * 86_400_000
    expect((await w.read(d, `pin/${slot.enrolment}`))[0]!.n).toBe(2)
    await codeOf(login(w, d, slot, '00000'))
    expect(await codeOf(login(w, d, slot, '27182'))).toBe('authenticator.removed')
  })

  it('A03 a clone that guesses between the owner’s logins meets the failure window', async () => {
    const w = createWorld({ maxFailures: 5 })
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    let guesses = 0
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 2; i++) if ((await codeOf(login(w, d, slot, '00000'))) === 'pin.wrong') guesses++
      const owner = await codeOf(login(w, d, slot, '27182'))
      if (owner !== 'ok') expect(owner).toBe('authenticator.locked')
    }
    expect(guesses).toBe(5)
    expect((await w.enrolled(d, slot.enrolment)).value).toMatchObject({ status: 'locked', cause: 'failures' })
  })

  it('A04 a spent counter is locked for policy before any commit says so, but not for the ceremony that holds it', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    for (let i = 0; i < 3; i++) await begin(w, d, slot, await ke1For(w, d, slot))
    const registry = createRegistry([w.pin])
    const recs = (await w.read(d, `enr/${slot.enrolment}`, `pin/${slot.enrolment}`)).filter((r) => r !== null)
    expect(factsOf(registry, recs, { owner: 'usr:ada' }).facts['authenticator.locked']).toEqual(['pin'])
    expect(factsOf(registry, recs, { owner: 'usr:ada', holding: recs[1]!.rev }).facts['authenticator.usable']).toEqual(['pin'])
  })

  it('A05 a lock on one device leaves the user’s others, and a stranger locks nobody', async () => {
    const w = createWorld()
    const [d, other, stranger] = [await w.device('d1'), await w.device('d2'), await w.device('d3')]
    const [slot, far] = [await w.withPin(d, '27182'), await w.withPin(other, '27182')]
    for (let i = 0; i < 20; i++) {
      const forged = await begin(w, other, far, await ke1For(w, other, far, stranger))
      expect(forged).toMatchObject({ ok: false, code: 'pin.refused' })
    }
    expect((await w.read(other, `pin/${far.enrolment}`))[0]!.n).toBe(0)
    for (let i = 0; i < 3; i++) await codeOf(login(w, d, slot, '00000'))
    expect(await codeOf(login(w, d, slot, '27182'))).toBe('authenticator.removed')
    expect(await codeOf(login(w, other, far, '27182'))).toBe('ok')
  })

  it('A06 an enrolment that never was looks like a wrong PIN, try for try', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const ghost: PinSlot = { ...slot, enrolment: '0'.repeat(32) }
    const shapes = async (s: PinSlot) => {
      const seen: unknown[] = []
      for (let i = 0; i < 4; i++) {
        const inner = w.exchange(d, 'login', s.enrolment)
        const exchange: PinExchange = {
          begin: async (h, a) => {
            const answer = await inner.begin(h, a)
            const step = answer.step as Record<string, unknown>
            seen.push(Object.entries(step).map(([k, v]) => [k, String(v).length]))
            return answer
          },
          finish: (h, a) => inner.finish(h, a),
        }
        await loginPin({ ...w.client(d), exchange, pin: utf8('00000'), slots: [s], purpose: 'login' }).catch(
          (error: {
            code?: string
            cause?: { refusal?: { code: string; attemptsLeft?: number } }
            refusal?: { code: string }
          }) => {
            seen.push([error.code, error.cause?.refusal?.code, error.cause?.refusal?.attemptsLeft, error.refusal?.code])
          },
        )
      }
      return seen
    }
    expect(await shapes(ghost)).toEqual(await shapes(slot))
  })

  it('A06 an unknown device and a known one with another key get one answer, and nothing is written', async () => {
    const w = createWorld()
    const [d, stranger] = [await w.device('d1'), await w.device('d3')]
    const slot = await w.withPin(d, '27182')
    const made = await ke1For(w, d, slot, stranger)
    const c = await w.ceremony(d, 'login', slot.enrolment, { handle: made.handle })
    const unknown = await runBegin(
      w.pin,
      { ...c, device: null, enrolment: { id: slot.enrolment, rev: null, value: null } },
      made.input,
      { runtime: w.runtime },
    )
    const forged = await runBegin(w.pin, c, made.input, { runtime: w.runtime })
    const seen = (r: RunResult<unknown>) => (r.ok ? r : { code: r.code, ops: r.ops, event: r.event, next: r.next })
    expect(seen(unknown)).toEqual(seen(forged))
    expect(await w.store.list(w.part(d), 'ch/', { now: w.clock(), limit: 10 })).toHaveLength(2) // both of the enrolment
  })

  it('A07 a recorded KE1 sent again gets the same KE2 and costs nothing; later it is refused', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const made = await ke1For(w, d, slot)
    const answers = await Promise.all(Array.from({ length: 20 }, () => begin(w, d, slot, made)))
    expect(new Set(answers.map((a) => (a.ok ? a.value.body['ke2'] : a.code))).size).toBe(1)
    expect((await w.read(d, `pin/${slot.enrolment}`))[0]!.n).toBe(1)
    expect(await begin(w, d, slot, await ke1For(w, d, slot))).toMatchObject({ ok: true })
    expect(await begin(w, d, slot, made)).toMatchObject({ ok: false, code: 'pin.refused' })
    expect((await w.read(d, `pin/${slot.enrolment}`))[0]!.n).toBe(2)
  })

  it('A07 another KE1 under a used challenge is refused uncounted', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const { handle, step } = await w.exchange(d, 'login', slot.enrolment).begin(null, null)
    const same: PinExchange = {
      begin: async (h, a) => (h === null ? { handle, step } : w.exchange(d, 'login', slot.enrolment).begin(h, a)),
      finish: (h, a) => w.exchange(d, 'login', slot.enrolment).finish(h, a),
    }
    const go = () => loginPin({ ...w.client(d), exchange: same, pin: utf8('27182'), slots: [slot], purpose: 'login' })
    expect([await codeOf(go()), await codeOf(go())]).toEqual(['ok', 'pin.refused'])
  })

  it('A07 KE3 works once, 20 in parallel, and only for the newest begin', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const kept: { handle: string; answer: Parameters<PinExchange['finish']>[1] }[] = []
    const hold = (): PinExchange => ({
      ...w.exchange(d, 'login', slot.enrolment),
      finish: async (handle, answer) => kept.push({ handle, answer }),
    })
    for (let i = 0; i < 2; i++)
      await loginPin({ ...w.client(d), exchange: hold(), pin: utf8('27182'), slots: [slot], purpose: 'login' })
    const finish = async ({ handle, answer }: (typeof kept)[number]) =>
      runFinish(w.pin, await w.ceremony(d, 'login', slot.enrolment, { handle }), answer, { runtime: w.runtime })
    expect(await finish(kept[0]!)).toMatchObject({ ok: false, code: 'authenticator.superseded' })
    expect(count(await Promise.all(Array.from({ length: 20 }, () => finish(kept[1]!))))).toEqual({
      ok: 1,
      'authenticator.superseded': 19,
    })
  })

  it('A07 a proof for one purpose, transaction, tenant, device, enrolment or generation serves no other', async () => {
    const w = createWorld({ maxAttempts: 10 })
    const [d, other, foreign] = [await w.device('d1'), await w.device('d2'), await w.device('d1', 'rival')]
    const slot = await w.withPin(d, '27182')
    const [second, far] = [await w.withPin(d, '27182'), await w.withPin(other, '27182')]
    const bind = random(32)
    for (const stage of ['begin', 'finish'] as const) {
      const swaps = {
        purpose: () => w.ceremony(d, 'confirm', slot.enrolment),
        bind: () => w.ceremony(d, 'login', slot.enrolment, { bind }),
        tenant: () => w.ceremony(foreign, 'login', slot.enrolment, { enrolment: { id: slot.enrolment, rev: null, value: null } }),
        issuer: () => w.ceremony(d, 'login', slot.enrolment, { issuer: 'https://other.example' }),
        app: () => w.ceremony(d, 'login', slot.enrolment, { app: 'corporate' }),
        device: () => w.ceremony(other, 'login', far.enrolment),
        enrolment: () => w.ceremony(d, 'login', second.enrolment),
      }
      for (const [name, swapped] of Object.entries(swaps)) {
        const inner = w.exchange(d, 'login', slot.enrolment)
        const at = async (handle: string, input: unknown, run: typeof runBegin | typeof runFinish) => {
          const done = await run(w.pin, { ...(await swapped()), handle }, input, { runtime: w.runtime })
          throw Object.assign(new Error(name), { code: done.ok ? `accepted ${name}` : done.code })
        }
        const exchange: PinExchange = {
          begin: (h, a) => (stage === 'begin' && h !== null ? at(h, a, runBegin) : inner.begin(h, a)),
          finish: (h, a) => (stage === 'finish' ? at(h, a, runFinish) : inner.finish(h, a)),
        }
        const swappedLogin = loginPin({ ...w.client(d), exchange, pin: utf8('27182'), slots: [slot], purpose: 'login' })
        expect(await codeOf(swappedLogin), `${stage} ${name}`).toBe('pin.refused')
        expect(await codeOf(login(w, d, slot, '27182'))).toBe('ok')
      }
    }
  })

  it('A07 a handle of one device opens nothing for another, though that one signs', async () => {
    const w = createWorld()
    const [d, other] = [await w.device('d1'), await w.device('d2')]
    const slot = await w.withPin(d, '27182')
    const made = await ke1For(w, d, slot, other)
    const c = await w.ceremony(other, 'login', slot.enrolment, { handle: made.handle })
    expect(await runBegin(w.pin, c, made.input, { runtime: w.runtime })).toMatchObject({
      ok: false,
      code: 'pin.refused',
      reason: 'handle',
    })
  })

  it('A06 the decoy is the point it is said to be, so nobody has its key', async () => {
    const point = p256_hasher.hashToCurve(utf8('decoy device'), { DST: 'postern:pin/v1:decoy' }).toAffine()
    expect([decoy.x, decoy.y].map((c) => hex(decodeBase64url(c!)!))).toEqual(
      [point.x, point.y].map((c) => c.toString(16).padStart(64, '0')),
    )
  })

  it('a KE3 that is not the client’s is one failure, told once, and gives no attempt back', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    for (const ghost of [false, true]) {
      const real = await w.withPin(d, '27182')
      const slot = ghost ? { ...real, enrolment: '1'.repeat(32) } : real
      const { handle, step } = await w.exchange(d, 'login', slot.enrolment).begin(null, null)
      const { ke1, signature, m1, context } = await signedKe1(d, slot, (step as { nonce: string }).nonce)
      const second = await w.exchange(d, 'login', slot.enrolment).begin(handle, { ke1, signature })
      const ke3 = random(64)
      const hash = (b: Uint8Array) => crypto.digest('SHA-256', b)
      const ke2 = decodeBase64url((second.step as { ke2: string }).ke2)!
      const m3 = ke3Statement(context, await hash(m1), await hash(ke2), ke3)
      const answer = { ke3: encodeBase64url(ke3), signature: encodeBase64url(await d.signer.sign(m3)) }
      const finish = async () =>
        runFinish(w.pin, await w.ceremony(d, 'login', slot.enrolment, { handle: second.handle }), answer, { runtime: w.runtime })
      expect(await finish()).toMatchObject({ ok: false, code: 'pin.refused', event: { type: 'pin.failed' }, attemptsLeft: 2 })
      expect(await finish()).toMatchObject({ ok: false, code: 'pin.refused', event: null, attemptsLeft: 2 })
      if (!ghost) expect((await w.read(d, `pin/${slot.enrolment}`))[0]!.n).toBe(1)
    }
  })

  it('A07 a handle altered in any byte opens nothing', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const made = await ke1For(w, d, slot)
    const bytes = decodeBase64url(made.handle)!
    for (let i = 0; i < bytes.length; i += 3) {
      const bent = bytes.slice()
      bent[i]! ^= 1
      expect(await begin(w, d, slot, { ...made, handle: encodeBase64url(bent) })).toMatchObject({
        ok: false,
        code: 'pin.refused',
      })
    }
    expect(await begin(w, d, slot, made)).toMatchObject({ ok: true })
  })

  it('A08 a signature over a JWS signing input is none over a statement, whatever the bytes', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const made = await ke1For(w, d, slot)
    const context = pinContext({
      issuer,
      tenant: d.tenant,
      app: 'retail',
      device: d.id,
      enrolment: slot.enrolment,
      generation: 1,
      purpose: 'login',
      bind: null,
    })
    expect(ke1Statement(context, random(32), random(96))[0]).toBe(0)
    const signature = encodeBase64url(await d.signer.sign(utf8(`eyJ0eXAiOiJkcG9wK2p3dCJ9.${encodeBase64url(context)}`)))
    expect(await begin(w, d, slot, { ...made, input: { ...made.input, signature } })).toMatchObject({
      ok: false,
      code: 'pin.refused',
    })
  })

  it('identity, non-canonical and off-group elements cost no attempt', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    for (const at of [0, 64])
      for (const element of [new Uint8Array(32), new Uint8Array(32).fill(255), Uint8Array.of(1, ...new Uint8Array(31))]) {
        const { handle, step } = await w.exchange(d, 'login', slot.enrolment).begin(null, null)
        const bytes = new Uint8Array(96)
        bytes.set(BASE, 0)
        bytes.set(BASE, 64)
        bytes.set(element, at)
        const context = pinContext({
          issuer,
          tenant: d.tenant,
          app: 'retail',
          device: d.id,
          enrolment: slot.enrolment,
          generation: 1,
          purpose: 'login',
          bind: null,
        })
        const signature = await d.signer.sign(ke1Statement(context, decodeBase64url((step as { nonce: string }).nonce)!, bytes))
        const input = { ke1: encodeBase64url(bytes), signature: encodeBase64url(signature) }
        expect(await begin(w, d, slot, { handle, input })).toMatchObject({ ok: false, code: 'pin.refused' })
      }
    expect((await w.read(d, `pin/${slot.enrolment}`))[0]!.n).toBe(0)
  })

  it('one enrolment handle answers one request: the same again alike, another not at all', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const inner = w.exchange(d, 'enrol', null)
    const offer = await inner.begin(null, null)
    const sent: { answer: unknown; step: unknown }[] = []
    const exchange: PinExchange = {
      ...inner,
      begin: async (h, a) => {
        if (h === null) return offer
        const answer = await inner.begin(h, a)
        expect((await inner.begin(h, a)).step).toEqual(answer.step)
        sent.push({ answer: a, step: answer.step })
        return answer
      },
    }
    const enrol = () => enrolPin({ ...w.client(d), exchange, pin: utf8('27182') })
    expect([await codeOf(enrol()), await codeOf(enrol())]).toEqual(['ok', 'pin.ticket_used'])
  })

  it('an enrolment whose claim has ended is refused', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const exchange = w.exchange(d, 'enrol', null, { claim: { until: w.clock(), owner: 'usr:ada', data: utf8('') } })
    expect(await codeOf(enrolPin({ ...w.client(d), exchange, pin: utf8('27182') }))).toBe('enrolment.expired')
  })

  it('H21 no PIN, pepper or session key stands in any record, event or handle', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '271828182845')
    const done = await login(w, d, slot, '271828182845')
    await codeOf(login(w, d, slot, '000000000000'))
    const secrets = [utf8('271828182845'), utf8('000000000000'), slot.secret, await done.session('x'), await done.exportKey('x')]
    const recs = await w.store.list(w.part(d), '', { now: w.clock(), limit: 1000 }).catch(() => [])
    const outbox = await w.store.outbox!({ now: w.clock(), limit: 1000 })
    const all = [...recs, ...outbox].map((r) => Buffer.from(r.value))
    expect(all.length).toBeGreaterThan(5)
    for (const value of all)
      for (const secret of secrets) {
        expect(value.includes(Buffer.from(secret))).toBe(false)
        expect(value.includes(encodeBase64url(secret))).toBe(false)
      }
    const events = outbox.map((r) => decodeEvent(r.value)?.type)
    expect([...events].sort()).toEqual([
      'authenticator.enrolled',
      'pin.attempted',
      'pin.attempted',
      'pin.failed',
      'pin.succeeded',
    ])
    expect(fromUtf8(outbox[0]!.value)).toContain('"device":"d1"')
  })
})

describe('A20 the device limit', () => {
  it('holds for 50 claims in parallel', async () => {
    const store = memoryStore()
    const part = { tenant: 'bank', id: 'usr:ada' }
    const now = 1_800_000_000_000
    const claim = async (device: string): Promise<string> => {
      for (;;) {
        const [current] = await store.read(part, [devicesKey], { now })
        const change = claimDevice(current!, { device, now, limit: 5 })
        if (!change.ok) return change.code
        if ((await store.commit(part, [change.op], { now, rev: newRev(random) })).ok) return 'ok'
      }
    }
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => claim(`d${i}`)))
    expect(all.filter((r) => r === 'ok')).toHaveLength(5)
    expect(all.filter((r) => r === 'device.limit')).toHaveLength(45)
    const [rec] = await store.read(part, [devicesKey], { now })
    expect(readDevices(rec!, now)).toHaveLength(5)
    expect(readDevices(rec!, now + 120_000)).toHaveLength(0)
  })
})
