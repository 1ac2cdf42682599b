/** Confirmations: what a portal asks is shown on the phone, decided there, and told to the portal. The platform is behind a socket. */
/// <reference types="node" />
import { createHash } from 'node:crypto'
import type { PushPort } from '@postern/authenticators/push/port'
import type { CreationOptionsJSON, RequestOptionsJSON } from '@postern/authenticators/webauthn/messages'
import { createWebauthn } from '@postern/authenticators/webauthn/server'
import type { PushEndpoint, SignCause } from '@postern/client/ports'
import type { ConfirmInput, ConfirmQuestion, Prompts } from '@postern/client/prompts'
import type { JsonValue } from '@postern/core/json'
import { describe, expect, it } from 'vitest'
import { ORIGIN, RP, softPasskey } from '../../../platform/test/support/passkey.js'
import { served } from '../support/served.js'
import { createPhone, createWorld, got, ISSUER, policyOf, registered, user, type World } from '../support/world.js'

const SECRET = 'portal-secret-portal-secret-portal-secret'

/** A client that may ask; named in the bundle where it has a name there. */
const portalClient = (id: string) =>
  ({
    id,
    name: `Bank ${id}`,
    auth: { method: 'client_secret_basic', secretHashes: [createHash('sha256').update(SECRET).digest('base64url')] },
    grantTypes: ['client_credentials'],
    scope: ['mobile-auth'],
    resources: [ISSUER],
  }) as const

async function scene(o: { confirm?: number; push?: readonly PushPort[] } = {}) {
  const world = await served(
    await createWorld({
      clients: [portalClient('portal')],
      ...(o.push === undefined ? {} : { push: o.push }),
      authenticators: (own, kit) => [...own, createWebauthn({ rp: { id: RP, name: 'Bank' }, origins: [ORIGIN], ...kit })],
      policy(schema) {
        const start = policyOf(schema)
        const rules = start.rules.map((rule) =>
          rule.id === 'confirm-level' ? { ...rule, require: { acr: o.confirm ?? 2 } } : rule,
        )
        return { ...start, rules, acr: { levels: { ...start.acr.levels, webauthn: 2 } } }
      },
    }),
  )
  return { world, phone: await registered(world), portal: await portalOf(world) }
}

async function portalOf(world: World) {
  const call = async (method: string, path: string, json?: object) => {
    const headers: Record<string, string> = { authorization: `Bearer ${access_token}` }
    if (json !== undefined) headers['content-type'] = 'application/json'
    const reply = await world.fetch(ISSUER + path, {
      method,
      headers,
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    })
    const text = await reply.text()
    return { status: reply.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, string> }
  }
  const asked = await world.fetch(`${ISSUER}/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`portal:${SECRET}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'mobile-auth', resource: ISSUER }).toString(),
  })
  const { access_token } = (await asked.json()) as { access_token: string }
  const transfer = {
    app: 'retail',
    kind: 'transfer',
    display: [{ label: 'Reference', value: 'Rent' }],
    amount: { value: '812.00', currency: 'EUR' },
    payee: 'Landlord',
  }
  return {
    call,
    async ask(over: object = {}) {
      const { status, body } = await call('POST', '/transactions', { login_hint: 'c-1001', ...transfer, ...over })
      expect(status).toBe(201)
      return { at: body['id']!, id: body['id']!.split('.')[1]!, number: body['number']! }
    },
    async picture(over: object = {}) {
      const { body } = await call('POST', '/transactions/qr', { ...transfer, ...over })
      const text = (await call('GET', `/transactions/${body['id']}/picture`)).body['text']!
      return { at: body['id']!, number: body['number']!, text }
    },
    state: async (at: string) => (await call('GET', `/transactions/${at}`)).body['state'],
  }
}

/** Decides as told, and keeps what it was shown. */
function decides(...inputs: ConfirmInput[]): { shown: ConfirmQuestion[]; confirm: NonNullable<Prompts['confirm']> } {
  const shown: ConfirmQuestion[] = []
  return {
    shown,
    confirm: async (question) => {
      shown.push(question)
      return inputs.shift() ?? null
    },
  }
}

