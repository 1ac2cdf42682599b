/** Clients and calls of the grants that wait for a user elsewhere. */

import { createCrypto } from '@postern/core/crypto'
import type { Signer } from '@postern/core/cryptoPort'
import { integer, object, oneOf } from '@postern/core/fields'
import type { JsonObject } from '@postern/core/json'
import { publicJwk } from '@postern/core/jwk'
import { signJws } from '@postern/core/jws'
import { hashSecret } from '@postern/tokens/auth/secret'
import { backchannelAuthentication, CIBA_GRANT, type CibaAsk, type CibaPort, decideCiba } from '@postern/tokens/ciba'
import type { ClientConfig } from '@postern/tokens/clients'
import {
  claimUserCode,
  DEVICE_GRANT,
  type Decided,
  decideDevice,
  deviceAuthorization,
  type UserDecision,
} from '@postern/tokens/device'
import { ciba } from '@postern/tokens/grants/ciba'
import { device } from '@postern/tokens/grants/device'
import type { IssuerContext } from '@postern/tokens/issuer'
import type { Login } from '@postern/tokens/login'
import { type DetailTypes, detailTypes } from '@postern/tokens/rar'
import { type Answer, SECRET, type World, type WorldOptions, world } from './world.js'

export const VERIFICATION = 'https://id.example.com/go'

const secretHashes = [await hashSecret(createCrypto(), SECRET)]
const common = { scope: ['openid', 'offline_access', 'accounts'], redirectUris: ['https://tv.example.com/cb'] }

/** A television and a kiosk with secrets, a command line that is public, and a portal without this grant. */
export const deviceClients: readonly ClientConfig[] = [
  {
    ...common,
    id: 'tv',
    auth: { method: 'client_secret_post', secretHashes },
    grantTypes: [DEVICE_GRANT, 'authorization_code', 'refresh_token'],
    introspects: ['https://api.example.com'],
  },
  { ...common, id: 'kiosk', auth: { method: 'client_secret_post', secretHashes }, grantTypes: [DEVICE_GRANT] },
  { ...common, id: 'cli', auth: { method: 'none' }, grantTypes: [DEVICE_GRANT, 'refresh_token'] },
  { ...common, id: 'portal', auth: { method: 'client_secret_basic', secretHashes }, introspects: ['https://api.example.com'] },
]

/** A payment of at most so many cents, as `authorization_details`. */
export const payments: DetailTypes = detailTypes({
  payment: {
    parse: object({ type: oneOf('payment'), cents: integer({ min: 1, max: 1e9 }) }),
    narrows: (asked, given) => (asked.cents as number) <= (given.cents as number),
  },
})
export const payment = (cents: number): JsonObject => ({ type: 'payment', cents })

export interface DeviceWorld extends World {
  begin(form?: Record<string, string>, o?: { node?: number; headers?: Record<string, string> }): Promise<Answer>
  claim(userCode: string, o?: { subject?: string; ip?: string; node?: number }): ReturnType<typeof claimUserCode>
  decide(id: string, decision: UserDecision, node?: number): Promise<Decided>
  poll(
    deviceCode: string,
    o?: { form?: Record<string, string>; node?: number; headers?: Record<string, string> },
  ): Promise<Answer>
}

/** A user who says yes. */
export function granted(login: Partial<Login> = {}): UserDecision {
  return { outcome: 'granted', login: { subject: 'user-1', authTime: 1_700_000_000_000, acr: 'level2', amr: ['pin'], ...login } }
}

export async function deviceWorld(o: WorldOptions = {}): Promise<DeviceWorld> {
  const w = await world({
    clients: deviceClients,
    grants: [device],
    endpoints: [deviceAuthorization],
    ...o,
    context: (context) => ({ device: { verificationUri: VERIFICATION }, ...o.context?.(context) }),
  })
  const credentials = { client_id: 'tv', client_secret: SECRET }
  return {
    ...w,
    begin: (form = {}, how = {}) => w.post('/device_authorization', { ...credentials, scope: 'openid accounts', ...form }, how),
    claim: (userCode, { subject = 'user-1', ip, node = 0 } = {}) =>
      claimUserCode({ userCode, subject, ...(ip !== undefined && { ip }) }, w.contexts[node]!),
    decide: (id, decision, node = 0) => decideDevice(id, decision, w.contexts[node]!),
    poll: (deviceCode, { form = {}, ...how } = {}) =>
      w.post('/token', { ...credentials, grant_type: DEVICE_GRANT, device_code: deviceCode, ...form }, how),
  }
}

