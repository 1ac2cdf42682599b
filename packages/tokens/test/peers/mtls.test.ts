/// <reference types="node" />
import { request as call, createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { parseCertificate, publicKeyOf } from '@postern/core/x509'
import { assertion } from '@postern/tokens/auth/assertion'
import { caSigned, selfSigned } from '@postern/tokens/auth/mtls'
import { decodeJwt } from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Authority, authority, CA, CLIENT, type Issued, noOpenssl } from '../certificates.js'
import { API, type World, world } from '../world.js'

type Fetch = (url: string, init?: { method?: string; headers?: unknown; body?: unknown }) => Promise<Response>

/** Fetch over a connection with this client certificate, trusting that authority. */
function over(ca: string, own?: Issued): Fetch {
  return async (url, { method = 'GET', headers = {}, body } = {}) => {
    const text = body === undefined || body === null ? undefined : String(body)
    return new Promise((done, fail) => {
      const sent = call(
        url,
        {
          method,
          headers: {
            ...Object.fromEntries(new Headers(headers as HeadersInit)),
            ...(text !== undefined && { 'content-length': Buffer.byteLength(text) }),
          },
          ca,
          agent: false,
          ...(own !== undefined && { cert: own.certificate, key: own.key }),
        },
        async (reply) => {
          const chunks: Buffer[] = []
          for await (const chunk of reply) chunks.push(chunk as Buffer)
          const headers = Object.entries(reply.headers).flatMap(([name, value]) =>
            value === undefined ? [] : [[name, String(value)] as [string, string]],
          )
          const empty = reply.statusCode === 204 || chunks.length === 0
          done(new Response(empty ? null : Buffer.concat(chunks), { status: reply.statusCode!, headers }))
        },
      )
      sent.on('error', fail)
      sent.end(text)
    })
  }
}