describe('a transaction that waits', () => {
  it('is shown row by row, with the name that the bundle gives its client, and approved by PIN and number', async () => {
    const { phone, portal } = await scene()
    expect(got(await phone.client.pending())).toEqual([])
    const { at, id, number } = await portal.ask()
    const [waits] = got(await phone.client.pending())
    expect(waits).toMatchObject({ id, profile: phone.profile, asksNumber: true })
    const screen = decides({ decision: 'approve', number })
    const pins = user(['40718'], { confirm: screen.confirm })
    expect(got(await phone.client.confirm(id, pins))).toEqual({ id, state: 'approved' })
    expect(screen.shown[0]!.rows).toEqual([
      { field: 'client', value: 'Bank portal' },
      { field: 'kind', value: 'transfer' },
      { field: 'display', label: 'Reference', value: 'Rent' },
      { field: 'amount', value: '812.00 EUR' },
      { field: 'payee', value: 'Landlord' },
    ])
    expect(pins.asked).toEqual([{ purpose: 'confirm' }])
    expect(await portal.state(at)).toBe('approved')
    expect((await portal.call('POST', `/transactions/${at}/redeem`, {})).body).toMatchObject({ type: 'pin' })
    expect(await phone.client.confirm(id, pins)).toMatchObject({ error: { code: 'transaction.unknown' } })
  })

  it('is denied and reported without any authenticator', async () => {
    const { world, phone, portal } = await scene()
    for (const [decision, state] of [
      ['deny', 'denied'],
      ['report', 'reported'],
    ] as const) {
      const { at, id } = await portal.ask()
      expect(got(await phone.client.confirm(id, user([], decides({ decision }))))).toEqual({ id, state })
      expect(await portal.state(at)).toBe(state)
      world.clock.advance(31_000)
    }
  })

  it('is asked again after a wrong PIN and a wrong number, and gone after three numbers', async () => {
    const { phone, portal } = await scene()
    const { at, id, number } = await portal.ask()
    const other = number === '00' ? '01' : '00'
    const screen = decides({ decision: 'approve', number: other }, { decision: 'approve', number })
    const pins = user(['11111', '40718', '40718'], { confirm: screen.confirm })
    expect(got(await phone.client.confirm(id, pins))).toMatchObject({ state: 'approved' })
    expect(pins.asked).toEqual([
      { purpose: 'confirm' },
      { purpose: 'confirm', reason: 'wrong', attemptsLeft: 2 },
      { purpose: 'confirm' },
    ])
    expect(screen.shown[1]).toMatchObject({ reason: 'wrong-number', attemptsLeft: 2 })
    expect(await portal.state(at)).toBe('approved')

    const next = await portal.ask()
    const wrong = { decision: 'approve', number: next.number === '00' ? '01' : '00' } as const
    const never = user(Array(3).fill('40718'), decides(wrong, wrong, wrong, wrong))
    expect(await phone.client.confirm(next.id, never)).toMatchObject({ error: { code: 'transaction.mismatch' } })
    expect(await portal.state(next.at)).toBe('denied')
  })

  it('is decided by a key of the phone, or by a passkey, where the user prefers that', async () => {
    const { world, phone, portal } = await scene()
    const key = softPasskey(world.random(24))
    const passkey: NonNullable<Prompts['passkey']> = async ({ purpose, publicKey }) =>
      (purpose === 'enrol'
        ? key.create(publicKey as unknown as CreationOptionsJSON)
        : key.get(publicKey as unknown as RequestOptionsJSON)) as unknown as JsonValue
    got(await phone.client.enrol('biometric', user([])))
    got(await phone.client.enrol('webauthn', user([], { passkey })))
    for (const type of ['biometric', 'webauthn']) {
      const { at, id, number } = await portal.ask()
      const choose: NonNullable<Prompts['choose']> = async (choices) => choices.find((one) => one.type === type)!.id
      const prompts = user([], { ...decides({ decision: 'approve', number }), choose, passkey })
      expect(got(await phone.client.confirm(id, prompts))).toMatchObject({ state: 'approved' })
      expect((await portal.call('POST', `/transactions/${at}/redeem`, {})).body).toMatchObject({ type })
    }
  })

  it.each<[SignCause, boolean]>([
    ['locked-out-permanently', true],
    ['key-invalidated', true],
    ['locked-out', false],
    ['unavailable', false],
  ])('waits on when the finger is %s; a key that is lost for ever (%s) ends on both sides', async (cause, gone) => {
    const { phone, portal } = await scene()
    got(await phone.client.enrol('biometric', user([])))
    const { at, id, number } = await portal.ask()
    const choose: NonNullable<Prompts['choose']> = async (choices) => choices.find(({ type }) => type === 'biometric')!.id
    const approve = () => user(['40718'], { ...decides({ decision: 'approve', number }), choose })
    phone.keystore.biometric = cause
    expect(await phone.client.confirm(id, approve())).toMatchObject({
      error: { code: gone ? 'authenticator.removed' : 'authenticator.failed' },
    })
    expect((await phone.client.profiles())[0]?.authenticators).toEqual(gone ? ['pin'] : ['pin', 'biometric'])
    expect([...phone.keystore.keys.values()].some(({ presence }) => presence === 'biometric')).toBe(!gone)
    expect(await portal.state(at)).toBe('pending')
    phone.keystore.biometric = null
    // Its server knows as well: what is left decides, and a new key may be enrolled.
    expect(got(await phone.client.confirm(id, approve()))).toMatchObject({ state: 'approved' })
    expect((await portal.call('POST', `/transactions/${at}/redeem`, {})).body).toMatchObject({ type: gone ? 'pin' : 'biometric' })
    expect((await phone.client.enrol('biometric', user(['40718']))).ok).toBe(gone)
  })

  it('waits on when the user goes back, and is over when its time is', async () => {
    const { world, phone, portal } = await scene()
    const { at, id, number } = await portal.ask()
    expect(await phone.client.confirm(id, user([], decides(null)))).toMatchObject({ error: { code: 'client.cancelled' } })
    expect(await phone.client.confirm(id, user([], decides({ decision: 'approve', number })))).toMatchObject({
      error: { code: 'client.cancelled' },
    })
    expect(await portal.state(at)).toBe('pending')
    const late = decides({ decision: 'approve', number })
    const prompts = user(['40718'], {
      confirm: async (question, signal) => {
        world.clock.advance(301_000)
        return late.confirm(question, signal)
      },
    })
    expect(await phone.client.confirm(id, prompts)).toMatchObject({ error: { code: 'transaction.expired' } })
    expect(got(await phone.client.pending())).toEqual([])
  })

  it('cannot be decided where nothing here is strong enough, and can still be refused', async () => {
    const { phone, portal } = await scene({ confirm: 3 })
    const { id, number } = await portal.ask()
    expect(await phone.client.confirm(id, user(['40718'], decides({ decision: 'approve', number })))).toMatchObject({
      error: { code: 'authenticator.none_usable' },
    })
    expect(got(await phone.client.confirm(id, user([], decides({ decision: 'deny' }))))).toMatchObject({ state: 'denied' })
  })

  it('of another app, or of a client that the bundle does not name, is not shown', async () => {
    const { phone, portal } = await scene()
    await portal.ask({ app: 'wholesale' })
    expect(got(await phone.client.pending())).toEqual([])
  })
})

