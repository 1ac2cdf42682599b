/** A user's token, resource servers that pass it on, and an issuer elsewhere: the world of the exchanging grants. */
import { createCrypto } from '@postern/core/crypto/node'
import { hashSecret } from '@postern/tokens/auth/secret'
import type { ClientConfig } from '@postern/tokens/clients'
import { exchange } from '@postern/tokens/grants/exchange'
import { jwtBearer } from '@postern/tokens/grants/jwtBearer'
import { nativeSso } from '@postern/tokens/grants/nativeSso'
import type { IssuerContext } from '@postern/tokens/issuer'
import { defaultGrants } from '@postern/tokens/token'
import { type Answer, API, basic, REDIRECT, SECRET, VERIFIER, type World, type WorldOptions, world } from './world.js'

export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
/** Behind {@link API}, one after the other. */
export const LEDGER = 'https://ledger.example.com'
export const ARCHIVE = 'https://archive.example.com'

const crypto = createCrypto()

/** Clients: `portal` of the user; `api`, `ledger`, `archive`, resource servers of their names; `stranger`, which is none. */
export async function exchangingClients(): Promise<readonly ClientConfig[]> {
  const auth = { method: 'client_secret_basic', secretHashes: [await hashSecret(crypto, SECRET)] } as const
  const grantTypes = ['authorization_code', 'refresh_token', 'client_credentials', EXCHANGE]
  const server = (id: string, introspects: readonly string[], resources: readonly string[]): ClientConfig => ({
    id,
    auth,
    grantTypes,
    scope: ['accounts', 'payments'],
    introspects,
    resources,
  })
  return [
    {
      id: 'portal',
      auth,
      grantTypes,
      redirectUris: [REDIRECT],
      scope: ['openid', 'offline_access', 'accounts', 'payments', 'profile'],
      resources: [API, LEDGER],
    },
    server('api', [API], [LEDGER, ARCHIVE]),
    server('ledger', [LEDGER], [ARCHIVE, API]),
    server('archive', [ARCHIVE], [API, LEDGER, ARCHIVE]),
    server('stranger', [], [API, LEDGER, ARCHIVE]),
  ]
}

export async function exchangingWorld(o: WorldOptions = {}): Promise<World> {
  return world({
    clients: await exchangingClients(),
    grants: [...defaultGrants, exchange, nativeSso, jwtBearer],
    ...o,
    config: { resources: { [API]: {}, [LEDGER]: {}, [ARCHIVE]: { scopes: ['accounts'] } }, ...o.config },
    context: (context) => ({ exchange: async () => ({ ok: true }), ...o.context?.(context) }) satisfies Partial<IssuerContext>,
  })
}

/** The user's tokens at the portal. */
export async function portalTokens(
  w: World,
  scope: readonly string[] = ['openid', 'accounts', 'payments'],
): Promise<Record<string, string>> {
  const code = await w.code('portal', { redirectUri: REDIRECT, scope, login: { sid: 'session1' } })
  const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }
  return (await w.post('/token', form, { headers: { authorization: basic('portal', SECRET) } })).body
}

/** An exchange by a client, of an access token. */
export function exchangeAs(w: World, id: string, token: string, more: Record<string, string> = {}, node = 0): Promise<Answer> {
  const form = { grant_type: EXCHANGE, subject_token: token, subject_token_type: ACCESS_TOKEN, ...more }
  return w.post('/token', form, { node, headers: { authorization: basic(id, SECRET) } })
}

/** What a resource server is told of a token. */
export async function seenBy(w: World, id: string, token: string): Promise<Answer['body']> {
  return (await w.post('/introspect', { token }, { headers: { authorization: basic(id, SECRET) } })).body
}
