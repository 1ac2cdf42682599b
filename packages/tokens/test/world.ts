/** One issuer, any number of nodes over one store, and the clients of the tests. */
import { encodeBase32 } from '@postern/core/base32'
import { encodeBase64url } from '@postern/core/base64url'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import type { Signer } from '@postern/core/cryptoPort'
import type { PosternEvent } from '@postern/core/events'
import type { JsonObject } from '@postern/core/json'
import { publicJwk, thumbprint } from '@postern/core/jwk'
import { signJws } from '@postern/core/jws'
import { createKeyRingDocument, type KeyRing, type KeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import type { Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { simPorts } from '@postern/testkit/simulation'
import { type AuthorizationServer, createAuthorizationServer } from '@postern/tokens'
import { hashSecret } from '@postern/tokens/auth/secret'
import { issueCode } from '@postern/tokens/challenge'
import { type Client, type ClientPort, clientsInConfig } from '@postern/tokens/clients'
import { type ConfigInput, parseConfig } from '@postern/tokens/config'
import { sharedNonces } from '@postern/tokens/dpop'
import type { Endpoint } from '@postern/tokens/endpoint'
import type { GrantType } from '@postern/tokens/grant'
import type { Decision } from '@postern/tokens/interaction'
import type { IssuerContext } from '@postern/tokens/issuer'
import type { Login } from '@postern/tokens/login'
import { registration } from '@postern/tokens/register'
import { defaultGrants } from '@postern/tokens/token'

export const ISSUER = 'https://id.example.com/t1'
export const API = 'https://api.example.com'
export const SECRET = 'a-secret-of-the-portal-that-is-long:enough%'
export const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
export const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
export const REDIRECT = 'https://portal.example.com/cb'

export interface Device {
  readonly id: string
  readonly jkt: string
  readonly jwk: JsonWebKey
  readonly signer: Signer
  /** A proof with a good nonce unless `claims` or `nonce` say otherwise. */
  proof(
    url: string,
    o?: { method?: string; nonce?: string | null; accessToken?: string; claims?: JsonObject; header?: { typ: string } },
  ): Promise<string>
}

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests read what the wire brings
  readonly body: any
  readonly headers: Headers
}

export interface World {
  readonly inner: Store
  readonly keys: KeyRing
  /** What `keys` were opened from. */
  readonly document: KeyRingDocument
  readonly events: PosternEvent[]
  readonly nodes: readonly AuthorizationServer[]
  readonly contexts: readonly IssuerContext[]
  advance(ms: number): void
  now(): number
  device(o?: { register?: boolean }): Promise<Device>
  nonce(): Promise<string>
  post(
    path: string,
    form: Record<string, string> | string,
    o?: { node?: number; headers?: Record<string, string> },
  ): Promise<Answer>
  code(
    clientId: string,
    o?: { login?: Partial<Login>; scope?: readonly string[]; dpopJkt?: string; redirectUri?: string | null },
  ): Promise<string>
  token(device: Device, form: Record<string, string>, node?: number): Promise<Answer>
  redeem(device: Device, code: string, node?: number, more?: Record<string, string>): Promise<Answer>
  refresh(device: Device, refreshToken: string, node?: number, more?: Record<string, string>): Promise<Answer>
  introspect(token: string): Promise<Answer>
}

export interface WorldOptions {
  readonly seed?: number
  readonly issuer?: string
  readonly nodes?: number
  readonly config?: Partial<ConfigInput>
  readonly wrap?: (store: Store) => Store
  readonly context?: (context: IssuerContext) => Partial<IssuerContext>
  readonly start?: number
  readonly clients?: Parameters<typeof clientsInConfig>[0]
  readonly decide?: () => Decision | null
  /** Beyond code, refresh and client credentials. */
  readonly grants?: readonly GrantType[]
  /** Beyond registration. */
  readonly endpoints?: readonly Endpoint[]
}

/** Instances in the store, everyone else from configuration: a small but whole {@link ClientPort}. */
export function instancesIn(store: Store, tenant: string, clock: () => number, shared: ClientPort): ClientPort {
  const partOf = (id: string) => ({ tenant, id: `dev:${id}` })
  const clientOf = (id: string, stored: { jkt: string; serial: number; scope: string[]; redirectUris: string[] }): Client => ({
    id,
    kind: 'instance',
    auth: { method: 'none' },
    jkt: stored.jkt,
    serial: stored.serial,
    grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
    scope: stored.scope,
    redirectUris: stored.redirectUris,
  })
  const admissionOf = (id: string, stored: { jkt: string; serial: number; scope: string[]; redirectUris: string[] }) => ({
    client: clientOf(id, stored),
    part: partOf(id),
    key: 'd',
    value: utf8(JSON.stringify(stored)),
  })
  return {
    async find(id) {
      const known = await shared.find(id)
      if (known !== null) return known
      const [rec] = await store.read(partOf(id), ['d'], { now: clock() })
      if (!rec || rec.value.length === 0) return null
      return { ...clientOf(id, JSON.parse(fromUtf8(rec.value)!)), record: { part: partOf(id), key: 'd', rev: rec.rev } }
    },
    async admit({ proof, serial, redirectUris }) {
      const id = `i${proof!.jkt.toLowerCase().replace(/[^a-z0-9]/g, '0')}`.slice(0, 30)
      return admissionOf(id, {
        jkt: proof!.jkt,
        serial,
        scope: ['openid', 'offline_access', 'accounts', 'payments'],
        redirectUris: [...redirectUris],
      })
    },
    update: async (client, { serial, redirectUris }) =>
      admissionOf(client.id, { jkt: client.jkt!, serial, scope: [...client.scope], redirectUris: [...redirectUris] }),
    async remove(client) {
      const now = clock()
      const rev = encodeBase64url(utf8(`${now}`.padStart(12, '0').slice(-12)))
      await store.commit(
        partOf(client.id),
        [
          { op: 'put', key: 'd', value: new Uint8Array(0), rev: client.record!.rev },
          { op: 'put', key: 'ep', value: utf8(String(now)) },
        ],
        { now, rev },
      )
    },
  }
}

export async function world(o: WorldOptions = {}): Promise<World> {
  const { seed = 1, issuer = ISSUER, nodes: count = 2, start } = o
  const sim = simPorts({ seed, ...(start !== undefined && { start }) })
  const { crypto, clock, random } = sim
  const document = await createKeyRingDocument({ clock, random, crypto })
  const keys = await openKeyRing(document, crypto)
  const inner = memoryStore()
  const store = o.wrap?.(inner) ?? inner
  const shared = clientsInConfig(
    o.clients ?? [
      {
        id: 'portal',
        auth: { method: 'client_secret_basic', secretHashes: [await hashSecret(crypto, SECRET)] },
        redirectUris: [REDIRECT],
        scope: ['openid', 'offline_access', 'accounts', 'profile'],
        introspects: [API],
      },
      {
        id: 'other',
        auth: { method: 'client_secret_post', secretHashes: [await hashSecret(crypto, SECRET)] },
        redirectUris: ['https://other.example.com/cb'],
        scope: ['openid', 'accounts'],
      },
      {
        id: 'spa',
        auth: { method: 'none' },
        dpopBound: true,
        redirectUris: ['https://spa.example.com/cb', 'http://127.0.0.1/cb'],
        scope: ['openid', 'accounts'],
      },
      {
        id: 'service',
        auth: { method: 'client_secret_post', secretHashes: [await hashSecret(crypto, SECRET)] },
        grantTypes: ['client_credentials'],
        scope: ['accounts'],
      },
    ],
  )
  const config = parseConfig({
    defaultResource: API,
    scopes: ['openid', 'offline_access', 'accounts', 'payments', 'profile'],
    acrValues: ['level1', 'level2', 'level3'],
    ...o.config,
  })
  const tenant = 't1'
  const base: IssuerContext = {
    issuer,
    tenant,
    runtime: { ...sim, store },
    keys,
    config,
    clients: instancesIn(store, tenant, clock, shared),
    interaction: {
      begin: async ({ handle }) => o.decide?.() ?? new Response(handle, { headers: { 'content-type': 'text/plain' } }),
      error: async ({ code, publicMessage }) => new Response(`${code}: ${publicMessage}`, { status: 400 }),
    },
    claims: async ({ names }) => (names.includes('name') ? { name: 'Ada' } : {}),
  }
  // Each node has its own runtime object, and so its own caches.
  const contexts = Array.from({ length: count }, () => {
    const context = { ...base, runtime: { ...base.runtime } }
    return { ...context, ...o.context?.(context) }
  })
  const grants = [...defaultGrants, ...(o.grants ?? [])]
  const endpoints = [registration, ...(o.endpoints ?? [])]
  const nodes = contexts.map((context) => createAuthorizationServer({ resolveIssuer: () => context, grants, endpoints }))
  const nonces = sharedNonces({ keys, crypto, clock, tenant, issuer, role: 'as' })

  const made: World = {
    inner,
    keys,
    document,
    events: sim.collected,
    nodes,
    contexts,
    advance: (ms) => sim.time.advance(ms),
    now: clock,
    nonce: () => nonces.issue(),

    async device({ register = true } = {}) {
      const jwk = await crypto.generateKey('ES256', random)
      const signer = await crypto.signer('ES256', jwk)
      const jkt = await thumbprint(crypto, jwk)
      const prover = (id: string): Device => ({
        id,
        jkt,
        jwk,
        signer,
        async proof(url, { method = 'POST', nonce, accessToken, claims, header } = {}) {
          const ath = accessToken === undefined ? {} : { ath: encodeBase64url(await crypto.digest('SHA-256', utf8(accessToken))) }
          const good = nonce === null ? {} : { nonce: nonce ?? (await nonces.issue()) }
          const payload = {
            jti: encodeBase32(random(16)),
            htm: method,
            htu: url,
            iat: Math.floor(clock() / 1000),
            ...good,
            ...ath,
            ...claims,
          }
          return signJws(signer, { typ: 'dpop+jwt', jwk: publicJwk(jwk), ...header }, payload)
        },
      })
      if (!register) return prover('')
      const body = JSON.stringify({ app_id: 'bank', jwks: { keys: [publicJwk(jwk)] }, redirect_uris: ['com.example.bank:/cb'] })
      const headers = { 'content-type': 'application/json', dpop: await prover('').proof(`${issuer}/register`) }
      const reply = await nodes[0]!.fetch(new Request(`${issuer}/register`, { method: 'POST', body, headers }))
      if (reply.status !== 201) throw new Error(await reply.text())
      return prover(((await reply.json()) as { client_id: string }).client_id)
    },

    async post(path, form, { node = 0, headers = {} } = {}) {
      const body = typeof form === 'string' ? form : new URLSearchParams(form).toString()
      const request = new Request(issuer + path, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      })
      const reply = await nodes[node]!.fetch(request)
      const text = await reply.text()
      return { status: reply.status, headers: reply.headers, body: text.startsWith('{') ? JSON.parse(text) : text }
    },

    async code(clientId, { login, scope = ['openid', 'accounts'], dpopJkt, redirectUri = null } = {}) {
      const client = (await contexts[0]!.clients.find(clientId))!
      return issueCode(
        {
          client,
          login: { subject: 'user-1', authTime: clock(), acr: 'level2', amr: ['pin'], ...login },
          scope,
          resource: API,
          codeChallenge: CHALLENGE,
          redirectUri,
          dpopJkt: dpopJkt ?? null,
        },
        contexts[0]!,
      )
    },

    token: async (device, form, node = 0) =>
      made.post('/token', { client_id: device.id, ...form }, { node, headers: { dpop: await device.proof(`${issuer}/token`) } }),
    redeem: (device, code, node = 0, more = {}) =>
      made.token(device, { grant_type: 'authorization_code', code, code_verifier: VERIFIER, ...more }, node),
    refresh: (device, refreshToken, node = 0, more = {}) =>
      made.token(device, { grant_type: 'refresh_token', refresh_token: refreshToken, ...more }, node),
    introspect: (token) => made.post('/introspect', { token }, { headers: { authorization: basic('portal', SECRET) } }),
  }
  return made
}

/** `text` with another end, whatever it was: a constant in its place is at times the same. */
export function changed(text: string): string {
  return text.slice(0, -2) + (text.endsWith('AA') ? 'BA' : 'AA')
}

export function basic(id: string, secret: string): string {
  return `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`
}
