// @ts-check
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { publicJwk, thumbprint } from '@postern/core/jwk'
import { signJws } from '@postern/core/jws'
import { createKeyRingDocument, openKeyRing } from '@postern/core/keyRing'
import { systemPorts } from '@postern/core/systemRuntime'
import { memoryStore } from '@postern/store/memory'
import { createAuthorizationServer } from '@postern/tokens'
import { hashSecret } from '@postern/tokens/auth/secret'
import { clientsInConfig } from '@postern/tokens/clients'
import { parseConfig } from '@postern/tokens/config'
import { nodeNonces, sharedNonces, verifyProof } from '@postern/tokens/dpop'
import { fixedIssuer } from '@postern/tokens/issuer'
import { ringKeys } from '@postern/tokens/remoteKeys'
import { createVerifier } from '@postern/tokens/resource'
import { refuses, same } from './assert.js'

const crypto = createCrypto()
const ports = { ...systemPorts(), crypto }
const { clock, random } = ports
const ISSUER = 'https://id.example.com/t1'
const API = 'https://api.example.com'
const SECRET = 'a-secret-of-the-service-that-is-long'
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' // RFC 7636 Appendix B
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

/** @type {readonly import('../suite.js').Case[]} */
export const cases = [
  [
    'tokens: metadata announces what the server has (RFC 8414)',
    async () => {
      const { server } = await world()
      const reply = await server.wellKnown(new Request('https://id.example.com/.well-known/oauth-authorization-server/t1'))
      const document = await reply?.json()
      same([document.issuer, document.authorization_challenge_endpoint], [ISSUER, `${ISSUER}/authorize-challenge`])
    },
  ],
  [
    'tokens: client credentials give a token that introspection knows; a wrong secret gives none',
    async () => {
      const { post } = await world()
      const form = { grant_type: 'client_credentials', client_id: 'service', scope: 'accounts' }
      const good = await post('/token', { ...form, client_secret: SECRET })
      same([good.status, good.body.token_type], [200, 'Bearer'])
      const seen = await post('/introspect', { token: good.body.access_token, client_id: 'service', client_secret: SECRET })
      same([seen.body.active, seen.body.client_id], [true, 'service'])
      same((await post('/token', { ...form, client_secret: `${SECRET}r` })).body.error, 'invalid_client')
    },
  ],
  [
    'tokens: a login of the first-party endpoint becomes a code, a bound token, and an answer of the API; neither replays',
    async () => {
      const { post, keys, prove } = await world()
      const { jkt, proof } = await prover()
      const asked = { client_id: 'phone', response_type: 'code', scope: 'accounts offline_access' }
      const pkce = { code_challenge: CHALLENGE, code_challenge_method: 'S256' }
      const step = await post('/authorize-challenge', { ...asked, ...pkce }, { dpop: await prove(proof, '/authorize-challenge') })
      same(step.status, 200, 'challenge')
      const redeem = { grant_type: 'authorization_code', client_id: 'phone', code: step.body.authorization_code }
      const form = { ...redeem, code_verifier: VERIFIER }
      const stolen = await post('/token', { ...redeem, code_verifier: 'x'.repeat(43) }, { dpop: await prove(proof, '/token') })
      same(stolen.body.error, 'invalid_grant', 'another verifier')
      const tokens = await post('/token', form, { dpop: await prove(proof, '/token') })
      same([tokens.status, tokens.body.token_type], [200, 'DPoP'])

      const nonces = nodeNonces({ random, crypto, clock })
      const local = { issuer: ISSUER, audience: API, origin: API, clock, crypto, nonces, keys: ringKeys({ keys, crypto, clock }) }
      const verify = createVerifier({ ...local, replay: { mode: 'node' } })
      const accessToken = tokens.body.access_token
      const dpop = await proof('GET', `${API}/accounts`, { accessToken, nonce: await nonces.issue() })
      const call = () => new Request(`${API}/accounts`, { headers: { authorization: `DPoP ${accessToken}`, dpop } })
      const verified = await verify(call(), { scope: ['accounts'] })
      same([verified.subject, verified.jkt, verified.acr], ['user-1', jkt, 'level2'])
      await refuses(() => verify(call()), 'dpop.proof')
      await refuses(
        () => verify(new Request(`${API}/accounts`, { headers: { authorization: `Bearer ${accessToken}` } })),
        'token.invalid',
      )

      const again = await post('/token', form, { dpop: await prove(proof, '/token') })
      same(again.body.error, 'invalid_grant', 'the code again (T02)')
      const spent = { grant_type: 'refresh_token', client_id: 'phone', refresh_token: tokens.body.refresh_token }
      same((await post('/token', spent, { dpop: await prove(proof, '/token') })).body.error, 'invalid_grant', 'its family (T03)')
    },
  ],
  [
    'tokens: a proof fits one method, one target and one key (RFC 9449 §4.3)',
    async () => {
      const { jkt, proof } = await prover()
      const nonces = nodeNonces({ random, crypto, clock })
      const jwt = await proof('POST', `${API}/pay`, { nonce: await nonces.issue() })
      const input = /** @type {const} */ ({ jwt, method: 'POST', url: `${API}/pay`, nonce: 'required' })
      same((await verifyProof(input, { clock, crypto, nonces })).jkt, jkt)
      await refuses(() => verifyProof({ ...input, method: 'GET' }, { clock, crypto, nonces }), 'dpop.proof')
      await refuses(() => verifyProof({ ...input, url: `${API}/PAY` }, { clock, crypto, nonces }), 'dpop.proof')
      await refuses(() => verifyProof({ ...input, boundTo: 'x' }, { clock, crypto, nonces }), 'dpop.proof')
      const [head = '', body = '', signature = ''] = jwt.split('.')
      const forged = `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
      await refuses(() => verifyProof({ ...input, jwt: forged }, { clock, crypto, nonces }), 'dpop.proof')
    },
  ],
]

/** One issuer over a memory store; whoever has the device's key is logged in at once. */
async function world() {
  const keys = await openKeyRing(await createKeyRingDocument(ports), crypto)
  const auth = { method: /** @type {const} */ ('client_secret_post'), secretHashes: [await hashSecret(crypto, SECRET)] }
  const server = createAuthorizationServer({
    resolveIssuer: fixedIssuer({
      issuer: ISSUER,
      tenant: 't1',
      runtime: { ...ports, store: memoryStore() },
      keys,
      config: parseConfig({ defaultResource: API, scopes: ['accounts', 'offline_access'], acrValues: ['level1', 'level2'] }),
      clients: clientsInConfig([
        { id: 'service', auth, grantTypes: ['client_credentials'], scope: ['accounts'], introspects: [API] },
        { id: 'phone', auth: { method: 'none' }, dpopBound: true, scope: ['accounts', 'offline_access'] },
      ]),
      challenge: {
        challenge: async () => ({
          kind: 'code',
          login: { subject: 'user-1', authTime: clock(), acr: 'level2', amr: ['pin'] },
        }),
      },
    }),
  })
  const nonces = sharedNonces({ keys, crypto, clock, tenant: 't1', issuer: ISSUER, role: 'as' })
  return {
    server,
    keys,
    /** @param {Awaited<ReturnType<typeof prover>>['proof']} proof @param {string} path */
    prove: async (proof, path) => proof('POST', ISSUER + path, { nonce: await nonces.issue() }),
    /** @param {string} path @param {Record<string, string>} form @param {Record<string, string>} [headers] */
    async post(path, form, headers = {}) {
      const reply = await server.fetch(new Request(ISSUER + path, { method: 'POST', body: new URLSearchParams(form), headers }))
      return { status: reply.status, body: await reply.json() }
    },
  }
}

async function prover() {
  const jwk = await crypto.generateKey('ES256', random)
  const signer = await crypto.signer('ES256', jwk)
  return {
    jkt: await thumbprint(crypto, jwk),
    /** @param {string} htm @param {string} htu @param {{ nonce: string, accessToken?: string }} o */
    async proof(htm, htu, { nonce, accessToken }) {
      const ath = accessToken === undefined ? {} : { ath: encodeBase64url(await crypto.digest('SHA-256', utf8(accessToken))) }
      const claims = { jti: encodeBase64url(random(16)), htm, htu, iat: Math.floor(clock() / 1000), nonce, ...ath }
      return signJws(signer, { typ: 'dpop+jwt', jwk: publicJwk(jwk) }, claims)
    },
  }
}
