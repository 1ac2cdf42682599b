/// <reference types="node" />
/** Which suite a new PIN takes, and what a suite that one side lacks does. */
import { argon2id } from '@noble/hashes/argon2.js'
import { runBegin } from '@postern/authenticators/authenticator'
import {
  changePin,
  enrolPin,
  type Ksf,
  loginPin,
  type PinClientOptions,
  type PinExchange,
} from '@postern/authenticators/pin/client'
import type { PinSuite } from '@postern/authenticators/pin/messages'
import { utf8 } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { codeOf, createWorld, crypto, noKsf, type Refused } from '../world.js'

type World = ReturnType<typeof createWorld>
type Phone = Awaited<ReturnType<World['device']>>

const enrol = async (w: World, d: Phone, o: Partial<PinClientOptions> = {}) => {
  const { slot } = await enrolPin({ ...w.client(d), exchange: w.exchange(d, 'enrol', null), ...o, pin: utf8('27182') })
  await w.confirm(d, slot.enrolment)
  return slot
}
const change = (w: World, d: Phone, slot: Awaited<ReturnType<typeof enrol>>, o: Partial<PinClientOptions> = {}) =>
  changePin({
    ...w.client(d),
    exchange: w.exchange(d, 'change', slot.enrolment),
    ...o,
    pin: utf8('27182'),
    newPin: utf8('31415'),
    slots: [slot],
    keep: async () => {},
  })
const login = (w: World, d: Phone, slot: Awaited<ReturnType<typeof enrol>>, digits: string, ksf: Ksf = noKsf) =>
  loginPin({
    ...w.client(d),
    ksf,
    exchange: w.exchange(d, 'login', slot.enrolment),
    pin: utf8(digits),
    slots: [slot],
    purpose: 'login',
  })

