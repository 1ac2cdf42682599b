// The server under test, in a process of its own: node:http, a lazy request, the memory store.
import { createServer } from 'node:http'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { replyText } from '@postern/core/reply'
import { systemPorts } from '@postern/core/systemRuntime'
import { memoryStore } from '@postern/store/memory'
import { createAuthorizationServer } from '@postern/tokens'
import { hashSecret } from '@postern/tokens/auth/secret'
import { issueCode } from '@postern/tokens/challenge'
import { clientsInConfig } from '@postern/tokens/clients'
import { parseConfig } from '@postern/tokens/config'
import { fixedIssuer } from '@postern/tokens/issuer'

const secret = 'a-secret-that-is-long-enough-for-this-bench'
const api = 'https://api.example.com'
const ports = systemPorts()
const keys = await openKeyRing(await createKeyRingDocument(ports), ports.crypto)
const clients = clientsInConfig([
  {
    id: 'portal',
    auth: { method: 'client_secret_post', secretHashes: [await hashSecret(ports.crypto, secret)] },
    scope: ['openid', 'accounts'],
  },
])
const context = {
  issuer: 'https://id.example.com',
  tenant: 'bench',
  runtime: { ...ports, store: memoryStore() },
  keys,
  config: parseConfig({ defaultResource: api, scopes: ['openid', 'accounts'] }),
  clients,
}
const server = createAuthorizationServer({ resolveIssuer: fixedIssuer(context) })

async function token() {
  const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
  const code = await issueCode(
    {
      client: await clients.find('portal'),
      login: { subject: 'user-1', authTime: Date.now(), acr: 'level1', amr: ['pwd'] },
      scope: ['openid', 'accounts'],
      resource: api,
      codeChallenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      redirectUri: null,
      dpopJkt: null,
    },
    context,
  )
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code,
    code_verifier: verifier,
    client_id: 'portal',
    client_secret: secret,
  }).toString()
  const reply = await server.fetch(
    new Request('https://id.example.com/token', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) },
    }),
  )
  return (await reply.json()).refresh_token
}

const http = createServer(async (incoming, outgoing) => {
  if (incoming.url.startsWith('/bench/cpu')) {
    const { user, system } = process.cpuUsage()
    return outgoing.end(JSON.stringify(user + system))
  }
  if (incoming.url.startsWith('/bench/tokens')) {
    const n = Number(new URL(incoming.url, 'http://x').searchParams.get('n'))
    return outgoing.end(JSON.stringify(await Promise.all(Array.from({ length: n }, token))))
  }
  // Handlers read method, url, headers.get and text() alone, so that no Request need be built.
  const request = {
    method: incoming.method,
    url: `https://id.example.com${incoming.url}`,
    headers: { get: (name) => incoming.headers[name] ?? null },
    text: () =>
      new Promise((resolve, reject) => {
        let text = ''
        incoming.setEncoding('utf8')
        incoming.on('data', (chunk) => (text += chunk))
        incoming.on('end', () => resolve(text))
        incoming.on('error', reject)
      }),
  }
  const reply = await server.fetch(request)
  const text = replyText(reply) ?? (await reply.text())
  outgoing.writeHead(reply.status, { ...Object.fromEntries(reply.headers), 'content-length': Buffer.byteLength(text) })
  // A string leaves with its head in one write; the peer's framework does the same.
  outgoing.end(text)
})
http.listen(0, '127.0.0.1', () => process.send(http.address().port))
