import { createCrypto } from '@postern/core/crypto/node'
import { hashSecret } from '@postern/tokens/auth/secret'
import { endSession, type LogoutSession } from '@postern/tokens/logout'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Receiver, receiver } from '../receiver.js'
import { REDIRECT, SECRET } from '../world.js'
import { type Live, listen } from './server.js'

const BYE = 'https://portal.example.com/bye'

describe('logout over HTTP', () => {
  let live: Live
  let rp: Receiver
  let session: LogoutSession | null = null
  let sessions = 0
  let skipMs = 0
  beforeAll(async () => {
    rp = await receiver()
    const secretHashes = [await hashSecret(createCrypto(), SECRET)]
    live = await listen({
      clients: [
        {
          id: 'portal',
          auth: { method: 'client_secret_basic', secretHashes },
          redirectUris: [REDIRECT],
          scope: ['openid'],
          postLogoutRedirectUris: [BYE],
          backchannelLogoutUri: rp.url,
        },
      ],
      endpoints: [endSession],
      decide: () => ({
        outcome: 'granted',
        login: { subject: 'user-1', authTime: Date.now(), acr: 'level1', amr: ['pwd'], sid: session!.sid },
        scope: ['openid'],
      }),
      context: (context) => ({
        runtime: { ...context.runtime, clock: () => Date.now() + skipMs, fetch: (url, init) => fetch(url, init) },
        deadline: () => AbortSignal.timeout(300),
        logout: {
          session: async () => session,
          confirm: async () => new Response('really?'),
          ended: async () => {
            session = null
            return new Response('goodbye', { headers: { 'set-cookie': 'sid=; Max-Age=0' } })
          },
          error: async ({ code }) => new Response(code, { status: 400 }),
        },
      }),
    })
  })
  afterAll(async () => {
    await live.close()
    await rp.close()
  })
  beforeEach(() => {
    rp.received.length = 0
    session = { subject: 'user-1', sid: `s${++sessions}` }
  })

  async function login() {
    const configuration = await client.discovery(new URL(live.issuer), 'portal', {}, client.ClientSecretBasic(SECRET), {
      execute: [client.allowInsecureRequests],
    })
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const code_challenge = await client.calculatePKCECodeChallenge(pkceCodeVerifier)
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: REDIRECT,
      scope: 'openid',
      code_challenge,
      code_challenge_method: 'S256',
    })
    const back = await fetch(url, { redirect: 'manual' })
    const tokens = await client.authorizationCodeGrant(configuration, new URL(back.headers.get('location')!), {
      pkceCodeVerifier,
    })
    return { configuration, tokens }
  }
  const tokensOf = () => rp.received.map(({ body }) => new URLSearchParams(body).get('logout_token')!)
  const sweep = () => live.w.nodes[0]!.sweep(live.w.contexts[0]!)

  it('openid-client builds the logout URL, the browser is led back, and the refresh token is dead (T49)', async () => {
    const { configuration, tokens } = await login()
    const url = client.buildEndSessionUrl(configuration, {
      id_token_hint: tokens.id_token!,
      post_logout_redirect_uri: BYE,
      state: 'x',
    })
    const reply = await fetch(url, { redirect: 'manual' })
    expect([reply.status, reply.headers.get('location'), reply.headers.get('set-cookie')]).toEqual([
      303,
      `${BYE}?state=x`,
      'sid=; Max-Age=0',
    ])
    await expect(client.refreshTokenGrant(configuration, tokens.refresh_token!)).rejects.toMatchObject({ error: 'invalid_grant' })
    await sweep()
    const { payload } = await jwtVerify(tokensOf()[0]!, createRemoteJWKSet(new URL(`${live.issuer}/jwks`)), {
      issuer: live.issuer,
      audience: 'portal',
      typ: 'logout+jwt',
      maxTokenAge: 120,
      requiredClaims: ['iat', 'jti', 'events', 'sid', 'sub'],
    })
    expect([payload.sid, payload.nonce]).toEqual([tokens.claims()!.sid, undefined])
  })

  it('a receiver that fails, stalls, redirects and hangs up gets its token at last, and nobody else does', async () => {
    const { tokens } = await login()
    await fetch(`${live.issuer}/logout?id_token_hint=${tokens.id_token}`)
    const moods = [503, 'stall', 'redirect', 'hang up', 200] as const
    for (const mood of moods) {
      rp.behave(mood)
      expect(await sweep(), String(mood)).toBe(mood === 200 ? 1 : 0)
      skipMs += 90_000
    }
    expect(rp.received.map(({ path }) => path)).toEqual(Array(5).fill('/cb'))
    const names = tokensOf().map((token) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()).jti)
    expect(new Set(names).size).toBe(1)
    expect(await sweep()).toBe(0)
  })
})
