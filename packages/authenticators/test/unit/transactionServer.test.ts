/// <reference types="node" />
import { type Ceremony, runBegin, runFinish, type Success } from '@postern/authenticators/authenticator'
import { answerKeyEnrolment } from '@postern/authenticators/deviceKey/client'
import { lockDevice } from '@postern/authenticators/devices'
import { planRemove } from '@postern/authenticators/enrolment'
import { loginPin } from '@postern/authenticators/pin/client'
import { prepareDecision, signDecision, signScan } from '@postern/authenticators/transaction/client'
import { decodeTransaction, encodeTransaction } from '@postern/authenticators/transaction/encoding'
import { decodeStatement, type Evidence, verifyEvidence } from '@postern/authenticators/transaction/evidence'
import { createTransactions, type Place, runTransaction, type Scanner } from '@postern/authenticators/transaction/server'
import { encodeBase32 } from '@postern/core/base32'
import { encodeBase64url } from '@postern/core/base64url'
import { concat, hex, u8, u32, utf8 } from '@postern/core/bytes'
import { decodeEvent } from '@postern/core/events'
import { thumbprint } from '@postern/core/jwk'
import { tuple } from '@postern/core/tuple'
import { newRev, type Op } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { countingStore } from '@postern/testkit/counting'
import { describe, expect, it } from 'vitest'
import { readHold } from '../../src/internal/fatigue.js'
import { decodeRecord, decodeWaiting, encodeRecord, encodeWaiting, openKey } from '../../src/internal/transactionRecord.js'
import { type Bank, createBank, payment, secrets } from '../transactionWorld.js'
import { crypto, type Device, issuer, random } from '../world.js'

const minute = 60_000
const day = 86_400_000
const wrongNumbers = (right: string | null) =>
  Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0')).filter((n) => n !== right)
const flipped = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))

async function biometric(b: Bank, d: Device) {
  const { w } = b
  const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
  const first = await runBegin(w.biometric, await w.ceremony(d, 'enrol', null), null, { runtime: w.runtime })
  if (!first.ok) throw new Error(first.code)
  const key = { publicJwk: signer.publicJwk, sign: (m: Uint8Array) => signer.sign(m) }
  const o = { issuer, tenant: d.tenant, app: 'retail', device: d.id, crypto }
  const answer = await answerKeyEnrolment(first.value.body, { ...o, key, deviceSign: (m) => d.signer.sign(m) })
  const c = await w.ceremony(d, 'enrol', null, { handle: first.value.handle })
  const done = await runFinish(w.biometric, c, answer, { runtime: w.runtime })
  if (!done.ok) throw new Error(done.reason)
  await w.confirm(d, first.value.enrolment)
  return { id: first.value.enrolment, signer }
}

/** A PIN ceremony with purpose `confirm`, bound to a decision; what the server is handed afterwards. */
async function byPin(
  b: Bank,
  d: Device,
  slot: Awaited<ReturnType<Bank['w']['withPin']>>,
  created: { transaction: Uint8Array },
  more: { decision?: 'approve'; number?: string } = {},
) {
  const choice = { device: d.id, enrolment: slot.enrolment, type: 'pin', decision: 'approve', number: '', ...more } as const
  const { bind, answer } = await prepareDecision(await b.open(created), choice, crypto)
  const login = await loginPin({
    ...b.w.client(d),
    exchange: b.w.exchange(d, 'confirm', slot.enrolment, { bind }),
    pin: utf8('2718'),
    slots: [slot],
    purpose: 'confirm',
    bind,
  })
  const ceremony = await b.w.ceremony(d, 'confirm', slot.enrolment, { bind })
  return { input: { ...answer() }, bind, confirmed: { ceremony, success: login.result as Success } }
}

const stateOf = async (b: Bank, id: string) => decodeRecord((await b.read(`tx/${id}`))[0]!.value).state

