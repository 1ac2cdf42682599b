/** A bank, its API and any number of phones in this process: everything real but the wire, which is a function that routes by origin. */
import type { Ksf } from '@postern/authenticators/pin/client'
import { type Client, type ClientOptions, createClient } from '@postern/client'
import type { AppConfig, KeystorePort, SecureStoragePort, SignCause } from '@postern/client/ports'
import type { Prompts } from '@postern/client/prompts'
import { createCrypto } from '@postern/core/crypto'
import type { CryptoPort, Signer } from '@postern/core/cryptoPort'
import { publicJwk } from '@postern/core/jwk'
import { signJws } from '@postern/core/jws'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import type { Fetch, Random } from '@postern/core/runtime'
import { createKemRing, openKemRing } from '@postern/payload/keys'
import { storeReplayGuard } from '@postern/payload/replay'
import { createPayloadServer } from '@postern/payload/server'
import { localSessions } from '@postern/payload/session'
import { createPlatform, type Platform, type PlatformOptions } from '@postern/platform'
import { adminScopes } from '@postern/platform/admin'
import { bindSessions } from '@postern/platform/sessionBinding'
import type { PolicyDocument } from '@postern/policy/document'
import { starterDocument } from '@postern/policy/mobile'
import { memoryStore } from '@postern/store/memory'
import { type SimClock, seededRandom, simPorts } from '@postern/testkit/simulation'
import { nodeNonces } from '@postern/tokens/dpop'
import { remoteKeys } from '@postern/tokens/remoteKeys'
import { challengeResponse, createVerifier, type Need, type VerifierOptions } from '@postern/tokens/resource'

export const ISSUER = 'https://login.bank.example/postern'
export const API = 'https://api.bank.example'
export const REDIRECT = 'com.bank.retail:/cb'
const STAFF = 'https://staff.bank.example'
const AUDIENCE = 'https://bank.example/admin'
export const ACR = ['basic', 'pin', 'strong'] as const
export const crypto: CryptoPort = createCrypto()

/** The least key stretching: what a PIN costs a phone is not what these tests are about. */
export const quickKsf: Ksf = (input) => crypto.digest('SHA-512', input)

/** What the wire does to a request: pass it, lose it, or lose the answer after the server has handled it. */
export type Fate = 'pass' | 'lose-request' | 'lose-reply'

export interface World {
  readonly platform: Platform
  readonly clock: SimClock
  readonly random: Random
  readonly root: JsonWebKey
  /** What arrived, as `METHOD path`. */
  readonly arrived: string[]
  /** Asked for each request; `pass` unless a test says otherwise. */
  fate: (request: Request) => Fate
  /** Waited for before an answer goes back; nothing unless a test says otherwise. */
  late: (request: Request, reply: Response) => Promise<void> | null
  /** What the API demands by path. */
  readonly needs: Map<string, Need>
  readonly fetch: Fetch
  /** Puts a body to the admin API, whatever stands there. */
  admin(path: string, body: unknown): Promise<void>
  /** DELETE in the admin API. */
  remove(path: string): Promise<void>
}

export function policyOf(schema: string): PolicyDocument {
  return starterDocument({
    id: 'main',
    schema,
    levels: { pin: 2, biometric: 2, 'device-key': 2, 'pin+biometric': 3 },
    login: 2,
    confirm: 2,
    acceptUnchecked: ['other'],
  })
}

