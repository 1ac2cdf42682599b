/// <reference types="node" />
import { type Authenticator, runBegin, runFinish } from '@postern/authenticators/authenticator'
import { createCustom } from '@postern/authenticators/custom'
import { answerKey, answerKeyEnrolment } from '@postern/authenticators/deviceKey/client'
import { type Enrolled, planConfirm, planLock, planUnlock } from '@postern/authenticators/enrolment'
import { createOtp } from '@postern/authenticators/otp/server'
import { totp } from '@postern/authenticators/otp/totp'
import { loginPin } from '@postern/authenticators/pin/client'
import { type CodeMessage, createSentCode } from '@postern/authenticators/sentCode'
import { decodeBase32 } from '@postern/core/base32'
import { utf8 } from '@postern/core/bytes'
import { newRev, type Part, type Store } from '@postern/store'
import { describe, expect, it } from 'vitest'
import { answersOf, got, type Place, timer } from '../answers.js'
import { createBank } from '../passkey.js'
import { codeOf, createWorld, crypto, issuer, random } from '../world.js'

/** One user with one enrolment, and what becomes of a login. */
interface Enrolee {
  readonly authenticator: Authenticator
  readonly store: Store
  readonly part: Part
  readonly id: string
  readonly now: number
  enrolled(): Promise<Enrolled>
  login(): Promise<string>
  /** Wrong answers until it locks; absent where none are counted. */
  exhaust?(): Promise<void>
  /** One wrong answer. */
  fail?(): Promise<string>
}

const usr: Place = { part: { tenant: 'bank', id: 'usr:ada' }, about: { device: null, proven: ['pin'] } }

async function pin(o: { readonly maxFailures?: number } = {}): Promise<Enrolee> {
  const w = createWorld({ onExhausted: 'lock', ...o })
  const d = await w.device('d1')
  const slot = await w.withPin(d, '27182')
  const tried = (digits: string) => {
    const exchange = w.exchange(d, 'login', slot.enrolment)
    return codeOf(loginPin({ ...w.client(d), exchange, pin: utf8(digits), slots: [slot], purpose: 'login' }))
  }
  return {
    authenticator: w.pin,
    store: w.store,
    part: w.part(d),
    id: slot.enrolment,
    now: w.clock(),
    enrolled: () => w.enrolled(d, slot.enrolment),
    login: () => tried('27182'),
    async exhaust() {
      for (let i = 0; i < 3; i++) await tried('00000')
    },
    fail: () => tried('00000'),
  }
}

async function key(type: 'deviceKey' | 'biometric'): Promise<Enrolee> {
  const w = createWorld()
  const d = await w.device('d1')
  const about = { issuer, tenant: d.tenant, app: 'retail', device: d.id, crypto }
  const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
  const sign = (m: Uint8Array) => signer.sign(m)
  const first = got(await runBegin(w[type], await w.ceremony(d, 'enrol', null), null, { runtime: w.runtime }))
  const answer = await answerKeyEnrolment(first.body, {
    ...about,
    key: { publicJwk: signer.publicJwk, sign },
    deviceSign: (m) => d.signer.sign(m),
  })
  got(await runFinish(w[type], await w.ceremony(d, 'enrol', null, { handle: first.handle }), answer, { runtime: w.runtime }))
  const id = first.enrolment
  await w.confirm(d, id)
  return {
    authenticator: w[type],
    store: w.store,
    part: w.part(d),
    id,
    now: w.clock(),
    enrolled: () => w.enrolled(d, id),
    async login() {
      const { handle, body } = got(await runBegin(w[type], await w.ceremony(d, 'login', id), null, { runtime: w.runtime }))
      const proof = await answerKey(body, { ...about, purpose: 'login', sign })
      const done = await runFinish(w[type], await w.ceremony(d, 'login', id, { handle }), proof, { runtime: w.runtime })
      return done.ok ? 'ok' : done.code
    },
  }
}

