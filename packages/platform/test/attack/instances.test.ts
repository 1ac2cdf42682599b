/** An instance over years: what it reports, what it enrols and gives up, and what a bank takes out of service meanwhile. */
import { expect, it } from 'vitest'
import { createBank, createPhone, ISSUER, type Phone } from '../support/bank.js'
import { tokensOf, withKey, withPin } from '../support/people.js'

type Bank = Awaited<ReturnType<typeof createBank>>

const challengeOf = async (bank: Bank) =>
  (await (await bank.call('/challenge', { method: 'POST' })).json()) as { challenge: string; nonce: string }

/** Reports an update, each with a proof of its own. */
async function report(bank: Bank, phone: Phone, token: string, at: { challenge: string; nonce: string }, over: object = {}) {
  const path = `/register/${phone.clientId}`
  const signals = { privilegedAccess: false, debug: false, simulator: false, hooks: false, appIntegrity: false }
  const answer = await bank.call(path, {
    method: 'PUT',
    headers: {
      'content-type': 'application/json',
      dpop: await phone.proof('PUT', path, token, at.nonce),
      authorization: `DPoP ${token}`,
    },
    body: JSON.stringify({
      app_id: 'retail',
      app_version: '5.2.0',
      app_platform: 'other',
      os_version: '14.2',
      challenge: at.challenge,
      jwks: { keys: [phone.device.publicJwk] },
      redirect_uris: ['com.bank.retail:/cb'],
      token_endpoint_auth_method: 'none',
      evidence: [
        { format: 'app-signature', certificates: ['ab'.repeat(32)] },
        { format: 'signals', v: 1, at: Date.UTC(2026, 0, 5, 9), source: 't', signals },
      ],
      ...over,
    }),
  })
  const { code, registration_access_token } = (await answer.json()) as Record<string, string>
  return { status: answer.status, code, token: registration_access_token ?? token }
}

it('a challenge serves one update: the same report may be sent again for a lost answer, and no other', async () => {
  const bank = await createBank()
  const { phone, registration } = await withKey(bank)
  const first = await challengeOf(bank)
  const done = await report(bank, phone, registration, first)
  expect(done.status).toBe(200)
  // The answer was lost: the same again, by the token that is known.
  const again = await report(bank, phone, registration, first)
  expect(again.status).toBe(200)
  for (const over of [{ os_version: '14.3' }, { device_model: 'another' }])
    expect(await report(bank, phone, again.token, first, over)).toMatchObject({ status: 400, code: 'challenge.invalid' })
  expect((await report(bank, phone, again.token, await challengeOf(bank), { os_version: '14.3' })).status).toBe(200)
})

it('of many reports by one challenge at the same moment, one is taken', async () => {
  const bank = await createBank({}, { nodes: 2 })
  const { phone, registration } = await withKey(bank)
  const at = await challengeOf(bank)
  const all = await Promise.all(
    Array.from({ length: 6 }, (_, i) => report(bank, phone, registration, at, { os_version: `14.${i}` })),
  )
  expect(all.filter(({ status }) => status === 200)).toHaveLength(1)
})

it('a phone that enrols and gives up a biometric hundreds of times still logs in, and what it carries stays small', async () => {
  const bank = await createBank()
  const { phone, key, enrolToken } = await withKey(bank)
  const size = async () => String((await phone.start()).body['auth_session']).length
  const before = await size()
  const login = await phone.loginKey(key, { scope: 'enrol', resource: ISSUER })
  const token = String((await phone.token(String(login.body['authorization_code']))).body['access_token'])
  let last = ''
  for (let i = 0; i < 80; i++) {
    const made = await phone.enrolKey('biometric', i === 0 ? enrolToken : token)
    expect(made.status).toBe(201)
    last = made.key.id
    expect((await phone.send('DELETE', `/enrolments/${last}`, undefined, token)).status).toBe(204)
  }
  expect(await size()).toBe(before)
  expect((await tokensOf({ phone, key })).status).toBe(200)
  // What it has just given up, it is still told of; what it gave up long ago is gone.
  const { enrolments } = (await phone.get('/enrolments', token)).body as { enrolments: { id: string; status: string }[] }
  expect(enrolments.find(({ id }) => id === last)).toMatchObject({ status: 'removed' })
  expect(enrolments.length).toBeLessThanOrEqual(20)
})

it('an authenticator that a bank takes out of service is offered to nobody, and nobody’s login fails of it', async () => {
  let made = 0
  const bank = await createBank(
    { authenticators: (own) => (made++ < 2 ? own : own.filter(({ type }) => type !== 'biometric')) },
    { nodes: 2 },
  )
  let node = 0
  const at: Bank = { ...bank, call: (path, init) => bank.nodes[node]!.fetch(new Request(ISSUER + path, init)) }
  const { phone, slot, key, enrolToken } = await withPin(at, 1, true)
  await phone.send('PUT', '/enrolments/preferred', { id: key.id }, enrolToken)
  node = 1
  const first = await phone.start()
  expect((first.body['choices'] as { type: string }[]).map(({ type }) => type)).toEqual(['pin'])
  expect((await phone.loginPin('35791', slot)).body).toHaveProperty('authorization_code')
  const named = await phone.challenge({ auth_session: String(first.body['auth_session']), authenticator: key.id })
  expect(named.status).toBe(403)
  // Nor does it count as what is left to log in with.
  const login = await phone.loginPin('35791', slot, { scope: 'enrol', resource: ISSUER })
  const token = String((await phone.token(String(login.body['authorization_code']))).body['access_token'])
  expect((await phone.send('DELETE', `/enrolments/${slot.enrolment}`, undefined, token)).body).toMatchObject({
    code: 'pin.required',
  })
  // A session that was begun where it still was.
  node = 0
  const begun = await phone.start()
  expect((begun.body['choices'] as { type: string }[]).map(({ type }) => type)).toContain('biometric')
  node = 1
  const answer = await phone.challenge(await phone.keyAnswer({ ...begun.body, step: begun.body['step'] }, key))
  expect(answer.status).toBeLessThan(500)
  expect(answer.body).not.toHaveProperty('authorization_code')
})

it('one parameter stands once', async () => {
  const bank = await createBank()
  const phone = await createPhone(bank)
  for (const [method, path] of [
    ['DELETE', '/push?client_id=a&client_id=b'],
    ['GET', '/transactions?client_id=a&client_id=b&profile=c'],
  ] as const)
    expect((await phone.send(method, path)).body).toMatchObject({ code: 'request.duplicate' })
})
