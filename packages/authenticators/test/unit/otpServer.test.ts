/// <reference types="node" />
import type { Authenticator, Ceremony, Refusal } from '@postern/authenticators/authenticator'
import { planLock, planRemove, planUnlock } from '@postern/authenticators/enrolment'
import { acceptShortKey, hotp } from '@postern/authenticators/otp/hotp'
import { ocra, parseOcraSuite } from '@postern/authenticators/otp/ocra'
import { createOtp, importOtp, type OtpKind, type OtpOptions } from '@postern/authenticators/otp/server'
import { sha1 } from '@postern/authenticators/otp/sha1'
import { sha256, sha512 } from '@postern/authenticators/otp/sha2'
import { totp } from '@postern/authenticators/otp/totp'
import { parseOtpauth } from '@postern/authenticators/otp/uri'
import { createRegistry, factsOf, watchedKeys } from '@postern/authenticators/registry'
import { decodeBase32 } from '@postern/core/base32'
import { hex, utf8 } from '@postern/core/bytes'
import { decodeEvent } from '@postern/core/events'
import { newRev, type Op } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { countingStore } from '@postern/testkit/counting'
import { describe, expect, it } from 'vitest'
import { type Answers, answersOf, count, type Place } from '../answers.js'
import { createWorld, issuer, random, type World } from '../world.js'

const usr: Place = { part: { tenant: 'bank', id: 'usr:ada' }, about: { device: null, proven: ['pin'] } }
const secret = utf8('12345678901234567890')

function otpOf(w: World, o: Partial<OtpOptions> = {}): Authenticator {
  return createOtp({ seal: w.seal, atRest: w.seal, runtime: w.runtime, hashes: [sha1, sha256, sha512], ...o })
}

/** A world, an authenticator and an imported secret. */
async function imported(kind: OtpKind = { type: 'totp' }, o: Partial<OtpOptions> = {}, place = usr, w = createWorld()) {
  const otp = otpOf(w, o)
  const plan = await importOtp({
    kind,
    secret,
    owner: 'usr:ada',
    place: { tenant: place.part.tenant, issuer },
    atRest: w.seal,
    runtime: w.runtime,
  })
  await w.store.commit(place.part, plan.ops, { now: w.clock(), rev: newRev(random) })
  const a = answersOf(w, otp, place)
  const code = (shiftSec = 0) => totp(secret, { now: w.clock() + 1000 * shiftSec })
  const wrong = (code() === '000000' ? '000001' : '000000') as string
  return { w, otp, a, id: plan.id, code, wrong }
}

const n = async (a: Answers, id: string) => (await a.record(`otp/${id}`))[0]?.n