async function otp(): Promise<Enrolee> {
  const w = createWorld()
  const authenticator = createOtp({ seal: w.seal, atRest: w.seal, runtime: w.runtime })
  const a = answersOf(w, authenticator, usr)
  const offer = got(await a.begin(null, null, { at: 'enrol' }))
  const secret = decodeBase32(String(offer.body['secret']).toLowerCase())!
  const next = () => totp(secret, { now: (w.time.now += 30_000) })
  got(await a.finish(null, { code: next() }, { at: 'enrol', handle: offer.handle }))
  const id = offer.enrolment
  await a.confirm(id)
  return {
    authenticator,
    store: w.store,
    part: usr.part,
    id,
    now: w.clock(),
    enrolled: () => a.enrolled(id),
    async login() {
      const done = await a.answer(id, { code: next() })
      return done.ok ? 'ok' : done.code
    },
    async exhaust() {
      for (let i = 0; i < 5; i++) await a.answer(id, { code: 'none' })
    },
  }
}

async function sentCode(): Promise<Enrolee> {
  const w = createWorld()
  const messages: CodeMessage[] = []
  const authenticator = createSentCode({
    deliver: async (message) => void messages.push(message),
    timer,
    secrets: { secret: (label) => crypto.digest('SHA-256', utf8(label)) },
    seal: w.seal,
    runtime: w.runtime,
  })
  const a = answersOf(w, authenticator, usr)
  const sent = got(await a.begin(null, null, { at: 'enrol' }))
  const asked = got(await a.begin(null, { code: messages[0]!.code }, { at: 'enrol', handle: sent.handle }))
  got(await a.finish(null, null, { at: 'enrol', handle: asked.handle }))
  const id = sent.enrolment
  await a.confirm(id)
  return {
    authenticator,
    store: w.store,
    part: usr.part,
    id,
    now: w.clock(),
    enrolled: () => a.enrolled(id),
    async login() {
      const first = await a.begin(id, null)
      if (!first.ok) return first.code
      const done = await a.answer(id, { code: messages.at(-1)!.code }, { handle: first.value.handle })
      return done.ok ? 'ok' : done.code
    },
  }
}

async function custom(): Promise<Enrolee> {
  const w = createWorld()
  const authenticator = createCustom(
    {
      name: 'riddle',
      amr: ['kba'],
      enrol: async () => ({ outcome: 'done', data: utf8('yes') }),
      finish: async ({ answer, data }) => (answer === 'yes' && data?.length === 3 ? { outcome: 'done' } : { outcome: 'retry' }),
    },
    { seal: w.seal, atRest: w.seal, timer, runtime: w.runtime },
  )
  const a = answersOf(w, authenticator, usr)
  const made = got(await a.begin(null, null, { at: 'enrol' }))
  got(await a.finish(null, null, { at: 'enrol', handle: made.handle }))
  const id = made.enrolment
  await a.confirm(id)
  const answer = async (value: string) => {
    const first = await a.begin(id, null)
    return first.ok ? a.answer(id, { answer: value }, { handle: first.value.handle }) : first
  }
  return {
    authenticator,
    store: w.store,
    part: usr.part,
    id,
    now: w.clock(),
    enrolled: () => a.enrolled(id),
    async login() {
      const done = await answer('yes')
      return done.ok ? 'ok' : done.code
    },
    async exhaust() {
      for (let i = 0; i < 6; i++) {
        const { handle } = got(await a.begin(id, null))
        if (!(await a.begin(id, { answer: 'no' }, { handle })).ok) return
      }
    },
  }
}

async function passkeys(): Promise<Enrolee> {
  const bank = createBank()
  const { passkey, name } = await bank.enrolled('ada')
  return {
    authenticator: bank.webauthn,
    store: bank.store,
    part: bank.part('ada'),
    id: name,
    now: bank.time.now,
    async enrolled() {
      const { rec, value } = (await bank.record('ada', name))!
      return { id: name, rev: rec.rev, value }
    },
    async login() {
      const { options, handle } = await bank.ask('ada')
      const done = await bank.login('ada', passkey.get(options), handle)
      return done.ok ? 'ok' : done.code
    },
  }
}