describe('asking', () => {
  it('a transaction is stored as the bytes that are shown; a push carries its id alone; the event is in the commit', async () => {
    const b = await createBank()
    const created = await b.asked()
    const [tx, open, asks, hold] = await b.read(`tx/${created.id}`, 'open/portal', 'asks', 'hold')
    expect(decodeRecord(tx!.value)).toEqual({ state: 'pending', opened: 'ask', bytes: created.transaction, ending: null })
    expect([open!.expiresAt, open!.rev, asks!.n, asks!.expiresAt, hold]).toEqual([
      created.expiresAt,
      tx!.rev,
      1,
      b.w.clock() + 60 * minute,
      null,
    ])
    expect(created).toMatchObject({ id: hex(decodeTransaction(created.transaction).id), number: null })
    const events = (await b.w.store.outbox!({ now: b.w.clock(), limit: 9 })).map((rec) => decodeEvent(rec.value))
    expect(events.at(-1)).toMatchObject({
      type: 'transaction.created',
      transaction: created.id,
      client: 'portal',
      tenant: 'bank',
    })
  })

  it('one commit and one read to ask and to decide', async () => {
    const counting = countingStore(memoryStore())
    const b = await createBank({ store: counting.store })
    counting.reset()
    const created = await b.asked()
    expect(counting.counts()).toMatchObject({ read: 1, commit: 1 })
    const who = await b.decider(b.d)
    const input = await b.answer(b.d, created)
    counting.reset()
    expect(await b.run((r) => b.t.decide(who, input, r))).toMatchObject({ ok: true })
    expect(counting.counts()).toMatchObject({ read: 1, commit: 1 })
  })

  it.each([
    ['a bidi control', { payee: 'a\u202eb' }],
    ['an hour and a second', { lifeSec: 3601 }],
    ['half a second', { lifeSec: 0.5 }],
    ['no time', { lifeSec: 0 }],
  ])('A18 %s is transaction.invalid and changes nothing', async (_, more) => {
    const b = await createBank()
    expect(await b.ask(more)).toMatchObject({ ok: false, code: 'transaction.invalid' })
    expect(await b.read('asks', 'open/portal')).toEqual([null, null])
  })

  it('A15 100 prompts: one pending a user and client, ten an hour; silence counts, an approval forgives', async () => {
    const b = await createBank()
    const codes: string[] = []
    for (let i = 0; i < 100; i++) {
      const done = await b.ask({ lifeSec: 1 })
      codes.push(done.ok ? 'asked' : done.code)
      if (i % 2 === 1) b.w.time.now += 1000
    }
    const count = (code: string) => codes.filter((c) => c === code).length
    expect([count('asked'), count('transaction.pending'), count('transaction.cooling_down')]).toEqual([10, 10, 80])
    b.w.time.now += 60 * minute
    const created = await b.asked()
    expect((await b.read('asks'))[0]!.n).toBe(1)
    expect(await b.decide(b.d, await b.answer(b.d, created))).toMatchObject({ ok: true })
    expect(await b.read('asks', 'open/portal')).toEqual([null, null])
  })

  it('A15 another client has its own place, but shares the ten and the hold', async () => {
    const b = await createBank()
    await b.asked()
    const other = await b.asked({ client: 'shop' })
    expect((await b.read('asks'))[0]!.n).toBe(2)
    expect(await b.decide(b.d, await b.answer(b.d, other, { decision: 'deny' }))).toMatchObject({ ok: true })
    expect(await b.ask({ client: 'third' })).toMatchObject({ ok: false, code: 'transaction.cooling_down' })
  })

  it('A15 a refusal holds for 30 s, 5 min, 30 min, 24 h and 24 h; a day later it is forgotten', async () => {
    const b = await createBank()
    for (const [i, hold] of [30_000, 5 * minute, 30 * minute, day, day].entries()) {
      const created = await b.asked()
      expect(await b.decide(b.d, await b.answer(b.d, created, { decision: 'deny' }))).toMatchObject({
        ok: true,
        value: { state: 'denied' },
      })
      const [rec] = await b.read('hold')
      // The last day's, of which the first have ended by the fifth.
      expect(readHold(rec!, b.w.clock()).until - b.w.clock(), `refusal ${i + 1}`).toBe(i === 4 ? 30_000 : hold)
      b.w.time.now += (i === 4 ? 30_000 : hold) - 1
      expect(await b.ask()).toMatchObject({ ok: false, code: 'transaction.cooling_down' })
      b.w.time.now += 1
    }
    expect((await b.ask()).ok).toBe(true)
  })

  it('A15 the fourth and fifth refusal within a day both hold 24 h, and a shorter hold never ends a longer one', async () => {
    const b = await createBank()
    const all = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((client) => b.asked({ client })))
    for (const created of all) await b.decide(b.d, await b.answer(b.d, created, { decision: 'deny' }))
    const [rec] = await b.read('hold')
    expect(readHold(rec!, b.w.clock())).toEqual({ until: b.w.clock() + day, refusals: Array(4).fill(b.w.clock()) })
    const w = await createBank()
    const [x, y] = [await w.asked({ client: 'x' }), await w.asked({ client: 'y' })]
    expect(await w.decide(w.d, await w.answer(w.d, x, { decision: 'report' }))).toMatchObject({
      ok: true,
      value: { state: 'reported' },
    })
    await w.decide(w.d, await w.answer(w.d, y, { decision: 'deny' }))
    expect(readHold((await w.read('hold'))[0]!, w.w.clock()).until).toBe(w.w.clock() + day)
  })

  it('A15 replace cancels the older in the same commit, counts as asked, and only where the client wants it', async () => {
    const b = await createBank()
    const first = await b.asked()
    const second = await b.asked({ replace: true })
    expect([await stateOf(b, first.id), await stateOf(b, second.id), (await b.read('asks'))[0]!.n]).toEqual([
      'cancelled',
      'pending',
      2,
    ])
    expect(await b.decide(b.d, await b.answer(b.d, first))).toMatchObject({
      ok: false,
      code: 'transaction.decided',
      body: { state: 'cancelled' },
    })
    expect(await b.decide(b.d, await b.answer(b.d, second))).toMatchObject({ ok: true })
    expect(await b.ask({ replace: true })).toMatchObject({ ok: true })
    expect(await b.t.view({ id: first.id, client: 'portal' }, (keys) => b.read(...keys))).toMatchObject({
      state: 'cancelled',
      cause: 'replaced',
    })
  })

  it('A15 a refusal between the look and the commit holds the next prompt back', async () => {
    const b = await createBank()
    const other = await b.asked({ client: 'other' })
    let first = true
    const done = await b.run(async (read) => {
      const plan = await b.t.create(b.place, payment, read)
      if (first) await b.decide(b.d, await b.answer(b.d, other, { decision: 'deny' }))
      first = false
      return plan
    })
    expect(done).toMatchObject({ code: 'transaction.cooling_down' })
    expect(await b.read('open/portal')).toEqual([null])
  })

  it('a client whose name fits no store key has a place of its own', async () => {
    const names = ['Portal', 'portal', `${'p'.repeat(200)}`, '~portal', 'Pörtal', 'a/b']
    const keys = await Promise.all(names.map((name) => openKey(crypto, 'ask', name)))
    expect(new Set(keys).size).toBe(names.length)
    for (const key of keys) expect(key).toMatch(/^[a-z0-9._/~-]{1,200}$/)
    expect(await openKey(crypto, 'scan', 'portal')).toBe('openqr/portal')
    const b = await createBank()
    const created = await b.asked({ client: 'Pörtal' })
    expect(await b.decide(b.d, await b.answer(b.d, created))).toMatchObject({ ok: true })
    expect((await b.ask({ client: 'Pörtal' })).ok).toBe(true)
  })

  it('what waits is listed for its app, oldest first, and no more once it is decided, expired or cancelled', async () => {
    const b = await createBank()
    const io = {
      read: (keys: readonly string[]) => b.read(...keys),
      list: (prefix: string, limit: number) => b.w.store.list(b.place.part, prefix, { now: b.w.clock(), limit }),
    }
    const first = await b.asked({ client: 'z' })
    b.w.time.now += 1000
    const second = await b.asked({ client: 'a' })
    await b.asked({ client: 'other', app: 'other' })
    const ids = async () => (await b.t.pending(b.place, 'retail', io)).map(({ id }) => id)
    expect(await ids()).toEqual([first.id, second.id])
    await b.decide(b.d, await b.answer(b.d, second))
    expect(await ids()).toEqual([first.id])
    b.w.time.now = first.expiresAt
    expect(await ids()).toEqual([])
  })
})

