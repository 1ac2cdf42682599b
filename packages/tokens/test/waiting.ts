/** Clients and calls of the grants that wait for a user elsewhere. */
import { createCrypto } from '@postern/core/crypto'
import { hashSecret } from '@postern/tokens/auth/secret'
import type { ClientConfig } from '@postern/tokens/clients'
import {
  claimUserCode,
  DEVICE_GRANT,
  type Decided,
  decideDevice,
  deviceAuthorization,
  type UserDecision,
} from '@postern/tokens/device'
import { device } from '@postern/tokens/grants/device'
import type { Login } from '@postern/tokens/login'
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
