/// <reference types="node" />
/** Who calls the bank's endpoints with a key and nothing else: each request with its own DPoP proof, by hand. */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { Signer } from '@postern/core/cryptoPort'
import { signJws } from '@postern/core/jws'
import { systemPorts } from '@postern/core/systemRuntime'
import { fillInLoginForm, SIGNED_BY } from '../../demo/phone.js'
import { crypto, REDIRECT } from './world.js'

const { random, clock } = systemPorts()

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the wire carries.
  readonly body: any
}

export interface Caller {
  readonly clientId: string
  readonly publicJwk: JsonWebKey
  /** ES256 by the caller's key. */
  sign: Signer['sign']
  proof(method: string, url: string, o?: { token?: string; nonce?: string }): Promise<string>
  /** POSTs with a proof; asks once more where the nonce was missing or old. */
  post(path: string, body: Record<string, string> | { json: object }, token?: string): Promise<Answer>
  redeem(code: Code): Promise<Answer>
  refresh(token: string): Promise<Answer>
}

export interface Code {
  readonly code: string
  readonly code_verifier: string
  readonly redirect_uri?: string
}

/** @param jwk - the private key of an existing client; default a new one */
export async function createCaller(issuer: string, clientId: string, jwk?: JsonWebKey): Promise<Caller> {
  const signer: Signer = await crypto.signer('ES256', jwk ?? (await crypto.generateKey('ES256', random)))
  let known: string | undefined

  const caller: Caller = {
    clientId,
    publicJwk: signer.publicJwk,
    sign: (data) => signer.sign(data),
    async proof(method, url, { token, nonce = known } = {}) {
      return signJws(
        signer,
        { typ: 'dpop+jwt', jwk: signer.publicJwk },
        {
          jti: encodeBase64url(random(16)),
          htm: method,
          htu: url,
          iat: Math.floor(clock() / 1000),
          ...(nonce === undefined ? {} : { nonce }),
          ...(token === undefined ? {} : { ath: encodeBase64url(await crypto.digest('SHA-256', utf8(token))) }),
        },
      )
    },
    async post(path, body, token) {
      const once = async (): Promise<Answer & { again: boolean }> => {
        const answer = await fetch(issuer + path, {
          method: 'POST',
          headers: {
            dpop: await caller.proof('POST', issuer + path, token === undefined ? {} : { token }),
            ...(token === undefined ? {} : { authorization: `DPoP ${token}` }),
            ...('json' in body ? { 'content-type': 'application/json' } : {}),
          },
          body: 'json' in body ? JSON.stringify(body.json) : new URLSearchParams(body as Record<string, string>),
        })
        known = answer.headers.get('dpop-nonce') ?? known
        const text = await answer.text()
        const parsed = text === '' ? {} : JSON.parse(text)
        const asked = `${parsed.error} ${answer.headers.get('www-authenticate')}`
        return { status: answer.status, body: parsed, again: asked.includes('use_dpop_nonce') }
      }
      const first = await once()
      const { status, body: said } = first.again ? await once() : first
      return { status, body: said }
    },
    redeem: (code) => caller.post('/token', { grant_type: 'authorization_code', client_id: clientId, ...code }),
    refresh: (token) => caller.post('/token', { grant_type: 'refresh_token', client_id: clientId, refresh_token: token }),
  }
  return caller
}

/** A code for the bank's web portal, by a browser that fills in the bank's own login form. */
export async function portalCode(issuer: string): Promise<Code> {
  const { verifier, challenge } = await pkce()
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: 'portal',
    redirect_uri: REDIRECT,
    scope: 'openid accounts offline_access',
    code_challenge: challenge,
    code_challenge_method: 'S256',
  })
  const back = new URL(await fillInLoginForm(`${issuer}/authorize?${query}`, { portal: REDIRECT }))
  const code = back.searchParams.get('code')
  if (code === null) throw new Error(`no code: ${back}`)
  return { code, code_verifier: verifier, redirect_uri: REDIRECT }
}

export async function pkce(): Promise<{ verifier: string; challenge: string }> {
  const verifier = encodeBase64url(random(32))
  return { verifier, challenge: encodeBase64url(await crypto.digest('SHA-256', utf8(verifier))) }
}

/** An app instance that enrols with a software key (RFC 7591): its answer, and who it is from now on. */
export async function enrolInstance(issuer: string): Promise<{ answer: Answer; caller: Caller }> {
  const jwk = await crypto.generateKey('ES256', random)
  const anonymous = await createCaller(issuer, '', jwk)
  const { challenge, nonce } = (await (await fetch(`${issuer}/challenge`, { method: 'POST' })).json()) as Record<string, string>
  const reply = await fetch(`${issuer}/register`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      dpop: await anonymous.proof('POST', `${issuer}/register`, { nonce: nonce! }),
    },
    body: JSON.stringify({
      app_id: 'retail',
      app_version: '5.2.0',
      app_platform: 'other',
      os_version: '14.1',
      challenge,
      jwks: { keys: [anonymous.publicJwk] },
      redirect_uris: ['com.bank.retail:/cb'],
      token_endpoint_auth_method: 'none',
      evidence: [
        { format: 'app-signature', certificates: [SIGNED_BY] },
        {
          format: 'signals',
          v: 1,
          at: clock(),
          source: 'test',
          signals: { privilegedAccess: false, debug: false, simulator: false, hooks: false, appIntegrity: false },
        },
      ],
    }),
  })
  const answer = { status: reply.status, body: await reply.json() }
  return { answer, caller: await createCaller(issuer, String(answer.body.client_id), jwk) }
}
