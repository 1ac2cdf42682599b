import { slowStore } from '@postern/testkit/latency'
import { assertion, secretAssertion } from '@postern/tokens/auth/assertion'
import { attestationChallenge, clientAttestation } from '@postern/tokens/auth/attestation'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { type Answer, ISSUER, type World, world } from '../world.js'

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
const fifty = <T>(run: (i: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: 50 }, (_, i) => run(i)))
const CLIENT = { grantTypes: ['client_credentials'], scope: ['accounts'] }
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const SHARED = 'a secret that both sides hold, and nobody else'
const keys = Promise.all([generateKeyPair('ES256'), generateKeyPair('ES256')])

async function slow(ms: number): Promise<World> {
  const [client, attester] = await keys
  const jwk = (await exportJWK(client.publicKey)) as JsonWebKey
  let w: World | null = null
  const find = async () => w!.contexts[0]!.runtime.crypto.verifyKey('ES256', (await exportJWK(attester.publicKey)) as JsonWebKey)
  w = await world({
    wrap: (store) => (ms === 0 ? store : slowStore(store, { ms, sleep })),
    clients: [
      { id: 'signed', auth: { method: 'private_key_jwt' }, jwks: [jwk], ...CLIENT },
      { id: 'maced', auth: { method: 'client_secret_jwt', secret: () => SHARED }, ...CLIENT },
      { id: 'attested', auth: { method: 'attest_jwt_client_auth', attesters: ['backend'] }, ...CLIENT },
    ],
    endpoints: [attestationChallenge],
    context: () => ({ auth: [assertion, secretAssertion, clientAttestation({ attesters: { backend: { keys: { find } } } })] }),
  })
  return w
}

const now = (w: World): number => Math.floor(w.now() / 1000)
async function asserted(w: World, id: string, by: Parameters<SignJWT['sign']>[0], alg: string, jti: string) {
  const claims = { iss: id, sub: id, aud: ISSUER, exp: now(w) + 60, jti }
  const client_assertion = await new SignJWT(claims).setProtectedHeader({ alg }).sign(by)
  const form = { grant_type: 'client_credentials', client_assertion, client_assertion_type: ASSERTION }
  return (node: number): Promise<Answer> => w.post('/token', form, { node })
}
async function attested(w: World) {
  const [instance, attester] = await keys
  const attestation = await new SignJWT({ sub: 'attested', exp: now(w) + 60, cnf: { jwk: await exportJWK(instance.publicKey) } })
    .setProtectedHeader({ alg: 'ES256', kid: 'a1', typ: 'oauth-client-attestation+jwt' })
    .sign(attester.privateKey)
  const { attestation_challenge: challenge } = (await w.post('/attestation-challenge', {})).body
  const proof = await new SignJWT({ aud: ISSUER, jti: 'one', iat: now(w), challenge })
    .setProtectedHeader({ alg: 'ES256', typ: 'oauth-client-attestation-pop+jwt' })
    .sign(instance.privateKey)
  const headers = { 'oauth-client-attestation': attestation, 'oauth-client-attestation-pop': proof }
  return (node: number): Promise<Answer> => w.post('/token', { grant_type: 'client_credentials' }, { node, headers })
}

describe.each([0, 2, 10])('with %i ms a store call, two nodes', (ms) => {
  it('T28 one assertion, 50 parallel: one success, one error for all others, signed or with a MAC', async () => {
    const w = await slow(ms)
    const [client] = await keys
    for (const send of [
      await asserted(w, 'signed', client.privateKey, 'ES256', 'one'),
      await asserted(w, 'maced', new TextEncoder().encode(SHARED), 'HS256', 'one'),
    ]) {
      const answers = await fifty((i) => send(i % 2))
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
      const others = answers
        .filter(({ status }) => status !== 200)
        .map(({ status, body }) => `${status} ${body.error} ${body.error_description}`)
      expect(new Set(others)).toEqual(new Set(['401 invalid_client Client authentication failed.']))
    }
  })

  it('T28 one proof of an attested instance, 50 parallel: one success', async () => {
    const send = await attested(await slow(ms))
    const answers = await fifty((i) => send(i % 2))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 401]))
  })

  it('T28 one jti of two clients is two: neither spends the other’s', async () => {
    const w = await slow(ms)
    const [client] = await keys
    const both = await Promise.all([
      (await asserted(w, 'signed', client.privateKey, 'ES256', 'same'))(0),
      (await asserted(w, 'maced', new TextEncoder().encode(SHARED), 'HS256', 'same'))(1),
    ])
    expect(both.map(({ status }) => status)).toEqual([200, 200])
  })

  it('T28 an assertion that is refused for what it came with is not spent by it', async () => {
    const w = await slow(ms)
    const [client] = await keys
    const claims = { iss: 'signed', sub: 'signed', aud: ISSUER, exp: now(w) + 60, jti: 'kept' }
    const client_assertion = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(client.privateKey)
    const form = { client_assertion, client_assertion_type: ASSERTION }
    const wrong = await fifty((i) =>
      w.post('/token', { ...form, grant_type: 'client_credentials', scope: 'payments' }, { node: i % 2 }),
    )
    expect(new Set(wrong.map(({ body }) => body.error))).toEqual(new Set(['invalid_scope']))
    expect((await w.post('/token', { ...form, grant_type: 'client_credentials' })).status).toBe(200)
  })
})
