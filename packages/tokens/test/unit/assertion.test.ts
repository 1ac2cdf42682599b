import { signJws } from '@postern/core/jws'
import { describe, expect, it } from 'vitest'
import { ISSUER, type World, world } from '../world.js'

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

async function setup() {
  const w = await world()
  const key = await w.device({ register: false })
  const { x, y, crv, kty } = key.jwk
  const client = {
    id: 'signed',
    kind: 'shared',
    auth: { method: 'private_key_jwt', keys: [{ x, y, crv, kty }] },
    redirectUris: [],
    grantTypes: ['client_credentials'],
    scope: ['accounts'],
  } as const
  for (const context of w.contexts) {
    const { find } = context.clients
    Object.assign(context.clients, { find: async (id: string) => (id === 'signed' ? client : find(id)) })
  }
  let serial = 0
  const assertion = (claims: object = {}, header: { typ: string; kid?: string } = { typ: 'JWT' }, signer = key.signer) => {
    const now = Math.floor(w.now() / 1000)
    return signJws(signer, header, { iss: 'signed', sub: 'signed', aud: ISSUER, exp: now + 60, jti: `j${serial++}`, ...claims })
  }
  return { w, key, assertion, ask: (client_assertion: string, node = 0) => ask(w, client_assertion, node) }
}
const ask = async (w: World, client_assertion: string, node: number) => {
  const form = { grant_type: 'client_credentials', scope: 'accounts', client_assertion, client_assertion_type: TYPE }
  const { status, body } = await w.post('/token', form, { node })
  return status === 200 ? 'ok' : `${status} ${body.error}`
}

describe('private_key_jwt', () => {
  it('T28 one assertion, 50 parallel over two nodes: one success', async () => {
    const { assertion, ask } = await setup()
    const text = await assertion()
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(text, i % 2)))
    expect(answers.filter((answer) => answer === 'ok')).toHaveLength(1)
  })

  it.each([
    ['another issuer', 'https://evil.example'],
    ['the token endpoint', `${ISSUER}/token`],
    ['a trailing slash', `${ISSUER}/`],
    ['an array', [ISSUER]],
    ['nothing', null],
  ])('T27 with %s as audience it is refused', async (_what, aud) => {
    const { assertion, ask } = await setup()
    expect(await ask(await assertion({ aud }))).toBe('401 invalid_client')
  })

  it.each([
    ['T28 exp too far', { exp: 2_000_000_000 }],
    ['T46 exp now', { exp: 1_767_225_600 }],
    ['H18 exp as text', { exp: '1767225660' }],
    ['H18 exp 1e308', { exp: 1e308 }],
    ['no jti', { jti: null }],
    ['a long jti', { jti: 'x'.repeat(129) }],
    ['another sub', { sub: 'portal' }],
    ['another iss', { iss: 'portal' }],
    ['nbf ahead', { nbf: 1_767_225_700 }],
  ])('%s is refused', async (_what, claims) => {
    const { assertion, ask } = await setup()
    expect(await ask(await assertion(claims))).toBe('401 invalid_client')
  })

  it('T26 T29 another key, an unknown kid, another typ, a zero signature are refused; the right one is taken', async () => {
    const { w, assertion, ask } = await setup()
    const other = await w.device({ register: false })
    expect(await ask(await assertion({}, { typ: 'JWT' }, other.signer))).toBe('401 invalid_client')
    expect(await ask(await assertion({}, { typ: 'JWT', kid: 'x' }))).toBe('401 invalid_client')
    expect(await ask(await assertion({}, { typ: 'dpop+jwt' }))).toBe('401 invalid_client')
    const text = await assertion()
    expect(await ask(`${text.slice(0, text.lastIndexOf('.'))}.${'A'.repeat(86)}`)).toBe('401 invalid_client')
    expect(await ask(text)).toBe('ok')
  })
})
