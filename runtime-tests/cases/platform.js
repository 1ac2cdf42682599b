// @ts-check
import { createClient } from '@postern/client'
import { createCrypto } from '@postern/core/crypto'
import { publicJwk } from '@postern/core/jwk'
import { signJws } from '@postern/core/jws'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { systemPorts } from '@postern/core/systemRuntime'
import { createKemRing, openKemRing } from '@postern/payload/keys'
import { storeReplayGuard } from '@postern/payload/replay'
import { createPayloadServer } from '@postern/payload/server'
import { createPlatform } from '@postern/platform'
import { adminScopes } from '@postern/platform/admin'
import { starterDocument } from '@postern/policy/mobile'
import { memoryStore } from '@postern/store/memory'
import { nodeNonces } from '@postern/tokens/dpop'
import { remoteKeys } from '@postern/tokens/remoteKeys'
import { challengeResponse, createVerifier } from '@postern/tokens/resource'
import { got, same } from './assert.js'

const crypto = createCrypto()
const STAFF = 'https://staff.bank.example'
const ACR = /** @type {const} */ (['basic', 'pin', 'strong'])

/** @type {readonly import('../suite.js').Case[]} */
export const cases = [
  [
    'platform: a phone registers its installation; one of a disabled version cannot',
    async () => {
      const bank = await createBank()
      const { client } = phone(bank)
      const started = got(await client.start())
      same([started.instance, started.profiles], ['registered', []])
      same(got(await client.start()).clientId, started.clientId)
      await bank.admin('/apps/retail/versions/other/5.1.0', { status: 'disabled', signatures: ['ab'.repeat(32)] })
      const refused = await phone(bank, '5.1.0').client.start()
      same(refused.ok ? 'registered' : refused.error.code, 'app.disabled')
    },
  ],
  [
    'client: registers by letter, logs in by PIN after a wrong one, calls the API sealed and bound, and is refused when removed',
    async () => {
      const bank = await createBank()
      const { client, storage } = phone(bank)
      got(await client.start())
      const { profile } = got(await client.register({ custom: 'letter', data: 'c-1001' }, user(['40718'])))
      if (profile === null) throw new Error('no profile')
      const session = got(await client.login(profile, user(['11111', '40718'])))
      same([session.acr, session.scope, session.failures], ['pin', ['accounts'], 1])
      const answer = await client.fetch('/accounts', { method: 'POST', body: 'x' })
      same(await answer.json(), { subject: 'c-1001', acr: 'pin', method: 'POST', body: 'x' })
      same(bank.plainCalls(), 0, 'calls that were not sealed')
      // The same installation with its app started anew.
      const again = phone(bank, '5.2.0', storage)
      same(got(await again.client.start()).profiles, [{ id: profile, authenticators: ['pin'] }])
      got(await again.client.login(profile, user(['40718'])))
      same(got(await again.client.deregister(profile)).server, 'told')
      same(await again.client.profiles(), [])
    },
  ],
]

/** @param {readonly string[]} pins @returns {import('@postern/client/prompts').Prompts} */
export function user(pins) {
  const left = [...pins]
  return { pin: async () => left.shift() ?? null, newPin: async () => left.shift() ?? null }
}

/** @typedef {{ values: Map<string, Uint8Array>, keys: Map<string, import('@postern/core/cryptoPort').Signer> }} Kept */

/**
 * @param {Awaited<ReturnType<typeof createBank>>} bank @param {Kept} [storage]
 * @param {Partial<Pick<import('@postern/client').ClientOptions, 'keystore' | 'storage'>>} [ports]
 */
export function phone(bank, version = '5.2.0', storage = { values: new Map(), keys: new Map() }, ports = {}) {
  const { clock, random } = bank.ports
  const { values, keys } = storage
  const signals = { privilegedAccess: false, debug: false, simulator: false, hooks: false, appIntegrity: false }
  const client = createClient({
    app: {
      issuer: bank.issuer,
      tenant: 'bank',
      api: bank.api,
      id: 'retail',
      version,
      platform: 'other',
      osVersion: '14.1',
      keyRoots: [bank.root],
      redirectUri: 'com.bank.retail:/cb',
      scopes: ['accounts'],
    },
    keystore: {
      level: 'software',
      async create(id) {
        const jwk = await crypto.generateKey('ES256', random)
        keys.set(id, await crypto.signer('ES256', jwk))
        return { publicKey: publicJwk(jwk) }
      },
      async sign(id, data) {
        const key = keys.get(id)
        return key ? { ok: true, signature: await key.sign(data) } : { ok: false, cause: 'key-invalidated' }
      },
      remove: async (id) => void keys.delete(id),
    },
    storage: {
      get: async (key) => values.get(key)?.slice() ?? null,
      set: async (key, value) => void values.set(key, value.slice()),
      remove: async (key) => void values.delete(key),
    },
    // The least key stretching: what a guess costs is not what these cases are about.
    runtime: { clock, random, crypto, fetch: bank.fetch, ksf: (input) => crypto.digest('SHA-512', input) },
    evidence: () => [
      { format: 'app-signature', certificates: ['ab'.repeat(32)] },
      { format: 'signals', v: 1, at: clock(), source: 'test', signals },
    ],
    ...ports,
  })
  return { client, storage }
}

