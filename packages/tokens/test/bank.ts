/// <reference types="node" />
/** Everything of the package at once, on two nodes over one store that lies while it is told to: every grant, every endpoint, keys and clients in the store. */
import { createCrypto } from '@postern/core/crypto/node'
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { publicJwk } from '@postern/core/jwk'
import { signJws } from '@postern/core/jws'
import type { Op, Store } from '@postern/store'
import { type FaultPlan, type FaultyStore, faultyStore } from '@postern/testkit/faulty'
import { hashSecret } from '@postern/tokens/auth/secret'
import { backchannelAuthentication, CIBA_GRANT, type CibaAsk } from '@postern/tokens/ciba'
import { besideInstances, clientsInStore } from '@postern/tokens/clientStore'
import { type ClientConfig, clientsInConfig } from '@postern/tokens/clients'
import { DEVICE_GRANT, deviceAuthorization } from '@postern/tokens/device'
import { ciba } from '@postern/tokens/grants/ciba'
import { device } from '@postern/tokens/grants/device'
import { exchange } from '@postern/tokens/grants/exchange'
import { jwtBearer } from '@postern/tokens/grants/jwtBearer'
import { nativeSso } from '@postern/tokens/grants/nativeSso'
import { createKeys, type KeySource, type KeyStore, keysInStore } from '@postern/tokens/keys'
import { endSession } from '@postern/tokens/logout'
import { EXCHANGE } from './exchanging.js'
import { API, instancesIn, SECRET, type World, world } from './world.js'

export const BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
export const PARTNER = 'https://idp.partner.example'
export const SCOPE: readonly string[] = ['openid', 'offline_access', 'device_sso', 'accounts', 'payments']
const crypto = createCrypto()
const [clientJwk, partnerJwk] = await Promise.all(
  [5, 6].map((fill) => crypto.generateKey('ES256', (n) => new Uint8Array(n).fill(fill))),
)
const secretHashes = [await hashSecret(crypto, SECRET)]

/** With secrets: `portal`, `shop` and `mail` of users, `tv`, `polls`, `pinged`, `pushed` that wait for one, `api`, a resource server; and `signed`. */
function clients(): readonly ClientConfig[] {
  const shared = (id: string, more: Partial<ClientConfig> = {}): ClientConfig => ({
    id,
    auth: { method: 'client_secret_basic', secretHashes },
    redirectUris: [`https://${id}.example.com/cb`],
    grantTypes: ['authorization_code', 'refresh_token', 'client_credentials', DEVICE_GRANT, CIBA_GRANT, EXCHANGE, BEARER],
    scope: SCOPE,
    introspects: [API],
    backchannelLogoutUri: `https://${id}.example.com/logout`,
    backchannelClientNotificationEndpoint: `https://${id}.example.com/ciba`,
    ...more,
  })
  return [
    ...['portal', 'shop', 'mail', 'tv', 'polls', 'api'].map((id) => shared(id)),
    ...(['ping', 'push'] as const).map((mode) => shared(`${mode}ed`, { backchannelTokenDeliveryMode: mode })),
    shared('signed', { auth: { method: 'private_key_jwt' }, jwks: [publicJwk(clientJwk!)] }),
  ]
}

/** What was posted to a client: a ping, a push, a logout token. */
export interface Called {
  readonly url: string
  readonly body: string
}

export interface Bank {
  readonly w: World
  readonly faulty: FaultyStore
  /** While it is on, every call of both nodes meets the network. */
  readonly lying: { on: boolean }
  /** Keys of the puts that the store has applied, each with the `rev` it got: what was committed. */
  readonly applied: ReadonlySet<string>
  /** Key and value of each, as text. */
  readonly rest: readonly string[]
  readonly asked: readonly CibaAsk[]
  readonly called: readonly Called[]
  readonly keyStores: readonly KeyStore[]
  /** As a host does for each request: both nodes see the keys as they stand. */
  current(): Promise<void>
  /** An assertion of the client `signed`, of the trusted issuer, or a statement of that about software. */
  assert(by: 'client' | 'partner', claims: JsonObject): Promise<string>
}