/** @param o.sessions - the API offers sealed sessions: bound ones, or to whoever asks; default none */
export async function createWorld(
  over: Partial<PlatformOptions> = {},
  { sessions }: { readonly sessions?: 'bound' | 'anonymous' } = {},
): Promise<World> {
  const ports = simPorts({ seed: 11, start: Date.UTC(2026, 0, 5, 9) })
  const { clock, random } = ports
  const runtime = { ...ports, crypto, store: memoryStore() }
  const signer = async (seed: number): Promise<Signer> =>
    crypto.signer('ES256', await crypto.generateKey('ES256', seededRandom(seed)))
  const [staff, root] = [await signer(99), await signer(98)]
  const platform = await createPlatform({
    issuer: ISSUER,
    tenant: 'bank',
    runtime,
    keys: await openKeyRing(await createKeyRingDocument({ clock, random, crypto }), crypto),
    acr: ACR,
    unverifiedAcr: 'strong',
    resources: { [API]: {} },
    scopes: ['accounts', 'payments'],
    registrars: {
      letter: {
        complete: async ({ data }) =>
          typeof data === 'string' ? { outcome: 'done', subject: data, amr: ['kba'] } : { outcome: 'failed' },
      },
    },
    operators: { audience: AUDIENCE, issuers: [{ issuer: STAFF, keys: [staff.publicJwk] }] },
    policy: policyOf,
    identity: {
      begin: async () => ({
        outcome: 'granted',
        scope: ['enrol'],
        login: { subject: 'c-browser', authTime: clock(), acr: 'basic', amr: ['pwd'] },
      }),
      error: async ({ code }) => new Response(code, { status: 400 }),
    },
    ...over,
  })
  const api = await createApi()
  const arrived: string[] = []
  const world: World = {
    platform,
    clock: ports.time,
    random,
    root: root.publicJwk,
    arrived,
    fate: () => 'pass',
    late: () => null,
    needs: new Map(),
    async fetch(input, init) {
      const request = new Request(input, init)
      request.signal.throwIfAborted()
      const fate = world.fate(request)
      if (fate === 'lose-request') throw new TypeError('fetch failed')
      const { origin, pathname } = new URL(request.url)
      arrived.push(`${request.method} ${pathname}`)
      const reply = origin === API ? await api(request) : await platform.fetch(request, { ip: '192.0.2.7' })
      await world.late(request, reply)
      request.signal.throwIfAborted()
      if (fate === 'lose-reply') throw new TypeError('fetch failed')
      return reply
    },
    async admin(path, body) {
      const standing = await operate('GET', path)
      const tag = standing.headers.get('etag')
      const headers: Record<string, string> = tag === null ? { 'if-none-match': '*' } : { 'if-match': tag }
      const done = await operate('PUT', path, body, headers)
      if (done.status > 299) throw new Error(`${path}: ${done.status} ${await done.text()}`)
    },
    async remove(path) {
      const tag = (await operate('GET', path)).headers.get('etag')
      const done = await operate('DELETE', path, undefined, tag === null ? {} : { 'if-match': tag })
      if (done.status > 299) throw new Error(`${path}: ${done.status} ${await done.text()}`)
    },
  }
  await world.admin('/apps/retail', { name: 'Retail', registration: 'open' })
  for (const version of ['5.2.0', '5.3.0'])
    await world.admin(`/apps/retail/versions/other/${version}`, { status: 'enabled', signatures: ['ab'.repeat(32)] })
  return world

  async function operate(method: string, path: string, body?: unknown, extra: Record<string, string> = {}): Promise<Response> {
    const now = Math.floor(clock() / 1000)
    const claims = { iss: STAFF, aud: AUDIENCE, sub: 'op-7', iat: now, exp: now + 3600, scope: adminScopes.join(' ') }
    const headers: Record<string, string> = {
      ...extra,
      authorization: `Bearer ${await signJws(staff, { typ: 'at+jwt' }, claims)}`,
    }
    if (body !== undefined) headers['content-type'] = 'application/json'
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    return platform.fetch(new Request(`${ISSUER}/admin/v1${path}`, init))
  }

  /** The bank's API: sealed calls alone, a bound token in each, and now and then a demand for more. */
  async function createApi(): Promise<(request: Request) => Promise<Response>> {
    const ring = await openKemRing(await createKemRing({ clock, random, crypto }), crypto)
    const keys = remoteKeys({
      url: `${ISSUER}/jwks`,
      fetch: (input, init) => platform.fetch(new Request(input, init)),
      crypto,
      clock,
    })
    const options: VerifierOptions = {
      issuer: ISSUER,
      audience: API,
      origin: API,
      keys,
      clock,
      crypto,
      nonces: nodeNonces({ random, crypto, clock }),
      acrOrder: ACR,
      replay: { mode: 'node' },
    }
    const payload = createPayloadServer({
      runtime,
      tenant: 'bank',
      origin: API,
      ring,
      root,
      replay: storeReplayGuard({ store: runtime.store, tenant: 'bank', clock, random }),
      requirement: () => 'sealed',
      ...(sessions === undefined ? {} : { sessions: localSessions({ clock, random, crypto }) }),
      ...(sessions === 'bound' ? { bind: bindSessions(options) } : {}),
    })
    const verify = createVerifier(options)
    return async (request) => {
      await keys.refresh()
      return payload.fetch(request, async (inner, { level, binding }) => {
        const { pathname } = new URL(inner.url)
        const need: Need = { kind: ['user', 'device'], ...world.needs.get(pathname) }
        try {
          const { subject, acr, nonce, kind } = await verify(inner, need)
          const status = pathname === '/missing' ? 404 : 200
          const body = {
            subject,
            acr,
            kind,
            method: inner.method,
            body: await inner.text(),
            ...(sessions && { level, bound: binding !== null }),
          }
          return Response.json(body, { status, headers: { 'dpop-nonce': nonce } })
        } catch (error) {
          const challenge = await challengeResponse(error, options, need)
          if (challenge === null) throw error
          return challenge
        }
      })
    }
  }
}

/** A keystore in memory that a test can look into and break. */
export interface TestKeystore extends KeystorePort {
  readonly keys: Map<string, { readonly presence: string; readonly signer: Signer }>
  /** Outcome of the next signatures with a biometric key; `null` signs. */
  biometric: SignCause | null
}

