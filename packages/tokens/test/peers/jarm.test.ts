import { requestObjects } from '@postern/tokens/jar'
import { signedResponses } from '@postern/tokens/jarm'
import { jwe } from '@postern/tokens/jwe'
import { exportJWK, generateKeyPair } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Live, listen } from './server.js'

const REDIRECT = 'http://localhost/cb'
const exported = async (key: CryptoKey, kid: string, alg: string, use: string): Promise<JsonWebKey> =>
  ({ ...(await exportJWK(key)), kid, alg, use }) as JsonWebKey

describe('openid-client over HTTP, with signed responses', () => {
  let live: Live
  let signingKey: client.PrivateKey
  let decryptionKey: client.DecryptionKey
  let outcome: 'granted' | 'denied' = 'granted'
  beforeAll(async () => {
    const signing = await generateKeyPair('ES256', { extractable: true })
    const encryption = await generateKeyPair('ECDH-ES+A256KW', { extractable: true })
    signingKey = { key: signing.privateKey, kid: 'k1' }
    decryptionKey = { key: encryption.privateKey, alg: 'ECDH-ES+A256KW', kid: 'e1' }
    const jwks = [
      await exported(signing.publicKey, 'k1', 'ES256', 'sig'),
      await exported(encryption.publicKey, 'e1', 'ECDH-ES+A256KW', 'enc'),
    ]
    const as = { alg: 'ECDH-ES+A256KW', enc: 'A256GCM' } as const
    const common = {
      auth: { method: 'private_key_jwt' },
      jwks,
      redirectUris: [REDIRECT],
      scope: ['openid', 'accounts'],
      introspects: ['https://api.example.com'],
    } as const
    live = await listen({
      clients: [
        { id: 'plain', ...common },
        { id: 'sealed', ...common, encryption: { response: as, idToken: as, introspection: as } },
      ],
      decide: () =>
        outcome === 'denied'
          ? { outcome, error: 'access_denied' }
          : {
              outcome,
              login: { subject: 'user-4', authTime: Date.now(), acr: 'level1', amr: ['pwd'] },
              scope: ['openid', 'accounts'],
            },
      context: () => ({ jar: requestObjects(), jarm: signedResponses(), jwe: jwe() }),
    })
  })
  afterAll(() => live.close())

  const configured = (id: string, ...execute: ((c: client.Configuration) => void)[]) =>
    client.discovery(new URL(live.issuer), id, { introspection_signed_response_alg: 'ES256' }, client.PrivateKeyJwt(signingKey), {
      execute: [client.allowInsecureRequests, client.useJwtResponseMode, ...execute],
    })
  const decrypting = (c: client.Configuration) => client.enableDecryptingResponses(c, ['A256GCM'], decryptionKey)

  /** PAR with JAR, the answer as JARM. */
  async function begin(configuration: client.Configuration, more: Record<string, string> = {}) {
    const DPoP = client.getDPoPHandle(configuration, await client.randomDPoPKeyPair())
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const expectedState = client.randomState()
    const parameters = {
      redirect_uri: REDIRECT,
      scope: 'openid accounts',
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: expectedState,
      ...more,
    }
    const { searchParams } = await client.buildAuthorizationUrlWithJAR(configuration, parameters, signingKey)
    const url = await client.buildAuthorizationUrlWithPAR(configuration, searchParams, { DPoP })
    const reply = await fetch(url, { redirect: 'manual' })
    return { reply, DPoP, checks: { pkceCodeVerifier, expectedState } }
  }

  it.each([
    ['signed', 'plain', []],
    ['signed and encrypted, ID token and introspection too', 'sealed', [decrypting]],
  ])('walks PAR, JAR and JARM, %s', async (_how, id, execute) => {
    const configuration = await configured(id, ...execute)
    const { reply, DPoP, checks } = await begin(configuration)
    const back = new URL(reply.headers.get('location')!)
    expect([...back.searchParams.keys()]).toEqual(['response'])
    expect(back.searchParams.get('response')!.split('.')).toHaveLength(id === 'sealed' ? 5 : 3)
    const tokens = await client.authorizationCodeGrant(configuration, back, checks, undefined, { DPoP })
    expect(tokens.claims()).toMatchObject({ sub: 'user-4', aud: id })
    expect(await client.tokenIntrospection(configuration, tokens.access_token)).toMatchObject({ active: true, client_id: id })
  })

  it.each(['form_post.jwt', 'form_post'])('takes the response from the form that the page of %s posts', async (response_mode) => {
    // The library names the mode itself once it takes signed responses, so another configuration asks.
    const asking = await client.discovery(new URL(live.issuer), 'plain', undefined, client.PrivateKeyJwt(signingKey), {
      execute: [client.allowInsecureRequests],
    })
    const { reply, DPoP, checks } = await begin(asking, { response_mode })
    const page = await reply.text()
    const fields = [...page.matchAll(/name="([^"]+)" value="([^"]+)"/g)].map(([, name, value]) => [name!, value!])
    const [, action] = /action="([^"]+)"/.exec(page)!
    const posted = new Request(action!, { method: 'POST', body: new URLSearchParams(fields) })
    const taking = response_mode === 'form_post' ? asking : await configured('plain')
    const tokens = await client.authorizationCodeGrant(taking, posted, checks, undefined, { DPoP })
    expect(tokens.claims()).toMatchObject({ sub: 'user-4' })
  })

  it('hears of a denial, signed', async () => {
    outcome = 'denied'
    const configuration = await configured('plain')
    const { reply, checks } = await begin(configuration)
    const back = new URL(reply.headers.get('location')!)
    await expect(client.authorizationCodeGrant(configuration, back, checks)).rejects.toMatchObject({ error: 'access_denied' })
    outcome = 'granted'
  })

  it('T12 T13 refuses a response whose state, audience or signature is not its own', async () => {
    const configuration = await configured('plain')
    const { reply, checks } = await begin(configuration)
    const back = new URL(reply.headers.get('location')!)
    await expect(client.authorizationCodeGrant(configuration, back, { ...checks, expectedState: 'other' })).rejects.toThrow()
    await expect(client.authorizationCodeGrant(await configured('sealed', decrypting), back, checks)).rejects.toThrow()
    const changed = new URL(back)
    changed.searchParams.set('response', `${back.searchParams.get('response')!.slice(0, -4)}AAAA`)
    await expect(client.authorizationCodeGrant(configuration, changed, checks)).rejects.toThrow()
  })
})
