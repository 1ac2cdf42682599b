/// <reference types="node" />
/** Limits, defaults, repeated steps and records of pin/v1, one by one: what a changed line would break unseen. */
import { attemptsLeft, resetAttempts, takeAttempt } from '@postern/authenticators/attempts'
import { type Ceremony, runBegin, runFinish } from '@postern/authenticators/authenticator'
import { encodeEnrolment, planLock } from '@postern/authenticators/enrolment'
import { changePin, enrolPin, loginPin, type PinExchange, type PinSlot } from '@postern/authenticators/pin/client'
import { concat, u8, u16, u32, utf8 } from '@postern/core/bytes'
import { decodeEvent } from '@postern/core/events'
import { lp } from '@postern/core/tuple'
import { newRev, type Rec } from '@postern/store'
import { describe, expect, it } from 'vitest'
import { decoy, keyCache, signedByDevice } from '../../src/internal/deviceSignature.js'
import { lostEnrolment } from '../../src/internal/pinExhaustion.js'
import { readRequestHandle } from '../../src/internal/pinHandle.js'
import { decodePinRecord, encodePinRecord } from '../../src/internal/pinRecord.js'
import { byteReader } from '../../src/internal/reader.js'
import { codeOf, createWorld, crypto, type Device, Refused, random, type World } from '../world.js'

const day = 86_400_000
async function bank(o: Parameters<typeof createWorld>[0] = {}) {
  const w = createWorld(o)
  const d = await w.device('d1')
  const slot = await w.withPin(d, '27182')
  return { w, d, slot }
}
const login = (w: World, d: Device, slot: PinSlot, digits: string, exchange = w.exchange(d, 'login', slot.enrolment)) =>
  loginPin({ ...w.client(d), exchange, pin: utf8(digits), slots: [slot], purpose: 'login' })
const change = (w: World, d: Device, slot: PinSlot, exchange: PinExchange) =>
  changePin({ ...w.client(d), exchange, pin: utf8('27182'), newPin: utf8('31415'), slots: [slot], keep: async () => {} })
const types = async (w: World) =>
  (await w.store.outbox!({ now: w.clock(), limit: 1000 })).map((rec) => decodeEvent(rec.value)!.type)
const rec = (n: number, rev: string): Rec => ({ key: 'k', value: new Uint8Array(0), n, rev, expiresAt: 0 })

/** Runs a ceremony up to the begin whose answer has this member, and gives that begin to the caller, who may send it as often as he likes. */
function stopAt(inner: PinExchange, member: string) {
  let held: { handle: string; answer: Record<string, string> } | null = null
  const exchange: PinExchange = {
    async begin(handle, answer) {
      if (answer !== null && Object.hasOwn(answer, member)) {
        held = { handle: handle!, answer: answer as never }
        throw Object.assign(new Error('held'), { code: 'held' })
      }
      return inner.begin(handle, answer)
    },
    async finish(handle, answer) {
      if (Object.hasOwn(answer, member)) {
        held = { handle, answer: answer as never }
        throw Object.assign(new Error('held'), { code: 'held' })
      }
      return inner.finish(handle, answer)
    },
  }
  return { exchange, held: () => held! }
}

describe('attempts', () => {
  it('are one op each: taken with a bound, given back at a revision', () => {
    expect(takeAttempt('k', 3)).toEqual({ op: 'add', key: 'k', by: 1, max: 3 })
    expect(takeAttempt('k', 3, 9)).toEqual({ op: 'add', key: 'k', by: 1, max: 3, expiresAt: 9 })
    expect(resetAttempts('k', utf8('v'), 'r')).toEqual({ op: 'put', key: 'k', value: utf8('v'), rev: 'r' })
    expect([attemptsLeft(null, 3), attemptsLeft({ n: 1 }, 3), attemptsLeft({ n: 3 }, 3), attemptsLeft({ n: 4 }, 3)]).toEqual([
      3, 2, 0, 0,
    ])
  })
})