describe('deciding', () => {
  it('A18 a transaction with one bit changed, another decision, another device, another key: refused', async () => {
    const b = await createBank()
    const created = await b.asked()
    const other = await b.w.device('d2')
    await b.activate(other)
    const input = await b.answer(b.d, created)
    const deny = await b.answer(b.d, created, { decision: 'deny' })
    const hash = (await b.open(created)).hash
    for (let at = 0; at < 32; at += 5)
      expect(await b.decide(b.d, { ...input, hash: encodeBase64url(flipped(hash, at)) })).toMatchObject({
        code: 'transaction.unknown',
      })
    // The app was shown other bytes: a payee, one letter off.
    const shown = encodeTransaction({ ...decodeTransaction(created.transaction), payee: 'CH93 0076 2011 6238 5295 8' })
    expect(await b.decide(b.d, await b.answer(b.d, { transaction: shown }))).toMatchObject({ code: 'transaction.unknown' })
    expect(await b.decide(b.d, { ...input, decision: 'deny' })).toMatchObject({ code: 'key.refused' })
    expect(await b.decide(b.d, { ...deny, decision: 'approve' })).toMatchObject({ code: 'key.refused' })
    expect(await b.decide(other, input)).toMatchObject({ code: 'key.refused' })
    expect(await b.decide(b.d, await b.answer(other, created, { device: b.d.id }))).toMatchObject({ code: 'key.refused' })
    expect(await b.decide(b.d, { ...input, signature: '' })).toMatchObject({ code: 'key.refused' })
    expect(await b.decide(b.d, { ...input, type: 'device-key' })).toMatchObject({ code: 'key.refused' })
    expect(await b.decide(b.d, await b.answer(b.d, created, { enrolment: 'ab'.repeat(16) }))).toMatchObject({
      code: 'key.refused',
    })
    expect(await b.decide(b.d, await b.answer(b.d, created), { types: ['pin'] })).toMatchObject({ code: 'key.refused' })
    expect(await b.decide(b.d, input, { app: 'other' })).toMatchObject({ code: 'transaction.unknown' })
    expect([await stateOf(b, created.id), await b.read('hold', `num/${created.id}`)]).toEqual(['pending', [null, null]])
    expect(await b.decide(b.d, input)).toMatchObject({
      ok: true,
      value: { state: 'approved', type: 'device', amr: ['pop', 'hwk'] },
    })
  })

  it.each([
    ['nothing', null],
    ['a text', 'x'],
    ['no members', {}],
  ])('%s is transaction.invalid', async (_, input) => {
    const b = await createBank()
    expect(await b.decide(b.d, input)).toMatchObject({ code: 'transaction.invalid' })
  })

  it('each member in its own form, and none beside them', async () => {
    const b = await createBank()
    const created = await b.asked()
    const input = await b.answer(b.d, created)
    for (const change of [
      { id: created.id.toUpperCase() },
      { id: '../d' },
      { id: 7 },
      { hash: 'x' },
      { hash: encodeBase64url(random(31)) },
      { enrolment: '/' },
      { enrolment: 'a'.repeat(129) },
      { type: 'Device' },
      { type: '' },
      { decision: 'toString' },
      { decision: 'approved' },
      { number: '7' },
      { number: '٠٧' },
      { number: '007' },
      { signature: 'AAAA' },
      { signature: `${input['signature']}AA` },
      { more: 1 },
    ])
      expect(await b.decide(b.d, { ...input, ...change }), JSON.stringify(change)).toMatchObject({ code: 'transaction.invalid' })
    const { number: _, ...less } = input
    expect(
      await b.decide(b.d, Object.create({ number: '' }, Object.getOwnPropertyDescriptors({ ...less, more: '' }))),
    ).toMatchObject({ code: 'transaction.invalid' })
    expect(await b.decide(b.d, { ...input, id: 'ab'.repeat(16) })).toMatchObject({ code: 'transaction.unknown' })
  })

  it('A16 approve after deny, cancel, expiry, and twice; the state that stands is told to the device that proved itself', async () => {
    const b = await createBank()
    const read = (keys: readonly string[]) => b.read(...keys)
    const denied = await b.asked({ client: 'a' })
    await b.decide(b.d, await b.answer(b.d, denied, { decision: 'deny' }))
    expect(await b.decide(b.d, await b.answer(b.d, denied))).toMatchObject({
      code: 'transaction.decided',
      body: { state: 'denied' },
    })
    b.w.time.now += 30_000
    const cancelled = await b.asked({ client: 'b' })
    expect(await b.run((r) => b.t.cancel({ id: cancelled.id, client: 'a' }, r))).toMatchObject({ code: 'transaction.unknown' })
    expect(await b.run((r) => b.t.cancel({ id: cancelled.id, client: 'b' }, r))).toMatchObject({
      ok: true,
      value: { state: 'cancelled' },
    })
    expect(await b.decide(b.d, await b.answer(b.d, cancelled))).toMatchObject({ code: 'transaction.decided' })
    expect(await b.run((r) => b.t.cancel({ id: cancelled.id, client: 'b' }, r))).toMatchObject({ code: 'transaction.decided' })
    const expiring = await b.asked({ client: 'b' })
    b.w.time.now = expiring.expiresAt - 1
    expect(await b.t.view({ id: expiring.id, client: 'b' }, read)).toMatchObject({ state: 'pending' })
    b.w.time.now += 1
    for (const decision of ['approve', 'deny', 'report'] as const)
      expect(await b.decide(b.d, await b.answer(b.d, expiring, { decision }))).toMatchObject({ code: 'transaction.expired' })
    expect(await b.run((r) => b.t.cancel({ id: expiring.id, client: 'b' }, r))).toMatchObject({ code: 'transaction.expired' })
    // Judged, never written.
    expect([await stateOf(b, expiring.id), await b.t.view({ id: expiring.id, client: 'b' }, read)]).toEqual([
      'pending',
      { ok: true, state: 'expired', expiresAt: expiring.expiresAt, cause: null },
    ])
    const twice = await b.asked({ client: 'c' })
    const input = await b.answer(b.d, twice)
    expect((await b.decide(b.d, input)).ok).toBe(true)
    expect(await b.decide(b.d, input)).toMatchObject({ code: 'transaction.decided', body: { state: 'approved' } })
    expect(await b.decide(b.d, await b.answer(b.d, twice, { decision: 'report' }))).toMatchObject({ code: 'transaction.decided' })
  })

  it('A16 it expires between the look and the commit: the store refuses, and the next prompt stands', async () => {
    const b = await createBank()
    const created = await b.asked()
    b.w.time.now = created.expiresAt - 1
    const plan = await b.t.decide(await b.decider(b.d), await b.answer(b.d, created), (keys) => b.read(...keys))
    if (!plan.ok) throw new Error(plan.code)
    b.w.time.now = created.expiresAt
    const next = await b.asked()
    const done = await b.w.store.commit(b.place.part, plan.ops, { now: b.w.clock(), rev: newRev(random) })
    expect(done.ok ? 'applied' : plan.lost(done.at, done.current)).toMatchObject({ code: 'transaction.expired' })
    expect((await b.t.decide(await b.decider(b.d), await b.answer(b.d, next), (keys) => b.read(...keys))).ok).toBe(true)
  })

  it('A16 it expires between the look and the commit of a number: expired, and no try is taken', async () => {
    for (const right of [true, false]) {
      const b = await createBank()
      const created = await b.asked({ match: 1 })
      const input = await b.answer(b.d, created, { number: right ? created.number! : wrongNumbers(created.number)[0]! })
      const who = await b.decider(b.d)
      const done = await b.run(async (read) => {
        const plan = await b.t.decide(who, input, read)
        b.w.time.now = created.expiresAt
        return plan
      })
      expect(done).toMatchObject({ code: 'transaction.expired' })
      expect(await b.read(`num/${created.id}`)).toEqual([null])
    }
  })

  it("A16 from another user's device, from a pending and a locked one: device.removed", async () => {
    const b = await createBank()
    const stranger = await b.w.device('d9')
    const created = await b.asked()
    expect(await b.decide(stranger, await b.answer(stranger, created))).toMatchObject({ code: 'device.removed' })
    const [current] = await b.read('devices')
    const locked = lockDevice(current!, { device: 'd1', now: b.w.clock(), locked: true })
    if (!locked.ok) throw new Error()
    await b.w.store.commit(b.place.part, [locked.op], { now: b.w.clock(), rev: newRev(random) })
    expect(await b.decide(b.d, await b.answer(b.d, created))).toMatchObject({ code: 'device.removed', next: 'removed' })
  })

  it('A21 the device is removed between look and commit, or the user is: refused, and nothing is approved', async () => {
    for (const change of ['device', 'user', 'another device'] as const) {
      const b = await createBank()
      const other = await b.w.device('d2')
      await b.activate(other)
      const created = await b.asked()
      const who = await b.decider(b.d)
      const input = await b.answer(b.d, created)
      let first = true
      const done = await b.run(async (read) => {
        const plan = await b.t.decide(who, input, read)
        if (first && change === 'device') await b.release(b.d)
        if (first && change === 'another device') await b.release(other)
        if (first && change === 'user')
          await b.w.store.commit(b.place.part, [{ op: 'del', key: 'u' }], { now: b.w.clock(), rev: newRev(random) })
        first = false
        return plan
      })
      expect(done).toMatchObject(change === 'another device' ? { ok: true } : { ok: false, code: 'device.removed' })
      expect(await stateOf(b, created.id)).toBe(change === 'another device' ? 'approved' : 'pending')
    }
  })

  it('A04 a user whose record changed is looked at anew, and refused when he stays changed', async () => {
    const b = await createBank()
    const created = await b.asked()
    const who = await b.decider(b.d, { user: { rev: 'stale-revision-x' } })
    await expect(b.run(async (r) => b.t.decide(who, await b.answer(b.d, created), r))).rejects.toThrow('store.overloaded')
    expect(await stateOf(b, created.id)).toBe('pending')
  })
})

