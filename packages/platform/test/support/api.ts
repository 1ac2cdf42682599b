/** The bank's API behind a gateway, and calls to it with proofs by hand. */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { signJws } from '@postern/core/jws'
import { createKemRing, openKemRing } from '@postern/payload/keys'
import { noReplayGuard } from '@postern/payload/replay'
import { createPayloadServer, type PayloadServer } from '@postern/payload/server'
import { createGateway, type Route, type VerifiedCall } from '@postern/platform/gateway'
import { compile } from '@postern/policy/compile'
import type { PolicyDocument } from '@postern/policy/document'
import { mobileSchema } from '@postern/policy/mobile'
import { hashSchema } from '@postern/policy/schema'
import { seededRandom } from '@postern/testkit/simulation'
import { nodeNonces } from '@postern/tokens/dpop'
import { ringKeys } from '@postern/tokens/remoteKeys'
import { ACR, API, type Bank, bankPolicy, crypto, ISSUER, type Phone } from './bank.js'

export interface Seen {
  readonly request: Request
  readonly call: VerifiedCall
}

export interface ApiOptions {
  readonly routes: (handle: Route['handle']) => readonly Route[]
  readonly policy?: (document: PolicyDocument) => PolicyDocument
  /** What every request is taken to have come sealed under; default: as it came. */
  readonly ekm?: Uint8Array
}

export interface Api {
  readonly seen: Seen[]
  readonly fetch: (request: Request) => Promise<Response>
  /** A call with token and proof. */
  call(phone: Phone, token: string, path: string, init?: RequestInit, claims?: Record<string, string>): Promise<Response>
}

export async function createApi(bank: Bank, o: ApiOptions): Promise<Api> {
  const { clock, random } = bank.ports
  const runtime = { ...bank.ports, crypto, store: bank.store }
  const real = createPayloadServer({
    runtime,
    tenant: 'bank',
    origin: API,
    ring: await openKemRing(await createKemRing({ clock, random, crypto }), crypto),
    root: await crypto.signer('ES256', await crypto.generateKey('ES256', seededRandom(98))),
    replay: noReplayGuard,
  })
  const { ekm } = o
  const payload: PayloadServer =
    ekm === undefined
      ? real
      : { ...real, fetch: (request, next) => next(request, { level: 'single', ekm, binding: null, keyId: 1, early: true }) }
  const start = bankPolicy(await hashSchema(mobileSchema, crypto))
  // What a device is, is judged whenever a token is made; the token tells the API nothing of it.
  const rules = start.rules.map((rule) =>
    /^(device-(?!locked)|app-not)/.test(rule.id)
      ? { ...rule, when: { ...rule.when, action: { not: 'resource.call' as const } } }
      : rule,
  )
  const document = { ...start, rules }
  const policy = compile(mobileSchema, o.policy?.(document) ?? document)
  const seen: Seen[] = []
  const fetch = createGateway({
    runtime,
    verifier: {
      issuer: ISSUER,
      audience: API,
      origin: API,
      keys: ringKeys({ keys: bank.keys, crypto, clock }),
      clock,
      crypto,
      nonces: nodeNonces({ random, crypto, clock }),
      acrOrder: ACR,
      replay: { mode: 'node' },
    },
    routes: o.routes(async (request, call) => {
      seen.push({ request, call })
      return Response.json({ ok: true })
    }),
    policy: async () => policy,
    acr: ACR,
    payload,
  })
  let nonce: string | undefined
  const api: Api = {
    seen,
    fetch,
    async call(phone, token, path, init = {}, claims = {}) {
      const send = async (): Promise<Response> => {
        const headers = new Headers(init.headers)
        headers.set('authorization', `DPoP ${token}`)
        const proof = await signJws(
          phone.device,
          { typ: 'dpop+jwt', jwk: phone.device.publicJwk },
          {
            jti: encodeBase64url(phone.random(16)),
            htm: init.method ?? 'GET',
            htu: API + new URL(API + path).pathname,
            iat: Math.floor(clock() / 1000),
            ath: encodeBase64url(await crypto.digest('SHA-256', utf8(token))),
            ...(nonce === undefined ? {} : { nonce }),
            ...claims,
          },
        )
        headers.set('dpop', proof)
        const answer = await fetch(new Request(API + path, { ...init, headers }))
        nonce = answer.headers.get('dpop-nonce') ?? nonce
        return answer
      }
      const first = await send()
      return /use_dpop_nonce/.test(first.headers.get('www-authenticate') ?? '') ? send() : first
    },
  }
  return api
}
