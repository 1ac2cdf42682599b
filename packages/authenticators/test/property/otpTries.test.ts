/// <reference types="node" />
/** I1 and I3 of codes and answers, against models: the tries between two successes, and one success a step. */
import { createCustom } from '@postern/authenticators/custom'
import { hotp } from '@postern/authenticators/otp/hotp'
import { createOtp, importOtp, type OtpKind } from '@postern/authenticators/otp/server'
import { totp, totpStepAt } from '@postern/authenticators/otp/totp'
import { createSentCode } from '@postern/authenticators/sentCode'
import { utf8 } from '@postern/core/bytes'
import { decodeEvent } from '@postern/core/events'
import { newRev, type Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { faultyStore } from '@postern/testkit/faulty'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Answers, answersOf, got, type Place, timer } from '../answers.js'
import { createWorld, crypto, issuer, random, type World } from '../world.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const usr: Place = { part: { tenant: 'bank', id: 'usr:ada' }, about: { device: null, proven: ['pin'] } }
const secret = utf8('12345678901234567890')

async function otpBank(kind: OtpKind, maxAttempts: number, store: Store = memoryStore()) {
  const w = createWorld({ store })
  const otp = createOtp({ seal: w.seal, atRest: w.seal, runtime: w.runtime, maxAttempts })
  const plan = await importOtp({
    kind,
    secret,
    owner: 'usr:ada',
    place: { tenant: 'bank', issuer },
    atRest: w.seal,
    runtime: w.runtime,
  })
  await w.store.commit(usr.part, plan.ops, { now: w.clock(), rev: newRev(random) })
  return { w, otp, id: plan.id, a: answersOf(w, otp, usr) }
}

/** How one login ended: `in`, or the code. */
const login = async (a: Answers, id: string, code: string): Promise<string> => {
  const done = await a.answer(id, { code })
  return done.ok ? 'in' : done.code
}

const types = async (w: World): Promise<string[]> =>
  (await w.store.outbox!({ now: w.clock(), limit: 1000 })).map((r) => decodeEvent(r.value)!.type)

