/// <reference types="node" />
import { runFinish } from '@postern/authenticators/authenticator'
import { planLock, planRemove } from '@postern/authenticators/enrolment'
import { type CodeMessage, createSentCode, type SentCodeOptions } from '@postern/authenticators/sentCode'
import { fromUtf8, hex, utf8 } from '@postern/core/bytes'
import { decodeEvent } from '@postern/core/events'
import { newRev } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { faultyStore } from '@postern/testkit/faulty'
import { describe, expect, it } from 'vitest'
import { type Answers, answersOf, count, got, type Place, timer } from '../answers.js'
import { createWorld, crypto, random, type World } from '../world.js'

const usr: Place = { part: { tenant: 'bank', id: 'usr:ada' }, about: { device: null, proven: ['pin'] } }

interface Bank {
  readonly w: World
  readonly a: Answers
  readonly id: string
  readonly code: ReturnType<typeof createSentCode>
  readonly messages: CodeMessage[]
  /** Begins, and gives the handle and the code that arrived. */
  send(more?: object): Promise<{ handle: string; code: string }>
}

async function bank(o: Partial<SentCodeOptions> & { w?: World; place?: Place } = {}): Promise<Bank> {
  const { w = createWorld(), place = usr, ...options } = o
  const messages: CodeMessage[] = []
  const code = createSentCode({
    deliver: async (message) => void messages.push(message),
    timer,
    secrets: { secret: (label) => crypto.digest('SHA-256', utf8(label)) },
    seal: w.seal,
    runtime: w.runtime,
    ...options,
  })
  const a = answersOf(w, code, place)
  const sent = got(await a.begin(null, null, { at: 'enrol' }))
  const asked = got(await a.begin(null, { code: messages[0]!.code }, { at: 'enrol', handle: sent.handle }))
  got(await a.finish(null, null, { at: 'enrol', handle: asked.handle }))
  await a.confirm(sent.enrolment)
  const id = sent.enrolment
  await w.store.commit(place.part, [{ op: 'del', key: 'sent' }], { now: w.clock(), rev: newRev(random) })
  async function send(more = {}) {
    const { handle } = got(await a.begin(id, null, more))
    return { handle, code: messages.at(-1)!.code }
  }
  return { w, a, id, code, messages, send }
}

const wrongOf = (code: string): string => ((Number(code) + 1) % 1_000_000).toString().padStart(6, '0')
const keysOf = async (w: World): Promise<string[]> =>
  (await w.store.list(usr.part, 'sc/', { now: w.clock(), limit: 64 })).map((r) => r.key)

