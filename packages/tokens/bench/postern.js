// The server under test, in a process of its own: node:http, a lazy request, light replies, the memory store.
import { createServer } from 'node:http'
import { thumbprint } from '@postern/core/jwk'
import { signJws } from '@postern/core/jws'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { partsOf } from '@postern/core/reply'
import { systemPorts } from '@postern/core/systemRuntime'
import { memoryStore } from '@postern/store/memory'
import { shipOutbox } from '@postern/store/outbox'
import { createAuthorizationServer } from '@postern/tokens'
import { hashSecret } from '@postern/tokens/auth/secret'
import { issueCode } from '@postern/tokens/challenge'
import { clientsInConfig } from '@postern/tokens/clients'
import { parseConfig } from '@postern/tokens/config'
import { fixedIssuer } from '@postern/tokens/issuer'

const issuer = 'https://id.example.com'
const secret = 'a-secret-that-is-long-enough-for-this-bench'
const api = 'https://api.example.com'
const opaque = 'https://opaque.example.com'
const scope = ['openid', 'offline_access', 'accounts']
const ports = systemPorts()
const { crypto, random } = ports
const keys = await openKeyRing(await createKeyRingDocument(ports), crypto)
const shared = clientsInConfig([
  {
    id: 'portal',
    auth: { method: 'client_secret_post', secretHashes: [await hashSecret(crypto, secret)] },
    grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
    scope,
    resources: [api, opaque],
    introspects: [opaque],
  },
])
const instances = new Map()
const context = {
  issuer,
  tenant: 'bench',
  runtime: { ...ports, store: memoryStore() },
  keys,
  config: parseConfig({ defaultResource: api, scopes: scope, resources: { [api]: {}, [opaque]: { format: 'opaque' } } }),
  clients: { find: async (id) => instances.get(id) ?? shared.find(id) },
}
const server = createAuthorizationServer({ resolveIssuer: fixedIssuer(context) })

/** Handlers read method, url, headers.get and text() alone, so that no Request need be built, and their replies are parts. */
async function answer(method, path, headers, text) {
  const reply = await server.fetch({ method, url: issuer + path, headers: { get: (name) => headers[name] ?? null }, text })
  return partsOf(reply) ?? { status: reply.status, headers: Object.fromEntries(reply.headers), text: await reply.text() }
}

/** A user's tokens, by a code. */
async function tokens(client, resource, { dpop, ...more }) {
  const login = { subject: 'user-1', authTime: Date.now(), acr: 'level1', amr: ['pwd'] }
  const codeChallenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
  const code = await issueCode({ client, login, scope, resource, codeChallenge, redirectUri: null, dpopJkt: null }, context)
  const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
  const body = new URLSearchParams({ grant_type: 'authorization_code', code, code_verifier: verifier, ...more }).toString()
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': String(body.length),
    ...(dpop && { dpop }),
  }
  const reply = await answer('POST', '/token', headers, async () => body)
  if (reply.status !== 200) throw new Error(reply.text)
  return JSON.parse(reply.text)
}

async function instance(i) {
  const jwk = await crypto.generateKey('ES256', random)
  const { d: _, ...publicJwk } = jwk
  const clientId = `i${i}-${instances.size}`
  const grantTypes = ['authorization_code', 'refresh_token']
  const jkt = await thumbprint(crypto, jwk)
  instances.set(clientId, { id: clientId, kind: 'instance', auth: { method: 'none' }, jkt, redirectUris: [], grantTypes, scope })
  const { headers } = await answer('GET', '/token', {}, async () => '')
  const claims = { jti: `seed-${clientId}`, htm: 'POST', htu: `${issuer}/token`, iat: 0, nonce: headers['dpop-nonce'] }
  const dpop = await signJws(await crypto.signer('ES256', jwk), { typ: 'dpop+jwt', jwk: publicJwk }, claims)
  const { refresh_token } = await tokens(instances.get(clientId), api, { client_id: clientId, dpop })
  return { jwk, clientId, refreshToken: refresh_token }
}

const portal = { client_id: 'portal', client_secret: secret }
const seeds = {
  refresh: async () => (await tokens(await shared.find('portal'), api, portal)).refresh_token,
  refreshDpop: instance,
  introspect: async () => (await tokens(await shared.find('portal'), opaque, portal)).access_token,
}

const http = createServer(async (incoming, outgoing) => {
  if (incoming.url.startsWith('/bench/')) {
    const { pathname, searchParams } = new URL(incoming.url, 'http://bench')
    const { user, system } = process.cpuUsage()
    if (pathname === '/bench/cpu') return outgoing.end(String(user + system))
    const make = seeds[searchParams.get('case')] ?? (async () => null)
    return outgoing.end(JSON.stringify(await Promise.all(Array.from({ length: searchParams.get('n') }, (_, i) => make(i)))))
  }
  const text = () =>
    new Promise((resolve, reject) => {
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (chunk) => (text += chunk))
      incoming.on('end', () => resolve(text))
      incoming.on('error', reject)
    })
  const reply = await answer(incoming.method, incoming.url, incoming.headers, text)
  outgoing.writeHead(reply.status, Object.assign({ 'content-length': Buffer.byteLength(reply.text) }, reply.headers))
  // A string leaves with its head in one write; the peer's framework does the same.
  outgoing.end(reply.text)
})
const paths = {
  origin: issuer,
  token: '/token',
  introspection: '/introspect',
  metadata: '/.well-known/openid-configuration',
  jwks: '/jwks',
}
// Events leave the outbox as they do at a host: in batches, beside the requests.
setInterval(() => void shipOutbox(context.runtime.store, () => undefined, { now: Date.now() }), 200).unref()
http.listen(0, '127.0.0.1', () => process.send({ port: http.address().port, paths }))