export function memoryKeystore(random: Random): TestKeystore {
  const keys: TestKeystore['keys'] = new Map()
  const keystore: TestKeystore = {
    level: 'software',
    keys,
    biometric: null,
    async create(id, { presence }) {
      const jwk = await crypto.generateKey('ES256', random)
      keys.set(id, { presence, signer: await crypto.signer('ES256', jwk) })
      return { publicKey: publicJwk(jwk) }
    },
    async sign(id, data) {
      const key = keys.get(id)
      if (key === undefined) return { ok: false, cause: 'key-invalidated' }
      if (key.presence === 'biometric' && keystore.biometric !== null) return { ok: false, cause: keystore.biometric }
      return { ok: true, signature: await key.signer.sign(data) }
    },
    remove: async (id) => void keys.delete(id),
  }
  return keystore
}

export interface TestStorage extends SecureStoragePort {
  readonly values: Map<string, Uint8Array>
}

export function memoryStorage(): TestStorage {
  const values = new Map<string, Uint8Array>()
  return {
    values,
    get: async (key) => values.get(key)?.slice() ?? null,
    set: async (key, value) => void values.set(key, value.slice()),
    remove: async (key) => void values.delete(key),
  }
}

export interface Phone {
  readonly client: Client
  readonly keystore: TestKeystore
  readonly storage: TestStorage
  readonly app: AppConfig
  /** The same phone with its app started again, or updated. */
  again(over?: Partial<AppConfig>, options?: Partial<ClientOptions>): Phone
}

export function createPhone(world: World, over: Partial<ClientOptions> = {}, kept?: Pick<Phone, 'keystore' | 'storage'>): Phone {
  const app: AppConfig = {
    issuer: ISSUER,
    tenant: 'bank',
    api: API,
    id: 'retail',
    version: '5.2.0',
    platform: 'other',
    osVersion: '14.1',
    keyRoots: [world.root],
    redirectUri: REDIRECT,
    scopes: ['accounts'],
    ...over.app,
  }
  const keystore = kept?.keystore ?? memoryKeystore(world.random)
  const storage = kept?.storage ?? memoryStorage()
  const { clock } = world.clock
  const client = createClient({
    keystore,
    storage,
    runtime: { clock, random: world.random, crypto, fetch: world.fetch, ksf: quickKsf },
    browser: (url) => followed(world, url),
    evidence: () => [
      { format: 'app-signature', certificates: ['ab'.repeat(32)] },
      {
        format: 'signals',
        v: 1,
        at: clock(),
        source: 'test',
        signals: { privilegedAccess: false, debug: false, simulator: false, hooks: false, appIntegrity: false },
      },
    ],
    ...over,
    app,
  })
  return {
    client,
    keystore,
    storage,
    app,
    again: (next, options) => createPhone(world, { ...over, ...options, app: { ...app, ...next } }, { keystore, storage }),
  }
}

/** The system's browser: follows to the redirect that it may not follow. */
export async function followed(world: World, url: string): Promise<string> {
  const reply = await world.fetch(url, { redirect: 'manual' })
  const location = reply.headers.get('location')
  if (location === null) throw new Error(`the page answered ${reply.status} ${await reply.text()}`)
  return location
}

/** A user who types these PINs, one after another. */
export function user(pins: readonly string[], more: Partial<Prompts> = {}): Prompts & { readonly asked: unknown[] } {
  const left = [...pins]
  const asked: unknown[] = []
  return {
    asked,
    async pin(question) {
      asked.push(question)
      return left.shift() ?? null
    },
    async newPin({ violations }) {
      asked.push(violations ?? 'new')
      return left.shift() ?? null
    },
    ...more,
  }
}

/** A value, or the error as a failed test. */
export function got<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Error }): T {
  if (!result.ok) throw result.error
  return result.value
}

/** A phone whose user has registered by letter, with the PIN 40718. */
export async function registered(world: World, over: Partial<ClientOptions> = {}): Promise<Phone & { readonly profile: string }> {
  const phone = createPhone(world, over)
  got(await phone.client.start())
  const { profile } = got(await phone.client.register({ custom: 'letter', data: 'c-1001' }, user(['40718'])))
  return { ...phone, profile: profile! }
}

/** The document that a storage holds: what the client would read at its next start. */
export function stored({ values }: TestStorage): { profiles: { confirmed: boolean; slots: { generation: number }[] }[] } {
  const newest = [...values.values()]
    .map((bytes) => JSON.parse(new TextDecoder().decode(bytes.subarray(40))))
    .map((state, i) => {
      const generation = new DataView([...values.values()][i]!.slice(32, 40).buffer).getBigUint64(0)
      return { state, generation }
    })
  return newest.reduce((a, b) => (b.generation > a.generation ? b : a)).state
}