describe('codes that the host delivers', () => {
  it('enrols by a code that arrived, logs in by another, and each works once', async () => {
    const { a, id, messages, send } = await bank()
    expect(messages[0]).toMatchObject({
      tenant: 'bank',
      app: 'retail',
      purpose: 'enrol',
      owner: 'usr:ada',
      data: new Uint8Array([1, 2]),
    })
    expect((await a.enrolled(id)).value).toMatchObject({ type: 'code', status: 'active', owner: 'usr:ada' })
    const { handle, code } = await send()
    expect(code).toMatch(/^\d{6}$/)
    expect(messages[1]).toMatchObject({ purpose: 'login', enrolment: id, bind: null })
    const asked = got(await a.begin(id, { code }, { handle }))
    expect(got(await a.finish(id, null, { handle: asked.handle }))).toMatchObject({
      amr: ['sms'],
      proof: null,
      facts: { failures: 0 },
    })
    expect(await a.finish(id, null, { handle: asked.handle })).toMatchObject({ code: 'otp.refused', reason: 'code used' })
    expect(await a.begin(id, { code }, { handle })).toMatchObject({ code: 'otp.refused' })
  })

  it('I3 a code that was taken is not taken again, whatever is tried in between', async () => {
    const { a, id, send } = await bank()
    const { handle, code } = await send()
    const asked = got(await a.begin(id, { code }, { handle }))
    got(await a.finish(id, null, { handle: asked.handle }))
    expect(await a.begin(id, { code: wrongOf(code) }, { handle })).toMatchObject({ code: 'otp.refused' })
    expect(await a.finish(id, null, { handle: asked.handle })).toMatchObject({ code: 'otp.refused', reason: 'code used' })
  })

  it('says `otp` where it is no SMS', async () => {
    const { a, id, send } = await bank({ amr: 'otp' })
    const { handle, code } = await send()
    const asked = got(await a.begin(id, { code }, { handle }))
    expect(got(await a.finish(id, null, { handle: asked.handle })).amr).toEqual(['otp'])
  })

  it('I9 the code is in the message alone: in no record, event or answer', async () => {
    const { w, a, id, send, messages } = await bank()
    const { handle, code } = await send()
    await a.begin(id, { code: wrongOf(code) }, { handle })
    const all = await w.store.list(usr.part, '', { now: w.clock(), limit: 64 })
    expect(all.some((r) => r.key.startsWith('sc/'))).toBe(true)
    for (const rec of all) {
      const text = `${rec.key} ${fromUtf8(rec.value) ?? ''} ${hex(rec.value)}`
      for (const { code } of messages) expect(text).not.toContain(code)
    }
    expect(handle).not.toContain(code)
  })

  it('the commits are send, try and accept, as they are written down', async () => {
    const { w, a, id, code: authenticator, send } = await bank()
    const c = await a.ceremony('login', id)
    const first = await authenticator.begin(c, null)
    if (!first.ok) throw new Error(first.code)
    expect(first.ops.map(({ op, key }) => `${op} ${key.replace(/sc\/.*/, 'sc/id')}`)).toEqual([
      `check enr/${id}`,
      'put sc/id',
      'add sent',
    ])
    expect(first.ops[2]).toEqual({ op: 'add', key: 'sent', by: 1, max: 5, expiresAt: w.clock() + 3_600_000 })
    const { handle, code } = await send()
    const step = await authenticator.begin({ ...c, handle }, { code })
    if (!step.ok) throw new Error(step.code)
    expect(step.ops.map(({ op, key }) => `${op} ${key.slice(0, 3)}`)).toEqual(['check enr', 'add sc/'])
    expect(step.ops[1]).toMatchObject({ by: 1, max: 3 })
    const asked = got(await a.begin(id, { code }, { handle }))
    const verdict = await authenticator.finish({ ...c, handle: asked.handle }, null)
    if (!verdict.ok) throw new Error(verdict.code)
    expect(verdict.ops.map(({ op, key }) => `${op} ${key.slice(0, 3)}`)).toEqual(['check enr', 'del sc/'])
  })

  it('five messages an hour, in parallel too, and then none until the hour is over', async () => {
    const { w, a, id, messages } = await bank()
    const all = await Promise.all(Array.from({ length: 20 }, () => a.begin(id, null)))
    expect(count(all)).toEqual({ ok: 5, 'otp.too_many': 15 })
    expect(messages).toHaveLength(6)
    w.time.now += 3_599_999
    expect(await a.begin(id, null)).toMatchObject({ code: 'otp.too_many', next: 'retry' })
    w.time.now += 1
    expect(await a.begin(id, null)).toMatchObject({ ok: true })
  })

  it('a code sent later leaves the earlier ones good for their own three tries', async () => {
    const { a, id, send } = await bank()
    const first = await send()
    await send()
    expect(await a.begin(id, { code: first.code }, { handle: first.handle })).toMatchObject({ ok: true })
  })

  it.each([
    ['throws', () => Promise.reject(new Error('no route to +41 79 000 00 00')), 'threw'],
    [
      'throws at once',
      () => {
        throw new Error('x')
      },
      'threw',
    ],
    ['hangs', () => new Promise<void>(() => {}), 'late'],
  ] as const)('a delivery that %s is told, counted and says nothing of the address', async (_, deliver, why) => {
    const w = createWorld()
    const { a, id } = await bank({ w })
    const failing = createSentCode({
      deliver,
      deadlineMs: 100,
      timer,
      secrets: { secret: (label) => crypto.digest('SHA-256', utf8(label)) },
      seal: w.seal,
      runtime: w.runtime,
    })
    const b = answersOf(w, failing, usr)
    for (let i = 0; i < 5; i++) expect(await b.begin(id, null)).toMatchObject({ code: 'otp.undelivered', next: 'retry' })
    expect(await a.begin(id, null)).toMatchObject({ code: 'otp.too_many' })
    const events = (await w.store.outbox!({ now: w.clock(), limit: 100 })).map((r) => decodeEvent(r.value)!)
    const told = events.filter((e) => e.reason === 'undelivered')
    expect(told).toHaveLength(5)
    expect(told[0]).toMatchObject({ type: 'otp.failed', outcome: 'failure', authenticator: id, detail: { why } })
    expect(JSON.stringify(events)).not.toContain('+41')
  })

  it('the signal is aborted when delivery takes too long', async () => {
    const w = createWorld()
    const { id } = await bank({ w })
    let aborted = false
    const slow = createSentCode({
      deliver: ({ signal }) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            aborted = true
            reject(new Error('late'))
          }),
        ),
      deadlineMs: 100,
      timer,
      secrets: { secret: (label) => crypto.digest('SHA-256', utf8(label)) },
      seal: w.seal,
      runtime: w.runtime,
    })
    expect(await answersOf(w, slow, usr).begin(id, null)).toMatchObject({ code: 'otp.undelivered' })
    expect(aborted).toBe(true)
  })

  it('a code lives five minutes', async () => {
    const { w, a, id, send } = await bank()
    const { handle, code } = await send()
    w.time.now += 300_000
    expect(await a.begin(id, { code }, { handle })).toMatchObject({ code: 'otp.expired' })
    expect(await keysOf(w)).toEqual([])
  })

  it.each([null, {}, { code: 1 }, { code: '1', x: 1 }, 'x'])('a message %o is no code and counts for none', async (input) => {
    const { w, a, id, send } = await bank()
    const { handle } = await send()
    const answered = await a.begin(id, input, { handle })
    if (input !== null) expect(answered).toMatchObject({ code: 'otp.refused', reason: 'message' })
    const recs = await w.store.list(usr.part, 'sc/', { now: w.clock(), limit: 64 })
    expect(recs.every((r) => r.n === 0)).toBe(true)
  })

  it('an enrolment that is removed, locked or of another type sends nothing; one that is not there answers alike', async () => {
    const { w, a, id, code, messages } = await bank()
    const [known, unknown] = [got(await a.begin(id, null)), got(await a.begin('0'.repeat(32), null))]
    expect(Object.keys(unknown.body)).toEqual(Object.keys(known.body))
    expect(unknown.handle).toHaveLength(known.handle.length)
    expect(messages).toHaveLength(2)
    expect(await a.begin('0'.repeat(32), { code: '000000' }, { handle: unknown.handle })).toMatchObject({
      code: 'otp.refused',
      attemptsLeft: 2,
    })
    const { value } = await a.enrolled(id)
    expect(await a.begin(id, null, { enrolment: { id, rev: 'x', value: { ...value, type: 'otp' } } })).toMatchObject({
      code: 'otp.refused',
    })
    await w.store.commit(usr.part, [planLock(await a.enrolled(id), 'operator')], { now: w.clock(), rev: newRev(random) })
    expect(await a.begin(id, null)).toMatchObject({ code: 'authenticator.locked' })
    await w.store.commit(usr.part, planRemove(await a.enrolled(id), 'user', code.remove(id)), {
      now: w.clock(),
      rev: newRev(random),
    })
    expect(await a.begin(id, null)).toMatchObject({ code: 'authenticator.removed' })
    expect(messages).toHaveLength(2)
  })

  it('a claim is needed to enrol, at both ends', async () => {
    const { w, a, messages } = await bank()
    expect(
      await a.begin(null, null, { at: 'enrol', claim: { until: w.clock(), owner: 'usr:ada', data: utf8('') } }),
    ).toMatchObject({ code: 'enrolment.expired' })
    const sent = got(await a.begin(null, null, { at: 'enrol' }))
    const asked = got(await a.begin(null, { code: messages.at(-1)!.code }, { at: 'enrol', handle: sent.handle }))
    const late = { at: 'enrol' as const, handle: asked.handle, claim: { until: w.clock(), owner: 'usr:ada', data: utf8('') } }
    expect(await a.finish(null, null, late)).toMatchObject({ code: 'enrolment.expired' })
  })

  it('limits out of range are refused at once', async () => {
    for (const bad of [{ maxSent: 0 }, { maxSent: 21 }, { maxTries: 6 }, { lifeMs: 59_999 }, { deadlineMs: 99 }])
      await expect(bank(bad)).rejects.toThrow(RangeError)
  })

  it('codes are evenly drawn from what the host calls random', async () => {
    const words = [0xffffffff, 4_294_000_000, 4_293_999_999, 7]
    const w = createWorld()
    const drawn: string[] = []
    const code = createSentCode({
      deliver: async (m) => void drawn.push(m.code),
      timer,
      secrets: { secret: (label) => crypto.digest('SHA-256', utf8(label)) },
      seal: w.seal,
      runtime: {
        ...w.runtime,
        random(n) {
          const bytes = random(n)
          if (n === 4) new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, words.shift()!)
          return bytes
        },
      },
    })
    const a = answersOf(w, code, usr)
    for (let i = 0; i < 2; i++) got(await a.begin(null, null, { at: 'enrol' }))
    // 2^32 - 2^32 mod 10^6 = 4,294,000,000: it and what lies above are drawn again.
    expect(drawn).toEqual(['999999', '000007'])
    // The same code twice does not show in the store.
    words.push(7)
    got(await a.begin(null, null, { at: 'enrol' }))
    const kept = (await w.store.list(usr.part, 'sc/', { now: w.clock(), limit: 64 })).map((r) => hex(r.value))
    expect([drawn.at(-1), new Set(kept).size]).toEqual(['000007', 3])
  })
})

