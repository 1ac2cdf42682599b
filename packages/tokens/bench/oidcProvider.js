// The peer in a process of its own: oidc-provider with a Map adapter, the same clients, the same algorithms.
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import { calculateJwkThumbprint } from 'jose'
import Provider from 'oidc-provider'

const issuer = 'https://id.example.com'
const secret = 'a-secret-that-is-long-enough-for-this-bench'
const api = 'https://api.example.com'
const opaque = 'https://opaque.example.com'
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

const ecKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
const provider = new Provider(issuer, {
  adapter: MapAdapter,
  jwks: { keys: [{ ...ecKey(), use: 'sig', alg: 'ES256' }] },
  clients: [
    {
      client_id: 'portal',
      client_secret: secret,
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      redirect_uris: ['https://portal.example.com/cb'],
      id_token_signed_response_alg: 'ES256',
      token_endpoint_auth_method: 'client_secret_post',
    },
    {
      client_id: 'app',
      application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: ['com.example.app:/cb'],
      id_token_signed_response_alg: 'ES256',
      token_endpoint_auth_method: 'none',
      dpop_bound_access_tokens: true,
    },
  ],
  scopes: ['openid', 'offline_access', 'accounts'],
  cookies: { keys: ['a key of the bench'] },
  rotateRefreshToken: true,
  ttl: { RefreshToken: 86_400, Grant: 86_400, AccessToken: 300, IdToken: 300, ClientCredentials: 300 },
  findAccount: async (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: async () => true },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 1), requireNonce: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource) => ({
        scope: 'accounts',
        audience: resource,
        accessTokenFormat: resource === api ? 'jwt' : 'opaque',
        accessTokenTTL: 300,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
})
provider.proxy = true

async function grantOf(clientId, resource) {
  const grant = new provider.Grant({ accountId: 'user-1', clientId })
  grant.addOIDCScope('openid offline_access')
  grant.addResourceScope(resource, 'accounts')
  return grant.save()
}

async function refreshToken(clientId, jkt) {
  const refresh = new provider.RefreshToken({
    accountId: 'user-1',
    client: await provider.Client.find(clientId),
    grantId: await grantOf(clientId, api),
    gty: 'authorization_code',
    scope: 'openid offline_access accounts',
    resource: api,
    acr: 'level1',
    amr: ['pwd'],
    authTime: Math.floor(Date.now() / 1000),
    ...(jkt && { jkt }),
  })
  return refresh.save()
}

const seeds = {
  refresh: () => refreshToken('portal'),
  async refreshDpop() {
    const jwk = ecKey()
    return { jwk, clientId: 'app', refreshToken: await refreshToken('app', await calculateJwkThumbprint(jwk)) }
  },
  async introspect() {
    const access = new provider.AccessToken({
      accountId: 'user-1',
      client: await provider.Client.find('portal'),
      grantId: await grantOf('portal', opaque),
      gty: 'authorization_code',
      scope: 'accounts',
      aud: opaque,
    })
    return access.save()
  },
}

const handle = provider.callback()
const http = createServer(async (incoming, outgoing) => {
  if (incoming.url.startsWith('/bench/')) {
    const { pathname, searchParams } = new URL(incoming.url, 'http://bench')
    const { user, system } = process.cpuUsage()
    if (pathname === '/bench/cpu') return outgoing.end(String(user + system))
    const make = seeds[searchParams.get('case')] ?? (async () => null)
    return outgoing.end(JSON.stringify(await Promise.all(Array.from({ length: searchParams.get('n') }, (_, i) => make(i)))))
  }
  // Its URLs, and the `htu` it expects, come from the host header.
  incoming.headers.host = 'id.example.com'
  incoming.headers['x-forwarded-proto'] = 'https'
  return handle(incoming, outgoing)
})
const paths = {
  origin: issuer,
  token: '/token',
  introspection: '/token/introspection',
  metadata: '/.well-known/openid-configuration',
  jwks: '/jwks',
}
http.listen(0, '127.0.0.1', () => process.send({ port: http.address().port, paths }))