describe('the tries of codes and answers', () => {
  it('I1 I3 TOTP: a model of the counter, the lock and the used steps agrees, try for try', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.array(
          fc.oneof(
            fc.record({ act: fc.constant('code' as const), off: fc.integer({ min: -2, max: 2 }) }),
            fc.record({ act: fc.constant('wrong' as const) }),
            fc.record({ act: fc.constant('wait' as const), sec: fc.integer({ min: 1, max: 70 }) }),
          ),
          { maxLength: 24 },
        ),
        async (maxAttempts, acts) => {
          const { w, a, id } = await otpBank({ type: 'totp' }, maxAttempts)
          const model = { n: 0, next: 0n, locked: false }
          for (const one of acts) {
            if (one.act === 'wait') {
              w.time.now += 1000 * one.sec
              continue
            }
            const at = w.clock()
            const off = one.act === 'code' ? one.off : 9
            const code = totp(secret, { now: at + 30_000 * off })
            const fits = [-1n, 0n, 1n]
              .map((o) => totpStepAt(at) + o)
              .filter((s) => s >= model.next && hotp(secret, s) === code)
              .at(-1)
            const expected = model.locked
              ? 'authenticator.locked'
              : fits !== undefined
                ? 'in'
                : model.n + 1 >= maxAttempts
                  ? 'authenticator.locked'
                  : 'otp.refused'
            expect(await login(a, id, code)).toBe(expected)
            if (model.locked) continue
            if (fits === undefined) model.n++
            else Object.assign(model, { n: 0, next: fits + 1n })
            model.locked = model.n >= maxAttempts
            expect((await a.record(`otp/${id}`))[0]!.n).toBe(model.n)
          }
        },
      ),
      { numRuns },
    ))

  it('I1 I3 whatever the interleaving: at most N comparisons between two successes, one success a step', () =>
    fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.constantFrom<OtpKind['type'] & ('totp' | 'hotp')>('totp', 'hotp'),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.constantFrom('now', 'next', 'wrong'), { minLength: 2, maxLength: 8 }),
        async (s, type, maxAttempts, tries) => {
          const inner = memoryStore()
          const { w, otp, id } = await otpBank({ type }, maxAttempts, inner)
          const store: Store = {
            ...inner,
            async commit(part, ops, o) {
              await s.schedule(Promise.resolve())
              return inner.commit(part, ops, o)
            },
          }
          const a = answersOf(w, otp, usr, store)
          const code = { now: 0, next: 1, wrong: 40 }
          const codeOf = (t: keyof typeof code) =>
            type === 'totp' ? totp(secret, { now: w.clock() + 30_000 * code[t] }) : hotp(secret, BigInt(code[t]))
          const ends = await s.waitFor(Promise.all(tries.map((t) => login(a, id, codeOf(t as keyof typeof code)))))
          const ins = ends.filter((e) => e === 'in').length
          const told = await types(w)
          const attempted = told.filter((t) => t === 'otp.attempted').length
          expect(attempted).toBeLessThanOrEqual(maxAttempts * (ins + 1))
          for (const t of ['now', 'next'])
            expect(ends.filter((e, i) => e === 'in' && tries[i] === t).length).toBeLessThanOrEqual(1)
          expect(told.filter((t) => t === 'otp.succeeded')).toHaveLength(ins)
        },
      ),
      { numRuns: Math.ceil(numRuns / 2) },
    ))

  it('I1 I8 over a network that lies: never more comparisons than counted tries, a success only when it is durable, none twice', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1e6 }),
        fc.array(fc.constantFrom('right', 'wrong', 'again'), { minLength: 2, maxLength: 10 }),
        async (seed, tries) => {
          const inner = memoryStore()
          const { w, otp, id } = await otpBank({ type: 'totp' }, 3, inner)
          const store = faultyStore(inner, { seed })
          const a = answersOf(w, otp, usr, store)
          const used: string[] = []
          let [compared, ins] = [0, 0]
          for (const one of tries) {
            if (one === 'right') w.time.now += 60_000
            const code = one === 'wrong' ? totp(secret, { now: w.clock() + 3_000_000 }) : totp(secret, { now: w.clock() })
            const end = await login(a, id, code).catch((error: { code: string }) => error.code)
            if (end === 'otp.refused' || end === 'in') compared++
            if (end === 'in') {
              ins++
              expect(used).not.toContain(code)
              used.push(code)
            }
          }
          await store.drain()
          const told = await types(w)
          const durable = told.filter((t) => t === 'otp.succeeded').length
          expect(ins).toBeLessThanOrEqual(durable)
          expect(compared).toBeLessThanOrEqual(3 * (durable + 1))
          expect(compared).toBeLessThanOrEqual(told.filter((t) => t === 'otp.attempted').length)
        },
      ),
      { numRuns },
    ))

  it('I1 I3 sent codes over a network that lies: five messages an hour, three tries a code, one success a code', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1e6 }),
        fc.array(fc.constantFrom('send', 'right', 'wrong', 'first'), { minLength: 3, maxLength: 14 }),
        async (seed, acts) => {
          const inner = memoryStore()
          const w = createWorld({ store: inner })
          const sent: string[] = []
          const code = createSentCode({
            deliver: async (m) => void sent.push(m.code),
            timer,
            secrets: { secret: (label) => crypto.digest('SHA-256', utf8(label)) },
            seal: w.seal,
            runtime: w.runtime,
          })
          const safe = answersOf(w, code, usr)
          const first = got(await safe.begin(null, null, { at: 'enrol' }))
          const asked = got(await safe.begin(null, { code: sent[0]! }, { at: 'enrol', handle: first.handle }))
          got(await safe.finish(null, null, { at: 'enrol', handle: asked.handle }))
          await safe.confirm(first.enrolment)
          const a = answersOf(w, code, usr, faultyStore(inner, { seed }))
          const live: { handle: string; code: string; compared: number; ins: number; unanswered: number }[] = []
          for (const act of acts) {
            if (act === 'send') {
              const before = sent.length
              const begun = await a.begin(first.enrolment, null).catch(() => null)
              if (begun?.ok && sent.length > before)
                live.push({ handle: begun.value.handle, code: sent.at(-1)!, compared: 0, ins: 0, unanswered: 0 })
              continue
            }
            const one = act === 'first' ? live[0] : live.at(-1)
            if (one === undefined) continue
            const typed = act === 'wrong' ? `${(Number(one.code) + 1) % 1_000_000}`.padStart(6, '0') : one.code
            const done = await a.answer(first.enrolment, { code: typed }, { handle: one.handle }).catch(() => null)
            if (done?.ok) one.ins++
            if (done === null) one.unanswered++
            if (done?.ok || done?.code === 'otp.refused') one.compared++
          }
          expect(sent.length).toBeLessThanOrEqual(5)
          for (const one of live) {
            expect(one.ins).toBeLessThanOrEqual(1)
            // After its success, told or not, a code has left an empty counter, which nothing equals.
            expect(one.compared).toBeLessThanOrEqual(one.ins + one.unanswered > 0 ? 6 : 3)
          }
        },
      ),
      { numRuns: Math.ceil(numRuns / 2) },
    ))

  it('I1 custom: the host’s function runs at most N times between two yeses, whatever it says and the network does', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.constantFrom('done', 'retry', 'continue', 'throw', 'foreign'), { minLength: 2, maxLength: 14 }),
        async (seed, maxAttempts, says) => {
          const inner = memoryStore()
          const w = createWorld({ store: inner })
          let calls = 0
          const custom = createCustom(
            {
              name: 'x',
              amr: ['kba'],
              maxAttempts,
              async finish({ answer }) {
                calls++
                if (answer === 'throw') throw new Error('x')
                if (answer === 'continue') return { outcome: 'continue', reply: null }
                return { outcome: answer as 'done' | 'retry' }
              },
            },
            { seal: w.seal, atRest: w.seal, timer, runtime: w.runtime },
          )
          const safe = answersOf(w, custom, usr)
          const first = got(await safe.begin(null, null, { at: 'enrol' }))
          got(await safe.finish(null, null, { at: 'enrol', handle: first.handle }))
          await safe.confirm(first.enrolment)
          const store = faultyStore(inner, { seed })
          const a = answersOf(w, custom, usr, store)
          for (const answer of says) {
            const begun = await a.begin(first.enrolment, null).catch(() => null)
            if (!begun?.ok) continue
            const said = await a.begin(first.enrolment, { answer }, { handle: begun.value.handle }).catch(() => null)
            if (said?.ok && said.value.body['ask'] === 'finish')
              await a.finish(first.enrolment, null, { handle: said.value.handle }).catch(() => null)
          }
          await store.drain()
          const durable = (await types(w)).filter((t) => t === 'custom.succeeded').length
          expect(calls).toBeLessThanOrEqual(maxAttempts * (durable + 1))
        },
      ),
      { numRuns },
    ))
})
