import { parseCertificate, publicKeyOf } from '@postern/core/x509'
import { caSigned, selfSigned } from '@postern/tokens/auth/mtls'
import { issueCode } from '@postern/tokens/challenge'
import { type CertificateName, type ClientConfig, clientsInConfig } from '@postern/tokens/clients'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { certificateThumbprint } from '../../src/internal/certificate.js'
import { type Authority, authority, CA, CLIENT, type Issued, noOpenssl } from '../certificates.js'
import { type Answer, API, CHALLENGE, ISSUER, REDIRECT, VERIFIER, type World, world } from '../world.js'

const NAMES = 'subjectAltName=DNS:a.example.com,URI:spiffe://bank/a,IP:10.0.0.1,IP:2001:db8::1,email:a@example.com'

describe('what a certificate may be named by', () => {
  const named = (certificate: CertificateName) => () =>
    clientsInConfig([{ id: 'c', auth: { method: 'tls_client_auth', certificate }, scope: [] }])

  it.each<[string, CertificateName]>([
    ['a subject', { dn: 'CN=a,O=b' }],
    ['escapes', { dn: String.raw`CN=a\, b\+\22\#,O=\20x\ ` }],
    ['several attributes in a step', { dn: 'CN=a+UID=1,O=b' }],
    ['an OID and an encoded value', { dn: '1.2.840.113549.1.9.1=#160161' }],
    ['a name', { dns: 'a.example.com' }],
    ['an address', { ip: '2001:DB8::1' }],
  ])('%s', (_what, certificate) => expect(named(certificate)).not.toThrow())

  it.each<[string, object]>([
    ['nothing', {}],
    ['two kinds', { dn: 'CN=a', dns: 'a' }],
    ['an empty name', { dns: '' }],
    ['a space after the comma', { dn: 'CN=a, O=b' }],
    ['a space behind', { dn: 'CN=a ' }],
    ['an empty value', { dn: 'CN=' }],
    ['no type', { dn: 'a' }],
    ['an unknown type', { dn: 'XX=a' }],
    ['a bare quote', { dn: 'CN=a"b' }],
    ['a bare bracket', { dn: 'CN=a<b' }],
    ['an escape of nothing', { dn: 'CN=a\\' }],
    ['an escape that is none', { dn: String.raw`CN=a\z` }],
    ['bytes that are no UTF-8', { dn: String.raw`CN=\ff` }],
    ['odd hexadecimal', { dn: 'CN=#160' }],
    ['no address', { ip: '10.0.0' }],
    ['a name with a space', { dns: 'a b' }],
    ['2 kB', { dn: `CN=${'a'.repeat(2000)}` }],
  ])('not %s', (_what, certificate) => expect(named(certificate as CertificateName)).toThrowError(/metadata\.refused/))
})