/**
 * A bank and its API in memory; the wire is a function that routes by origin.
 * @param {{ login?: string, api?: string, fetch?: import('@postern/core/runtime').Fetch }} [o]
 */
export async function createBank({ login = 'https://login.bank.example', api: API = 'https://api.bank.example', fetch } = {}) {
  const ISSUER = `${login}/postern`
  const ports = { ...systemPorts(), crypto }
  const { clock, random } = ports
  const runtime = { ...ports, store: memoryStore() }
  const signer = async () => crypto.signer('ES256', await crypto.generateKey('ES256', random))
  const [staff, root] = [await signer(), await signer()]
  const platform = await createPlatform({
    issuer: ISSUER,
    tenant: 'bank',
    runtime,
    keys: await openKeyRing(await createKeyRingDocument(ports), crypto),
    acr: ACR,
    unverifiedAcr: 'strong',
    resources: { [API]: {} },
    scopes: ['accounts'],
    registrars: {
      letter: {
        complete: async ({ data }) =>
          typeof data === 'string' ? { outcome: 'done', subject: data, amr: ['kba'] } : { outcome: 'failed' },
      },
    },
    operators: { audience: `${STAFF}/admin`, issuers: [{ issuer: STAFF, keys: [staff.publicJwk] }] },
    policy: (schema) =>
      starterDocument({
        id: 'main',
        schema,
        levels: { pin: 2, biometric: 2, 'device-key': 2 },
        login: 2,
        confirm: 2,
        acceptUnchecked: ['other'],
      }),
  })
  const api = await createApi()
  let plain = 0
  /** @param {string} path @param {unknown} body */
  const admin = async (path, body) => {
    const now = Math.floor(clock() / 1000)
    const claims = { iss: STAFF, aud: `${STAFF}/admin`, sub: 'op-7', iat: now, exp: now + 3600, scope: adminScopes.join(' ') }
    const headers = {
      authorization: `Bearer ${await signJws(staff, { typ: 'at+jwt' }, claims)}`,
      'content-type': 'application/json',
      'if-none-match': '*',
    }
    const request = new Request(`${ISSUER}/admin/v1${path}`, { method: 'PUT', headers, body: JSON.stringify(body) })
    const done = await platform.fetch(request)
    if (done.status > 299) throw new Error(`${path}: ${done.status} ${await done.text()}`)
  }
  await admin('/apps/retail', { name: 'Retail', registration: 'open' })
  await admin('/apps/retail/versions/other/5.2.0', { status: 'enabled', signatures: ['ab'.repeat(32)] })
  return {
    ports,
    issuer: ISSUER,
    api: API,
    root: root.publicJwk,
    platform,
    answer: api,
    admin,
    plainCalls: () => plain,
    /** @param {Request | URL | string} input @param {RequestInit} [init] */
    async fetch(input, init) {
      if (fetch) return fetch(input, init)
      const request = new Request(input, init)
      if (new URL(request.url).origin !== API) return platform.fetch(request, { ip: '192.0.2.7' })
      if (request.method === 'POST' && request.headers.get('content-type') !== 'message/ohttp-req') plain++
      return api(request)
    },
  }

  /** @returns {Promise<(request: Request) => Promise<Response>>} */
  async function createApi() {
    const ring = await openKemRing(await createKemRing(ports), crypto)
    const replay = storeReplayGuard({ store: runtime.store, tenant: 'bank', clock, random })
    const payload = createPayloadServer({ runtime, tenant: 'bank', origin: API, ring, root, replay, requirement: () => 'sealed' })
    /** @param {any} input @param {any} init */
    const fetch = (input, init) => platform.fetch(new Request(input, init))
    const keys = remoteKeys({ url: `${ISSUER}/jwks`, fetch, crypto, clock })
    const nonces = nodeNonces({ random, crypto, clock })
    const replays = { mode: /** @type {const} */ ('node') }
    const local = { origin: API, keys, clock, crypto, nonces, acrOrder: ACR, replay: replays }
    const options = { issuer: ISSUER, audience: API, ...local }
    const verify = createVerifier(options)
    return (request) =>
      payload.fetch(request, async (inner) => {
        await keys.refresh()
        try {
          const { subject, acr, nonce } = await verify(inner)
          const body = { subject, acr, method: inner.method, body: await inner.text() }
          return Response.json(body, { headers: { 'dpop-nonce': nonce } })
        } catch (error) {
          const challenge = await challengeResponse(error, options)
          if (challenge === null) throw error
          return challenge
        }
      })
  }
}