describe('numbers', () => {
  it('three tries, right or wrong; the third wrong one denies and holds; the app learns what is left', async () => {
    const b = await createBank()
    const created = await b.asked({ match: 1 })
    expect(created.number).toMatch(/^\d\d$/)
    const wrong = wrongNumbers(created.number)
    for (const [number, attemptsLeft] of [
      [wrong[0], 2],
      [wrong[0], 1],
      [wrong[1], 0],
    ] as const)
      expect(await b.decide(b.d, await b.answer(b.d, created, { number: number! }))).toMatchObject({
        code: 'transaction.mismatch',
        attemptsLeft,
      })
    expect(await b.decide(b.d, await b.answer(b.d, created, { number: created.number! }))).toMatchObject({
      code: 'transaction.decided',
      body: { state: 'denied' },
    })
    expect(await b.ask()).toMatchObject({ code: 'transaction.cooling_down' })
    expect(await b.t.view({ id: created.id, client: 'portal' }, (keys) => b.read(...keys))).toMatchObject({
      state: 'denied',
      cause: 'mismatch',
    })
    const types = (await b.w.store.outbox!({ now: b.w.clock(), limit: 99 })).map((rec) => decodeEvent(rec.value)!.type)
    expect(types.filter((type) => type === 'transaction.failed').length).toBe(3)
    expect(types.filter((type) => type === 'transaction.decided').length).toBe(1)
  })

  it('the right number after two wrong ones is the third try; no number is stored or told', async () => {
    const b = await createBank()
    const created = await b.asked({ match: 1 })
    const wrong = wrongNumbers(created.number)
    await b.decide(b.d, await b.answer(b.d, created, { number: wrong[0]! }))
    await b.decide(b.d, await b.answer(b.d, created, { number: wrong[1]! }))
    const done = await b.decide(b.d, await b.answer(b.d, created, { number: created.number! }))
    expect(done).toMatchObject({ ok: true, value: { state: 'approved' } })
    expect((await b.read(`num/${created.id}`))[0]!.n).toBe(3)
    expect(decodeStatement((done as { value: { evidence: Evidence } }).value.evidence.statement)!.number).toBe(created.number)
    for (const rec of await b.w.store.outbox!({ now: b.w.clock(), limit: 99 }))
      expect(JSON.stringify(decodeEvent(rec.value)!.detail ?? {})).not.toContain(created.number)
  })

  it('a denial needs no number; a number where none is asked, and none where one is, are no answers', async () => {
    const b = await createBank()
    const created = await b.asked({ match: 1 })
    const none = await prepareDecision(
      { ...(await b.open(created)), asksNumber: false },
      { device: 'd1', enrolment: '', type: 'device', decision: 'approve', number: '' },
      crypto,
    )
    expect(await b.decide(b.d, none.answer(await b.d.signer.sign(none.statement)))).toMatchObject({ code: 'transaction.invalid' })
    const plain = await b.asked({ client: 'c' })
    const some = await prepareDecision(
      { ...(await b.open(plain)), asksNumber: true },
      { device: 'd1', enrolment: '', type: 'device', decision: 'approve', number: '07' },
      crypto,
    )
    expect(await b.decide(b.d, some.answer(await b.d.signer.sign(some.statement)))).toMatchObject({ code: 'transaction.invalid' })
    expect(await b.read(`num/${created.id}`, `num/${plain.id}`)).toEqual([null, null])
    expect(await b.decide(b.d, await b.answer(b.d, created, { decision: 'deny' }))).toMatchObject({ ok: true })
  })

  it('a stranger without the key takes no try', async () => {
    const b = await createBank()
    const other = await b.w.device('d2')
    const created = await b.asked({ match: 1 })
    for (let i = 0; i < 5; i++)
      expect(
        await b.decide(b.d, await b.answer(other, created, { device: 'd1', number: wrongNumbers(created.number)[i]! })),
      ).toMatchObject({ code: 'key.refused' })
    expect(await b.read(`num/${created.id}`)).toEqual([null])
  })

  it('killed between the third wrong number and the denial: the next answer finds it, right or wrong', async () => {
    const b = await createBank()
    const created = await b.asked({ match: 1 })
    const three: Op[] = [{ op: 'add', key: `num/${created.id}`, by: 3, max: 3, expiresAt: created.expiresAt }]
    await b.w.store.commit(b.place.part, three, { now: b.w.clock(), rev: newRev(random) })
    expect(await b.decide(b.d, await b.answer(b.d, created, { number: created.number! }))).toMatchObject({
      code: 'transaction.decided',
    })
    expect(await stateOf(b, created.id)).toBe('denied')
  })
})