describe.skipIf(noOpenssl())('mutual TLS', () => {
  let ca: Authority
  let made: Record<
    'root' | 'middle' | 'leaf' | 'direct' | 'server' | 'encrypting' | 'stranger' | 'strange' | 'twin' | 'own' | 'umlaut',
    Issued
  >
  beforeAll(() => {
    ca = authority()
    const root = ca.issue('root', 'root', CA)
    const middle = ca.issue('middle', 'root', CA)
    const stranger = ca.issue('stranger', 'stranger', CA, { subject: '/C=NO/O=Bank/CN=root' })
    made = {
      root,
      middle,
      stranger,
      leaf: ca.issue('leaf', 'middle', `${CLIENT}\n${NAMES}`),
      direct: ca.issue('direct', 'root', CLIENT, { subject: '/C=NO/O=Bank/CN=leaf' }),
      server: ca.issue('server', 'root', 'extendedKeyUsage=serverAuth', { subject: '/C=NO/O=Bank/CN=leaf' }),
      encrypting: ca.issue('encrypting', 'root', 'keyUsage=critical,keyEncipherment', { subject: '/C=NO/O=Bank/CN=leaf' }),
      strange: ca.issue('strange', 'stranger', CLIENT, { subject: '/C=NO/O=Bank/CN=leaf' }),
      twin: ca.issue('twin', 'root', CLIENT, { subject: '/C=NO/O=Bank/CN=leaf+UID=7' }),
      own: ca.issue('own', 'own', CLIENT),
      umlaut: ca.issue('umlaut', 'root', CLIENT, { subject: '/C=NO/O=Bänk, A\\+S/CN=x' }),
    }
  })
  afterAll(() => ca?.close())

  async function setup(clients: readonly Omit<ClientConfig, 'scope' | 'grantTypes'>[], start = Date.now()): Promise<World> {
    const all = clients.map((client) => ({
      ...client,
      redirectUris: [REDIRECT],
      grantTypes: ['client_credentials', 'authorization_code', 'refresh_token'],
      scope: ['openid', 'accounts'],
    }))
    const auth = [caSigned({ anchors: [made.root.der], intermediates: [made.middle.der] }), selfSigned]
    return world({ start, clients: all, context: () => ({ auth }) })
  }
  const byCa = (certificate: CertificateName) => setup([{ id: 'c', auth: { method: 'tls_client_auth', certificate } }])
  async function post(
    w: World,
    form: Record<string, string>,
    der?: Uint8Array,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const request = new Request(`${ISSUER}/token`, {
      method: 'POST',
      body: new URLSearchParams(form),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    })
    const reply = await w.nodes[0]!.fetch(request, der === undefined ? {} : { clientCertificate: der })
    return { status: reply.status, headers: reply.headers, body: await reply.json() }
  }
  async function ask(w: World, der?: Uint8Array, headers: Record<string, string> = {}): Promise<string> {
    const { status, body } = await post(w, { grant_type: 'client_credentials', client_id: 'c', scope: 'accounts' }, der, headers)
    return status === 200 ? 'ok' : `${status} ${body.error}`
  }
  const NO = '401 invalid_client'

  it.each<[string, CertificateName]>([
    ['its subject', { dn: 'CN=leaf,O=Bank,C=NO' }],
    ['its subject in lower-case types', { dn: 'cn=leaf,o=Bank,c=NO' }],
    ['its subject by OIDs', { dn: '2.5.4.3=#0c046c656166,O=Bank,C=NO' }],
    ['a DNS name', { dns: 'a.example.com' }],
    ['a URI', { uri: 'spiffe://bank/a' }],
    ['an IPv4 address', { ip: '10.0.0.1' }],
    ['an IPv6 address in another spelling', { ip: '2001:0DB8:0::0:1' }],
    ['a mail address', { email: 'a@example.com' }],
  ])('an authority’s word counts when the certificate is named by %s', async (_what, certificate) => {
    expect(await ask(await byCa(certificate), made.leaf.der)).toBe('ok')
  })

  it.each<[string, CertificateName]>([
    ['another name', { dn: 'CN=leaf2,O=Bank,C=NO' }],
    ['another case', { dn: 'CN=Leaf,O=Bank,C=NO' }],
    ['a part of it', { dn: 'CN=leaf,O=Bank' }],
    ['the other order', { dn: 'C=NO,O=Bank,CN=leaf' }],
    ['one more step', { dn: 'OU=x,CN=leaf,O=Bank,C=NO' }],
    ['a wildcard', { dns: '*.example.com' }],
    ['a suffix', { dns: 'example.com' }],
    ['another address', { ip: '10.0.0.2' }],
    ['the DNS name as mail', { email: 'a.example.com' }],
  ])('%s is another certificate', async (_what, certificate) => {
    expect(await ask(await byCa(certificate), made.leaf.der)).toBe(NO)
  })

  it('subjects compare as they are encoded: escapes, UTF-8, and steps of two attributes', async () => {
    expect(await ask(await byCa({ dn: String.raw`CN=x,O=Bänk\, A\+S,C=NO` }), made.umlaut.der)).toBe('ok')
    expect(await ask(await byCa({ dn: String.raw`CN=x,O=B\C3\A4nk\2C A\2BS,C=NO` }), made.umlaut.der)).toBe('ok')
    expect(await ask(await byCa({ dn: 'UID=7+CN=leaf,O=Bank,C=NO' }), made.twin.der)).toBe('ok')
    expect(await ask(await byCa({ dn: 'CN=leaf,O=Bank,C=NO' }), made.twin.der)).toBe(NO)
  })

  it('another authority, though of the same name, a certificate for servers or for encrypting, one of no chain: all one refusal', async () => {
    const w = await byCa({ dn: 'CN=leaf,O=Bank,C=NO' })
    expect(await ask(w, made.direct.der)).toBe('ok')
    for (const { der } of [made.strange, made.server, made.encrypting, made.own, made.middle]) expect(await ask(w, der)).toBe(NO)
    expect(await ask(w, made.direct.der.subarray(1))).toBe(NO)
    expect(await ask(w, new Uint8Array(0))).toBe(NO)
    expect(await ask(w)).toBe(NO)
    w.advance(11 * 365 * 86_400_000)
    expect(await ask(w, made.direct.der)).toBe(NO)
    expect(w.events.at(-1)).toMatchObject({ type: 'token.refused', reason: 'mtls.expired' })
  })

  it('T36 no header stands for a certificate, whatever a proxy or a caller writes into it', async () => {
    const w = await byCa({ dn: 'CN=leaf,O=Bank,C=NO' })
    const pem = encodeURIComponent(made.leaf.certificate)
    const base64 = Buffer.from(made.leaf.der).toString('base64')
    for (const headers of [
      { 'x-client-cert': pem },
      { 'x-ssl-client-cert': pem },
      { 'ssl-client-cert': pem },
      { 'x-forwarded-client-cert': `Cert="${pem}"` },
      { 'client-cert': `:${base64}:` },
      { 'x-amzn-mtls-clientcert-leaf': pem },
      { 'x-arr-clientcert': base64 },
    ] as Record<string, string>[])
      expect(await ask(w, undefined, headers)).toBe(NO)
    // Nor does one turn a certificate that is there into another.
    expect(await ask(w, made.own.der, { 'client-cert': `:${base64}:` })).toBe(NO)
  })

  it('a key that is registered counts in any certificate around it, within its dates', async () => {
    const jwk = publicKeyOf(parseCertificate(made.own.der).spki)
    const w = await setup([{ id: 'c', auth: { method: 'self_signed_tls_client_auth' }, jwks: [{ kty: 'EC' }, jwk] }])
    expect(await ask(w, made.own.der)).toBe('ok')
    for (const { der } of [made.leaf, made.stranger]) expect(await ask(w, der)).toBe(NO)
    expect(await ask(w)).toBe(NO)
    w.advance(11 * 365 * 86_400_000)
    expect(await ask(w, made.own.der)).toBe(NO)
  })

  it('a certificate is no second credential beside another, and none for a client that is registered with another', async () => {
    const jwk = publicKeyOf(parseCertificate(made.own.der).spki)
    const w = await setup([
      { id: 'c', auth: { method: 'self_signed_tls_client_auth' }, jwks: [jwk] },
      { id: 'signed', auth: { method: 'private_key_jwt' }, jwks: [jwk] },
    ])
    const form = { grant_type: 'client_credentials', client_id: 'signed' }
    expect((await post(w, form, made.own.der)).body.error).toBe('invalid_client')
    expect((await post(w, { ...form, client_id: 'c', client_secret: 'x' }, made.own.der)).body.error).toBe('invalid_client')
    expect((await post(w, { ...form, client_id: 'nobody' }, made.own.der)).body.error).toBe('invalid_client')
  })

  it('tokens are bound to the certificate they were asked with (RFC 8705 §3); the certificate of a confidential client may change', async () => {
    const jwks = [made.own, made.leaf].map(({ der }) => publicKeyOf(parseCertificate(der).spki))
    const w = await setup([{ id: 'c', auth: { method: 'self_signed_tls_client_auth' }, jwks, certificateBound: true }])
    const client = (await w.contexts[0]!.clients.find('c'))!
    const x5tOf = async ({ der }: Issued) => certificateThumbprint({ ...w.contexts[0]!, host: { clientCertificate: der } })
    const login = { subject: 'user-1', authTime: w.now(), acr: 'level1', amr: ['pwd'] }
    const code = await issueCode(
      { client, login, scope: ['accounts'], resource: API, codeChallenge: CHALLENGE, redirectUri: REDIRECT, dpopJkt: null },
      w.contexts[0]!,
    )
    const form = { client_id: 'c', grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
    const first = await post(w, form, made.own.der)
    expect(first.body.token_type).toBe('Bearer')
    expect(claims(first).cnf).toEqual({ 'x5t#S256': await x5tOf(made.own) })
    const { refresh_token } = first.body
    const second = await post(w, { client_id: 'c', grant_type: 'refresh_token', refresh_token }, made.leaf.der)
    expect(claims(second).cnf).toEqual({ 'x5t#S256': await x5tOf(made.leaf) })
  })

  it('a public client’s refresh tokens are bound to its certificate (RFC 8705 §4), and it owes no DPoP proof', async () => {
    const w = await setup([{ id: 'c', auth: { method: 'none' }, certificateBound: true }])
    const client = (await w.contexts[0]!.clients.find('c'))!
    const login = { subject: 'user-1', authTime: w.now(), acr: 'level1', amr: ['pwd'] }
    const code = await issueCode(
      { client, login, scope: ['accounts'], resource: API, codeChallenge: CHALLENGE, redirectUri: REDIRECT, dpopJkt: null },
      w.contexts[0]!,
    )
    const form = { client_id: 'c', grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
    expect((await post(w, form)).body.error).toBe('invalid_request')
    const { refresh_token } = (await post(w, form, made.own.der)).body
    const again = { client_id: 'c', grant_type: 'refresh_token', refresh_token }
    expect((await post(w, again)).body.error).toBe('invalid_request')
    expect((await post(w, again, made.leaf.der)).body.error).toBe('invalid_grant')
    const renewed = await post(w, again, made.own.der)
    expect(renewed.status).toBe(200)
    expect(claims(renewed).cnf).toHaveProperty('x5t#S256')
  })

  it('announces what it can, and the aliases of a listener that asks for certificates (RFC 8705 §3.3, §5)', async () => {
    const w = await world({
      config: { mtlsBase: 'https://mtls.example.com/t1' },
      context: () => ({ auth: [caSigned({ anchors: [made.root.der] }), selfSigned] }),
    })
    const reply = await w.nodes[0]!.fetch(new Request(`${ISSUER}/.well-known/oauth-authorization-server`))
    expect(await reply.json()).toMatchObject({
      token_endpoint_auth_methods_supported: ['none', 'tls_client_auth', 'self_signed_tls_client_auth'],
      tls_client_certificate_bound_access_tokens: true,
      mtls_endpoint_aliases: {
        token_endpoint: 'https://mtls.example.com/t1/token',
        pushed_authorization_request_endpoint: 'https://mtls.example.com/t1/par',
      },
    })
  })

  it('T32 with a certificate a proof names the alias that the connection came to, without one the issuer’s own endpoint', async () => {
    const jwk = publicKeyOf(parseCertificate(made.own.der).spki)
    const clients = [
      {
        id: 'c',
        auth: { method: 'self_signed_tls_client_auth' },
        jwks: [jwk],
        scope: ['accounts'],
        grantTypes: ['client_credentials'],
      },
    ] as const
    const w = await world({
      start: Date.now(),
      clients,
      config: { mtlsBase: 'https://mtls.example.com/t1' },
      context: () => ({ auth: [selfSigned] }),
    })
    const device = await w.device({ register: false })
    const form = { grant_type: 'client_credentials', client_id: 'c' }
    const send = async (htu: string) => (await post(w, form, made.own.der, { dpop: await device.proof(htu) })).body
    expect((await send('https://mtls.example.com/t1/token')).token_type).toBe('DPoP')
    expect((await send(`${ISSUER}/token`)).error).toBe('invalid_dpop_proof')
  })
})

function claims({ body }: Answer): Record<string, unknown> {
  return JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString())
}
