/// <reference types="node" />
import { commitRefusal, runBegin, runFinish } from '@postern/authenticators/authenticator'
import { hotp } from '@postern/authenticators/otp/hotp'
import { createOtp, importOtp, type OtpKind, type OtpOptions } from '@postern/authenticators/otp/server'
import { totp } from '@postern/authenticators/otp/totp'
import { utf8 } from '@postern/core/bytes'
import { newRev, type Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { faultyStore } from '@postern/testkit/faulty'
import { describe, expect, it } from 'vitest'
import { type Answers, answersOf, count, type Place } from '../answers.js'
import { createWorld, issuer, random, type World } from '../world.js'

const secret = utf8('12345678901234567890')
const usr: Place = { part: { tenant: 'bank', id: 'usr:ada' }, about: { device: null, proven: ['pin'] } }

async function bank(
  o: Partial<OtpOptions> & { kind?: OtpKind; w?: World; place?: Place; store?: Store } = {},
): Promise<{ w: World; a: Answers; id: string; otp: ReturnType<typeof createOtp>; code(): string; wrong(): string }> {
  const { kind = { type: 'totp' }, w = createWorld(), place = usr, store, ...options } = o
  const { seal, runtime } = w
  const otp = createOtp({ seal, atRest: seal, runtime, ...options })
  const plan = await importOtp({
    kind,
    secret,
    owner: 'usr:ada',
    place: { tenant: place.part.tenant, issuer },
    atRest: seal,
    runtime,
  })
  await w.store.commit(place.part, plan.ops, { now: w.clock(), rev: newRev(random) })
  const code = () => totp(secret, { now: w.clock() })
  const wrong = () => (Number(code()) + 500_000).toString().slice(-6).padStart(6, '0')
  return { w, a: answersOf(w, otp, place, store), id: plan.id, otp, code, wrong }
}

describe('attacks on OTP', () => {
  it('A01 brute force, 50 guesses in parallel with N = 5: five are compared, then it is locked', async () => {
    const { a, id, wrong, code } = await bank()
    const all = await Promise.all(Array.from({ length: 50 }, () => a.begin(id, { code: wrong() })))
    const { 'otp.refused': refused, 'authenticator.locked': locked } = count(all)
    // The fifth wrong one is the lock; whoever comes later finds it.
    expect([refused, locked]).toEqual([4, 46])
    expect((await a.enrolled(id)).value.status).toBe('locked')
    expect((await a.record(`otp/${id}`))[0]!.n).toBe(5)
    expect(await a.answer(id, { code: code() })).toMatchObject({ code: 'authenticator.locked' })
  })

  it('A02 no crash or lost answer gives a try back, over 40 seeds of a lying network', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const w = createWorld({ store: memoryStore() })
      const store = faultyStore(w.store, { seed })
      const { a, id, wrong } = await bank({ w, store })
      const all = await Promise.all(
        Array.from({ length: 12 }, () =>
          a.begin(id, { code: wrong() }).catch((e: { code: string }) => ({ ok: false as const, code: e.code })),
        ),
      )
      await store.drain()
      const compared = all.filter((r) => !r.ok && r.code === 'otp.refused').length
      expect(compared, `seed ${seed}`).toBeLessThanOrEqual(5)
      expect((await a.record(`otp/${id}`))[0]!.n).toBeGreaterThanOrEqual(Math.min(5, compared))
    }
  })

  it('A03 neither another account’s success nor a second secret, nor a time jump resets the counter', async () => {
    const w = createWorld()
    const first = await bank({ w })
    const second = await bank({ w })
    const other = await bank({ w, place: { ...usr, part: { tenant: 'bank', id: 'usr:eve' } } })
    for (let i = 0; i < 3; i++) await first.a.answer(first.id, { code: first.wrong() })
    expect(await second.a.answer(second.id, { code: second.code() })).toMatchObject({ ok: true })
    expect(await other.a.answer(other.id, { code: other.code() })).toMatchObject({ ok: true })
    w.time.now += 400 * 86_400_000
    expect((await first.a.record(`otp/${first.id}`))[0]!.n).toBe(3)
    await first.a.answer(first.id, { code: first.wrong() })
    expect(await first.a.answer(first.id, { code: first.wrong() })).toMatchObject({ code: 'authenticator.locked' })
  })

  it('A03 a clock that goes back makes no used step new', async () => {
    const { w, a, id, code } = await bank()
    const used = code()
    expect(await a.answer(id, { code: used })).toMatchObject({ ok: true })
    w.time.now -= 30_000
    expect(await a.answer(id, { code: used })).toMatchObject({ code: 'otp.refused' })
    expect(await a.answer(id, { code: code() })).toMatchObject({ code: 'otp.refused' })
  })

  it('A05 I7 a stranger, who proved nothing before, changes no counter', async () => {
    const { a, id, code, wrong } = await bank({ place: { ...usr, about: { device: null } } })
    for (let i = 0; i < 20; i++)
      expect(await a.begin(id, { code: wrong() })).toMatchObject({ code: 'otp.refused', reason: 'nothing was proven before' })
    expect(await a.begin(id, { code: code() }, { proven: [] })).toMatchObject({ code: 'otp.refused' })
    expect((await a.record(`otp/${id}`))[0]!.n).toBe(0)
    expect(await a.answer(id, { code: code() }, { proven: ['pin'] })).toMatchObject({ ok: true })
  })

  it('A06 a secret that does not exist answers as one that does: codes, texts, counts and lock', async () => {
    const { w, a, id, wrong, otp } = await bank()
    const unknown = '0'.repeat(32)
    const bare = async (e: string) => {
      const answered = await a.begin(e, { code: wrong() })
      if (answered.ok) throw new Error('accepted')
      const { code, reason, next, attemptsLeft } = answered
      return { code, reason, next, attemptsLeft }
    }
    for (let i = 0; i < 7; i++) {
      const real = await bare(id)
      const ghost = await bare(unknown)
      expect(ghost).toEqual(real)
    }
    const [begun, ghost] = [await a.begin(id, null), await a.begin(unknown, null)]
    if (!begun.ok || !ghost.ok) throw new Error('begin')
    expect(Object.keys(ghost.value.body)).toEqual(Object.keys(begun.value.body))
    expect(ghost.value.handle).toHaveLength(begun.value.handle.length)
    w.time.now += 86_400_000
    expect(await a.record(`otp/${unknown}`)).toEqual([null])
    expect(otp.locked(await a.record(`otp/${unknown}`))).toBe(false)
  })

  it('A06 the code of the secret that stands in for one that does not exist is refused all the same', async () => {
    const { w, a } = await bank()
    const zeros = totp(new Uint8Array(20), { now: w.clock() })
    expect(await a.begin('0'.repeat(32), { code: zeros })).toMatchObject({ code: 'otp.refused' })
  })

  it('A06 a secret that does not exist is opened as one that does, in every tenant', async () => {
    const w = createWorld()
    let opened = 0
    let sealed = 0
    const atRest = {
      ...w.seal,
      open(...args: Parameters<typeof w.seal.open>) {
        opened++
        return w.seal.open(...args)
      },
      seal(...args: Parameters<typeof w.seal.seal>) {
        sealed++
        return w.seal.seal(...args)
      },
    }
    const { a, id, wrong, otp } = await bank({ w, atRest })
    const tried = async (answers: typeof a, e: string) => {
      const before = opened
      expect(await answers.begin(e, { code: wrong() })).toMatchObject({ code: 'otp.refused' })
      return opened - before
    }
    expect([await tried(a, id), await tried(a, '0'.repeat(32)), await tried(a, '1'.repeat(32))]).toEqual([1, 1, 1])
    const other = answersOf(w, otp, { ...usr, part: { tenant: 'two', id: 'usr:ada' } })
    expect(await tried(other, '0'.repeat(32))).toBe(1)
    expect(sealed).toBe(2) // one that nobody has, for each tenant
  })

  it('A01 the lock of the last wrong guess loses to a right code that was accepted meanwhile', async () => {
    const { w, a, id, otp, code, wrong } = await bank({ maxAttempts: 2 })
    const right = await a.begin(id, { code: code() })
    if (!right.ok) throw new Error(right.code)
    const c = await a.ceremony('login', id)
    const step = await otp.begin(c, { code: wrong() })
    if (!step.ok) throw new Error(step.code)
    const done = await w.store.commit(usr.part, step.ops, { now: w.clock(), rev: newRev(random) })
    if (!done.ok) throw new Error('lost')
    const refusal = await step.reply(done.recs)
    if (!('ok' in refusal)) throw new Error('accepted')
    expect(refusal.code).toBe('authenticator.locked')
    expect(await a.finish(id, null, { handle: right.value.handle })).toMatchObject({ ok: true })
    expect(await commitRefusal(c, refusal, { runtime: w.runtime })).toMatchObject({
      code: 'authenticator.superseded',
      next: 'again',
    })
    expect((await a.enrolled(id)).value.status).toBe('active')
  })

  it('A07 the same TOTP ten times in parallel: one success', async () => {
    const { a, id, code } = await bank({ maxAttempts: 10 })
    const all = await Promise.all(Array.from({ length: 10 }, () => a.answer(id, { code: code() })))
    expect(count(all)['ok']).toBe(1)
    // Those whose revision moved twice are told to look again, and then find the step used.
    for (const r of all) if (!r.ok) expect(['otp.refused', 'authenticator.superseded', 'authenticator.locked']).toContain(r.code)
  })

  it('A07 a code is used up, and so are all before it', async () => {
    const { w, a, id, code } = await bank()
    const before = totp(secret, { now: w.clock() - 30_000 })
    expect(await a.answer(id, { code: code() })).toMatchObject({ ok: true })
    for (const used of [code(), before]) expect(await a.answer(id, { code: used })).toMatchObject({ code: 'otp.refused' })
  })

  it('A07 two right codes at once, this step’s and the next: both are good or the older one loses, and neither works again', async () => {
    const { w, a, id, code } = await bank()
    const next = totp(secret, { now: w.clock() + 30_000 })
    const asked = [await a.begin(id, { code: code() }), await a.begin(id, { code: next })]
    const [older, newer] = asked.map((r) => (r.ok ? r.value.handle : ''))
    expect(await a.finish(id, null, { handle: newer! })).toMatchObject({ ok: true })
    expect(await a.finish(id, null, { handle: older! })).toMatchObject({ code: 'otp.refused', reason: 'step used' })
  })

  it('A07 a wrong guess at the same moment does not cost the honest user the right code', async () => {
    const { a, id, code, wrong } = await bank()
    const right = await a.begin(id, { code: code() })
    if (!right.ok) throw new Error(right.code)
    expect(await a.begin(id, { code: wrong() })).toMatchObject({ code: 'otp.refused' })
    expect(await a.finish(id, null, { handle: right.value.handle })).toMatchObject({ ok: true })
    expect((await a.record(`otp/${id}`))[0]!.n).toBe(0)
    expect(await a.finish(id, null, { handle: right.value.handle })).toMatchObject({ code: 'otp.refused', reason: 'step used' })
  })

  it('A07 guesses between the two commits of the second try: told to look again, and then in', async () => {
    const { w, a, id, otp, code, wrong } = await bank()
    const right = await a.begin(id, { code: code() })
    if (!right.ok) throw new Error(right.code)
    // A store in front of which a guess is always quicker.
    let guesses = 2
    const store: Store = {
      ...w.store,
      async commit(part, ops, o) {
        if (guesses-- > 0) await a.begin(id, { code: wrong() })
        return w.store.commit(part, ops, o)
      },
    }
    const c = await a.ceremony('login', id, { handle: right.value.handle })
    const lost = await runFinish(otp, c, null, { runtime: { ...w.runtime, store } })
    expect(lost).toMatchObject({ code: 'authenticator.superseded', next: 'again' })
    expect(await runFinish(otp, c, null, { runtime: w.runtime })).toMatchObject({ ok: true })
  })

  it('A07 what was accepted for one ceremony fits no other user, tenant, device, purpose, secret or app’s bind', async () => {
    const w = createWorld()
    const { a, id, code, otp } = await bank({ w })
    const second = await bank({ w })
    const asked = await a.begin(id, { code: code() })
    if (!asked.ok) throw new Error(asked.code)
    const { handle } = asked.value
    const d = await w.device('d1')
    const device = { id: 'd1', rev: 'x', key: d.jwk, keyLevel: 'hardware' as const }
    const here = await a.ceremony('login', id, { handle })
    const swaps = [
      { ...here, purpose: 'step-up' as const },
      { ...here, tenant: 'other' },
      { ...here, issuer: 'https://other.example' },
      { ...here, device },
      { ...here, part: { tenant: 'bank', id: 'dev:d1' }, device },
      { ...here, bind: random(32) },
      await a.ceremony('login', second.id, { handle }),
    ]
    for (const c of swaps) expect(await runFinish(otp, c, null, { runtime: w.runtime })).toMatchObject({ code: 'otp.refused' })
    const flipped = `${handle.slice(0, 60)}${handle[60] === 'A' ? 'B' : 'A'}${handle.slice(61)}`
    for (const bad of ['', 'x', flipped, handle.slice(0, -2)])
      expect(await runFinish(otp, { ...here, handle: bad }, null, { runtime: w.runtime })).toMatchObject({ code: 'otp.refused' })
    const begun = await a.begin(id, null)
    const { handle: other } = (begun.ok ? begun.value : { handle: '' }) as { handle: string }
    expect(await runFinish(otp, { ...here, handle: other }, null, { runtime: w.runtime })).toMatchObject({ code: 'otp.refused' })
    expect(await runFinish(otp, here, { code: code() }, { runtime: w.runtime })).toMatchObject({ code: 'otp.refused' })
    expect(await runFinish(otp, here, null, { runtime: w.runtime })).toMatchObject({ ok: true })
  })

  it('A07 an accepted code waits a minute for its finish, no longer', async () => {
    const { w, a, id, code } = await bank()
    const asked = await a.begin(id, { code: code() })
    if (!asked.ok) throw new Error(asked.code)
    w.time.now += 60_000
    expect(await a.finish(id, null, { handle: asked.value.handle })).toMatchObject({ code: 'otp.expired' })
  })

  it('A08 a sealed secret moved to another enrolment, tenant or issuer does not open', async () => {
    const w = createWorld()
    const { a, id, code } = await bank({ w })
    const victim = await bank({ w, kind: { type: 'hotp' } })
    const [mine] = await a.record(`otp/${id}`)
    await w.store.commit(usr.part, [{ op: 'put', key: `otp/${victim.id}`, value: mine!.value }], {
      now: w.clock(),
      rev: newRev(random),
    })
    await expect(victim.a.begin(victim.id, { code: hotp(secret, 0n) })).rejects.toMatchObject({ code: 'store.corrupt' })
    await expect(a.begin(id, { code: code() }, { issuer: 'https://other.example' })).rejects.toMatchObject({
      code: 'store.corrupt',
    })
  })

  it('I8 a store that is down, or an unknown outcome, answers nothing; what is unknown may be spent', async () => {
    const { w, a, id, otp, code } = await bank()
    for (const [plan, errorCode, spent] of [
      [{ dropBefore: 1 }, 'store.unavailable', 0],
      [{ dropAfter: 1 }, 'store.outcome_unknown', 1],
    ] as const) {
      const runtime = { ...w.runtime, store: faultyStore(w.store, { seed: 1, plan }) }
      const c = await a.ceremony('login', id)
      await expect(runBegin(otp, c, { code: code() }, { runtime })).rejects.toMatchObject({ code: errorCode })
      expect((await a.record(`otp/${id}`))[0]!.n).toBe(spent)
    }
    expect(await a.answer(id, { code: code() })).toMatchObject({ ok: true })
  })
})