describe('OTP in the registry', () => {
  it('a new secret is shown once, proved by its first code and sealed at rest; only a confirmed one logs in', async () => {
    const w = createWorld()
    const otp = otpOf(w)
    const a = answersOf(w, otp, usr)
    const offered = await a.begin(null, null, { at: 'enrol' })
    if (!offered.ok) throw new Error(offered.code)
    const { enrolment, handle, body } = offered.value
    expect(body).toMatchObject({ ask: 'code', enrolment, digits: 6 })
    const uri = parseOtpauth(body['uri'] as string)
    expect(uri).toMatchObject({ type: 'totp', issuer: 'bank.example', account: 'retail', hash: 'SHA1', digits: 6, periodSec: 30 })
    expect(uri.secret).toHaveLength(20)
    expect(decodeBase32((body['secret'] as string).toLowerCase())).toEqual(uri.secret)
    const now = w.clock()
    expect(await a.finish(null, { code: '12345' }, { at: 'enrol', handle })).toMatchObject({ code: 'otp.refused' })
    const first = totp(uri.secret, { now })
    expect(await a.finish(null, { code: first }, { at: 'enrol', handle })).toMatchObject({ ok: true, value: { amr: [] } })
    expect(await a.answer(enrolment, { code: first })).toMatchObject({ code: 'otp.refused', reason: 'not confirmed' })
    await a.confirm(enrolment)
    expect((await a.enrolled(enrolment)).value).toMatchObject({ type: 'otp', suite: 'TOTP-SHA1-6-30', owner: 'usr:ada' })
    expect(await a.finish(null, { code: first }, { at: 'enrol', handle })).toMatchObject({
      code: 'authenticator.already_enrolled',
    })
    // The code that enrolled is used up.
    expect(await a.answer(enrolment, { code: first })).toMatchObject({ code: 'otp.refused' })
    w.time.now += 30_000
    const next = totp(uri.secret, { now: w.clock() })
    expect(await a.answer(enrolment, { code: next })).toMatchObject({
      ok: true,
      value: { amr: ['otp'], proof: null, session: null },
    })
    const stored = [...(await a.record(`otp/${enrolment}`)), ...(await a.record(`enr/${enrolment}`))]
      .map((r) => hex(r!.value))
      .join()
    expect(stored).not.toContain(hex(uri.secret))
  })

  it.each([
    [{ type: 'totp', hash: 'SHA256', digits: 8, periodSec: 60 }, 'TOTP-SHA256-8-60', 32],
    [{ type: 'totp', hash: 'SHA512' }, 'TOTP-SHA512-6-30', 64],
    [{ type: 'hotp' }, 'HOTP-SHA1-6', 20],
  ] as const)('offers %o with a secret as long as its hash', async (offer, suite, bytes) => {
    const w = createWorld()
    const a = answersOf(w, otpOf(w, { offer, label: () => ({ issuer: 'Bank', account: 'ada' }) }), usr)
    const offered = await a.begin(null, null, { at: 'enrol' })
    if (!offered.ok) throw new Error(offered.code)
    const uri = parseOtpauth(offered.value.body['uri'] as string)
    expect(uri).toMatchObject({ issuer: 'Bank', account: 'ada' })
    expect(uri.secret).toHaveLength(bytes)
    const hash = { SHA1: sha1, SHA256: sha256, SHA512: sha512 }[uri.hash]
    const code =
      uri.type === 'hotp'
        ? hotp(uri.secret, 0n)
        : totp(uri.secret, { now: w.clock(), hash, digits: uri.digits, periodSec: uri.periodSec })
    const done = await a.finish(null, { code }, { at: 'enrol', handle: offered.value.handle })
    expect(done.ok).toBe(true)
    expect((await a.enrolled(offered.value.enrolment)).value.suite).toBe(suite)
  })

  it('two commits a login, no read', async () => {
    const counting = countingStore(memoryStore())
    const { a, id, code, otp, w } = await imported({ type: 'totp' }, {}, usr, createWorld({ store: counting.store }))
    const c = await a.ceremony('login', id)
    counting.reset()
    const { runBegin, runFinish } = await import('@postern/authenticators/authenticator')
    const asked = await runBegin(otp, c, { code: code() }, { runtime: w.runtime })
    if (!asked.ok) throw new Error(asked.code)
    const done = await runFinish(otp, { ...c, handle: asked.value.handle }, null, { runtime: w.runtime })
    expect(done.ok).toBe(true)
    expect(counting.counts()).toEqual({ read: 0, commit: 2, list: 0 })
  })

  it('the commits are the try and the accept, as they are written down', async () => {
    const { a, id, otp, code } = await imported()
    const c = await a.ceremony('login', id)
    const step = await otp.begin(c, { code: code() })
    if (!step.ok) throw new Error(step.code)
    expect(step.ops).toEqual([
      { op: 'check', key: `enr/${id}`, rev: c.enrolment!.rev },
      { op: 'add', key: `otp/${id}`, by: 1, max: 5 },
    ])
    const asked = await a.begin(id, { code: code() })
    if (!asked.ok) throw new Error(asked.code)
    const verdict = await otp.finish({ ...c, handle: asked.value.handle }, null)
    if (!verdict.ok) throw new Error(verdict.code)
    const [counter] = await a.record(`otp/${id}`)
    expect(verdict.ops.map(({ op, key }) => `${op} ${key}`)).toEqual([`check enr/${id}`, `put otp/${id}`])
    expect((verdict.ops[1] as Op & { op: 'put' }).rev).toBe(counter!.rev)
  })

  it('in a device’s own partition the device record is checked too', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const [rec] = await w.read(d, 'd')
    const about = { device: { id: d.id, rev: rec!.rev, key: d.jwk, keyLevel: 'hardware' as const } }
    const { a, id, code } = await imported({ type: 'totp' }, {}, { part: w.part(d), about }, w)
    expect(await a.answer(id, { code: code() })).toMatchObject({ ok: true, value: { facts: { keyLevel: 'hardware' } } })
    w.time.now += 30_000
    const asked = await a.begin(id, { code: code() })
    if (!asked.ok) throw new Error(asked.code)
    await w.store.commit(w.part(d), [{ op: 'del', key: 'd' }], { now: w.clock(), rev: newRev(random) })
    expect(await a.finish(id, null, { handle: asked.value.handle })).toMatchObject({ code: 'device.removed' })
    expect(await a.begin(id, { code: code() })).toMatchObject({ code: 'device.removed' })
  })

  it.each([
    ['with a blank', (c: string) => `${c.slice(0, 3)} ${c.slice(3)}`],
    ['one digit short', (c: string) => c.slice(1)],
    ['in full-width digits', (c: string) => c.replace(/\d/g, (d) => String.fromCharCode(0xff10 + Number(d)))],
    ['empty', () => ''],
  ])('a code %s is refused like a wrong one, and counted', async (_, write) => {
    const { a, id, code, wrong } = await imported()
    const strange = (await a.begin(id, { code: write(code()) })) as Refusal
    const other = (await a.begin(id, { code: wrong })) as Refusal
    const { lost: _l, attemptsLeft: left, event: e, ...rest } = strange
    const { lost: _m, attemptsLeft: less, event: f, ...same } = other
    expect([rest, left, less, e]).toEqual([same, 4, 3, f])
    expect(await n(a, id)).toBe(2)
  })

  it.each([null, 'x', {}, { code: 123456 }, { code: '123456', more: 1 }, { code: 'x'.repeat(129) }, ['123456']])(
    'a message %o is refused and not counted',
    async (input) => {
      const { a, id } = await imported()
      const answered = await a.begin(id, input)
      if (input === null) expect(answered).toMatchObject({ ok: true, value: { body: { ask: 'code', digits: 6 } } })
      else expect(answered).toMatchObject({ code: 'otp.refused', reason: 'message' })
      expect(await n(a, id)).toBe(0)
    },
  )

  it('a code for no enrolment, or for an id that cannot be one, is refused before any counter', async () => {
    const { w, a, code } = await imported()
    for (const id of [null, '', 'd', '../d', 'AB'.repeat(16), 'ab'.repeat(17)]) {
      const enrolment = id === null ? null : { id, rev: null, value: null }
      expect(await a.begin(null, { code: code() }, { enrolment })).toMatchObject({ code: 'otp.refused', reason: 'enrolment' })
    }
    expect(await w.store.list(usr.part, 'otp/', { now: w.clock(), limit: 9 })).toHaveLength(1)
  })

  it('five wrong codes lock it, also against the right one; an operator’s unlock counts anew', async () => {
    const { w, otp, a, id, code, wrong } = await imported()
    for (let i = 0; i < 4; i++)
      expect(await a.answer(id, { code: wrong })).toMatchObject({ code: 'otp.refused', next: 'retry', attemptsLeft: 3 - i + 1 })
    expect(await a.answer(id, { code: wrong })).toMatchObject({ code: 'authenticator.locked', next: 'removed' })
    expect((await a.enrolled(id)).value).toMatchObject({ status: 'locked', cause: 'attempts' })
    expect(await a.answer(id, { code: code() })).toMatchObject({ code: 'authenticator.locked' })
    const [counter] = await a.record(`otp/${id}`)
    const unlock = planUnlock(await a.enrolled(id), { ...counter!, key: `otp/${id}` })
    await w.store.commit(usr.part, unlock, { now: w.clock(), rev: newRev(random) })
    expect(await a.answer(id, { code: code() })).toMatchObject({ ok: true, value: { facts: { failures: 0 } } })
    const types = (await w.store.outbox!({ now: w.clock(), limit: 100 })).map((r) => decodeEvent(r.value)?.type)
    const of = (type: string) => types.filter((t) => t === type).length
    expect([of('otp.attempted'), of('otp.failed'), of('authenticator.locked'), of('otp.succeeded')]).toEqual([6, 4, 1, 1])
    expect(otp.locked([{ key: '', value: new Uint8Array(0), n: 5, rev: 'a', expiresAt: 0 }])).toBe(true)
    expect(otp.locked([{ key: '', value: new Uint8Array(0), n: 5, rev: 'a', expiresAt: 0 }], 'a')).toBe(false)
    expect(otp.locked([{ key: '', value: new Uint8Array(0), n: 4, rev: 'a', expiresAt: 0 }])).toBe(false)
    expect(otp.locked([null])).toBe(false)
  })

  it('a counter at its end is locked for policy before any commit says so', async () => {
    const { w, otp, a, id } = await imported()
    const [enr] = await a.record(`enr/${id}`)
    const at = { now: w.clock(), rev: newRev(random) }
    for (let i = 0; i < 5; i++) await w.store.commit(usr.part, [{ op: 'add', key: `otp/${id}`, by: 1, max: 5 }], at)
    const registry = createRegistry([otp])
    const watched = watchedKeys(registry, [{ id, type: 'otp' }])
    const recs = (await w.store.read(usr.part, watched, { now: w.clock() })).filter((r) => r !== null)
    const { facts } = factsOf(registry, [enr!, ...recs], { owner: 'usr:ada' })
    expect(facts).toMatchObject({ 'authenticator.usable': [], 'authenticator.locked': ['otp'] })
  })

  it('HOTP: five counters ahead are found, the sixth is not, and none behind', async () => {
    const { a, id } = await imported({ type: 'hotp' })
    const at = (counter: bigint) => a.answer(id, { code: hotp(secret, counter) })
    expect(await at(6n)).toMatchObject({ code: 'otp.refused' })
    expect(await at(5n)).toMatchObject({ ok: true, value: { facts: { failures: 1 } } })
    for (const used of [5n, 4n]) expect(await at(used)).toMatchObject({ code: 'otp.refused' })
    expect(await at(6n)).toMatchObject({ ok: true, value: { facts: { failures: 2 } } })
  })

  it('a secret under an older key is sealed anew when it is used', async () => {
    const w = createWorld()
    const keys = ['0a0a0a0a', '0b0b0b0b'].map((kid) => ({
      kid,
      secret: random(32),
      publishAt: 0,
      activateAt: 0,
      retireAt: 9e15,
      dropAt: 9e15,
    }))
    let active = 0
    const { createSealer } = await import('@postern/core/sealed')
    const ring = {
      active: () => keys[active]!,
      published: () => keys,
      find: (kid: string) => keys.find((k) => k.kid === kid) ?? null,
    }
    const atRest = createSealer({ ring, crypto: w.runtime.crypto, random, clock: w.clock })
    const otp = otpOf(w, { atRest })
    const plan = await importOtp({
      kind: { type: 'totp' },
      secret,
      owner: 'usr:ada',
      place: { tenant: 'bank', issuer },
      atRest,
      runtime: w.runtime,
    })
    await w.store.commit(usr.part, plan.ops, { now: w.clock(), rev: newRev(random) })
    const a = answersOf(w, otp, usr)
    const kid = async () => hex((await a.record(`otp/${plan.id}`))[0]!.value.subarray(10, 14))
    expect(await a.answer(plan.id, { code: totp(secret, { now: w.clock() }) })).toMatchObject({ ok: true })
    expect(await kid()).toBe('0a0a0a0a')
    active = 1
    w.time.now += 30_000
    expect(await a.answer(plan.id, { code: totp(secret, { now: w.clock() }) })).toMatchObject({ ok: true })
    expect(await kid()).toBe('0b0b0b0b')
  })

  it('a removed or locked one says so, and one of another type is none', async () => {
    const { w, otp, a, id, code } = await imported()
    const asked = await a.begin(id, { code: code() })
    if (!asked.ok) throw new Error(asked.code)
    await w.store.commit(usr.part, [planLock(await a.enrolled(id), 'operator')], { now: w.clock(), rev: newRev(random) })
    expect(await a.finish(id, null, { handle: asked.value.handle })).toMatchObject({ code: 'authenticator.locked' })
    const ops = planRemove(await a.enrolled(id), 'user', otp.remove(id))
    await w.store.commit(usr.part, ops, { now: w.clock(), rev: newRev(random) })
    expect(await a.record(`otp/${id}`)).toEqual([null])
    expect(await a.begin(id, { code: code() })).toMatchObject({ code: 'authenticator.removed' })
    const { value } = await a.enrolled(id)
    const pin = { enrolment: { id, rev: 'x', value: { ...value, type: 'pin', status: 'active' as const } } }
    expect(await a.begin(id, { code: code() }, pin)).toMatchObject({ code: 'otp.refused', reason: 'another type' })
    expect(await a.begin(id, null, pin)).toMatchObject({ code: 'otp.refused', reason: 'another type' })
  })

  it('A04 a lock or removal between the try and the accept wins', async () => {
    for (const change of ['lock', 'remove'] as const) {
      const { w, otp, a, id, code } = await imported()
      const asked = await a.begin(id, { code: code() })
      if (!asked.ok) throw new Error(asked.code)
      const verdict = await otp.finish(await a.ceremony('login', id, { handle: asked.value.handle }), null)
      if (!verdict.ok) throw new Error(verdict.code)
      const e = await a.enrolled(id)
      const ops = change === 'lock' ? [planLock(e, 'operator')] : planRemove(e, 'user', otp.remove(id))
      await w.store.commit(usr.part, ops, { now: w.clock(), rev: newRev(random) })
      const done = await w.store.commit(usr.part, verdict.ops, { now: w.clock(), rev: newRev(random) })
      if (done.ok) throw new Error('applied')
      expect(verdict.lost(done.at, done.current)).toMatchObject({
        code: change === 'lock' ? 'authenticator.locked' : 'authenticator.removed',
      })
    }
  })

  it('a rewrite of the enrolment on the way, as by a preference, costs the right code nothing', async () => {
    const { w, otp, a, id, code } = await imported()
    const { planData } = await import('@postern/authenticators/enrolment')
    const c = await a.ceremony('login', id)
    const asked = await a.begin(id, { code: code() })
    if (!asked.ok) throw new Error(asked.code)
    await w.store.commit(usr.part, [planData(await a.enrolled(id), utf8('x'))], { now: w.clock(), rev: newRev(random) })
    const { runFinish } = await import('@postern/authenticators/authenticator')
    expect(await runFinish(otp, { ...c, handle: asked.value.handle }, null, { runtime: w.runtime })).toMatchObject({ ok: true })
  })

  it('short secrets come in by the host’s word alone, and then work', async () => {
    const w = createWorld()
    const short = secret.slice(0, 10)
    const o = {
      kind: { type: 'totp' },
      secret: short,
      owner: 'usr:ada',
      place: { tenant: 'bank', issuer },
      atRest: w.seal,
      runtime: w.runtime,
    } as const
    await expect(importOtp(o)).rejects.toMatchObject({ code: 'otp.key_length' })
    const plan = await importOtp({ ...o, [acceptShortKey]: true })
    await w.store.commit(usr.part, plan.ops, { now: w.clock(), rev: newRev(random) })
    const code = totp(short, { now: w.clock(), [acceptShortKey]: true })
    expect(await answersOf(w, otpOf(w), usr).answer(plan.id, { code })).toMatchObject({ ok: true })
  })

  it('options out of range, and hashes that are not on offer, are refused at once', async () => {
    const w = createWorld()
    for (const bad of [{ maxAttempts: 0 }, { maxAttempts: 11 }, { window: 11 }, { lookAhead: -1 }, { window: 0.5 }])
      expect(() => otpOf(w, bad)).toThrow(RangeError)
    const suite =
      (offer: OtpKind, hashes = [sha1]) =>
      () =>
        otpOf(w, { offer, hashes })
    expect(suite({ type: 'totp', hash: 'SHA256' })).toThrow(/otp.suite/)
    expect(suite({ type: 'totp', periodSec: 0 })).toThrow(/otp.suite/)
    expect(suite({ type: 'ocra', suite: 'OCRA-1:HOTP-SHA1-6:QN08-PSHA1' })).toThrow(/otp.suite/)
    expect(suite({ type: 'ocra', suite: 'OCRA-1:HOTP-SHA1-6:QN08-S064' })).toThrow(/otp.suite/)
    expect(suite({ type: 'ocra', suite: 'x' })).toThrow(/otp.suite/)
    const { a, id } = await imported({ type: 'totp', hash: 'SHA512' }, { hashes: [sha1] })
    await expect(a.begin(id, { code: '123456' })).rejects.toMatchObject({ code: 'otp.suite' })
  })
})

