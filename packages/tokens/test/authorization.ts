/** Authorization requests of the world's clients, plain and signed, and what comes back. */
import { createCrypto } from '@postern/core/crypto/node'
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { JsonObject } from '@postern/core/json'
import { publicJwk } from '@postern/core/jwk'
import { signJws } from '@postern/core/jws'
import { hashSecret } from '@postern/tokens/auth/secret'
import type { clientsInConfig } from '@postern/tokens/clients'
import type { Decision } from '@postern/tokens/interaction'
import { CHALLENGE, ISSUER, REDIRECT, SECRET, type World } from './world.js'

export const crypto: CryptoPort = createCrypto()
type ClientConfig = Parameters<typeof clientsInConfig>[0][number]

/** A key pair of a client: the same in every run. */
export async function clientKeyPair(
  seed = 7,
): Promise<{ privateJwk: JsonWebKey; jwk: JsonWebKey & { kid: string }; sign: Sign }> {
  const privateJwk = await crypto.generateKey('ES256', (n) => new Uint8Array(n).fill(seed))
  const signer = await crypto.signer('ES256', privateJwk)
  const jwk = { ...publicJwk(privateJwk), kid: `k${seed}`, alg: 'ES256' }
  return {
    privateJwk,
    jwk,
    sign: (claims, header = {}) => signJws(signer, { typ: 'oauth-authz-req+jwt', kid: jwk.kid, ...header }, claims),
  }
}
export type Sign = (claims: JsonObject, header?: { readonly typ?: string; readonly kid?: string }) => Promise<string>

export const good: Readonly<Record<string, string>> = {
  client_id: 'portal',
  redirect_uri: REDIRECT,
  response_type: 'code',
  scope: 'openid accounts',
  code_challenge: CHALLENGE,
  code_challenge_method: 'S256',
  state: 's1',
}

/** The claims of a request object that nothing is wrong with. */
export const goodClaims = (w: World, more: JsonObject = {}): JsonObject => ({
  iss: 'portal',
  aud: ISSUER,
  exp: Math.floor(w.now() / 1000) + 60,
  ...good,
  state: 'inside',
  ...more,
})

export const portal = async (more: Partial<ClientConfig> = {}): Promise<ClientConfig> => ({
  id: 'portal',
  auth: { method: 'client_secret_basic', secretHashes: [await hashSecret(crypto, SECRET)] },
  redirectUris: [REDIRECT],
  scope: ['openid', 'offline_access', 'accounts'],
  introspects: ['https://api.example.com'],
  ...more,
})

export const authorize = (
  w: World,
  parameters: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Response> => w.nodes[0]!.fetch(new Request(`${ISSUER}/authorize?${new URLSearchParams(parameters)}`, { headers }))

export const queryOf = (reply: Response): URLSearchParams => new URL(reply.headers.get('location')!).searchParams

export const granted = (w: World, more: Partial<Extract<Decision, { outcome: 'granted' }>> = {}): Decision => ({
  outcome: 'granted',
  login: { subject: 'user-1', authTime: w.now(), acr: 'level2', amr: ['pin'] },
  scope: ['openid'],
  ...more,
})

/** Ends the interaction of a page, in the browser that showed it. */
export const finish = async (w: World, page: Response, decision: Decision): Promise<Response> => {
  const cookie = page.headers.get('set-cookie')!.split(';')[0]!
  return w.nodes[0]!.resume(await page.text(), decision, new Request(`${ISSUER}/login`, { headers: { cookie } }))
}