describe.skipIf(noOpenssl())('mutual TLS over node:https', () => {
  let ca: Authority
  let root: Issued
  let made: Record<'signed' | 'own' | 'other', Issued>
  let server: Server
  let issuer: string
  let w: World
  beforeAll(async () => {
    ca = authority()
    root = ca.issue('root', 'root', CA)
    const tls = ca.issue('tls', 'root', 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth')
    made = {
      signed: ca.issue('signed', 'root', CLIENT),
      own: ca.issue('own', 'own', CLIENT),
      other: ca.issue('other', 'root', CLIENT),
    }
    // The TLS layer asks for a certificate and proves that the caller holds its key; whose word counts, is ours to judge.
    server = createServer(
      { cert: tls.certificate, key: tls.key, requestCert: true, rejectUnauthorized: false },
      async (incoming, outgoing) => {
        const chunks: Buffer[] = []
        for await (const chunk of incoming) chunks.push(chunk as Buffer)
        const headers = new Headers()
        for (let i = 0; i < incoming.rawHeaders.length; i += 2)
          headers.append(incoming.rawHeaders[i]!, incoming.rawHeaders[i + 1]!)
        const request = new Request(`${issuer}${incoming.url}`, {
          method: incoming.method!,
          headers,
          body: incoming.method === 'GET' ? null : Buffer.concat(chunks),
        })
        const { raw } = (incoming.socket as TLSSocket).getPeerCertificate()
        const host = raw === undefined ? {} : { clientCertificate: new Uint8Array(raw) }
        const reply = (await w.nodes[0]!.wellKnown(request, host)) ?? (await w.nodes[0]!.fetch(request, host))
        outgoing.writeHead(reply.status, [...reply.headers].flat())
        outgoing.end(Buffer.from(await reply.arrayBuffer()))
      },
    )
    await new Promise<void>((done) => server.listen(0, 'localhost', done))
    issuer = `https://localhost:${(server.address() as AddressInfo).port}`
    const base = { grantTypes: ['client_credentials'], scope: ['accounts'], introspects: [API], certificateBound: true }
    w = await world({
      issuer,
      start: Date.now(),
      clients: [
        { id: 'signed', auth: { method: 'tls_client_auth', certificate: { dn: 'CN=signed,O=Bank,C=NO' } }, ...base },
        {
          id: 'own',
          auth: { method: 'self_signed_tls_client_auth' },
          jwks: [publicKeyOf(parseCertificate(made.own.der).spki)],
          ...base,
        },
      ],
      context: ({ runtime }) => ({
        runtime: { ...runtime, clock: Date.now },
        auth: [assertion, caSigned({ anchors: [root.der] }), selfSigned],
      }),
    })
  })
  afterAll(async () => {
    server?.closeAllConnections()
    await new Promise((done) => (server === undefined ? done(null) : server.close(done)))
    ca?.close()
  })

  const through = (own?: Issued) => ({ [oauth.customFetch]: over(root.certificate, own) as never })
  const discover = async (own?: Issued) => {
    const url = new URL(issuer)
    return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...through(own) }))
  }

  it.each(['signed', 'own'] as const)(
    'oauth4webapi as %s: a token bound to the certificate, introspected and revoked',
    async (id) => {
      const as = await discover(made[id])
      expect(as.tls_client_certificate_bound_access_tokens).toBe(true)
      const own: oauth.Client = { client_id: id, use_mtls_endpoint_aliases: true }
      const ask = await oauth.clientCredentialsGrantRequest(
        as,
        own,
        oauth.TlsClientAuth(),
        { scope: 'accounts' },
        through(made[id]),
      )
      const { access_token } = await oauth.processClientCredentialsResponse(as, own, ask)
      const introspect = async () =>
        oauth.processIntrospectionResponse(
          as,
          own,
          await oauth.introspectionRequest(as, own, oauth.TlsClientAuth(), access_token, through(made[id])),
        )
      const thumbprint = Buffer.from(await crypto.subtle.digest('SHA-256', made[id].der as Uint8Array<ArrayBuffer>)).toString(
        'base64url',
      )
      expect(decodeJwt(access_token).cnf).toEqual({ 'x5t#S256': thumbprint })
      expect(await introspect()).toMatchObject({ active: true, cnf: { 'x5t#S256': thumbprint } })
      await oauth.processRevocationResponse(
        await oauth.revocationRequest(as, own, oauth.TlsClientAuth(), access_token, through(made[id])),
      )
      expect(await introspect()).toEqual({ active: false })
    },
  )

  it.each(['signed', 'own'] as const)('openid-client as %s', async (id) => {
    const configuration = await client.discovery(new URL(issuer), id, undefined, client.TlsClientAuth(), {
      [client.customFetch]: over(root.certificate, made[id]) as client.CustomFetch,
    })
    const { access_token } = await client.clientCredentialsGrant(configuration, { scope: 'accounts' })
    expect(await client.tokenIntrospection(configuration, access_token)).toMatchObject({ active: true, client_id: id })
  })

  it('T36 without a certificate, with another’s, or with a header that holds the right one: refused', async () => {
    const as = await discover()
    const certificate = encodeURIComponent(made.signed.certificate)
    const headers = {
      'x-ssl-client-cert': certificate,
      'x-forwarded-client-cert': `Cert="${certificate}"`,
      'client-cert': `:${Buffer.from(made.signed.der).toString('base64')}:`,
    }
    for (const [own, more] of [
      [undefined, {}],
      [made.other, {}],
      [made.own, {}],
      [undefined, headers],
      [made.other, headers],
    ] as const) {
      const ask = await oauth.clientCredentialsGrantRequest(
        as,
        { client_id: 'signed' },
        oauth.TlsClientAuth(),
        {},
        { headers: more, ...through(own) },
      )
      expect([ask.status, ((await ask.json()) as { error: string }).error]).toEqual([401, 'invalid_client'])
    }
  })
})