describe('a push', () => {
  it('wakes the phones that run the app, with the id and nothing else; a dead address is forgotten', async () => {
    const sent: { endpoint: PushEndpoint; id: string }[] = []
    let outcome: 'sent' | 'gone' = 'sent'
    const push: PushPort = {
      kind: 'fcm',
      serves: ({ kind }) => kind === 'fcm',
      async send(endpoint, id) {
        sent.push({ endpoint, id })
        return outcome
      },
    }
    const { phone, portal } = await scene({ push: [push] })
    const endpoint = { kind: 'fcm', token: 'a'.repeat(32) } as const
    expect(await phone.client.enrolPush({ kind: 'apns', token: 'ab'.repeat(32) })).toMatchObject({
      error: { code: 'push.endpoint' },
    })
    got(await phone.client.enrolPush(endpoint))
    const first = await portal.ask()
    expect(sent).toEqual([{ endpoint, id: first.id }])
    await portal.ask({ app: 'wholesale', replace: true })
    expect(sent).toHaveLength(1)
    outcome = 'gone'
    await portal.ask({ replace: true })
    await portal.ask({ replace: true })
    expect(sent).toHaveLength(2)
    outcome = 'sent'
    got(await phone.client.enrolPush(endpoint))
    got(await phone.client.enrolPush(null))
    await portal.ask({ replace: true })
    expect(sent).toHaveLength(2)
  })
})

describe('a picture', () => {
  it('A17 shows first where it was begun, is decided on the phone that scanned it, and scanned by no other', async () => {
    const { world, phone, portal } = await scene()
    const { at, number, text } = await portal.picture({ origin: 'Berlin, Firefox' })
    const screen = decides({ decision: 'approve', number })
    expect(got(await phone.client.scan(text, user(['40718'], { confirm: screen.confirm })))).toMatchObject({ state: 'approved' })
    expect(screen.shown[0]!.rows[0]).toEqual({ field: 'origin', value: 'Berlin, Firefox' })
    expect((await portal.call('POST', `/transactions/${at}/redeem`, {})).body).toMatchObject({ sub: 'c-1001' })

    const other = createPhone(world)
    got(await other.client.start())
    got(await other.client.register({ custom: 'letter', data: 'c-2002' }, user(['40718'])))
    for (const picture of [text, 'https://elsewhere.example/q/AAAA', ''])
      expect(await other.client.scan(picture, user([], decides(null)))).toMatchObject({
        error: { code: 'transaction.qr_refused' },
      })
  })
})
