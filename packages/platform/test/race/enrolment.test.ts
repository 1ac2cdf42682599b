import { readDevices } from '@postern/authenticators/devices'
import { decodeEnrolment } from '@postern/authenticators/enrolment'
import { newRev } from '@postern/store'
import { slowStore } from '@postern/testkit/latency'
import { places } from '@postern/tokens/places'
import { describe, expect, it } from 'vitest'
import { configKey, createConfigStore } from '../../src/internal/config.js'
import { createBank, createPhone, crypto } from '../support/bank.js'
import { tokensOf, withKey } from '../support/people.js'

const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms))
const far = (ms: number) =>
  ms === 0 ? {} : { wrap: (store: Parameters<typeof slowStore>[0]) => slowStore(store, { ms, sleep }) }

/** Lets nobody through before all have come. */
function barrier(n: number): () => Promise<void> {
  let open = (): void => undefined
  let waiting = 0
  const all = new Promise<void>((resolve) => {
    open = resolve
  })
  return () => {
    if (++waiting === n) open()
    return all
  }
}

describe('many at once, on two nodes', () => {
  it.each([0, 2, 10])('A20 F15: phones of one user enrol in parallel at a limit of 8, exactly 8 get in (%i ms)', async (ms) => {
    const bank = await createBank({ limits: { devicesPerUser: 8 } }, { nodes: 2, ...far(ms) })
    const phones = await Promise.all(
      Array.from({ length: { 0: 50, 2: 24, 10: 12 }[ms]! }, async (_, i) => {
        const phone = await createPhone(bank, 100 + i)
        await phone.enrolInstance()
        return { phone, token: String((await phone.register()).body['access_token']) }
      }),
    )
    const gate = barrier(phones.length)
    const enrolled = await Promise.all(phones.map(({ phone, token }) => phone.enrolKey('device-key', token, gate)))
    const codes = enrolled.map(({ status, body }) => (status === 201 ? 'in' : String(body['code'])))
    expect(codes.filter((code) => code === 'in')).toHaveLength(8)
    expect(new Set(codes)).toEqual(new Set(['in', 'device.limit']))
    const user = await places({ keys: bank.keys, crypto, tenant: 'bank' }).user('c-1001')
    const [devices] = await bank.store.read(user, ['devices'], { now: bank.clock.clock() })
    expect(readDevices(devices ?? null, bank.clock.clock()).map(({ status }) => status)).toEqual(Array(8).fill('active'))
  })

  it('A01: one user enrols the same type 12 times at once on one phone: he has it once', async () => {
    const bank = await createBank({}, { nodes: 2 })
    const phone = await createPhone(bank)
    await phone.enrolInstance()
    const token = String((await phone.register()).body['access_token'])
    const tried = await Promise.all(Array.from({ length: 12 }, () => phone.enrolKey('device-key', token)))
    expect(tried.filter(({ status }) => status === 201)).toHaveLength(1)
    const records = await bank.store.list({ tenant: 'bank', id: `dev:${phone.clientId}` }, 'enr/', {
      now: bank.clock.clock(),
      limit: 50,
    })
    expect(records.map(({ value }) => decodeEnrolment(value).status)).toEqual(['active'])
  })

  it('two authenticators removed at the same moment: one stays', async () => {
    const bank = await createBank({}, { nodes: 2 })
    const { phone, key, enrolToken } = await withKey(bank)
    const other = await phone.enrolKey('biometric', enrolToken)
    expect(other.status).toBe(201)
    const login = await phone.loginKey(key, { scope: 'enrol', resource: 'http://127.0.0.1:9/postern' })
    const tokens = await phone.token(String(login.body['authorization_code']))
    const token = String(tokens.body['access_token'])
    const removed = await Promise.all(
      [key.id, other.key.id].map((id) => phone.send('DELETE', `/enrolments/${id}`, undefined, token)),
    )
    expect(removed.filter(({ status }) => status === 204)).toHaveLength(1)
  })
})

