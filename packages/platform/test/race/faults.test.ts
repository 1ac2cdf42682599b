import { readDevices } from '@postern/authenticators/devices'
import { decodeEnrolment } from '@postern/authenticators/enrolment'
import type { Store } from '@postern/store'
import { faultyStore } from '@postern/testkit/faulty'
import { places } from '@postern/tokens/places'
import { describe, expect, it } from 'vitest'
import { type Answer, createBank, createPhone, crypto } from '../support/bank.js'
import { PIN, withKey, withPin } from '../support/people.js'

const seeds = [1, 2, 3, 4, 5]

/** A store that is sound until the test lets the faults in, and again when it is done. */
function unreliable(seed: number) {
  let bad: ReturnType<typeof faultyStore> | null = null
  let on = false
  const wrap = (store: Store): Store => {
    const plan = { delay: 0.2, dropBefore: 0.1, dropAfter: 0.15, late: 0.1, duplicate: 0.1 }
    const faulty = faultyStore(store, { seed, plan })
    bad = faulty
    const now = (): Store => (on ? faulty : store)
    return {
      ...store,
      read: (part, keys, o) => now().read(part, keys, o),
      list: (part, prefix, o) => now().list(part, prefix, o),
      commit: (part, ops, o) => now().commit(part, ops, o),
    }
  }
  return {
    wrap,
    begin: () => void (on = true),
    async end() {
      on = false
      await bad?.drain()
    },
  }
}

/** Asks again while the server cannot say what happened. */
async function persistent(ask: () => Promise<Answer>, times = 12): Promise<Answer> {
  let answer = await ask()
  for (let i = 0; i < times && answer.status >= 500; i++) answer = await ask()
  return answer
}

describe('a network that loses, delays and repeats what a store is told', () => {
  it.each(seeds)(
    'A01 A02: a try whose outcome nobody knows is spent; a right PIN after the last is refused (seed %i)',
    async (seed) => {
      const net = unreliable(seed)
      let ke2 = 0
      const bank = await createBank({ pin: { maxAttempts: 3, onExhausted: 'lock' } }, { nodes: 2, wrap: net.wrap })
      const { phone, slot } = await withPin(bank)
      const { challenge } = phone
      phone.challenge = async (form) => {
        const answer = await challenge(form)
        const { step } = (answer.body['step'] ?? {}) as { step?: { ask?: string; ke2?: string } }
        if (form['step'] !== undefined && step !== undefined) ke2++
        return answer
      }
      net.begin()
      for (let i = 0; i < 10; i++) await phone.loginPin(`1111${i}`, slot).catch(() => undefined)
      await net.end()
      expect(ke2).toBeLessThanOrEqual(3)
      for (let i = 0; i < 4; i++) await phone.loginPin(`2222${i}`, slot).catch(() => undefined)
      expect(ke2).toBeLessThanOrEqual(3)
      expect((await phone.loginPin(PIN, slot)).body).not.toHaveProperty('authorization_code')
    },
  )

  it.each(seeds)('a proven session yields at most one code, and a code at most one live family (seed %i)', async (seed) => {
    const net = unreliable(seed)
    const bank = await createBank({}, { nodes: 2, wrap: net.wrap })
    const { phone, key } = await withKey(bank)
    const codes = new Set<string>()
    const families = new Set<string>()
    net.begin()
    for (let i = 0; i < 4; i++) {
      const first = await persistent(() => phone.start())
      if (first.body['step'] === undefined) continue
      const form = await phone.keyAnswer(first.body, key)
      const answers = await Promise.all([1, 2, 3].map(() => persistent(() => phone.challenge(form))))
      const got = answers.flatMap(({ body }) =>
        body['authorization_code'] === undefined ? [] : [String(body['authorization_code'])],
      )
      expect(got.length).toBeLessThanOrEqual(1)
      for (const code of got) codes.add(code)
      for (const code of got) {
        const redeemed = await Promise.all([1, 2, 3].map(() => persistent(() => phone.token(code))))
        const tokens = redeemed.filter(({ status }) => status === 200)
        expect(tokens.length).toBeLessThanOrEqual(1)
        for (const { body } of tokens) families.add(String(body['refresh_token']))
      }
    }
    await net.end()
    expect(families.size).toBeLessThanOrEqual(codes.size)
    // Redeemed more than once: whatever was given out for them has ended.
    for (const token of families) expect((await phone.refresh(token)).body).not.toHaveProperty('access_token')
    // And the honest user is not locked out by what the network did.
    expect((await phone.loginKey(key)).status).toBe(200)
  })

  it.each(seeds)('a refresh asked for again and again has one successor, and the family lives (seed %i)', async (seed) => {
    const net = unreliable(seed)
    const bank = await createBank({}, { nodes: 2, wrap: net.wrap })
    const { phone, key } = await withKey(bank)
    const login = await phone.loginKey(key)
    let token = String((await phone.token(String(login.body['authorization_code']))).body['refresh_token'])
    net.begin()
    for (let i = 0; i < 4; i++) {
      const answers = await Promise.all([1, 2, 3].map(() => persistent(() => phone.refresh(token), 20)))
      const next = new Set(answers.filter(({ status }) => status === 200).map(({ body }) => String(body['refresh_token'])))
      expect(next.size).toBeLessThanOrEqual(1)
      token = [...next][0] ?? token
    }
    await net.end()
    expect((await phone.refresh(token)).status).toBe(200)
  })

  it.each(seeds)('A20 I3: enrolments under faults keep the limit, and no half of one logs in (seed %i)', async (seed) => {
    const net = unreliable(seed)
    const bank = await createBank({ limits: { devicesPerUser: 2 } }, { nodes: 2, wrap: net.wrap })
    const phones = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const phone = await createPhone(bank, 300 + i)
        await phone.enrolInstance()
        return { phone, token: String((await phone.register()).body['access_token']) }
      }),
    )
    net.begin()
    await Promise.all(phones.map(({ phone, token }) => phone.enrolKey('device-key', token).catch(() => undefined)))
    await net.end()
    const now = bank.clock.clock()
    const user = await places({ keys: bank.keys, crypto, tenant: 'bank' }).user('c-1001')
    const [rec] = await bank.store.read(user, ['devices'], { now })
    const listed = readDevices(rec ?? null, now)
    expect(listed.length).toBeLessThanOrEqual(2)
    for (const { phone } of phones) {
      const records = await bank.store.list({ tenant: 'bank', id: `dev:${phone.clientId}` }, 'enr/', { now, limit: 9 })
      const active = records.filter(({ value }) => decodeEnrolment(value).status === 'active')
      expect(active.length).toBeLessThanOrEqual(1)
      if (active.length === 1) expect(listed.find(({ id }) => id === phone.clientId)?.status).toBe('active')
      else expect((await phone.start()).body).not.toHaveProperty('step')
    }
    // What was left half-way lapses, and the place with it.
    bank.clock.advance(121_000)
    const after = await createPhone(bank, 400)
    await after.enrolInstance()
    const token = String((await after.register()).body['access_token'])
    const taken = listed.filter(({ status }) => status === 'active').length
    expect((await after.enrolKey('device-key', token)).status).toBe(taken < 2 ? 201 : 403)
  })
})
