/** A bank in this process: the platform over a memory store, simulated clock and randomness, and a phone that speaks the wire by hand. */
import { answerKey, answerKeyEnrolment } from '@postern/authenticators/deviceKey/client'
import { enrolPin, type Ksf, loginPin, type PinClientOptions, type PinSlot } from '@postern/authenticators/pin/client'
import type { PinAnswer, PinStep } from '@postern/authenticators/pin/messages'
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import type { CryptoPort, Signer } from '@postern/core/cryptoPort'
import { signJws } from '@postern/core/jws'
import { createKeyRingDocument, type KeyRing, openKeyRing } from '@postern/core/keyRing'
import { createPlatform, type Platform, type PlatformOptions } from '@postern/platform'
import type { PolicyDocument } from '@postern/policy/document'
import { starterDocument } from '@postern/policy/mobile'
import type { Op, Runtime, Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { type SimClock, type SimPorts, seededRandom, simPorts } from '@postern/testkit/simulation'
import type { KeySource } from '@postern/tokens/keys'
import { places } from '@postern/tokens/places'
import { configKey, createConfigStore } from '../../src/internal/config.js'

export const ISSUER = 'http://127.0.0.1:9/postern'
export const API = 'https://accounts.bank.example'
export const ACR = ['basic', 'pin', 'strong'] as const
export const crypto: CryptoPort = createCrypto()

export interface Bank {
  readonly platform: Platform
  readonly clock: SimClock
  readonly ports: SimPorts
  readonly store: Store
  readonly nodes: readonly Platform[]
  /** Commits that an answer waited for: not those that take shipped events out of the outbox. */
  readonly trips: (readonly Op[])[]
  /** Every value that was ever put. */
  readonly written: readonly { readonly part: string; readonly key: string; readonly value: Uint8Array }[]
  readonly keys: KeyRing
  call(path: string, init?: RequestInit): Promise<Response>
}

/** The least key stretching: what a PIN costs a phone is not what these tests are about. */
export const quickKsf: Ksf = (input) => crypto.digest('SHA-512', input)

export function bankPolicy(schema: string): PolicyDocument {
  return starterDocument({
    id: 'main',
    schema,
    levels: { pin: 2, biometric: 2, 'device-key': 3 },
    login: 2,
    confirm: 2,
    acceptUnchecked: ['other'],
  })
}

/** How a bank is built: processes over one store, and what lies between them and it. */
export interface Building {
  /** Processes; calls go to each in turn. */
  readonly nodes?: number
  readonly wrap?: (store: Store) => Store
  readonly seed?: number
  /** Keys that are kept in the bank's store. */
  readonly keysFrom?: (runtime: Runtime) => Promise<KeySource>
}

export async function createBank(
  over: Partial<PlatformOptions> = {},
  { nodes = 1, wrap = (store) => store, seed = 7, keysFrom }: Building = {},
): Promise<Bank> {
  const ports = simPorts({ seed, start: Date.UTC(2026, 0, 5, 9) })
  const clock = ports.time
  const memory = memoryStore()
  const trips: (readonly Op[])[] = []
  const written: { part: string; key: string; value: Uint8Array }[] = []
  const store: Store = {
    ...memory,
    commit(part, ops, o) {
      for (const op of ops) if (op.op === 'put') written.push({ part: part.id, key: op.key, value: op.value })
      if (part.id.startsWith('dev:') && ops.some(({ op }) => op !== 'del')) trips.push(ops)
      return memory.commit(part, ops, o)
    },
  }
  const runtime = { ...ports, crypto, store }
  const far = { ...runtime, store: wrap(store) }
  const keys = await openKeyRing(await createKeyRingDocument({ clock: ports.clock, random: ports.random, crypto }), crypto)
  const source = (await keysFrom?.(runtime)) ?? keys
  const config = createConfigStore({ store, tenant: 'bank', clock: ports.clock, random: ports.random })
  await config.write(configKey.app('retail'), { id: 'retail', name: 'Retail', registration: 'open' }, null, [])
  await config.write(
    configKey.version('retail', 'other', '5.2.0'),
    { status: 'enabled', signatures: ['ab'.repeat(32)], sealed: true },
    null,
    [],
  )
  const options = (own: typeof runtime): PlatformOptions => ({
    issuer: ISSUER,
    tenant: 'bank',
    runtime: own,
    keys: source,
    acr: ACR,
    unverifiedAcr: 'strong',
    resources: { [API]: {} },
    scopes: ['accounts', 'payments'],
    registrars: {
      letter: {
        complete: async ({ data }) =>
          data === 'right code' ? { outcome: 'done', subject: 'c-1001', amr: ['kba'] } : { outcome: 'failed' },
      },
    },
    policy: bankPolicy,
    ...over,
  })
  // The first start publishes the policy, over a sound store; the faults are for those who serve.
  const first = await createPlatform(options(runtime))
  const serving: Platform[] = nodes === 1 && far.store === store ? [first] : []
  // A node that cannot start is started again, as its host would.
  while (serving.length < nodes)
    await createPlatform(options(far)).then(
      (node) => serving.push(node),
      () => undefined,
    )
  const platform = serving[0]!
  let turn = 0
  return {
    platform,
    clock,
    ports,
    store,
    trips,
    written,
    keys,
    call: (path, init) => serving[turn++ % serving.length]!.fetch(new Request(ISSUER + path, init), { ip: '192.0.2.7' }),
    nodes: serving,
  }
}

export interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

/** A key of the phone's keystore that was enrolled. */
export interface PhoneKey {
  readonly id: string
  readonly signer: Signer
}

export interface Phone {
  readonly clientId: string
  readonly device: Signer
  readonly random: (n: number) => Uint8Array
  /** A proof for one request. */
  proof(method: string, path: string, token?: string, nonce?: string): Promise<string>
  /** @param together - what it waits for before its last request */
  enrolKey(type: 'device-key' | 'biometric', token: string, together?: () => Promise<void>): Promise<Answer & { key: PhoneKey }>
  /** What a login's form says to answer a step with a key. */
  keyAnswer(first: Record<string, unknown>, key: PhoneKey): Promise<Record<string, string>>
  loginKey(key: PhoneKey, form?: Record<string, string>): Promise<Answer>
  send(method: string, path: string, body?: object | URLSearchParams, token?: string, again?: boolean): Promise<Answer>
  /** GET of a path with a query, which no proof covers. */
  get(path: string, token?: string): Promise<Answer>
  /** The profile of a user of this phone: his name on this device. */
  profile(subject?: string): Promise<string>
  enrolInstance(over?: object): Promise<Answer>
  token(code: string, extra?: Record<string, string>): Promise<Answer>
  register(data?: unknown): Promise<Answer>
  enrolPin(pin: string, token: string): Promise<PinSlot>
  challenge(form: Record<string, string>): Promise<Answer>
  start(form?: Record<string, string>): Promise<Answer>
  /** Logs in by PIN up to the code. */
  loginPin(pin: string, slot: PinSlot, form?: Record<string, string>): Promise<Answer>
  answerPin(first: Record<string, unknown>, pin: string, slot: PinSlot): Promise<Answer>
  refresh(token: string): Promise<Answer>
}

/** A phone with nothing but a key and the wire. */
export async function createPhone(bank: Bank, seed = 1): Promise<Phone> {
  const random = seededRandom(seed)
  const jwk = await crypto.generateKey('ES256', random)
  const device: Signer = await crypto.signer('ES256', jwk)
  let nonce: string | undefined
  let clientId = ''

  async function proof(method: string, path: string, token?: string, own?: string): Promise<string> {
    const ath = token === undefined ? {} : { ath: encodeBase64url(await crypto.digest('SHA-256', utf8(token))) }
    const n = own ?? nonce
    return signJws(
      device,
      { typ: 'dpop+jwt', jwk: device.publicJwk },
      {
        jti: encodeBase64url(random(16)),
        htm: method,
        htu: ISSUER + path,
        iat: Math.floor(bank.clock.clock() / 1000),
        ...(n === undefined ? {} : { nonce: n }),
        ...ath,
      },
    )
  }

  async function send(
    method: string,
    path: string,
    body?: object | URLSearchParams,
    token?: string,
    again = true,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const headers = new Headers({ dpop: await proof(method, path.split('?')[0]!, token) })
    if (token !== undefined) headers.set('authorization', `DPoP ${token}`)
    if (body !== undefined && !(body instanceof URLSearchParams)) headers.set('content-type', 'application/json')
    const answer = await bank.call(path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: body instanceof URLSearchParams ? body : JSON.stringify(body) }),
    })
    nonce = answer.headers.get('dpop-nonce') ?? nonce
    const text = await answer.text()
    const parsed = text === '' ? {} : JSON.parse(text)
    const refused = parsed.error === 'use_dpop_nonce' || /use_dpop_nonce/.test(answer.headers.get('www-authenticate') ?? '')
    return refused && again ? send(method, path, body, token, false) : { status: answer.status, body: parsed }
  }

  const verifier = 'v'.repeat(43)
  const challenge = encodeBase64url(await crypto.digest('SHA-256', utf8(verifier)))
  const options = (): Omit<PinClientOptions, 'exchange'> => ({
    issuer: ISSUER,
    tenant: 'bank',
    app: 'retail',
    device: clientId,
    sign: (data) => device.sign(data),
    crypto,
    random,
    ksf: quickKsf,
  })

  const context = () => ({ issuer: ISSUER, tenant: 'bank', app: 'retail', device: clientId, crypto })
  const phone: Phone = {
    send,
    device,
    random,
    proof,
    get: (path, token) => send('GET', path, undefined, token),
    profile: async (subject = 'c-1001') =>
      (await places({ keys: bank.keys, crypto, tenant: 'bank' }).user(subject)).id.slice('usr:'.length),
    async enrolKey(type, token, together) {
      const signer = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
      const begun = await send('POST', `/enrolments/${type}/begin`, {}, token)
      if (begun.status !== 200) return { ...begun, key: { id: '', signer } }
      const step = await answerKeyEnrolment(begun.body['step'], {
        ...context(),
        key: { publicJwk: signer.publicJwk, sign: (data) => signer.sign(data) },
        deviceSign: (data) => device.sign(data),
      })
      await together?.()
      const done = await send('POST', `/enrolments/${type}/finish`, { handle: begun.body['handle'], step }, token)
      const { id = '' } = (done.body['enrolment'] ?? {}) as { id?: string }
      return { ...done, key: { id, signer } }
    },
    async keyAnswer(first, { signer }) {
      const step = first['step'] as { authenticator: string; handle: string; step: unknown }
      const answer = await answerKey(step.step, { ...context(), purpose: 'login', sign: (data) => signer.sign(data) })
      return {
        auth_session: String(first['auth_session']),
        authenticator: step.authenticator,
        step: encodeBase64url(utf8(JSON.stringify({ handle: step.handle, step: answer, finish: true }))),
      }
    },
    async loginKey(key, form = {}) {
      const first = await phone.start(form)
      const { authenticator } = (first.body['step'] ?? {}) as { authenticator?: string }
      const asked =
        authenticator === key.id
          ? first
          : await phone.challenge({ auth_session: String(first.body['auth_session']), authenticator: key.id })
      if (asked.body['step'] === undefined) return asked
      return phone.challenge(await phone.keyAnswer(asked.body, key))
    },
    get clientId() {
      return clientId
    },
    async enrolInstance(over: object = {}) {
      const { challenge: handle, nonce: own } = (await (await bank.call('/challenge', { method: 'POST' })).json()) as {
        challenge: string
        nonce: string
      }
      const answer = await bank.call('/register', {
        method: 'POST',
        headers: { 'content-type': 'application/json', dpop: await proof('POST', '/register', undefined, own) },
        body: JSON.stringify({
          app_id: 'retail',
          app_version: '5.2.0',
          app_platform: 'other',
          os_version: '14.1',
          challenge: handle,
          jwks: { keys: [device.publicJwk] },
          redirect_uris: ['com.bank.retail:/cb'],
          token_endpoint_auth_method: 'none',
          evidence: [
            { format: 'app-signature', certificates: ['ab'.repeat(32)] },
            {
              format: 'signals',
              v: 1,
              at: bank.clock.clock(),
              source: 'test',
              signals: { privilegedAccess: false, debug: false, simulator: false, hooks: false, appIntegrity: false },
            },
          ],
          ...over,
        }),
      })
      const body = (await answer.json()) as Record<string, unknown>
      if (answer.status === 201) clientId = String(body['client_id'])
      return { status: answer.status, body }
    },
    async token(code: string, extra: Record<string, string> = {}) {
      return send(
        'POST',
        '/token',
        new URLSearchParams({ grant_type: 'authorization_code', client_id: clientId, code, code_verifier: verifier, ...extra }),
      )
    },
    async register(data: unknown = 'right code') {
      const answer = await send('POST', '/registrations/letter/complete', {
        client_id: clientId,
        data,
        code_challenge: challenge,
        code_challenge_method: 'S256',
      })
      return answer.status === 200 ? phone.token(String(answer.body['authorization_code'])) : answer
    },
    async enrolPin(pin: string, token: string): Promise<PinSlot> {
      const { slot } = await enrolPin({
        ...options(),
        pin: utf8(pin),
        exchange: {
          begin: async (handle, answer) => {
            const { status, body } = await send(
              'POST',
              '/enrolments/pin/begin',
              { ...(handle === null ? {} : { handle }), ...(answer === null ? {} : { step: answer }) },
              token,
            )
            if (status !== 200) throw new Error(`refused ${status} ${JSON.stringify(body)}`)
            return { handle: String(body['handle']), step: body['step'] as PinStep }
          },
          finish: async (handle, step) => {
            const { status, body } = await send('POST', '/enrolments/pin/finish', { handle, step }, token)
            if (status !== 201) throw new Error(`refused ${status} ${JSON.stringify(body)}`)
            return body
          },
        },
      })
      return slot
    },
    challenge: (form: Record<string, string>) =>
      send('POST', '/authorize-challenge', new URLSearchParams({ client_id: clientId, ...form })),
    start: (form: Record<string, string> = {}) =>
      phone.challenge({
        response_type: 'code',
        scope: 'accounts offline_access',
        code_challenge: challenge,
        code_challenge_method: 'S256',
        ...form,
      }),
    async loginPin(pin: string, slot: PinSlot, form: Record<string, string> = {}) {
      const first = await phone.start(form)
      if (first.status !== 403 || first.body['step'] === undefined) return first
      return phone.answerPin(first.body, pin, slot)
    },
    async answerPin(first: Record<string, unknown>, pin: string, slot: PinSlot) {
      let session = String(first['auth_session'])
      const step = first['step'] as { authenticator: string; handle: string; step: PinStep }
      let last: { status: number; body: Record<string, unknown> } = { status: 403, body: first }
      const post = async (handle: string, answer: PinAnswer | null, finish: boolean) => {
        last = await phone.challenge({
          auth_session: session,
          authenticator: step.authenticator,
          step: encodeBase64url(utf8(JSON.stringify({ handle, step: answer, finish }))),
        })
        session = String(last.body['auth_session'] ?? session)
        return last
      }
      try {
        await loginPin({
          ...options(),
          pin: utf8(pin),
          slots: [slot],
          purpose: 'login',
          exchange: {
            begin: async (handle, answer) => {
              if (handle === null) return { handle: step.handle, step: step.step }
              const { body } = await post(handle, answer, false)
              const next = body['step'] as { handle: string; step: PinStep } | undefined
              if (next === undefined || body['code'] !== undefined) throw new Error('refused')
              return { handle: next.handle, step: next.step }
            },
            finish: (handle, answer) => post(handle, answer, true),
          },
        })
      } catch (error) {
        if (last.body === first) throw error
      }
      return last
    },
    refresh: (token: string) =>
      send('POST', '/token', new URLSearchParams({ grant_type: 'refresh_token', client_id: clientId, refresh_token: token })),
  }
  return phone
}
