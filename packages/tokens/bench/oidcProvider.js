// The peer in a process of its own: oidc-provider with a Map adapter, the same client, the same algorithms.
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const secret = 'a-secret-that-is-long-enough-for-this-bench'
const api = 'https://api.example.com'
const records = new Map()
const byGrant = new Map()

class MapAdapter {
  constructor(name) {
    this.name = name
  }
  key(id) {
    return `${this.name}:${id}`
  }
  async upsert(id, payload) {
    records.set(this.key(id), payload)
    if (payload.grantId) byGrant.set(payload.grantId, [...(byGrant.get(payload.grantId) ?? []).slice(-4), this.key(id)])
  }
  async find(id) {
    return records.get(this.key(id))
  }
  async findByUid() {}
  async findByUserCode() {}
  async consume(id) {
    records.get(this.key(id)).consumed = Math.floor(Date.now() / 1000)
  }
  async destroy(id) {
    records.delete(this.key(id))
  }
  async revokeByGrantId(grantId) {
    for (const key of byGrant.get(grantId) ?? []) records.delete(key)
  }
}

const jwk = {
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
  use: 'sig',
  alg: 'ES256',
}
const provider = new Provider('https://id.example.com', {
  adapter: MapAdapter,
  jwks: { keys: [jwk] },
  clients: [
    {
      client_id: 'portal',
      client_secret: secret,
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: ['https://portal.example.com/cb'],
      id_token_signed_response_alg: 'ES256',
      token_endpoint_auth_method: 'client_secret_post',
    },
  ],
  scopes: ['openid', 'offline_access', 'accounts'],
  cookies: { keys: ['a key of the bench'] },
  rotateRefreshToken: true,
  ttl: { RefreshToken: 86_400, Grant: 86_400, AccessToken: 300, IdToken: 300 },
  findAccount: async (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'accounts',
        accessTokenFormat: 'jwt',
        accessTokenTTL: 300,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
})
provider.proxy = true

async function token() {
  const client = await provider.Client.find('portal')
  const grant = new provider.Grant({ accountId: 'user-1', clientId: 'portal' })
  grant.addOIDCScope('openid offline_access')
  grant.addResourceScope(api, 'accounts')
  const grantId = await grant.save()
  const refresh = new provider.RefreshToken({
    accountId: 'user-1',
    client,
    grantId,
    gty: 'authorization_code',
    scope: 'openid offline_access accounts',
    resource: api,
    acr: 'level1',
    amr: ['pwd'],
    authTime: Math.floor(Date.now() / 1000),
  })
  return refresh.save()
}

const handle = provider.callback()
const http = createServer(async (incoming, outgoing) => {
  if (incoming.url.startsWith('/bench/cpu')) {
    const { user, system } = process.cpuUsage()
    return outgoing.end(JSON.stringify(user + system))
  }
  if (incoming.url.startsWith('/bench/tokens')) {
    const n = Number(new URL(incoming.url, 'http://x').searchParams.get('n'))
    return outgoing.end(JSON.stringify(await Promise.all(Array.from({ length: n }, token))))
  }
  return handle(incoming, outgoing)
})
http.listen(0, '127.0.0.1', () => process.send(http.address().port))
