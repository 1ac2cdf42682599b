import { createCrypto } from '@postern/core/crypto/node'
import { hashSecret } from '@postern/tokens/auth/secret'
import { clientsInConfig } from '@postern/tokens/clients'
import { describe, expect, it } from 'vitest'
import { API, basic, ISSUER, SECRET, VERIFIER, type World, type WorldOptions, world } from '../world.js'

const crypto = createCrypto()
const cbOf = (host: string): string => `https://${host}/cb`

async function clients(): Promise<NonNullable<WorldOptions['clients']>> {
  const auth = { method: 'client_secret_basic', secretHashes: [await hashSecret(crypto, SECRET)] } as const
  const scope = ['openid', 'accounts', 'profile']
  const pairwise = (id: string, host: string) =>
    ({ id, auth, scope, redirectUris: [cbOf(host)], subjectType: 'pairwise' }) as const
  return [
    pairwise('one', 'one.example.com'),
    pairwise('sister', 'one.example.com'),
    pairwise('two', 'two.example.com'),
    {
      ...pairwise('many', 'a.example.com'),
      redirectUris: [cbOf('a.example.com'), cbOf('b.example.com')],
      sectorIdentifier: 'one.example.com',
    },
    { id: 'portal', auth, scope, redirectUris: [cbOf('portal.example.com')], introspects: [API] },
    { ...pairwise('api', 'two.example.com'), introspects: [API] },
  ]
}

async function login(w: World, id: string, subject = 'user-1') {
  const { redirectUris } = (await w.contexts[0]!.clients.find(id))!
  const redirect_uri = redirectUris[0]!
  const code = await w.code(id, { redirectUri: redirect_uri, scope: ['openid', 'profile'], login: { subject } })
  const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri }
  return (await w.post('/token', form, { headers: { authorization: basic(id, SECRET) } })).body as Record<string, string>
}
const claimsOf = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString()) as { sub: string }

async function subjectsSeen(w: World, id: string, subject?: string) {
  const { access_token, id_token, refresh_token } = await login(w, id, subject)
  const authorization = basic(id, SECRET)
  const info = await w.nodes[0]!.fetch(
    new Request(`${ISSUER}/userinfo`, { headers: { authorization: `Bearer ${access_token}` } }),
  )
  const form = { grant_type: 'refresh_token', refresh_token: refresh_token! }
  const refreshed = (await w.post('/token', form, { headers: { authorization } })).body
  return [
    claimsOf(id_token!).sub,
    claimsOf(access_token!).sub,
    claimsOf(refreshed.id_token).sub,
    claimsOf(refreshed.access_token).sub,
    ((await info.json()) as { sub: string }).sub,
    (await w.post('/introspect', { token: access_token! }, { headers: { authorization } })).body.sub,
  ]
}

describe('pairwise subjects', () => {
  it('of the longest subject a host may have, in the widest characters, a token reads like any other', async () => {
    const w = await world({ clients: await clients() })
    const subject = '銀'.repeat(255)
    expect(new Set(await subjectsSeen(w, 'one', subject)).size).toBe(1)
    expect((await w.introspect((await login(w, 'portal', subject)).access_token!)).body.sub).toBe(subject)
  })

  it('a client sees one and the same sub wherever it can read one, and never the host’s', async () => {
    const w = await world({ clients: await clients() })
    const seen = new Set(await subjectsSeen(w, 'one'))
    expect(seen.size).toBe(1)
    expect([...seen][0]).toMatch(/^[a-z2-7]{26}$/)
    expect(new Set(await subjectsSeen(w, 'one', 'user-2'))).not.toEqual(seen)
  })

  it('clients of one sector share it, those of another do not, and a tenant’s are its own', async () => {
    const w = await world({ clients: await clients() })
    const sub = async (of: World, id: string) => claimsOf((await login(of, id)).id_token!).sub
    expect(await sub(w, 'sister')).toBe(await sub(w, 'one'))
    expect(await sub(w, 'many')).toBe(await sub(w, 'one'))
    expect(await sub(w, 'two')).not.toBe(await sub(w, 'one'))
    expect(await sub(await world({ seed: 5, clients: await clients() }), 'one')).not.toBe(await sub(w, 'one'))
    expect(await sub(w, 'portal')).toBe('user-1')
  })

  it('a resource server learns the host’s subject by introspection, a pairwise one its own', async () => {
    const w = await world({ clients: await clients() })
    const { access_token } = await login(w, 'one')
    const ask = async (id: string) =>
      (await w.post('/introspect', { token: access_token! }, { headers: { authorization: basic(id, SECRET) } })).body.sub
    expect(await ask('portal')).toBe('user-1')
    expect(await ask('api')).toBe(claimsOf((await login(w, 'two')).id_token!).sub)
  })

  it('needs one host, or a registered sector', async () => {
    const [one] = await clients()
    const { sectorIdentifier: _, ...rest } = { ...one!, sectorIdentifier: undefined }
    const spread = { ...rest, redirectUris: [cbOf('a.example.com'), cbOf('b.example.com')] }
    for (const client of [spread, { ...rest, redirectUris: [] }])
      expect(() => clientsInConfig([client])).toThrowError(expect.objectContaining({ code: 'metadata.refused' }))
    expect(() => clientsInConfig([{ ...spread, sectorIdentifier: 'a.example.com' }])).not.toThrow()
  })
})