describe('proofs', () => {
  it('biometric: its own key over the statement; user pop, and evidence under that key', async () => {
    const b = await createBank()
    const { id, signer } = await biometric(b, b.d)
    const created = await b.asked()
    const choice = { device: 'd1', enrolment: id, type: 'biometric', decision: 'approve', number: '' } as const
    const opened = await b.open(created)
    const sign = (m: Uint8Array) => signer.sign(m)
    expect(await b.decide(b.d, await b.answer(b.d, created, choice))).toMatchObject({ code: 'key.refused' })
    const asKey = await signDecision(opened, { ...choice, type: 'device-key' }, { crypto, sign })
    expect(await b.decide(b.d, asKey)).toMatchObject({ code: 'key.refused' })
    const refusal = await signDecision(opened, { ...choice, decision: 'deny' }, { crypto, sign })
    expect(await b.decide(b.d, refusal)).toMatchObject({ code: 'key.refused' })
    const input = await signDecision(opened, choice, { crypto, sign })
    const who = await b.decider(b.d)
    const foreign = { ...who, enrolment: async (e: string) => ({ ...(await who.enrolment(e))!, owner: 'usr:bob' }) }
    expect(await b.run((r) => b.t.decide(foreign, input, r))).toMatchObject({ code: 'key.refused' })
    const done = await b.decide(b.d, input)
    expect(done).toMatchObject({ ok: true, value: { amr: ['user', 'pop', 'swk'], type: 'biometric', enrolment: id } })
    if (!done.ok) return
    expect(await verifyEvidence(crypto, done.value.evidence, signer.publicJwk)).not.toBeNull()
    expect(await verifyEvidence(crypto, done.value.evidence, b.d.jwk)).toBeNull()
  })

  it('A21 an enrolment that is removed confirms nothing, though its device stays', async () => {
    const b = await createBank()
    const { id, signer } = await biometric(b, b.d)
    const slot = await b.w.withPin(b.d, '2718')
    const created = await b.asked()
    const pinned = await byPin(b, b.d, slot, created)
    const input = await signDecision(
      await b.open(created),
      { device: 'd1', enrolment: id, type: 'biometric', decision: 'approve', number: '' },
      { crypto, sign: (m) => signer.sign(m) },
    )
    for (const enrolment of [id, slot.enrolment])
      await b.w.store.commit(b.w.part(b.d), planRemove(await b.w.enrolled(b.d, enrolment), 'user'), {
        now: b.w.clock(),
        rev: newRev(random),
      })
    expect(await b.decide(b.d, input)).toMatchObject({ code: 'key.refused' })
    expect(await b.decide(b.d, pinned.input, { confirmed: pinned.confirmed })).toMatchObject({ code: 'key.refused' })
  })

  it('PIN: purpose confirm with the bind that both sides compute; m₃ is kept and verifies without the PIN', async () => {
    const b = await createBank()
    const slot = await b.w.withPin(b.d, '2718')
    const created = await b.asked({ match: 1 })
    const { input, bind, confirmed } = await byPin(b, b.d, slot, created, { number: created.number! })
    const read = (keys: readonly string[]) => b.read(...keys)
    expect(await b.t.bind(await b.decider(b.d), input, read)).toEqual({ ok: true, bind })
    expect(await b.t.bind(await b.decider(b.d), { ...input, hash: encodeBase64url(random(32)) }, read)).toMatchObject({
      code: 'transaction.unknown',
    })
    expect(await b.decide(b.d, input)).toMatchObject({ code: 'key.refused' })
    const done = await b.decide(b.d, input, { confirmed })
    expect(done).toMatchObject({ ok: true, value: { state: 'approved', type: 'pin', amr: ['pin', 'pop', 'mfa', 'hwk'] } })
    if (!done.ok) return
    const { evidence } = done.value
    expect(evidence.signed).toEqual(confirmed.success.proof!.signed)
    expect(await verifyEvidence(crypto, evidence, b.d.jwk)).toMatchObject({ statement: { type: 'pin', number: created.number } })
  })

  it('I2 a PIN proof for another transaction, decision, number, purpose, device or place confirms nothing', async () => {
    const b = await createBank()
    const slot = await b.w.withPin(b.d, '2718')
    const [one, two] = [await b.asked({ client: 'a' }), await b.asked({ client: 'b' })]
    const first = await byPin(b, b.d, slot, one)
    const second = await byPin(b, b.d, slot, two)
    const refusedWith = async (confirmed: unknown, input: unknown = first.input) =>
      expect(await b.decide(b.d, input, { confirmed } as never)).toMatchObject({ code: 'key.refused' })
    await refusedWith(second.confirmed)
    await refusedWith(first.confirmed, second.input)
    // A caller that swaps the ceremony alone, or its verdict alone: m₃ carries the bind as well.
    await refusedWith({ ...first.confirmed, success: second.confirmed.success })
    await refusedWith({ ...second.confirmed, success: first.confirmed.success })
    const c = first.confirmed.ceremony
    for (const change of [
      { purpose: 'login' },
      { bind: null },
      { tenant: 'two' },
      { issuer: 'x' },
      { app: 'x' },
      { device: { ...c.device, id: 'd2' } },
      { device: null },
    ])
      await refusedWith({ ...first.confirmed, ceremony: { ...c, ...change } as Ceremony })
    const s = first.confirmed.success
    for (const facts of [{ purpose: 'login' }, { type: 'otp' }, { enrolment: 'ab'.repeat(16) }])
      await refusedWith({ ...first.confirmed, success: { ...s, facts: { ...s.facts, ...facts } } })
    await refusedWith({ ...first.confirmed, success: { ...s, proof: null } })
    expect(await b.decide(b.d, { ...first.input, type: 'otp' }, { confirmed: first.confirmed })).toMatchObject({
      code: 'key.refused',
    })
    expect(await b.decide(b.d, first.input, { confirmed: first.confirmed })).toMatchObject({ ok: true })
    expect(await b.decide(b.d, second.input, { confirmed: second.confirmed })).toMatchObject({ ok: true })
  })

  it('a code or a host’s own word confirms with its bind and the device’s signature, which is what is kept', async () => {
    const b = await createBank()
    for (const [i, type] of ['otp', 'custom:voice', 'webauthn'].entries()) {
      const created = await b.asked({ client: `c${i}` })
      const enrolment = 'ef'.repeat(16)
      const choice = { device: 'd1', enrolment, type, decision: 'approve', number: '' } as const
      const { bind } = await prepareDecision(await b.open(created), choice, crypto)
      const ceremony = {
        ...(await b.w.ceremony(b.d, 'confirm', enrolment, { bind })),
        ...(type === 'webauthn' && { part: b.place.part }),
      }
      const facts = {
        type,
        enrolment,
        purpose: 'confirm',
        at: 0,
        userVerified: false,
        keyLevel: 'software',
        failures: 0,
        generation: 0,
      } as const
      const success: Success = {
        ok: true,
        ops: [],
        event: null,
        amr: ['otp'],
        facts,
        proof: null,
        session: null,
        lost: () => {
          throw new Error()
        },
      }
      const known = { type, status: 'active', owner: 'usr:ada' }
      const more = { confirmed: { ceremony, success }, enrolment: async () => known as never }
      const input = await b.answer(b.d, created, choice)
      expect(await b.decide(b.d, { ...input, signature: '' }, more)).toMatchObject({ code: 'key.refused' })
      if (type !== 'webauthn')
        expect(
          await b.decide(b.d, input, { ...more, enrolment: async () => ({ ...known, status: 'locked' }) as never }),
        ).toMatchObject({ code: 'key.refused' })
      // Two users of one device: the other's passkey, for which no enrolment is read, confirms nothing of this one's.
      for (const part of type === 'webauthn'
        ? [
            { tenant: 'bank', id: 'usr:eve' },
            { tenant: 'two', id: 'usr:ada' },
          ]
        : [])
        expect(await b.decide(b.d, input, { ...more, confirmed: { ceremony: { ...ceremony, part }, success } })).toMatchObject({
          code: 'key.refused',
        })
      const done = await b.decide(b.d, input, more)
      expect(done).toMatchObject({ ok: true, value: { amr: ['otp', 'pop', 'hwk'] } })
      if (done.ok) expect(await verifyEvidence(crypto, done.value.evidence, b.d.jwk)).toMatchObject({ statement: { type } })
    }
  })

  it('A08 a signature over a scan, a key/v1 login, a JWS or another tenant’s transaction decides nothing', async () => {
    const b = await createBank()
    const created = await b.asked()
    const { statement, answer } = await prepareDecision(
      await b.open(created),
      { device: 'd1', enrolment: '', type: 'device', decision: 'approve', number: '' },
      crypto,
    )
    expect(statement[0]).toBe(0)
    const { device, hash } = decodeStatement(statement)!
    const strangers = [
      utf8(encodeBase64url(statement)),
      statement.subarray(1),
      concat(u8(0), statement),
      concat(utf8(device), hash),
    ]
    for (const m of strangers)
      expect(await b.decide(b.d, answer(await b.d.signer.sign(m)))).toMatchObject({ code: 'key.refused' })
    expect(decodeStatement(concat(statement, u8(0)))).toBeNull()
    expect(decodeStatement(utf8('eyJhbGciOiJFUzI1NiJ9.e30'))).toBeNull()
  })
})