describe('suites of pin/v1', () => {
  it.each<[readonly [PinSuite, ...PinSuite[]], readonly PinSuite[] | undefined, PinSuite]>([
    [['0001'], undefined, '0001'],
    [['0003', '0001'], undefined, '0003'],
    [['0002', '0001'], ['0001', '0003'], '0001'],
    [['0001', '0002'], ['0002', '0001'], '0001'],
    [['0002', '0003'], ['0001', '0002', '0003'], '0002'],
  ])(
    'of %j at the server and %j at the app a new PIN takes %s, at enrolment and at a change',
    async (suites, known, expected) => {
      const w = createWorld({ suites })
      const d = await w.device('d1')
      const o = known === undefined ? {} : { suites: known }
      const slot = await enrol(w, d, o)
      expect(slot.suite).toBe(expected)
      expect((await w.enrolled(d, slot.enrolment)).value.suite).toBe(expected)
      expect((await change(w, d, slot, o)).slot.suite).toBe(expected)
    },
  )

  it('a change moves a PIN from one suite to another, whatever the two groups', async () => {
    const old = createWorld({ suites: ['0001'] })
    const d = await old.device('d1')
    const slot = await enrol(old, d)
    const both = createWorld({ suites: ['0003', '0001'], store: old.store, seal: old.seal })
    const changed = await change(both, d, slot)
    expect([slot.suite, changed.slot.suite]).toEqual(['0001', '0003'])
    expect((await both.enrolled(d, slot.enrolment)).value).toMatchObject({ suite: '0003', generation: 2 })
    expect(await codeOf(login(both, d, changed.slot, '31415'))).toBe('ok')
    const back = createWorld({ suites: ['0001'], store: old.store, seal: old.seal })
    expect(await codeOf(login(back, d, changed.slot, '31415')), 'a suite no longer on offer still logs in').toBe('ok')
  })

  it('without a suite in common a new PIN is unsupported, and says so before anything is written', async () => {
    const w = createWorld({ suites: ['0003', '0002'] })
    const d = await w.device('d1')
    expect(await codeOf(enrol(w, d, { suites: ['0001'] }))).toBe('pin.suite_unsupported')
    const slot = await enrol(w, d)
    const before = await w.read(d, `pin/${slot.enrolment}`)
    expect(await codeOf(change(w, d, slot, { suites: ['0001'] }))).toBe('pin.suite_unsupported')
    expect((await w.read(d, `pin/${slot.enrolment}/next`))[0]).toBeNull()
    expect((await w.read(d, `pin/${slot.enrolment}`))[0]!.value).toEqual(before[0]!.value)
  })

  it('an app refuses a suite that it did not name, or that it has no key stretching for', async () => {
    const w = createWorld({ suites: ['0002'] })
    const d = await w.device('d1')
    expect(await codeOf(enrol(w, d)), 'an app that names none does 0001 and 0003').toBe('pin.suite_unsupported')
    const { ksf: _, ...noArgon } = w.client(d)
    const enrolling = enrolPin({ ...noArgon, suites: ['0002'], exchange: w.exchange(d, 'enrol', null), pin: utf8('27182') })
    expect(await codeOf(enrolling)).toBe('pin.suite_unsupported')
    const slot = await enrol(w, d, { suites: ['0002'] })
    const logging = { ...noArgon, exchange: w.exchange(d, 'login', slot.enrolment), pin: utf8('27182'), slots: [slot] }
    expect(await codeOf(loginPin({ ...logging, purpose: 'login' }))).toBe('pin.suite_unsupported')
    expect((await w.read(d, `pin/${slot.enrolment}`))[0]!.n, 'no attempt was spent on it').toBe(0)
  })

  it.each([
    ['a text', { suites: '0001' }],
    ['too many', { suites: Array(17).fill('0001') }],
    ['one member more', { suites: ['0001'], more: 1 }],
    ['nothing', {}],
  ])('a list of suites that is none is refused: %s', async (_, input) => {
    const w = createWorld()
    const d = await w.device('d1')
    const done = await runBegin(w.pin, await w.ceremony(d, 'enrol', null), input, { runtime: w.runtime })
    expect(done).toMatchObject({ ok: false, code: 'pin.refused' })
  })

  it('0002 stretches with Argon2id as RFC 9106 recommends second', { timeout: 300_000 }, async () => {
    const w = createWorld({ suites: ['0002'] })
    const d = await w.device('d1')
    const seen: (PinSuite | undefined)[] = []
    const ksf: Ksf = (input, suite) => {
      seen.push(suite)
      return argon2id(input, new Uint8Array(16), { t: 3, p: 4, m: 65_536, dkLen: 64 })
    }
    const slot = await enrol(w, d, { suites: ['0002'], ksf })
    expect(await codeOf(login(w, d, slot, '27182', ksf))).toBe('ok')
    expect(seen).toEqual(['0002', '0002'])
  })

  it('keys of a retired version refuse before a new PIN is made, and say so where a record still names them', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await enrol(w, d)
    const retired = createWorld({ store: w.store, seal: w.seal, keys: () => null })
    expect(await codeOf(enrol(retired, d))).toBe('pin.suite_unsupported')
    expect(await codeOf(login(retired, d, slot, '27182'))).toBe('pin.suite_unsupported')
    expect(await codeOf(login(w, d, slot, '27182'))).toBe('ok')
  })

  it('each suite has keys of its own, though two share a group', async () => {
    const { pinKeysOf } = await import('@postern/authenticators/pin/keys')
    const keys = pinKeysOf({ secret: (label) => crypto.digest('SHA-256', utf8(label)) }, crypto, ['2', '1'])
    const all = await Promise.all((['0001', '0002', '0003'] as const).flatMap((suite) => [keys(suite), keys(suite, '1')]))
    expect(all.map((k) => k!.version)).toEqual(['2', '1', '2', '1', '2', '1'])
    expect(new Set(all.map((k) => k!.publicKey.join())).size).toBe(6)
    expect(await keys('0001', '3')).toBeNull()
  })
})

describe('a change ends with the new PIN alone', () => {
  it('the proof of the old one finishes nothing', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await enrol(w, d)
    const inner = w.exchange(d, 'change', slot.enrolment)
    const exchange: PinExchange = {
      ...inner,
      async begin(handle, answer) {
        if (answer !== null && 'ke3' in answer) {
          await inner.finish(handle!, answer)
          throw new Error('finished')
        }
        return inner.begin(handle, answer)
      },
    }
    expect(await codeOf(change(w, d, slot, { exchange }))).toBe('pin.refused')
    expect((await w.read(d, `pin/${slot.enrolment}`))[0]!.n, 'its attempt is spent').toBe(1)
  })

  it('either of its two PINs may be the wrong one, and the server is told', async () => {
    const w = createWorld()
    const d = await w.device('d1')
    const slot = await enrol(w, d)
    const o = { ...w.client(d), exchange: w.exchange(d, 'change', slot.enrolment), slots: [slot], newPin: utf8('31415') }
    const old = await changePin({ ...o, pin: utf8('00000'), keep: async () => {} }).catch((error: Error) => error)
    expect(old).toMatchObject({ code: 'pin.wrong' })
    expect(((old as Error).cause as Refused).refusal).toMatchObject({ code: 'pin.refused', attemptsLeft: 2 })
  })
})