describe('attacks on sent codes', () => {
  it('A01 three tries of a code, 50 in parallel, then it is spent, also for the right one', async () => {
    const { a, id, send } = await bank()
    const { handle, code } = await send()
    const all = await Promise.all(Array.from({ length: 50 }, () => a.begin(id, { code: wrongOf(code) }, { handle })))
    expect(count(all)).toEqual({ 'otp.refused': 3, 'otp.expired': 47 })
    expect(await a.begin(id, { code }, { handle })).toMatchObject({ code: 'otp.expired' })
  })

  it('A02 no crash or lost answer gives a try back, over 40 seeds of a lying network', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const w = createWorld({ store: memoryStore() })
      const { id, code, send } = await bank({ w })
      const sent = await send()
      const store = faultyStore(w.store, { seed })
      const a = answersOf(w, code, usr, store)
      const tries = Array.from({ length: 10 }, () =>
        a
          .begin(id, { code: wrongOf(sent.code) }, { handle: sent.handle })
          .catch((e: { code: string }) => ({ ok: false as const, code: e.code })),
      )
      const all = await Promise.all(tries)
      await store.drain()
      expect(all.filter((r) => !r.ok && r.code === 'otp.refused').length, `seed ${seed}`).toBeLessThanOrEqual(3)
    }
  })

  it('A05 I7 a stranger sends nothing and tries nothing', async () => {
    const { w, a, id, messages, send } = await bank()
    const { handle, code } = await send()
    const before = messages.length
    for (const proven of [undefined, []] as const) {
      const stranger = { proven: proven ?? [] }
      expect(await a.begin(id, null, stranger)).toMatchObject({ code: 'otp.refused' })
      expect(await a.begin(id, { code }, { ...stranger, handle })).toMatchObject({ code: 'otp.refused' })
    }
    expect(messages).toHaveLength(before)
    expect((await w.store.list(usr.part, 'sc/', { now: w.clock(), limit: 64 })).every((r) => r.n === 0)).toBe(true)
  })

  it('A07 the right code 20 times in parallel: one success', async () => {
    const { a, id, send } = await bank({ maxTries: 5 })
    const { handle, code } = await send()
    const asked = await Promise.all(Array.from({ length: 5 }, () => a.begin(id, { code }, { handle })))
    const handles = asked.flatMap((r) => (r.ok ? [r.value.handle, r.value.handle, r.value.handle, r.value.handle] : []))
    expect(handles).toHaveLength(20)
    const done = await Promise.all(handles.map((h) => a.finish(id, null, { handle: h })))
    expect(count(done)['ok']).toBe(1)
  })

  it('A07 a wrong guess at the same moment does not cost the honest user the right code', async () => {
    const { a, id, send } = await bank()
    const { handle, code } = await send()
    const right = got(await a.begin(id, { code }, { handle }))
    await a.begin(id, { code: wrongOf(code) }, { handle })
    expect(await a.finish(id, null, { handle: right.handle })).toMatchObject({ ok: true })
  })

  it('A07 a code fits no other purpose, bind, device, app, tenant or enrolment, and none of it costs a try', async () => {
    const w = createWorld()
    const { a, id, code: authenticator, send } = await bank({ w })
    const second = await bank({ w })
    const bind = random(32)
    const { handle, code } = await send({ bind, purpose: 'confirm' })
    const d = await w.device('d1')
    const device = { id: 'd1', rev: 'x', key: d.jwk, keyLevel: 'hardware' as const }
    const c = { bind, purpose: 'confirm' as const, handle }
    const swaps = [
      { ...c, purpose: 'login' as const },
      { ...c, bind: null },
      { ...c, bind: random(32) },
      { ...c, device },
      { ...c, tenant: 'other' },
      { ...c, issuer: 'https://other.example' },
    ]
    for (const more of swaps) expect(await a.begin(id, { code }, more)).toMatchObject({ code: 'otp.refused', reason: 'handle' })
    expect(await a.begin(second.id, { code }, c)).toMatchObject({ code: 'otp.refused', reason: 'handle' })
    // The app is no part of the handle but of the HMAC: a try is a try.
    expect(await a.begin(id, { code }, { ...c, app: 'corporate' })).toMatchObject({
      code: 'otp.refused',
      reason: 'code',
      attemptsLeft: 2,
    })
    const asked = got(await a.begin(id, { code }, c))
    const here = await a.ceremony('confirm', id, { bind, handle: asked.handle })
    for (const swapped of [
      { ...here, purpose: 'login' as const },
      { ...here, bind: null },
      { ...here, handle },
      { ...here, handle: 'x' },
    ])
      expect(await runFinish(authenticator, swapped, null, { runtime: w.runtime })).toMatchObject({ code: 'otp.refused' })
    expect(await runFinish(authenticator, here, null, { runtime: w.runtime })).toMatchObject({ ok: true })
  })
})