const commit = async ({ store, part, now }: Enrolee, ...ops: Parameters<Store['commit']>[1]) => {
  expect(await store.commit(part, ops, { now, rev: newRev(random) })).toMatchObject({ ok: true })
}

/** What an operator does, who knows no type. */
async function unlock(e: Enrolee): Promise<void> {
  const keys = e.authenticator.watches(e.id).slice(0, 1)
  const [counter = null] = keys.length === 0 ? [] : await e.store.read(e.part, keys, { now: e.now })
  await commit(e, ...planUnlock(await e.enrolled(), counter))
}

describe('a lock', () => {
  const all: readonly (readonly [string, () => Promise<Enrolee>, string])[] = [
    ['PIN', () => pin(), 'authenticator.locked'],
    ['device key', () => key('deviceKey'), 'key.refused'],
    ['biometric', () => key('biometric'), 'key.refused'],
    ['OTP', otp, 'authenticator.locked'],
    ['sent code', sentCode, 'authenticator.locked'],
    ['custom', custom, 'authenticator.locked'],
    ['passkey', passkeys, 'authenticator.locked'],
  ]

  it.each(all)('of a %s by an operator ends with an unlock, by one call that knows no type', async (_, make, locked) => {
    const e = await make()
    expect(await e.login()).toBe('ok')
    await commit(e, planLock(await e.enrolled(), 'operator'))
    expect(await e.login()).toBe(locked)
    await unlock(e)
    expect(await e.login()).toBe('ok')
    expect(await e.enrolled()).toMatchObject({ value: { status: 'active', cause: null } })
  })

  it.each([
    ['PIN', () => pin()],
    ['OTP', otp],
    ['custom', custom],
  ] as const)('of a %s by its last wrong answer ends the same way, and all tries are there again', async (_, make) => {
    const e = await make()
    for (let round = 0; round < 2; round++) {
      await e.exhaust!()
      expect(await e.enrolled()).toMatchObject({ value: { status: 'locked', cause: 'attempts' } })
      expect(await e.login()).toBe('authenticator.locked')
      await unlock(e)
      expect(await e.login()).toBe('ok')
    }
  })

  it('of a PIN by the failures of a window ends the same way, and the window with it', async () => {
    const e = await pin({ maxFailures: 5 })
    for (let i = 0; i < 4; i++) expect([await e.fail!(), await e.login()]).toEqual(['pin.wrong', 'ok'])
    await e.fail!()
    expect(await e.enrolled()).toMatchObject({ value: { status: 'locked', cause: 'failures' } })
    await unlock(e)
    for (let i = 0; i < 4; i++) expect([await e.fail!(), await e.login()]).toEqual(['pin.wrong', 'ok'])
  })

  it('is not put on what was never confirmed or is gone, nor taken off it', async () => {
    const e = await pin()
    const { value, ...rest } = await e.enrolled()
    const as = (status: 'pending' | 'removed'): Enrolled => ({ ...rest, value: { ...value, status } })
    const thrown = (plan: () => unknown) => codeOf((async () => plan())())
    for (const plan of [(x: Enrolled) => planLock(x, 'operator'), (x: Enrolled) => planUnlock(x, null)]) {
      expect(await thrown(() => plan(as('pending')))).toBe('enrolment.expired')
      expect(await thrown(() => plan(as('removed')))).toBe('authenticator.removed')
    }
  })

  it('A21 and a removal are not undone by a confirmation that comes late', async () => {
    const e = await key('biometric')
    const { value, ...rest } = await e.enrolled()
    for (const status of ['locked', 'removed'] as const)
      expect(await codeOf((async () => planConfirm({ ...rest, value: { ...value, status } }))())).toBe(`authenticator.${status}`)
    expect(planConfirm({ ...rest, value: { ...value, status: 'pending' } })).toMatchObject({ op: 'put', rev: rest.rev })
  })
})
