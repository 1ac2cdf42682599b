// An issuer in this process over any store: nodes of it, an app instance, a portal with its user, and the forms they send.
import { publicJwk, thumbprint } from '@postern/core/jwk'
import { signJws } from '@postern/core/jws'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { partsOf } from '@postern/core/reply'
import { systemPorts } from '@postern/core/systemRuntime'
import { createAuthorizationServer } from '@postern/tokens'
import { hashSecret } from '@postern/tokens/auth/secret'
import { issueCode } from '@postern/tokens/challenge'
import { clientsInConfig } from '@postern/tokens/clients'
import { parseConfig } from '@postern/tokens/config'
import { fixedIssuer } from '@postern/tokens/issuer'

export const issuer = 'https://id.example.com'
export const api = 'https://api.example.com'
const secret = 'a-secret-that-is-long-enough-for-this-bench'
const portal = { client_id: 'portal', client_secret: secret }
const scope = ['openid', 'offline_access', 'accounts']
const codeChallenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'

/** @param {import('@postern/store').Store} store */
export async function issuerOver(store, nodes = 1) {
  const ports = systemPorts()
  const { crypto, random } = ports
  const keys = await openKeyRing(await createKeyRingDocument(ports), crypto)
  const grantTypes = ['authorization_code', 'refresh_token', 'client_credentials']
  const secretHashes = [await hashSecret(crypto, secret)]
  const shared = clientsInConfig([
    { id: 'portal', auth: { method: 'client_secret_post', secretHashes }, grantTypes, scope, introspects: [api] },
  ])
  const jwk = await crypto.generateKey('ES256', random)
  const signer = await crypto.signer('ES256', jwk)
  const app = {
    id: 'app',
    kind: 'instance',
    auth: { method: 'none' },
    jkt: await thumbprint(crypto, jwk),
    redirectUris: [],
    grantTypes,
    scope,
  }
  const base = {
    issuer,
    tenant: 'bench',
    keys,
    config: parseConfig({ defaultResource: api, scopes: scope }),
    clients: { find: async (id) => (id === 'app' ? app : shared.find(id)) },
  }
  const contexts = Array.from({ length: nodes }, () => ({ ...base, runtime: { ...ports, store } }))
  const servers = contexts.map((context) => createAuthorizationServer({ resolveIssuer: fixedIssuer(context) }))

  async function post(path, fields, { node = 0, headers = {} } = {}) {
    const body = new URLSearchParams(fields).toString()
    const all = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length), ...headers }
    const request = { method: 'POST', url: issuer + path, headers: { get: (name) => all[name] ?? null }, text: async () => body }
    const { status, headers: got, text } = partsOf(await servers[node].fetch(request))
    return { status, body: JSON.parse(text), nonce: got['dpop-nonce'] }
  }
  let nonce
  let jti = 0
  async function proved(fields, node) {
    nonce ??= (await post('/token', {})).nonce
    const claims = { jti: `j${jti++}`, htm: 'POST', htu: `${issuer}/token`, iat: 0, nonce }
    const dpop = await signJws(signer, { typ: 'dpop+jwt', jwk: publicJwk(jwk) }, claims)
    return post('/token', { client_id: 'app', ...fields }, { node, headers: { dpop } })
  }
  const as = (id, fields, node) => (id === 'app' ? proved(fields, node) : post('/token', { ...portal, ...fields }, { node }))
  return {
    async code(id, subject = 'user-1') {
      const login = { subject, authTime: Date.now(), acr: 'level1', amr: ['pwd'] }
      const client = await base.clients.find(id)
      return issueCode({ client, login, scope, resource: api, codeChallenge, redirectUri: null, dpopJkt: null }, contexts[0])
    },
    redeem: (id, code, node) => as(id, { grant_type: 'authorization_code', code, code_verifier: verifier }, node),
    refresh: (id, refreshToken, node) => as(id, { grant_type: 'refresh_token', refresh_token: refreshToken }, node),
    clientCredentials: (id, node) => as(id, { grant_type: 'client_credentials', scope: 'accounts' }, node),
    introspect: (token, node) => post('/introspect', { ...portal, token }, { node }),
  }
}