describe('limits and defaults', () => {
  it.each([
    ['maxAttempts', 0, 1, 10, 11],
    ['maxFailures', 4, 5, 100, 101],
    ['failureDays', 0, 1, 365, 366],
  ] as const)('%s is a whole number of its range', (name, below, min, max, above) => {
    for (const bad of [below, above, min + 0.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => createWorld({ [name]: bad })).toThrow(RangeError)
    for (const good of [min, max]) expect(() => createWorld({ [name]: good })).not.toThrow()
  })

  it('three tries and then removal, twenty failures in thirty days and then a lock', async () => {
    const { w, d, slot } = await bank()
    expect(await codeOf(login(w, d, slot, '00000'))).toBe('pin.wrong')
    const [, failed] = await w.read(d, `pin/${slot.enrolment}`, `pin/${slot.enrolment}/failed`)
    expect(failed!.expiresAt).toBe(w.clock() + 30 * day)
    expect(w.pin.locked([rec(3, 'r'), null])).toBe(true)
    expect(w.pin.locked([rec(2, 'r'), rec(19, 'f')])).toBe(false)
    expect(w.pin.locked([rec(2, 'r'), rec(20, 'f')])).toBe(true)
    expect(w.pin.locked([rec(3, 'r'), rec(20, 'r')], 'r')).toBe(false)
    expect(w.pin.locked([rec(3, 'r'), rec(20, 'f')], 'r')).toBe(true)
    expect(w.pin.locked([rec(3, 'r'), null], 'other')).toBe(true)
    expect(w.pin.locked([null, null])).toBe(false)
  })

  it('says what it is, what it keeps and what it watches', () => {
    const { pin } = createWorld()
    expect([pin.type, pin.amr]).toEqual(['pin', ['pin', 'pop', 'mfa', 'hwk', 'swk']])
    expect(pin.watches('E')).toEqual(['pin/E', 'pin/E/failed'])
    expect(pin.remove('E')).toEqual(['pin/E', 'pin/E/failed', 'pin/E/next'].map((key) => ({ op: 'del', key })))
  })

  it('a window that ended starts anew with the next failure', async () => {
    const { w, d, slot } = await bank({ failureDays: 2, onExhausted: 'lock' })
    await codeOf(login(w, d, slot, '00000'))
    const opened = w.clock()
    w.time.now += day
    await codeOf(login(w, d, slot, '00000'))
    const failed = async () => (await w.read(d, `pin/${slot.enrolment}/failed`))[0]
    expect(await failed()).toMatchObject({ n: 2, expiresAt: opened + 2 * day })
    w.time.now = opened + 2 * day
    expect(await failed()).toBeNull()
    await codeOf(login(w, d, slot, '27182'))
    await codeOf(login(w, d, slot, '00000'))
    expect(await failed()).toMatchObject({ n: 1 })
  })

  it('the device key’s level is in the verdict, and how often it went wrong since', async () => {
    const { w, d, slot } = await bank({ maxAttempts: 5 })
    for (const _ of [1, 2]) await codeOf(login(w, d, slot, '00000'))
    const c = await w.ceremony(d, 'login', slot.enrolment)
    const soft = { device: { ...c.device!, keyLevel: 'software' as const } }
    const done = await login(w, d, slot, '27182', w.exchange(d, 'login', slot.enrolment, soft))
    expect(done.result).toMatchObject({
      amr: ['pin', 'pop', 'mfa', 'swk'],
      facts: {
        type: 'pin',
        purpose: 'login',
        failures: 2,
        generation: 1,
        userVerified: true,
        keyLevel: 'software',
        at: w.clock(),
      },
      event: { type: 'pin.succeeded', outcome: 'success', authenticator: slot.enrolment, detail: { failures: 2 } },
    })
  })
})

describe('records and handles that are none', () => {
  const record = new Uint8Array(192)
  const stored = (suite: number) => concat(u8(1), u16(suite), lp('v'), u32(1), record)
  it('a stored PIN of an unknown suite, another schema, too short or too long is corrupt, and says which', async () => {
    const code = (bytes: Uint8Array, kind?: 'current' | 'next') => codeOf((async () => decodePinRecord(bytes, kind))())
    for (const suite of [1, 2, 3]) expect(await code(stored(suite))).toBe('ok')
    for (const suite of [0, 4, 256, 65_535]) expect(await code(stored(suite)), `${suite}`).toBe('store.corrupt')
    expect(await code(new Uint8Array(0))).toBe('store.corrupt')
    expect(await code(stored(1).subarray(0, -1))).toBe('store.corrupt')
    expect(await code(concat(stored(1), u8(0)))).toBe('store.corrupt')
    expect(await code(stored(1), 'next')).toBe('store.corrupt')
    for (const schema of [0, 2, 255])
      expect(await code(Uint8Array.from([schema, ...stored(1).subarray(1)]))).toBe('store.schema_unknown')
  })

  it('a handle of an unknown suite, purpose, version or bind is none', () => {
    const head = (version: number, purpose: number, bind: Uint8Array) =>
      concat(u8(version), lp('D'), lp('E'), u32(1), u8(purpose), lp(bind), new Uint8Array(32), new Uint8Array(8))
    const read = (bytes: Uint8Array, suite: number) => readRequestHandle(byteReader(concat(bytes, u16(suite), lp('R'))))
    expect(read(head(1, 5, new Uint8Array(32)), 1)).toMatchObject({ purpose: 'change', suite: '0001', after: 'R' })
    expect(read(head(1, 1, new Uint8Array(0)), 3)).toMatchObject({ purpose: 'enrol', bind: null })
    expect(() => read(head(1, 5, new Uint8Array(0)), 4)).toThrow(RangeError)
    expect(() => read(head(2, 5, new Uint8Array(0)), 1)).toThrow(RangeError)
    for (const purpose of [0, 8]) expect(() => read(head(1, purpose, new Uint8Array(0)), 1)).toThrow(RangeError)
    for (const n of [1, 31, 33]) expect(() => read(head(1, 5, new Uint8Array(n)), 1)).toThrow(RangeError)
    expect(() => read(head(1, 5, new Uint8Array(0)).subarray(0, -9), 1)).toThrow(RangeError)
  })

  it('an enrolment that is gone between KE2 and KE3 is removed, for the right PIN and for the notice of a wrong one', async () => {
    for (const member of ['ke3', 'wrong']) {
      const { w, d, slot } = await bank()
      const { exchange, held } = stopAt(w.exchange(d, 'login', slot.enrolment), member)
      await codeOf(login(w, d, slot, member === 'ke3' ? '27182' : '00000', exchange))
      await w.store.commit(w.part(d), [{ op: 'del', key: `enr/${slot.enrolment}` }], { now: w.clock(), rev: newRev(random) })
      const { handle, answer } = held()
      expect(await codeOf(w.exchange(d, 'login', slot.enrolment).finish(handle, answer as never))).toBe('authenticator.removed')
    }
  })

  it('a record that the store lost the value of is a fake one, not a crash', async () => {
    const { w, d, slot } = await bank()
    const [pin] = await w.read(d, `pin/${slot.enrolment}`)
    const other = encodePinRecord({ ...decodePinRecord(pin!.value), generation: 2 })
    for (const value of [new Uint8Array(0), other]) {
      await w.put(d, `pin/${slot.enrolment}`, value)
      expect(await codeOf(login(w, d, slot, '27182'))).toBe('pin.wrong')
    }
  })
})

describe('device signatures', () => {
  it('an unusable key verifies nothing, a signature of another length neither, and the decoy never', async () => {
    const keys = keyCache(crypto)
    const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
    const signature = await signer.sign(utf8('x'))
    expect(await keys.verify(signer.publicJwk, utf8('x'), signature)).toBe(true)
    expect(await keys.verify(signer.publicJwk, utf8('y'), signature)).toBe(false)
    expect(await keys.verify(signer.publicJwk, utf8('x'), signature.subarray(1))).toBe(false)
    expect(await keys.verify({ ...signer.publicJwk, y: signer.publicJwk.x! }, utf8('x'), signature)).toBe(false)
    expect(await signedByDevice(keys, null, 'd1', utf8('x'), signature)).toBe(false)
    expect(await signedByDevice(keys, { key: decoy }, 'd1', utf8('x'), signature)).toBe(false)
  })

  it('keys are imported once and kept up to a bound; the oldest goes first', async () => {
    let imports = 0
    const counting = {
      ...crypto,
      verifyKey(...args: Parameters<typeof crypto.verifyKey>) {
        imports++
        return crypto.verifyKey(...args)
      },
    }
    const keys = keyCache(counting, 2)
    const signers = await Promise.all(
      [1, 2, 3].map(async () => crypto.signer('ES256', await crypto.generateKey('ES256', random))),
    )
    const use = async (i: number) => keys.verify(signers[i]!.publicJwk, utf8('x'), await signers[i]!.sign(utf8('x')))
    for (const i of [0, 0, 1, 0]) expect(await use(i)).toBe(true)
    expect(imports).toBe(2)
    for (const i of [2, 1, 0]) expect(await use(i)).toBe(true)
    expect(imports).toBe(4)
  })

  it('A06 a device that is unknown costs an import where one that is known does, and no other', async () => {
    let imports = 0
    const counting = {
      ...crypto,
      verifyKey(...args: Parameters<typeof crypto.verifyKey>) {
        imports++
        return crypto.verifyKey(...args)
      },
    }
    const w = createWorld({ runtime: { clock: () => w.clock(), random, crypto: counting } })
    const devices = [await w.device('d1'), await w.device('d2')]
    const stranger = await w.device('d3')
    const E = 'ab'.repeat(16)
    const asked = async (d: Device, known: boolean) => {
      const before = imports
      const about = known ? {} : { device: null }
      const { exchange, held } = stopAt(w.exchange(d, 'login', E, about), 'ke1')
      const slot = { enrolment: E, generation: 1, suite: '0001', secret: random(32), serverPublicKey: random(32) } as const
      await codeOf(login(w, { ...d, signer: stranger.signer }, slot as never, '27182', exchange))
      const { handle, answer } = held()
      expect(await codeOf(w.exchange(d, 'login', E, about).begin(handle, answer as never))).toBe('pin.refused')
      return imports - before
    }
    for (const known of [true, false])
      expect([await asked(devices[0]!, known), await asked(devices[0]!, known), await asked(devices[1]!, known)]).toEqual([
        1, 0, 1,
      ])
  })
})

describe('steps that come again, late, or at the wrong place', () => {
  it.each([
    ['enrol', 'request'],
    ['enrol', 'record'],
  ] as const)('%s: {%s} after five minutes is pin.expired', async (purpose, member) => {
    const w = createWorld()
    const d = await w.device('d1')
    const { exchange, held } = stopAt(w.exchange(d, purpose, null), member)
    expect(await codeOf(enrolPin({ ...w.client(d), exchange, pin: utf8('27182') }))).toBe('held')
    const { handle, answer } = held()
    const send = async () => {
      const c = await w.ceremony(d, purpose, null, { handle })
      const done = await (member === 'record' ? runFinish : runBegin)(w.pin, c, answer, { runtime: w.runtime })
      return done.ok ? 'ok' : done.code
    }
    w.time.now += 300_000
    expect(await send()).toBe('pin.expired')
    w.time.now -= 1
    expect(await send()).toBe('ok')
  })

  it('change: the ticket lives for five minutes, answers one request, and one record', async () => {
    const { w, d, slot } = await bank()
    const inner = w.exchange(d, 'change', slot.enrolment)
    const { exchange, held } = stopAt(inner, 'request')
    expect(await codeOf(change(w, d, slot, exchange))).toBe('held')
    const { handle, answer } = held()
    w.time.now += 300_000
    expect(await codeOf(inner.begin(handle, answer as never))).toBe('pin.expired')
    w.time.now -= 1
    const first = await inner.begin(handle, answer as never)
    expect((await inner.begin(handle, answer as never)).step).toEqual(first.step)
    const other = stopAt(inner, 'request')
    await codeOf(change(w, d, slot, other.exchange))
    expect(await codeOf(inner.begin(handle, other.held().answer as never))).toBe('pin.refused')
  })

  it('change: the same record again gets a challenge again, another is refused, and after the swap none', async () => {
    const { w, d, slot } = await bank()
    const inner = w.exchange(d, 'change', slot.enrolment)
    const { exchange, held } = stopAt(inner, 'record')
    expect(await codeOf(change(w, d, slot, exchange))).toBe('held')
    const { handle, answer } = held()
    const first = await inner.begin(handle, answer as never)
    const again = await inner.begin(handle, answer as never)
    expect(first.step).toMatchObject({ ask: 'ke1', generation: 2, enrolment: slot.enrolment })
    expect(again.step).toMatchObject({ ask: 'ke1', generation: 2 })
    const bent = { ...answer, policy: 'AAAA' }
    expect(await codeOf(inner.begin(handle, bent as never))).toBe('pin.refused')
    // A login with the old PIN moves R₂: what waits is void, and the record has no place any more.
    expect(await codeOf(login(w, d, slot, '27182'))).toBe('ok')
    expect(await codeOf(inner.begin(handle, answer as never))).toBe('pin.ticket_used')
  })

  it('change: a record that comes after a login with the old PIN is pin.expired', async () => {
    const { w, d, slot } = await bank()
    const inner = w.exchange(d, 'change', slot.enrolment)
    const { exchange, held } = stopAt(inner, 'record')
    expect(await codeOf(change(w, d, slot, exchange))).toBe('held')
    expect(await codeOf(login(w, d, slot, '27182'))).toBe('ok')
    expect(await codeOf(inner.begin(held().handle, held().answer as never))).toBe('pin.expired')
    expect((await w.read(d, `pin/${slot.enrolment}/next`))[0]).toBeNull()
  })

  it.each(['request', 'record'])(
    'enrol: {%s} for a device that is gone meanwhile is device.removed, for one rewritten it asks to read again',
    async (member) => {
      const w = createWorld()
      const d = await w.device('d1')
      const { exchange, held } = stopAt(w.exchange(d, 'enrol', null), member)
      await codeOf(enrolPin({ ...w.client(d), exchange, pin: utf8('27182') }))
      const c = await w.ceremony(d, 'enrol', null, { handle: held().handle })
      const run = async (seen: Ceremony) =>
        (member === 'record' ? runFinish : runBegin)(w.pin, seen, held().answer, { runtime: w.runtime })
      await w.put(d, 'd', utf8('rewritten'))
      expect(await run(c)).toMatchObject({ ok: false, code: 'pin.refused', next: 'again' })
      await w.store.commit(w.part(d), [{ op: 'del', key: 'd' }], { now: w.clock(), rev: newRev(random) })
      expect(await run(c)).toMatchObject({ ok: false, code: 'device.removed', next: 'removed' })
    },
  )

  it('enrol: no device, no place for one, no claim, another’s signature: refused', async () => {
    const w = createWorld()
    const [d, other] = [await w.device('d1'), await w.device('d2')]
    const c = await w.ceremony(d, 'enrol', null)
    const begin = (seen: Ceremony) => runBegin(w.pin, seen, null, { runtime: w.runtime })
    expect(await begin({ ...c, device: null })).toMatchObject({ code: 'pin.refused' })
    expect(await begin({ ...c, part: { tenant: 'bank', id: 'usr:ada' } })).toMatchObject({ code: 'pin.refused' })
    const thief = { ...w.client(d), sign: (m: Uint8Array) => other.signer.sign(m) }
    expect(await codeOf(enrolPin({ ...thief, exchange: w.exchange(d, 'enrol', null), pin: utf8('27182') }))).toBe('pin.refused')
    const { exchange, held } = stopAt(w.exchange(d, 'enrol', null), 'record')
    await codeOf(enrolPin({ ...w.client(d), exchange, pin: utf8('27182') }))
    const { claim: _, ...unclaimed } = await w.ceremony(d, 'enrol', null, { handle: held().handle })
    expect(await runFinish(w.pin, unclaimed, held().answer, { runtime: w.runtime })).toMatchObject({ code: 'enrolment.expired' })
  })

  it('what enrols says what it made, once', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const { result, slot } = await enrolPin({ ...w.client(d), exchange: w.exchange(d, 'enrol', null), pin: utf8('27182') })
    expect(result).toMatchObject({
      ok: true,
      amr: [],
      session: null,
      event: { type: 'authenticator.enrolled', outcome: 'success', authenticator: slot.enrolment, reason: 'pin' },
      facts: { type: 'pin', enrolment: slot.enrolment, purpose: 'enrol', generation: 1, failures: 0, userVerified: true },
    })
    expect((await w.enrolled(d, slot.enrolment)).value).toMatchObject({
      status: 'pending',
      generation: 1,
      suite: '0001',
      keyLevel: 'hardware',
      createdAt: w.clock(),
    })
    const [enr, pin] = await w.read(d, `enr/${slot.enrolment}`, `pin/${slot.enrolment}`)
    expect([enr!.expiresAt, pin!.expiresAt]).toEqual([w.clock() + 120_000, 0])
  })

  it('the challenge of a login asks for a PIN enrolment by a proper id, and for nothing beside', async () => {
    const { w, d, slot } = await bank()
    const begin = async (c: Ceremony, input: unknown = null) => {
      const done = await runBegin(w.pin, c, input, { runtime: w.runtime })
      return done.ok ? done.value.body['ask'] : done.code
    }
    const c = await w.ceremony(d, 'login', slot.enrolment)
    expect(await begin(c)).toBe('ke1')
    expect(await begin(c, undefined)).toBe('ke1')
    expect(await begin({ ...c, enrolment: { id: '../d', rev: null, value: null } })).toBe('pin.refused')
    expect(await begin({ ...c, enrolment: null })).toBe('pin.refused')
    expect(await begin({ ...c, part: { tenant: 'bank', id: 'usr:ada' } })).toBe('pin.refused')
    for (const input of [{}, 0, '', false, { ke3: '' }, { request: '' }, { record: '' }])
      expect(await begin(c, input)).toBe('pin.refused')
    for (const input of [{ ke3: '' }, { request: '' }, { record: '' }])
      expect(await begin(await w.ceremony(d, 'change', slot.enrolment, { handle: 'x' }), input)).toBe('pin.refused')
  })
})