describe('OCRA in the registry', () => {
  const plain = 'OCRA-1:HOTP-SHA1-6:QN08'
  const ask = async (a: Answers, id: string, more: Partial<Ceremony> = {}) => {
    const asked = await a.begin(id, null, more)
    if (!asked.ok) throw new Error(asked.code)
    return { handle: asked.value.handle, question: asked.value.body['question'] as string }
  }

  it('asks a question, which is answered once, however often and however parallel', async () => {
    const { a, id } = await imported({ type: 'ocra', suite: plain }, { maxAttempts: 10 })
    const { handle, question } = await ask(a, id)
    expect(question).toMatch(/^\d{8}$/)
    const code = ocra({ suite: parseOcraSuite(plain), key: secret }, { question })
    const tries = [await a.begin(id, { code }, { handle }), await a.begin(id, { code }, { handle })]
    const done = await Promise.all(tries.map((t) => a.finish(id, null, { handle: t.ok ? t.value.handle : '' })))
    expect(count(done)).toEqual({ ok: 1, 'otp.refused': 1 })
    expect(await a.begin(id, { code }, { handle })).toMatchObject({ ok: true })
    expect(await a.answer(id, { code }, { handle })).toMatchObject({ ok: false })
    const second = await ask(a, id)
    expect(second.question).not.toBe(question)
    expect(await a.begin(id, { code }, { handle: second.handle })).toMatchObject({ code: 'otp.refused' })
  })

  it('without its question, or with one of another ceremony, nothing is counted', async () => {
    const { w, a, id } = await imported({ type: 'ocra', suite: plain })
    const { handle } = await ask(a, id)
    for (const more of [{}, { handle: 'x' }, { handle, at: 'step-up' as const }, { handle, app: 'other', bind: random(32) }])
      expect(await a.begin(id, { code: '123456' }, more)).toMatchObject({ code: 'otp.refused' })
    w.time.now += 300_000
    expect(await a.begin(id, { code: '123456' }, { handle })).toMatchObject({ code: 'otp.expired' })
    expect(await n(a, id)).toBe(0)
  })

  it('with a counter the counter remembers the code', async () => {
    const text = 'OCRA-1:HOTP-SHA1-8:C-QH10'
    const { a, id } = await imported({ type: 'ocra', suite: text })
    const { handle, question } = await ask(a, id)
    expect(question).toMatch(/^[0-9A-F]{10}$/)
    const code = ocra({ suite: parseOcraSuite(text), key: secret }, { question, counter: 3n })
    expect(await a.answer(id, { code }, { handle })).toMatchObject({ ok: true })
    expect(await a.answer(id, { code }, { handle })).toMatchObject({ code: 'otp.refused' })
  })

  it('A18 confirms exactly what it is bound to, and only where all of it stands in the question', async () => {
    const text = 'OCRA-1:HOTP-SHA1-6:QH64'
    const { a, id } = await imported({ type: 'ocra', suite: text })
    const bind = random(32)
    const { handle, question } = await ask(a, id, { bind, purpose: 'confirm' })
    expect(question).toBe(hex(bind).toUpperCase())
    const code = ocra({ suite: parseOcraSuite(text), key: secret }, { question })
    expect(await a.begin(id, { code }, { handle, bind: random(32), purpose: 'confirm' })).toMatchObject({ code: 'otp.refused' })
    expect(await a.answer(id, { code }, { handle, bind, purpose: 'confirm' })).toMatchObject({ ok: true })
    for (const suite of [plain, 'OCRA-1:HOTP-SHA1-6:QH63', 'OCRA-1:HOTP-SHA1-6:QN64']) {
      const weak = await imported({ type: 'ocra', suite })
      expect(await weak.a.begin(weak.id, null, { bind })).toMatchObject({ code: 'otp.refused' })
    }
    const clock = await imported()
    expect(await clock.a.begin(clock.id, { code: clock.code() }, { bind })).toMatchObject({ code: 'otp.refused' })
    expect(await n(clock.a, clock.id)).toBe(0)
  })

  it('enrols by its first answer', async () => {
    const w = createWorld()
    const a = answersOf(w, otpOf(w, { offer: { type: 'ocra', suite: plain } }), usr)
    const offered = await a.begin(null, null, { at: 'enrol' })
    if (!offered.ok) throw new Error(offered.code)
    const { secret: text, suite, question } = offered.value.body as { secret: string; suite: string; question: string }
    const key = decodeBase32(text.toLowerCase())!
    const code = ocra({ suite: parseOcraSuite(suite), key }, { question })
    expect(await a.finish(null, { code }, { at: 'enrol', handle: offered.value.handle })).toMatchObject({ ok: true })
  })
})