describe('logins at once', () => {
  it.each([0, 2])('A07: the same proven step 20 times in parallel gives one code (%i ms)', async (ms) => {
    const bank = await createBank({}, { nodes: 2, ...far(ms) })
    const { phone, key } = await withKey(bank)
    const first = await phone.start()
    const form = await phone.keyAnswer(first.body, key)
    const answers = await Promise.all(Array.from({ length: 20 }, () => phone.challenge(form)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    for (const { status, body } of answers) if (status !== 200) expect(body).not.toHaveProperty('authorization_code')
  })

  it('two ways of proving one session, at once, give one code', async () => {
    const bank = await createBank({}, { nodes: 2 })
    const { phone, key, enrolToken } = await withKey(bank)
    const { key: other } = await phone.enrolKey('biometric', enrolToken)
    const first = await phone.start()
    const session = String(first.body['auth_session'])
    const [a, b] = await Promise.all(
      [key, other].map(async (one) => {
        const asked = await phone.challenge({ auth_session: session, authenticator: one.id })
        return phone.keyAnswer(asked.body, one)
      }),
    )
    const answers = await Promise.all([a!, b!].map((form) => phone.challenge(form)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.find(({ status }) => status !== 200)?.body).toMatchObject({ error: 'invalid_session' })
  })

  it('a fallback and a login of the same session, at once: at most one code, and the PIN counts no guess of its own', async () => {
    const bank = await createBank({}, { nodes: 2 })
    const { phone, key } = await withKey(bank)
    const first = await phone.start()
    const form = await phone.keyAnswer(first.body, key)
    const [login, fallback] = await Promise.all([
      phone.challenge(form),
      phone.challenge({ auth_session: form['auth_session']!, authenticator: key.id, fallback: 'user-choice' }),
    ])
    expect(login.status).toBe(200)
    expect(fallback.body).not.toHaveProperty('authorization_code')
  })

  it('T02: one code redeemed 20 times at once on two nodes gives tokens once, and they end', async () => {
    const bank = await createBank({}, { nodes: 2 })
    const { phone, key } = await withKey(bank)
    const login = await phone.loginKey(key)
    const code = String(login.body['authorization_code'])
    const answers = await Promise.all(Array.from({ length: 20 }, () => phone.token(code)))
    const good = answers.filter(({ status }) => status === 200)
    expect(good).toHaveLength(1)
    expect((await phone.refresh(String(good[0]!.body['refresh_token']))).status).toBe(400)
  })
})

describe('ruling while they log in', () => {
  it('T50: a version switched off during 10 logins: whoever redeems afterwards gets nothing', async () => {
    const bank = await createBank({}, { nodes: 2 })
    const people = await Promise.all(Array.from({ length: 5 }, (_, i) => withKey(bank, 200 + i)))
    const logins = Promise.all(people.map(({ phone, key }) => phone.loginKey(key)))
    const config = createConfigStore({ store: bank.store, tenant: 'bank', clock: bank.ports.clock, random: bank.ports.random })
    const key = configKey.version('retail', 'other', '5.2.0')
    const { revs } = await config.current()
    await config.write(key, { status: 'disabled', signatures: ['ab'.repeat(32)], sealed: true }, revs.get(key)!, [])
    const codes = await logins
    bank.clock.advance(1_001)
    const tokens = await Promise.all(
      people.map(({ phone }, i) => phone.token(String(codes[i]!.body['authorization_code'] ?? 'none'))),
    )
    for (const { body } of tokens) expect(body).not.toHaveProperty('access_token')
  })

  it('T17: a device removed while 20 refreshes are under way: nothing is issued once the removal has answered', async () => {
    const bank = await createBank({}, { nodes: 2 })
    const person = await withKey(bank)
    const { body } = await tokensOf(person)
    let removed = false
    let late = 0
    const tries = Array.from({ length: 20 }, async (_, i) => {
      await sleep(i % 5)
      const startedAfter = removed
      const answer = await person.phone.refresh(String(body['refresh_token']))
      if (startedAfter && answer.status === 200) late++
    })
    const { part, rec } = await deviceRecord(bank, person.phone.clientId)
    const value = JSON.parse(new TextDecoder().decode(rec.value.subarray(1)))
    const bytes = new TextEncoder().encode(`\u0001${JSON.stringify({ ...value, status: 'removed' })}`)
    await sleep(2)
    await bank.store.commit(
      part,
      [
        { op: 'put', key: 'd', value: bytes },
        { op: 'put', key: 'ep', value: new Uint8Array(0) },
      ],
      { now: bank.clock.clock(), rev: newRev(bank.ports.random) },
    )
    removed = true
    await Promise.all(tries)
    expect(late).toBe(0)
    expect((await person.phone.refresh(String(body['refresh_token']))).status).toBeGreaterThanOrEqual(400)
    expect((await person.phone.loginKey(person.key)).body).not.toHaveProperty('authorization_code')
  })
})

async function deviceRecord(bank: Awaited<ReturnType<typeof createBank>>, id: string) {
  const part = { tenant: 'bank', id: `dev:${id}` }
  const [rec] = await bank.store.read(part, ['d'], { now: bank.clock.clock() })
  return { part, rec: rec! }
}