describe('the notice of a wrong PIN', () => {
  it('is told once, for the newest attempt, by the device alone; silence costs the same', async () => {
    const { w, d, slot } = await bank()
    const thief = await w.device('d2')
    const { exchange, held } = stopAt(w.exchange(d, 'login', slot.enrolment), 'wrong')
    expect(await codeOf(login(w, d, slot, '00000', exchange))).toBe('pin.wrong')
    const { handle, answer } = held()
    const finish = async (input: unknown, more: Partial<Ceremony> = {}) =>
      runFinish(w.pin, await w.ceremony(d, 'login', slot.enrolment, { handle, ...more }), input, { runtime: w.runtime })
    expect(await finish({ wrong: 'AA' })).toMatchObject({ code: 'pin.refused', event: null, reason: 'message' })
    expect(await finish({ ...answer, more: '' })).toMatchObject({ code: 'pin.refused', reason: 'message' })
    const forged = Buffer.from(await thief.signer.sign(random(40))).toString('base64url')
    expect(await finish({ wrong: forged })).toMatchObject({ code: 'pin.refused', event: null, reason: 'signature' })
    expect(await finish(answer, { device: null })).toMatchObject({ code: 'pin.refused', event: null })
    expect(await types(w)).not.toContain('pin.failed')
    const event = { type: 'pin.failed', outcome: 'failure', authenticator: slot.enrolment, reason: 'wrong' }
    expect(await finish(answer)).toMatchObject({ code: 'pin.refused', event, attemptsLeft: 2, next: 'retry' })
    expect(await finish(answer)).toMatchObject({ code: 'pin.refused', event: null, attemptsLeft: 2 })
    expect((await types(w)).filter((type) => type === 'pin.failed')).toHaveLength(1)
    w.time.now += 60_000
    expect(await finish(answer)).toMatchObject({ code: 'pin.expired' })
  })

  it.each([0, 1])('of a device that is removed meanwhile changes nothing, %i attempts before the last', async (before) => {
    const { w, d, slot } = await bank({ maxAttempts: 1 + before, onExhausted: 'lock' })
    const { exchange, held } = stopAt(w.exchange(d, 'login', slot.enrolment), 'wrong')
    await codeOf(login(w, d, slot, '00000', exchange))
    const c = await w.ceremony(d, 'login', slot.enrolment, { handle: held().handle })
    await w.store.commit(w.part(d), [{ op: 'del', key: 'd' }], { now: w.clock(), rev: newRev(random) })
    expect(await runFinish(w.pin, c, held().answer, { runtime: w.runtime })).toMatchObject({ ok: false, code: 'pin.refused' })
    expect((await types(w)).sort()).toEqual(['authenticator.enrolled', 'pin.attempted'])
    expect((await w.enrolled(d, slot.enrolment)).value.status).toBe('active')
  })

  it('of an attempt that another has overtaken changes nothing', async () => {
    const { w, d, slot } = await bank()
    const { exchange, held } = stopAt(w.exchange(d, 'login', slot.enrolment), 'wrong')
    await codeOf(login(w, d, slot, '00000', exchange))
    expect(await codeOf(login(w, d, slot, '27182'))).toBe('ok')
    expect(await codeOf(w.exchange(d, 'login', slot.enrolment).finish(held().handle, held().answer as never))).toBe('pin.refused')
    expect(await types(w)).not.toContain('pin.failed')
    expect((await w.enrolled(d, slot.enrolment)).value.status).toBe('active')
  })

  it.each(['remove', 'lock'] as const)('at the last attempt is the end of it, once: %s', async (onExhausted) => {
    const { w, d, slot } = await bank({ maxAttempts: 1, onExhausted })
    const { exchange, held } = stopAt(w.exchange(d, 'login', slot.enrolment), 'wrong')
    await codeOf(login(w, d, slot, '00000', exchange))
    const code = onExhausted === 'remove' ? 'authenticator.removed' : 'authenticator.locked'
    const { handle, answer } = held()
    const c = await w.ceremony(d, 'login', slot.enrolment, { handle })
    const finish = () => runFinish(w.pin, c, answer, { runtime: w.runtime })
    expect(await finish()).toMatchObject({ code, attemptsLeft: 0, event: { type: code, outcome: 'refused', reason: 'attempts' } })
    expect(await finish()).toMatchObject({ code })
    expect((await types(w)).filter((type) => type === code)).toHaveLength(1)
    expect((await w.read(d, `pin/${slot.enrolment}`))[0] === null).toBe(onExhausted === 'remove')
  })

  it('at the last failure of the window locks, whatever exhaustion does', async () => {
    const { w, d, slot } = await bank({ maxAttempts: 10, maxFailures: 5, onExhausted: 'remove' })
    const codes: string[] = []
    for (let i = 0; i < 5; i++)
      await login(w, d, slot, '00000').catch((error: { cause: Refused }) => codes.push(error.cause.refusal.code))
    expect(codes).toEqual([...Array<string>(4).fill('pin.refused'), 'authenticator.locked'])
    expect((await w.enrolled(d, slot.enrolment)).value).toMatchObject({ status: 'locked', cause: 'failures' })
  })

  it('never said: the begin that finds nothing left ends it, and says by which of the two', async () => {
    for (const [o, cause, code] of [
      [{ maxAttempts: 2 }, 'attempts', 'authenticator.removed'],
      [{ maxAttempts: 10, maxFailures: 5 }, 'failures', 'authenticator.locked'],
    ] as const) {
      const { w, d, slot } = await bank(o)
      for (let i = 0; i < (cause === 'attempts' ? 2 : 5); i++)
        await codeOf(login(w, d, slot, '00000', stopAt(w.exchange(d, 'login', slot.enrolment), 'wrong').exchange))
      expect((await w.enrolled(d, slot.enrolment)).value.status).toBe('active')
      expect(await codeOf(login(w, d, slot, '27182'))).toBe(code)
      expect((await w.enrolled(d, slot.enrolment)).value.cause).toBe(cause)
    }
  })

  it('what a commit lost to says why: gone and removed, locked, or merely another than before', async () => {
    const { w, d, slot } = await bank()
    const { value } = await w.enrolled(d, slot.enrolment)
    const lost = (status: (typeof value)['status'], cause: (typeof value)['cause'] = null) =>
      lostEnrolment({ ...rec(0, 'r'), value: encodeEnrolment({ ...value, status, cause }) })
    expect(lostEnrolment(null)).toMatchObject({ code: 'authenticator.removed', reason: 'enrolment gone', next: 'removed' })
    expect(lost('removed', 'user')).toMatchObject({ code: 'authenticator.removed', reason: 'user', next: 'removed' })
    expect(lost('locked', 'operator')).toMatchObject({ code: 'authenticator.locked', reason: 'operator', next: 'removed' })
    for (const status of ['active', 'pending'] as const)
      expect(lost(status)).toMatchObject({ code: 'pin.refused', reason: 'enrolment changed', next: 'again' })
    const changed = { ...rec(0, 'r'), value: encodeEnrolment(value) }
    expect(lostEnrolment(changed, 'otp.refused')).toMatchObject({ code: 'otp.refused', next: 'again' })
  })

  it('an exhaustion that a success or an operator was faster than loses', async () => {
    const { w, d, slot } = await bank({ maxAttempts: 1, onExhausted: 'lock' })
    const { exchange } = stopAt(w.exchange(d, 'login', slot.enrolment), 'wrong')
    await codeOf(login(w, d, slot, '00000', exchange))
    const { handle, step } = await w.exchange(d, 'login', slot.enrolment).begin(null, null)
    const c = await w.ceremony(d, 'login', slot.enrolment, { handle })
    await w.store.commit(w.part(d), [planLock(await w.enrolled(d, slot.enrolment), 'operator')], {
      now: w.clock(),
      rev: newRev(random),
    })
    expect(step).toMatchObject({ ask: 'ke1' })
    const late: PinExchange = {
      async begin(h, a) {
        if (h === null) return { handle, step }
        const done = await runBegin(w.pin, c, a, { runtime: w.runtime })
        if (!done.ok) throw new Refused(done)
        return { handle: done.value.handle, step: done.value.body }
      },
      finish: async () => null,
    }
    expect(await codeOf(login(w, d, slot, '27182', late))).toBe('authenticator.locked')
    expect((await w.enrolled(d, slot.enrolment)).value.cause).toBe('operator')
  })
})