const crypto = createCrypto()
const signedKey = await crypto.generateKey('ES256', (n) => globalThis.crypto.getRandomValues(new Uint8Array(n)))

/** What signs the requests of the client `signed`. */
export const requestSigner: Signer = await crypto.signer('ES256', signedKey)

/** A portal for each way of delivery, one that signs, one that is bound to its key, and one without this grant. */
export function cibaClients(callbackUrl = 'https://client.example.com/cb'): readonly ClientConfig[] {
  const portal = {
    scope: ['openid', 'offline_access', 'accounts'],
    auth: { method: 'client_secret_post', secretHashes },
    grantTypes: [CIBA_GRANT, 'refresh_token', 'authorization_code'],
    backchannelClientNotificationEndpoint: callbackUrl,
  } as const
  return [
    { ...portal, id: 'polls', introspects: ['https://api.example.com'] },
    { ...portal, id: 'pinged', backchannelTokenDeliveryMode: 'ping' },
    { ...portal, id: 'pushed', backchannelTokenDeliveryMode: 'push' },
    { ...portal, id: 'bound', backchannelTokenDeliveryMode: 'push', dpopBound: true },
    { ...portal, id: 'certified', backchannelTokenDeliveryMode: 'push', certificateBound: true },
    { ...portal, id: 'brief', backchannelTokenDeliveryMode: 'push', grantTypes: [CIBA_GRANT] },
    { ...portal, id: 'signed', jwks: [publicJwk(signedKey)], requireSignedRequest: true },
    { ...portal, id: 'open', auth: { method: 'none' } },
    { ...portal, id: 'without', grantTypes: ['authorization_code'] },
    { ...portal, id: 'portal', auth: { method: 'client_secret_basic', secretHashes }, introspects: ['https://api.example.com'] },
  ]
}

export interface CibaWorld extends World {
  /** What the host was asked, newest last. */
  readonly asked: CibaAsk[]
  begin(form?: Record<string, string>, o?: { node?: number; headers?: Record<string, string> }): Promise<Answer>
  decide(decision: UserDecision, o?: { id?: string; node?: number; context?: IssuerContext }): Promise<Decided>
  poll(authReqId: string, o?: { form?: Record<string, string>; node?: number; headers?: Record<string, string> }): Promise<Answer>
  signedRequest(claims?: JsonObject, header?: { typ: string; kid?: string }): Promise<string>
}

/** `user-…` are users, everybody else is nobody. Tokens of notification are in every form, whether they are wanted or not. */
export async function cibaWorld(
  o: WorldOptions & { readonly port?: Partial<CibaPort>; readonly callbackUrl?: string } = {},
): Promise<CibaWorld> {
  const asked: CibaAsk[] = []
  let requests = 0
  const port: CibaPort = {
    async begin(ask) {
      asked.push(ask)
      const name = 'value' in ask.hint ? ask.hint.value : ask.hint.subject
      return { subject: name.startsWith('user-') ? name : null }
    },
    ...o.port,
  }
  const w = await world({
    clients: cibaClients(o.callbackUrl),
    grants: [ciba],
    endpoints: [backchannelAuthentication],
    ...o,
    context: (context) => ({ ciba: port, ...o.context?.(context) }),
  })
  const credentials = { client_id: 'polls', client_secret: SECRET }
  const { issuer } = w.contexts[0]!
  return {
    ...w,
    asked,
    begin: (form = {}, how = {}) =>
      w.post(
        '/bc-authorize',
        { ...credentials, scope: 'openid accounts', login_hint: 'user-1', client_notification_token: NOTIFICATION, ...form },
        how,
      ),
    decide: (decision, { id = asked.at(-1)!.id, node = 0, context = w.contexts[node]! } = {}) =>
      decideCiba(id, decision, context),
    poll: (authReqId, { form = {}, ...how } = {}) =>
      w.post('/token', { ...credentials, grant_type: CIBA_GRANT, auth_req_id: authReqId, ...form }, how),
    async signedRequest(claims = {}, header = { typ: 'oauth-authz-req+jwt' }) {
      const now = Math.floor(w.now() / 1000)
      const about = { iss: 'signed', aud: issuer, iat: now, nbf: now, exp: now + 60, jti: `jti-${requests++}` }
      return signJws(requestSigner, header, { ...about, scope: 'openid accounts', login_hint: 'user-1', ...claims })
    },
  }
}

/** What clients give for us to authenticate with at their endpoint. */
export const NOTIFICATION = 'notification-token-of-the-client-8d67dc78'