/** @param over - the store of both nodes; default memory */
export async function bank(seed: number, plan: FaultPlan, over?: Store): Promise<Bank> {
  const lying = { on: false }
  const applied = new Set<string>()
  const rest: string[] = []
  const asked: CibaAsk[] = []
  const called: Called[] = []
  let faulty: FaultyStore | null = null
  const wrap = (memory: Store): Store => {
    const inner = over ?? memory
    const commit: Store['commit'] = async (part, ops: readonly Op[], o) => {
      const answer = await inner.commit(part, ops, o)
      for (const op of answer.ok ? ops : [])
        if (op.op === 'put') {
          applied.add(`${op.key} ${o.rev}`).add(op.key)
          rest.push(`${part.id} ${op.key} ${Buffer.from(op.value).toString('latin1')}`)
        }
      return answer
    }
    const honest = { ...inner, commit }
    faulty = faultyStore(honest, { seed, plan })
    return {
      ...honest,
      read: (...a) => (lying.on ? faulty! : honest).read(...a),
      list: (...a) => (lying.on ? faulty! : honest).list(...a),
      outbox: (...a) => (lying.on ? faulty! : honest).outbox!(...a),
      commit: (...a) => (lying.on ? faulty! : honest).commit(...a),
    }
  }
  const [client, partner] = await Promise.all([clientJwk!, partnerJwk!].map((jwk) => crypto.signer('ES256', jwk)))
  const partnerKey = await crypto.verifyKey('ES256', publicJwk(partnerJwk!))
  const keys = { find: async (kid: string) => (kid === 'k1' ? partnerKey : null) }
  const w = await world({
    seed,
    wrap,
    config: { scopes: [...SCOPE], lifetimes: { accessSec: 1800 }, limitedUse: { payments: 2 } },
    grants: [device, ciba, exchange, nativeSso, jwtBearer],
    endpoints: [deviceAuthorization, backchannelAuthentication, endSession],
    context: (context) => {
      const { runtime, tenant } = context
      const instances = instancesIn(runtime.store, tenant, runtime.clock, clientsInConfig(clients()))
      const stored = clientsInStore({
        runtime,
        tenant,
        keys: context.keys,
        admit: async ({ scope, grantTypes }) => ({ scope: scope ?? ['openid'], grantTypes }),
        statements: [{ issuer: PARTNER, keys }],
      })
      return {
        clients: besideInstances(instances, stored, ({ app_id }) => app_id !== undefined),
        device: { verificationUri: 'https://id.example.com/go' },
        ciba: {
          async begin(ask) {
            asked.push(ask)
            return { subject: 'user-1' }
          },
        },
        logout: {
          session: async () => null,
          confirm: async () => new Response(),
          ended: async () => new Response(),
          error: async () => new Response(null, { status: 400 }),
        },
        exchange: async () => ({ ok: true }),
        trustedIssuers: [{ issuer: PARTNER, keys, scope: ['accounts'], subject: async () => 'user-1' }],
        runtime: {
          ...runtime,
          fetch: async (url, init) => {
            called.push({ url: String(url), body: String(init?.body) })
            // A receiver that takes every second call.
            return new Response(null, { status: called.length % 2 === 0 ? 204 : 500 })
          },
        },
      }
    },
  })
  const keyStores = w.contexts.map(
    ({ runtime }): KeyStore => ({ runtime, tenant: 't1', masterKeys: [new Uint8Array(32).fill(7)] }),
  )
  await createKeys(keyStores[0]!, { document: w.document })
  const sources: readonly KeySource[] = keyStores.map(keysInStore)
  return {
    w,
    faulty: faulty!,
    lying,
    applied,
    rest,
    asked,
    called,
    keyStores,
    async current() {
      for (const [i, source] of sources.entries()) Object.assign(w.contexts[i]!, await tried(source.current()))
    },
    assert: (by, claims) =>
      signJws(by === 'client' ? client! : partner!, { typ: 'JWT', ...(by === 'partner' && { kid: 'k1' }) }, claims),
  }
}

/** `null` when the store was the trouble; whatever else goes wrong goes wrong. @param also - codes that are an answer, too */
export async function tried<T>(work: Promise<T>, also: RegExp = /^$/): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    if (error instanceof PosternError && (error.code.startsWith('store.') || also.test(error.code))) return null
    throw error
  }
}
