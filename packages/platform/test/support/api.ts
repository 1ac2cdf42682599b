/** The bank's API behind a gateway, and calls to it with proofs by hand. */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { signJws } from '@postern/core/jws'
import { createSealedFetch, type SealedFetch } from '@postern/payload/client'
import { createKemRing, openKemRing } from '@postern/payload/keys'
import { noReplayGuard } from '@postern/payload/replay'
import { createPayloadServer, type PayloadServer } from '@postern/payload/server'
import { localSessions } from '@postern/payload/session'
import { createGateway, type Route, type VerifiedCall } from '@postern/platform/gateway'
import { bindSessions } from '@postern/platform/sessionBinding'
import { compile } from '@postern/policy/compile'
import type { PolicyDocument } from '@postern/policy/document'
import { mobileSchema } from '@postern/policy/mobile'
import { hashSchema } from '@postern/policy/schema'
import { seededRandom } from '@postern/testkit/simulation'
import { nodeNonces } from '@postern/tokens/dpop'
import { ringKeys } from '@postern/tokens/remoteKeys'
import type { VerifierOptions } from '@postern/tokens/resource'
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
  /** Sessions are offered; default: none. */
  readonly sessions?: boolean
}

/** Who makes a sealed call: whoever holds this phone, with this token. */
export interface Caller {
  phone: Phone
  token: string
}

export interface Api {
  readonly seen: Seen[]
  readonly fetch: (request: Request) => Promise<Response>
  /** A call with token and proof. */
  call(phone: Phone, token: string, path: string, init?: RequestInit, claims?: Record<string, string>): Promise<Response>
  /**
   * A sealed channel, whose calls are made by whoever `caller` is at the time; they repeat themselves with a nonce.
   * @param claims - of the proof, given the call's own `ekm`; default that
   */
  sealed(caller: Caller, claims?: (ekm: string) => Record<string, string>): SealedFetch
}

export async function createApi(bank: Bank, o: ApiOptions): Promise<Api> {
  const { clock, random } = bank.ports
  const runtime = { ...bank.ports, crypto, store: bank.store }
  const root = await crypto.signer('ES256', await crypto.generateKey('ES256', seededRandom(98)))
  const verifier: VerifierOptions = {
    issuer: ISSUER,
    audience: API,
    origin: API,
    keys: ringKeys({ keys: bank.keys, crypto, clock }),
    clock,
    crypto,
    nonces: nodeNonces({ random, crypto, clock }),
    acrOrder: ACR,
    replay: { mode: 'node' },
  }
  const real = createPayloadServer({
    runtime,
    tenant: 'bank',
    origin: API,
    ring: await openKemRing(await createKemRing({ clock, random, crypto }), crypto),
    root,
    replay: noReplayGuard,
    ...(o.sessions === true ? { sessions: localSessions({ clock, random, crypto }), bind: bindSessions(verifier) } : {}),
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
    verifier,
    routes: o.routes(async (request, call) => {
      seen.push({ request, call })
      return Response.json({ ok: true })
    }),
    policy: async () => policy,
    acr: ACR,
    payload,
  })
  let nonce: string | undefined
  const proofOf = async (phone: Phone, token: string, method: string, url: string, claims: Record<string, string>) =>
    signJws(
      phone.device,
      { typ: 'dpop+jwt', jwk: phone.device.publicJwk },
      {
        jti: encodeBase64url(phone.random(16)),
        htm: method,
        htu: API + new URL(url).pathname,
        iat: Math.floor(clock() / 1000),
        ath: encodeBase64url(await crypto.digest('SHA-256', utf8(token))),
        ...(nonce === undefined ? {} : { nonce }),
        ...claims,
      },
    )
  /** Once, and again where the nonce was missing or old. */
  async function withNonce(send: () => Promise<Response>): Promise<Response> {
    let answer: Response
    for (let round = 0; ; round++) {
      answer = await send()
      nonce = answer.headers.get('dpop-nonce') ?? nonce
      if (round > 0 || !/use_dpop_nonce/.test(answer.headers.get('www-authenticate') ?? '')) return answer
    }
  }
  const api: Api = {
    seen,
    fetch,
    call: (phone, token, path, init = {}, claims = {}) =>
      withNonce(async () => {
        const headers = new Headers(init.headers)
        headers.set('authorization', `DPoP ${token}`)
        headers.set('dpop', await proofOf(phone, token, init.method ?? 'GET', API + path, claims))
        return fetch(new Request(API + path, { ...init, headers }))
      }),
    sealed(caller, claims = (ekm) => ({ ekm })) {
      const send = createSealedFetch({
        origin: API,
        roots: [root.publicJwk],
        runtime: { ...bank.ports, crypto, fetch: (input, init) => fetch(new Request(input, init)) },
        async headers({ method, url, ekm: exporter }) {
          const { phone, token } = caller
          const own = claims(encodeBase64url(await exporter()))
          return { authorization: `DPoP ${token}`, dpop: await proofOf(phone, token, method, url, own) }
        },
      })
      return Object.assign((input: Request | URL | string, init?: RequestInit) => withNonce(() => send(input, init)), send)
    },
  }
  return api
}