describe('evidence', () => {
  it('A18 holds with the public key alone; any byte changed, another key or another thumbprint, and it does not', async () => {
    const b = await createBank()
    const created = await b.asked()
    const done = await b.decide(b.d, await b.answer(b.d, created))
    if (!done.ok) throw new Error(done.code)
    const { evidence } = done.value
    expect(await verifyEvidence(crypto, evidence, b.d.jwk)).toMatchObject({
      transaction: { payee: payment.payee },
      statement: { device: 'd1', decision: 'approve', type: 'device' },
    })
    for (const member of ['transaction', 'statement', 'signed', 'signature'] as const)
      for (let at = 0; at < evidence[member].length; at += 7)
        expect(
          await verifyEvidence(crypto, { ...evidence, [member]: flipped(evidence[member], at) }, b.d.jwk),
          `${member} ${at}`,
        ).toBeNull()
    const other = await b.w.device('d2')
    expect(await verifyEvidence(crypto, evidence, other.jwk)).toBeNull()
    expect(await verifyEvidence(crypto, { ...evidence, jkt: 'x' }, b.d.jwk)).toBeNull()
    expect(await verifyEvidence(crypto, evidence, { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' })).toBeNull()
    // A key is read once: it cannot be the device's for the thumbprint and another's for the signature.
    const forged = { ...evidence, signature: await other.signer.sign(evidence.signed) }
    const reads = { x: 0, y: 0 }
    const read = (name: 'x' | 'y') => (reads[name]++ === 0 ? b.d.jwk : other.jwk)[name]!
    const twofold = {
      kty: 'EC',
      crv: 'P-256',
      get x() {
        return read('x')
      },
      get y() {
        return read('y')
      },
    }
    expect(await verifyEvidence(crypto, forged, twofold)).toBeNull()
    const both = flipped(evidence.statement, evidence.statement.length - 3)
    expect(await verifyEvidence(crypto, { ...evidence, statement: both, signed: both }, b.d.jwk)).toBeNull()
  })
})

describe('evidence of a PIN', () => {
  it('I2 each member of CONTEXT counts: another protocol, place, device, enrolment, purpose or bind is no evidence; nor is a plain signature', async () => {
    const b = await createBank()
    const transaction = (await b.asked()).transaction
    const enrolment = 'ab'.repeat(16)
    const choice = { device: 'd1', enrolment, type: 'pin', decision: 'approve', number: '' } as const
    const { statement, bind } = await prepareDecision(await b.open({ transaction }), choice, crypto)
    const jkt = await thumbprint(crypto, b.d.jwk)
    const holds = async (signed: Uint8Array, stated = statement) => {
      const evidence = { transaction, statement: stated, signed, signature: await b.d.signer.sign(signed), jkt }
      return (await verifyEvidence(crypto, evidence, b.d.jwk)) !== null
    }
    const fields = ['pin/v1', issuer, 'bank', 'retail', 'd1', enrolment, u32(1), 'confirm', bind] as const
    const m3 = (context: readonly (string | Uint8Array)[], label = 'postern:pin/v1:ke3') =>
      tuple(label, tuple('postern:context/v1', ...context), random(32), random(32), random(64))
    expect(await holds(m3(fields))).toBe(true)
    for (const [at, other] of [
      [0, 'key/v1'],
      [1, 'https://other.example'],
      [2, 'two'],
      [3, 'other'],
      [4, 'd2'],
      [5, 'cd'.repeat(16)],
      [7, 'login'],
      [8, random(32)],
      [8, ''],
    ] as const)
      expect(await holds(m3(fields.map((field, i) => (i === at ? other : field)))), `${at}`).toBe(false)
    expect(await holds(m3(fields, 'postern:pin/v1:ke1'))).toBe(false)
    expect(await holds(m3(fields.slice(0, 8)))).toBe(false)
    // No PIN was proved here.
    expect(await holds(statement)).toBe(false)
    for (const change of [{ type: 'device', enrolment: '' }, { decision: 'deny' }] as const) {
      const { statement: other, bind: bound } = await prepareDecision(
        await b.open({ transaction }),
        { ...choice, ...change },
        crypto,
      )
      expect(await holds(m3([...fields.slice(0, 8), bound]), other)).toBe(false)
    }
  })
})

describe('redeeming', () => {
  it('an approval is redeemed once, by the client that asked, with its own ops in the commit', async () => {
    const b = await createBank()
    const created = await b.asked()
    const [u] = await b.read('u')
    const user = { rev: u!.rev }
    const redeem = (client = 'portal', ops: readonly Op[] = [], id = created.id) =>
      runTransaction(b.place, (r) => b.t.redeem({ id, client, user }, r), { runtime: b.w.runtime, ops })
    expect(await redeem()).toMatchObject({ code: 'transaction.pending' })
    await b.decide(b.d, await b.answer(b.d, created))
    expect(await redeem('other')).toMatchObject({ code: 'transaction.unknown' })
    expect(await redeem('portal', [], 'no id')).toMatchObject({ code: 'transaction.unknown' })
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => redeem('portal', [{ op: 'put', key: `token/${i}`, value: utf8('t'), rev: null }])),
    )
    expect(all.filter((done) => done.ok).length).toBe(1)
    expect(all.filter((done) => !done.ok && done.code === 'transaction.decided').length).toBe(19)
    expect((await b.w.store.list(b.place.part, 'token/', { now: b.w.clock(), limit: 99 })).length).toBe(1)
    const won = all.find((done) => done.ok)
    expect(won).toMatchObject({ value: { device: 'd1', type: 'device', amr: ['pop', 'hwk'], at: b.w.clock() } })
    if (won?.ok) expect(await verifyEvidence(crypto, won.value.evidence, b.d.jwk)).not.toBeNull()
    expect(await b.t.view({ id: created.id, client: 'portal' }, (keys) => b.read(...keys))).toMatchObject({
      state: 'redeemed',
      cause: 'user',
    })
  })

  it('A21 not after the device is gone, nor a denial, nor what three wrong numbers ended', async () => {
    const b = await createBank()
    const [u] = await b.read('u')
    const created = await b.asked()
    await b.decide(b.d, await b.answer(b.d, created))
    await b.release(b.d)
    const redeem = (id: string) => b.run((r) => b.t.redeem({ id, client: 'portal', user: { rev: u!.rev } }, r))
    expect(await redeem(created.id)).toMatchObject({ code: 'device.removed' })
    await b.activate(b.d)
    await b.asked().then(async (denied) => {
      await b.decide(b.d, await b.answer(b.d, denied, { decision: 'deny' }))
      expect(await redeem(denied.id)).toMatchObject({ code: 'transaction.decided', body: { state: 'denied' } })
    })
    expect(await redeem(created.id)).toMatchObject({ ok: true })
  })
})

describe('pictures', () => {
  async function portal(b: Bank, more = {}) {
    const id = random(16)
    const place: Place = { issuer, tenant: 'bank', part: { tenant: 'bank', id: `dg:${encodeBase32(id)}` } }
    const run = <T extends object>(attempt: Parameters<typeof runTransaction<T>>[1]) =>
      runTransaction(place, attempt, { runtime: b.w.runtime })
    const created = await run(() => b.t.wait(place, { ...payment, ...more }))
    if (!created.ok) throw new Error(created.reason)
    return { place, run, created: created.value }
  }
  const scanner = (d: Device, owner = 'usr:ada'): Scanner => ({
    issuer,
    tenant: 'bank',
    app: 'retail',
    device: { id: d.id, key: d.jwk },
    owner,
  })
  const scan = (d: Device, text: string, enrolment = 'ab'.repeat(16)) =>
    signScan(text, { issuer, device: d.id, enrolment, sign: (m) => d.signer.sign(m) })

  it('A17 a picture is shown, scanned, claimed, admitted and decided as any other, beside hold and asks', async () => {
    const b = await createBank()
    const asked = await b.asked({ client: 'other' })
    await b.decide(b.d, await b.answer(b.d, asked, { decision: 'report' }))
    const p = await portal(b, { match: 1 })
    const read = await b.t.scan(scanner(b.d), await scan(b.d, await b.t.picture(p.place)))
    if (!read.ok) throw new Error(read.reason)
    const claimed = await p.run((r) => b.t.claim(p.place, scanner(b.d), read, r))
    if (!claimed.ok) throw new Error(claimed.reason)
    const admitted = await b.run((r) => b.t.admit(b.place, claimed.value, r))
    expect(admitted).toMatchObject({ ok: true, value: { id: p.created.id, number: p.created.number } })
    // The same scan sent again finds it there.
    expect(await b.run((r) => b.t.admit(b.place, claimed.value, r))).toMatchObject({ ok: true, value: { id: p.created.id } })
    const [asks, openqr] = await b.read('asks', 'openqr/portal')
    expect([asks!.n, openqr!.expiresAt]).toEqual([1, p.created.expiresAt])
    expect((await b.open(claimed.value)).rows[0]).toEqual({ field: 'origin', value: 'Firefox, Zürich' })
    expect(await b.decide(b.d, await b.answer(b.d, claimed.value, { number: p.created.number! }))).toMatchObject({ ok: true })
    // A scan was no prompt: it forgives none.
    expect((await b.read('asks'))[0]!.n).toBe(1)
    expect(await b.read('openqr/portal')).toEqual([null])
  })

  it('A17 this step and the one before; older, later, of another tenant, another key, or with one bit changed: one refusal', async () => {
    const b = await createBank()
    const p = await portal(b)
    const text = await b.t.picture(p.place)
    const input = await scan(b.d, text)
    const start = b.w.time.now
    const codeAt = async (at: number) => {
      b.w.time.now = at
      const read = await b.t.scan(scanner(b.d), input)
      b.w.time.now = start
      return read.ok ? 'ok' : read.code
    }
    expect([await codeAt(start), await codeAt(start + 29_999), await codeAt(start + 30_000), await codeAt(start - 1)]).toEqual([
      'ok',
      'ok',
      'transaction.qr_refused',
      'transaction.qr_refused',
    ])
    const refused = { ok: false, code: 'transaction.qr_refused' }
    expect(await b.t.scan({ ...scanner(b.d), tenant: 'two' }, input)).toMatchObject(refused)
    expect(await b.t.scan({ ...scanner(b.d), device: null }, input)).toMatchObject(refused)
    expect(await b.t.scan(scanner(await b.w.device('d2')), input)).toMatchObject(refused)
    expect(await b.t.scan(scanner(b.d), { ...input, enrolment: 'cd'.repeat(16) })).toMatchObject(refused)
    for (const bad of [
      null,
      {},
      { ...input, more: 1 },
      { ...input, enrolment: 7 },
      { ...input, enrolment: 'x'.repeat(129) },
      { ...input, payload: 'AA' },
    ])
      expect(await b.t.scan(scanner(b.d), bad)).toMatchObject(refused)
    const payload = Buffer.from(input.payload, 'base64url')
    for (let at = 0; at < 37; at++) {
      const changed = flipped(new Uint8Array(payload), at)
      expect(
        await b.t.scan(scanner(b.d), await scan(b.d, `${issuer}/q/${encodeBase64url(changed)}`).catch(() => null)),
      ).toMatchObject(refused)
    }
    const elsewhere = createTransactions({
      keys: { secret: (label) => crypto.digest('SHA-256', utf8(`other ${label}`)) },
      runtime: b.w.runtime,
    })
    expect(await elsewhere.scan(scanner(b.d), input)).toMatchObject(refused)
    expect(await createTransactions({ keys: secrets, runtime: b.w.runtime }).scan(scanner(b.d), input)).toMatchObject({
      ok: true,
    })
  })

  it('A17 20 devices scan at once: one claims, and only it gets the answer again', async () => {
    const b = await createBank()
    const p = await portal(b)
    const text = await b.t.picture(p.place)
    const devices = await Promise.all(Array.from({ length: 20 }, (_, i) => b.w.device(`s${i}`)))
    const tries = async (d: Device) => {
      const read = await b.t.scan(scanner(d, `usr:${d.id}`), await scan(d, text))
      if (!read.ok) throw new Error(read.reason)
      return p.run((r) => b.t.claim(p.place, scanner(d, `usr:${d.id}`), read, r))
    }
    const all = await Promise.all(devices.map(tries))
    const winner = all.findIndex((done) => done.ok)
    expect(all.filter((done) => done.ok).length).toBe(1)
    for (const [i, d] of devices.entries()) expect((await tries(d)).ok).toBe(i === winner)
    const [rec] = await b.w.store.read(p.place.part, ['tx'], { now: b.w.clock() })
    expect(decodeWaiting(rec!.value).claim).toEqual({ device: `s${winner}`, enrolment: 'ab'.repeat(16), part: `usr:s${winner}` })
  })

  it('A17 a picture for another app, an expired one, an unknown one, a scan of another picture', async () => {
    const b = await createBank()
    const refused = { code: 'transaction.qr_refused' }
    const [p, q] = [await portal(b), await portal(b, { app: 'other', lifeSec: 3600 })]
    const read = await b.t.scan(scanner(b.d), await scan(b.d, await b.t.picture(p.place)))
    const other = await b.t.scan(scanner(b.d), await scan(b.d, await b.t.picture(q.place)))
    if (!read.ok || !other.ok) throw new Error()
    expect(await q.run((r) => b.t.claim(q.place, scanner(b.d), other, r))).toMatchObject(refused)
    expect(await q.run((r) => b.t.claim(q.place, scanner(b.d), read, r))).toMatchObject(refused)
    const nowhere = { ...scanner(b.d) }
    expect(await b.run((r) => b.t.claim(b.place, nowhere, read, r))).toMatchObject({ code: 'transaction.invalid' })
    b.w.time.now = p.created.expiresAt
    expect(await p.run((r) => b.t.claim(p.place, scanner(b.d), read, r))).toMatchObject(refused)
    await expect(b.t.picture(b.place)).rejects.toThrow('transaction.invalid')
    expect(await b.run((r) => b.t.admit(b.place, { transaction: p.created.transaction }, r))).toMatchObject({
      code: 'transaction.expired',
    })
  })

  it('A15 nobody closes the way that the user opens himself, and a second scan waits or replaces', async () => {
    const b = await createBank()
    await b.asked()
    const [p, q] = [await portal(b), await portal(b)]
    expect(await b.run((r) => b.t.admit(b.place, p.created, r))).toMatchObject({ ok: true })
    expect(await b.run((r) => b.t.admit(b.place, q.created, r))).toMatchObject({ code: 'transaction.pending' })
    expect(await b.run((r) => b.t.admit(b.place, { ...q.created, replace: true }, r))).toMatchObject({ ok: true })
    expect([await stateOf(b, p.created.id), await stateOf(b, q.created.id)]).toEqual(['cancelled', 'pending'])
    expect(await b.run((r) => b.t.admit({ ...b.place, tenant: 'two' }, p.created, r))).toMatchObject({
      code: 'transaction.unknown',
    })
  })
})

describe('records', () => {
  it('read back as written, and refuse what they are not', () => {
    const evidence = { statement: u8(1), signed: u8(2), signature: u8(3), jkt: 'j' }
    for (const record of [
      { state: 'pending', opened: 'scan', bytes: u8(9), ending: null },
      { state: 'approved', opened: 'ask', bytes: u8(9), ending: { cause: 'user', at: 5, amr: ['pin', 'pop'], evidence } },
      { state: 'denied', opened: 'ask', bytes: u8(9), ending: { cause: 'mismatch', at: 5, amr: [], evidence: null } },
    ] as const) {
      const value = encodeRecord(record)
      expect(decodeRecord(value)).toEqual(record)
      expect(() => decodeRecord(concat(value, u8(0)))).toThrow('store.corrupt')
      expect(() => decodeRecord(concat(u8(2), value.subarray(1)))).toThrow('store.schema_unknown')
      expect(() => decodeRecord(value.subarray(0, -1))).toThrow('store.corrupt')
    }
    expect(() => decodeRecord(new Uint8Array(0))).toThrow('store.corrupt')
    expect(() => decodeRecord(concat(u8(1), u8(7), u8(0)))).toThrow('store.corrupt')
    for (const waiting of [
      { bytes: u8(1), claim: null },
      { bytes: u8(1), claim: { device: 'D', enrolment: '', part: 'usr:x' } },
    ])
      expect(decodeWaiting(encodeWaiting(waiting))).toEqual(waiting)
    expect(() => readHold({ value: u8(2) }, 0)).toThrow('store.schema_unknown')
    expect(() => readHold({ value: u8(1) }, 0)).toThrow('store.corrupt')
    expect(() => createTransactions({ keys: secrets, runtime: { clock: () => 0, random, crypto }, keepDays: 0 })).toThrow(
      RangeError,
    )
  })

  it('are kept for ever, or for some days after their end', async () => {
    const b = await createBank({ keepDays: 2 })
    const created = await b.asked()
    const ends = async () => (await b.read(`tx/${created.id}`))[0]!.expiresAt
    expect(await ends()).toBe(created.expiresAt + 2 * day)
    await b.decide(b.d, await b.answer(b.d, created))
    expect(await ends()).toBe(created.expiresAt + 2 * day)
    const forever = await createBank()
    expect((await forever.read(`tx/${(await forever.asked()).id}`))[0]!.expiresAt).toBe(0)
  })
})
