/// <reference types="node" />
/** 50 at once, over real stores. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createCustom } from '@postern/authenticators/custom'
import { createOtp, importOtp, type OtpOptions } from '@postern/authenticators/otp/server'
import { totp } from '@postern/authenticators/otp/totp'
import { createSentCode } from '@postern/authenticators/sentCode'
import { utf8 } from '@postern/core/bytes'
import { newRev, type Store } from '@postern/store'
import { slowStore } from '@postern/testkit/latency'
import { describe, expect, it } from 'vitest'
import { answersOf, count, got, type Place, timer } from '../answers.js'
import { createWorld, crypto, issuer, random } from '../world.js'
import { driversOf } from './drivers.js'

const secret = utf8('12345678901234567890')
const place: Place = { part: { tenant: 'bank', id: 'usr:ada' }, about: { device: null, proven: ['pin'] } }

async function otpBank(store: Store, o: Partial<OtpOptions> = {}) {
  const w = createWorld({ store })
  const { seal, runtime } = w
  const otp = createOtp({ seal, atRest: seal, runtime, ...o })
  const plan = await importOtp({
    kind: { type: 'totp' },
    secret,
    owner: 'usr:ada',
    place: { tenant: 'bank', issuer },
    atRest: seal,
    runtime,
  })
  await store.commit(place.part, plan.ops, { now: w.clock(), rev: newRev(random) })
  const code = totp(secret, { now: w.clock() })
  const wrong = totp(secret, { now: w.clock() + 3_000_000 })
  return { w, a: answersOf(w, otp, place), id: plan.id, code, wrong }
}

describe.each(driversOf('otp'))('$name', ({ skip, open }) => {
  describe.each([0, 2])('%i ms away', (ms) => {
    const away = async () => slowStore(await open(), { ms, sleep: async (t) => void (await sleep(t)) })

    it.skipIf(skip)('A01 50 wrong codes, N = 5: five are compared, then it is locked', async () => {
      const { a, id, wrong, code } = await otpBank(await away())
      const all = count(await Promise.all(Array.from({ length: 50 }, () => a.begin(id, { code: wrong }))))
      const { 'otp.refused': refused = 0, 'authenticator.locked': locked = 0 } = all
      expect([refused, refused + locked]).toEqual([4, 50])
      expect((await a.record(`otp/${id}`))[0]!.n).toBe(5)
      expect((await a.enrolled(id)).value.status).toBe('locked')
      expect(await a.answer(id, { code })).toMatchObject({ code: 'authenticator.locked' })
    })

    it.skipIf(skip)('A07 the same code ten times at once: one success, over and over', async () => {
      for (let round = 0; round < 5; round++) {
        const { a, id, code } = await otpBank(await away(), { maxAttempts: 10 })
        const all = await Promise.all(Array.from({ length: 10 }, () => a.answer(id, { code })))
        const { ok } = count(all)
        expect(ok).toBe(1)
        expect(await a.answer(id, { code })).toMatchObject({ ok: false })
      }
    })

    it.skipIf(skip)('A07 50 finishes of one right code: one success', async () => {
      const { a, id, code } = await otpBank(await away())
      const { handle } = got(await a.begin(id, { code }))
      const all = await Promise.all(Array.from({ length: 50 }, () => a.finish(id, null, { handle })))
      expect(count(all)['ok']).toBe(1)
      expect((await a.record(`otp/${id}`))[0]!.n).toBe(0)
    })

    it.skipIf(skip)('A07 a wrong guess at the same moment does not cost the honest user the right code, 20 times', async () => {
      const { w, a, id } = await otpBank(await away())
      for (let i = 0; i < 20; i++) {
        const code = totp(secret, { now: w.clock() })
        const guess = a.answer(id, { code: totp(secret, { now: w.clock() + 3_000_000 }) })
        const [right] = await Promise.all([a.answer(id, { code }), guess])
        expect(right).toMatchObject({ ok: true })
        w.time.now += 30_000
      }
    })

    it.skipIf(skip)('A01 sent codes: 50 tries, three are compared; 50 sends, five messages', async () => {
      const w = createWorld({ store: await away() })
      const sent: string[] = []
      const code = createSentCode({
        deliver: async (m) => void sent.push(m.code),
        timer,
        secrets: { secret: (label) => crypto.digest('SHA-256', utf8(label)) },
        seal: w.seal,
        runtime: w.runtime,
      })
      const a = answersOf(w, code, place)
      const first = got(await a.begin(null, null, { at: 'enrol' }))
      const asked = got(await a.begin(null, { code: sent[0]! }, { at: 'enrol', handle: first.handle }))
      got(await a.finish(null, null, { at: 'enrol', handle: asked.handle }))
      await a.confirm(first.enrolment)
      const begun = await Promise.all(Array.from({ length: 50 }, () => a.begin(first.enrolment, null)))
      // The enrolment's own message is the fifth.
      expect([count(begun), sent.length]).toEqual([{ ok: 4, 'otp.too_many': 46 }, 5])
      const { handle } = got(begun.find((r) => r.ok)!)
      const wrong = sent.includes('000000') ? '000001' : '000000'
      const tried = await Promise.all(Array.from({ length: 50 }, () => a.begin(first.enrolment, { code: wrong }, { handle })))
      expect(count(tried)).toEqual({ 'otp.refused': 3, 'otp.expired': 47 })
    })

    it.skipIf(skip)('A01 custom: 50 answers, N = 5: the host’s function runs five times', async () => {
      const w = createWorld({ store: await away() })
      let calls = 0
      const finish = async () => {
        calls++
        return { outcome: 'retry' } as const
      }
      const custom = createCustom(
        { name: 'x', amr: ['kba'], finish },
        { seal: w.seal, atRest: w.seal, timer, runtime: w.runtime },
      )
      const a = answersOf(w, custom, place)
      const first = got(await a.begin(null, null, { at: 'enrol' }))
      got(await a.finish(null, null, { at: 'enrol', handle: first.handle }))
      await a.confirm(first.enrolment)
      const handles = await Promise.all(Array.from({ length: 50 }, async () => got(await a.begin(first.enrolment, null)).handle))
      const all = await Promise.all(handles.map((handle) => a.begin(first.enrolment, { answer: 1 }, { handle })))
      expect([calls, count(all)['ok']]).toEqual([5, 4])
      expect((await a.enrolled(first.enrolment)).value.status).toBe('locked')
    })
  })
})
