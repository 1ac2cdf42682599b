/// <reference types="node" />
import { scryptSync } from 'node:crypto'
import { type Authenticator, runBegin, runFinish } from '@postern/authenticators/authenticator'
import { changePin, enrolPin, loginPin, type PinExchange } from '@postern/authenticators/pin/client'
import { hex, utf8 } from '@postern/core/bytes'
import { memoryStore } from '@postern/store/memory'
import { countingStore } from '@postern/testkit/counting'
import { describe, expect, it } from 'vitest'
import { scryptKsf } from '../../src/internal/ksf.js'
import { codeOf, createWorld, type Refused, random } from '../world.js'

const login = async (
  w: ReturnType<typeof createWorld>,
  d: Awaited<ReturnType<ReturnType<typeof createWorld>['device']>>,
  slots: Parameters<typeof loginPin>[0]['slots'],
  digits: string,
  purpose: 'login' | 'confirm' = 'login',
) => loginPin({ ...w.client(d), exchange: w.exchange(d, purpose, slots[0]!.enrolment), pin: utf8(digits), slots, purpose })

describe('pin/v1', () => {
  it('enrols, logs in, and both sides hold the same keys', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const enrolledPin = await enrolPin({ ...w.client(d), exchange: w.exchange(d, 'enrol', null), pin: utf8('27182') })
    await w.confirm(d, enrolledPin.slot.enrolment)
    const done = await login(w, d, [enrolledPin.slot], '27182')
    const verdict = done.result as Awaited<ReturnType<PinExchange['finish']>> as {
      amr: string[]
      facts: { failures: number }
      session: (use: string) => Promise<Uint8Array>
    }
    expect(verdict.amr).toEqual(['pin', 'pop', 'mfa', 'hwk'])
    expect(verdict.facts.failures).toBe(0)
    expect(await done.session('payload')).toEqual(await verdict.session('payload'))
    expect(await done.session('payload')).not.toEqual(await done.session('other'))
    expect(await done.exportKey('local')).toEqual(await enrolledPin.exportKey('local'))
  })

  it('keeps what the caller put into the enrolment, and counts back after a success', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    expect(await codeOf(login(w, d, [slot], '00000'))).toBe('pin.wrong')
    const done = await login(w, d, [slot], '27182')
    expect((done.result as { facts: { failures: number } }).facts.failures).toBe(1)
    const { value } = await w.enrolled(d, slot.enrolment)
    expect(value).toMatchObject({ status: 'active', type: 'pin', generation: 1, owner: 'usr:ada', usedAt: w.time.now })
    expect(value.data).toEqual(utf8('host data'))
    const [pin, failed] = await w.read(d, `pin/${slot.enrolment}`, `pin/${slot.enrolment}/failed`)
    expect([pin!.n, failed!.n]).toEqual([0, 1])
  })

  it('an unconfirmed enrolment logs nobody in', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const { slot } = await enrolPin({ ...w.client(d), exchange: w.exchange(d, 'enrol', null), pin: utf8('27182') })
    expect(await codeOf(login(w, d, [slot], '27182'))).toBe('pin.refused')
    expect((await w.read(d, `pin/${slot.enrolment}`))[0]!.n).toBe(0)
  })

  it('a login is two commits, no reads of its own, whatever went before', async () => {
    const counting = countingStore(memoryStore())
    const w = createWorld({ store: counting.store })
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    for (const digits of ['27182', '00000', '27182']) {
      counting.reset()
      await codeOf(login(w, d, [slot], digits))
      expect(counting.counts().commit).toBe(2)
      // The test host reads once a call, as a platform without a cache does.
      expect(counting.counts().read).toBe(3)
    }
  })

  it('an enrolment of another type is no PIN, and is not counted as one', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const { handle } = await w.exchange(d, 'login', slot.enrolment).begin(null, null)
    const c = await w.ceremony(d, 'login', slot.enrolment)
    const other = { ...c, enrolment: { ...c.enrolment!, value: { ...c.enrolment!.value!, type: 'biometric' } } }
    expect(await runBegin(w.pin, other, null, { runtime: w.runtime })).toMatchObject({ ok: false, code: 'pin.refused' })
    const input = { ke1: 'A'.repeat(128), signature: 'A'.repeat(86) }
    expect(await runBegin(w.pin, { ...other, handle }, input, { runtime: w.runtime })).toMatchObject({
      ok: false,
      code: 'pin.refused',
    })
  })

  it('another server than the one of the enrolment is a wrong PIN', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    expect(await codeOf(login(w, d, [{ ...slot, serverPublicKey: random(32) }], '27182'))).toBe('pin.wrong')
  })

  it('the default key stretching is scrypt as the suite fixes it', async () => {
    const input = utf8('oprf output')
    const native = scryptSync(input, new Uint8Array(16), 64, { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 })
    expect(hex(await scryptKsf(input))).toBe(native.toString('hex'))
  })

  it('a PIN that is no 4 to 32 digits never leaves the client, and one that is gets wiped', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    for (const digits of ['123', '1'.repeat(33), '12a4', '１２３４'])
      expect(await codeOf(login(w, d, [slot], digits))).toBe('pin.malformed')
    const pin = utf8('27182')
    await loginPin({ ...w.client(d), exchange: w.exchange(d, 'login', slot.enrolment), pin, slots: [slot], purpose: 'login' })
    expect(pin).toEqual(new Uint8Array(5))
  })

  it.each(['remove', 'lock'] as const)('the third wrong PIN ends it: %s', async (onExhausted) => {
    const w = createWorld({ onExhausted })
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const end = onExhausted === 'remove' ? 'authenticator.removed' : 'authenticator.locked'
    const causes: unknown[] = []
    for (let i = 0; i < 3; i++)
      await login(w, d, [slot], '00000').catch((error: Error) => causes.push((error.cause as Refused).refusal))
    expect(causes.map((r) => (r as Refused['refusal']).code)).toEqual(['pin.refused', 'pin.refused', end])
    expect(causes.map((r) => (r as Refused['refusal']).attemptsLeft)).toEqual([2, 1, 0])
    expect(await codeOf(login(w, d, [slot], '27182'))).toBe(end)
    expect((await w.enrolled(d, slot.enrolment)).value).toMatchObject({
      status: onExhausted === 'remove' ? 'removed' : 'locked',
      cause: 'attempts',
    })
    const [pin] = await w.read(d, `pin/${slot.enrolment}`)
    expect(pin === null).toBe(onExhausted === 'remove')
  })

  it('changes the PIN: the old one is gone, the new one works, the enrolment stays', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    let kept = 0
    const changed = await changePin({
      ...w.client(d),
      exchange: w.exchange(d, 'change', slot.enrolment),
      pin: utf8('27182'),
      newPin: utf8('31415'),
      slots: [slot],
      keep: async () => void kept++,
    })
    expect([kept, changed.slot.generation, changed.slot.enrolment === slot.enrolment]).toEqual([1, 2, true])
    expect(await w.read(d, `pin/${slot.enrolment}/next`)).toEqual([null])
    expect(await codeOf(login(w, d, [changed.slot], '27182'))).toBe('pin.wrong')
    expect(await codeOf(login(w, d, [slot, changed.slot], '31415'))).toBe('ok')
    expect(await codeOf(login(w, d, [slot], '27182'))).toBe('pin.protocol')
  })

  it('a login with the old PIN voids a change that waits', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const inner = w.exchange(d, 'change', slot.enrolment)
    let begins = 0
    const exchange: PinExchange = {
      ...inner,
      async begin(handle, answer) {
        // Before the proof of the new PIN.
        if (++begins === 6) await login(w, d, [slot], '27182')
        return inner.begin(handle, answer)
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
    expect(await codeOf(login(w, d, [slot], '27182'))).toBe('ok')
  })

  it('change PIN interrupted between every two calls leaves exactly one working PIN', async () => {
    for (let dies = 1; dies <= 7; dies++) {
      const w = createWorld({ maxAttempts: 10 })
      const d = await w.device('d1')
      const slot = await w.withPin(d, '27182')
      const inner = w.exchange(d, 'change', slot.enrolment)
      let calls = 0
      const step = async <T>(call: () => Promise<T>): Promise<T> => {
        const answer = await call()
        // The server did it; the answer never arrives.
        if (++calls === dies) throw Object.assign(new Error('killed'), { code: 'killed' })
        return answer
      }
      const exchange: PinExchange = {
        begin: (h, a) => step(() => inner.begin(h, a)),
        finish: (h, a) => step(() => inner.finish(h, a)),
      }
      const slots = [slot]
      const change = changePin({
        ...w.client(d),
        exchange,
        pin: utf8('27182'),
        newPin: utf8('31415'),
        slots: [slot],
        keep: async (next) => void slots.push(next),
      })
      expect(await codeOf(change)).toBe('killed')
      const works = [await codeOf(login(w, d, slots, '27182')), await codeOf(login(w, d, slots, '31415'))]
      expect(
        works.filter((code) => code === 'ok'),
        `killed at ${dies}: ${works}`,
      ).toHaveLength(1)
    }
  })

  it('keeps suite 0003 as it keeps 0001', async () => {
    const w = createWorld({ suites: ['0003'] })
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    expect(slot.suite).toBe('0003')
    expect(await codeOf(login(w, d, [slot], '27182'))).toBe('ok')
    expect(await codeOf(login(w, d, [slot], '27183'))).toBe('pin.wrong')
  })

  it('after a restore an enrolment has one attempt until it has proved itself', async () => {
    let epoch = ''
    const w = createWorld({ epoch: () => epoch })
    const d = await w.device('d1')
    const [good, bad] = [await w.withPin(d, '27182'), await w.withPin(d, '27182')]
    epoch = 'after-the-flood'
    expect(await codeOf(login(w, d, [good], '27182'))).toBe('ok')
    expect(await codeOf(login(w, d, [good], '00000'))).toBe('pin.wrong')
    expect(await codeOf(login(w, d, [good], '27182'))).toBe('ok')
    expect(await codeOf(login(w, d, [bad], '00000'))).toBe('pin.wrong')
    expect(await codeOf(login(w, d, [bad], '27182'))).toBe('authenticator.removed')
  })

  it('after a restore the one attempt leaves none, at its first sending, its second, and at the notice of a wrong PIN', async () => {
    let epoch = ''
    const w = createWorld({ epoch: () => epoch })
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    epoch = 'after-the-flood'
    const left: unknown[] = []
    const inner = w.exchange(d, 'login', slot.enrolment)
    const reply = async (handle: string, input: unknown) =>
      runBegin(w.pin, await w.ceremony(d, 'login', slot.enrolment, { handle }), input, { runtime: w.runtime })
    const told: PinExchange = {
      finish: (h, a) =>
        inner.finish(h, a).catch((error: Refused) => {
          left.push(error.refusal.attemptsLeft)
          throw error
        }),
      async begin(h, a) {
        if (h === null) return inner.begin(h, a)
        for (let i = 0; i < 2; i++) left.push(((await reply(h, a)) as { value: { attemptsLeft: number } }).value.attemptsLeft)
        return inner.begin(h, a)
      },
    }
    await codeOf(loginPin({ ...w.client(d), exchange: told, pin: utf8('00000'), slots: [slot], purpose: 'login' }))
    expect(left).toEqual([0, 0, 0])
  })

  it.each([
    ['a millisecond before', -1, 1],
    ['at', 0, undefined],
    ['after', 1, undefined],
  ])('a right PIN whose commit comes %s the end of the failure window is right', async (_, past, failures) => {
    const w = createWorld({ failureDays: 1 })
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const end = w.time.now + 86_400_000
    expect(await codeOf(login(w, d, [slot], '00000'))).toBe('pin.wrong')
    w.time.now = end - 10_000
    const pin: Authenticator = {
      ...w.pin,
      async finish(c, input) {
        const verdict = await w.pin.finish(c, input)
        w.time.now = end + past
        return verdict
      },
    }
    const exchange = w.exchange(d, 'login', slot.enrolment, {}, pin)
    expect(await codeOf(loginPin({ ...w.client(d), exchange, pin: utf8('27182'), slots: [slot], purpose: 'login' }))).toBe('ok')
    const [counter, failed] = await w.read(d, `pin/${slot.enrolment}`, `pin/${slot.enrolment}/failed`)
    expect([counter!.n, failed?.n]).toEqual([0, failures])
  })

  it('what has expired is refused: the challenge after 5 minutes, KE2 after one', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const late = (at: number, ms: number): PinExchange => {
      const inner = w.exchange(d, 'login', slot.enrolment)
      let calls = 0
      const wait = <T>(go: () => T): T => {
        if (++calls === at) w.time.now += ms
        return go()
      }
      return { begin: (h, a) => wait(() => inner.begin(h, a)), finish: (h, a) => wait(() => inner.finish(h, a)) }
    }
    const go = (exchange: PinExchange) =>
      loginPin({ ...w.client(d), exchange, pin: utf8('27182'), slots: [slot], purpose: 'login' })
    expect(await codeOf(go(late(2, 300_000)))).toBe('pin.expired')
    expect(await codeOf(go(late(3, 60_000)))).toBe('pin.expired')
    expect(await codeOf(go(late(3, 59_999)))).toBe('ok')
  })

  it('messages of another shape are refused before anything is counted', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await w.withPin(d, '27182')
    const { handle } = await w.exchange(d, 'login', slot.enrolment).begin(null, null)
    const c = await w.ceremony(d, 'login', slot.enrolment, { handle })
    const ok = { ke1: 'A'.repeat(128), signature: 'A'.repeat(86) }
    for (const input of [
      {},
      'x',
      7,
      [],
      { ke1: ok.ke1 },
      { ...ok, more: 1 },
      { ...ok, ke1: 'AAAA' },
      { ...ok, ke1: `${ok.ke1}=` },
      ok,
    ]) {
      const done = await runBegin(w.pin, c, input, { runtime: w.runtime })
      expect(done).toMatchObject({ ok: false, code: 'pin.refused' })
      expect(await runFinish(w.pin, c, input, { runtime: w.runtime })).toMatchObject({ ok: false, code: 'pin.refused' })
    }
    const [pin, failed] = await w.read(d, `pin/${slot.enrolment}`, `pin/${slot.enrolment}/failed`)
    expect([pin!.n, failed]).toEqual([0, null])
  })

  it('limits out of range are the operator’s mistake, at once', () => {
    expect(() => createWorld({ maxAttempts: 0 })).toThrow(RangeError)
    expect(() => createWorld({ maxAttempts: 11 })).toThrow(RangeError)
    expect(() => createWorld({ maxFailures: 4 })).toThrow(RangeError)
    expect(random(4)).toHaveLength(4)
  })
})
