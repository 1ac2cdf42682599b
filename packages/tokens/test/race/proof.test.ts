import { slowStore } from '@postern/testkit/latency'
import { nodeNonces, sharedNonces } from '@postern/tokens/dpop'
import { places } from '@postern/tokens/places'
import { ringKeys } from '@postern/tokens/remoteKeys'
import { createVerifier, type VerifierOptions } from '@postern/tokens/resource'
import { describe, expect, it } from 'vitest'
import { API, ISSUER, VERIFIER, type World, world } from '../world.js'

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
const fifty = <T>(run: (i: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: 50 }, (_, i) => run(i)))
const TOKEN = `${ISSUER}/token`

describe.each([0, 2, 10])('T31 with %i ms a store call, two nodes: one proof, 50 parallel', (ms) => {
  const slow = (): Promise<World> => world({ wrap: (store) => (ms === 0 ? store : slowStore(store, { ms, sleep })) })
  const oneOf = (outcomes: readonly string[]): void => {
    expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(1)
    expect(new Set(outcomes)).toEqual(new Set(['ok', 'invalid_dpop_proof']))
  }

  it('of an instance: one success, though each brings a code of its own', async () => {
    const w = await slow()
    const device = await w.device()
    const codes = await fifty(() => w.code(device.id))
    const dpop = await device.proof(TOKEN)
    const form = { client_id: device.id, grant_type: 'authorization_code', code_verifier: VERIFIER }
    const answers = await fifty((i) => w.post('/token', { ...form, code: codes[i]! }, { node: i % 2, headers: { dpop } }))
    oneOf(answers.map(({ status, body }) => (status === 200 ? 'ok' : body.error)))
    // The other codes are good: a refused proof burns nothing.
    const left = codes.filter((_, i) => answers[i]!.status !== 200)
    expect((await w.redeem(device, left[0]!)).status).toBe(200)
  })

  it('of a public shared client, with a nonce and without: one success each', async () => {
    const w = await slow()
    const browser = await w.device({ register: false })
    const form = {
      client_id: 'spa',
      grant_type: 'authorization_code',
      code_verifier: VERIFIER,
      redirect_uri: 'https://spa.example.com/cb',
    }
    for (const nonce of [await w.nonce(), null]) {
      const codes = await fifty(() => w.code('spa', { redirectUri: form.redirect_uri }))
      const dpop = await browser.proof(TOKEN, { nonce })
      const answers = await fifty((i) => w.post('/token', { ...form, code: codes[i]! }, { node: i % 2, headers: { dpop } }))
      oneOf(answers.map(({ status, body }) => (status === 200 ? 'ok' : body.error)))
    }
  })

  it.each(['shared', 'node'] as const)('at a resource server with replay: %s, one call passes', async (mode) => {
    const w = await slow()
    const { crypto, clock, random, store } = w.contexts[0]!.runtime
    const { keys } = w
    const shared = () => sharedNonces({ keys, crypto, clock, tenant: 't1', issuer: ISSUER, role: 'rs' })
    const own = nodeNonces({ random, crypto, clock })
    const options = (): VerifierOptions => ({
      issuer: ISSUER,
      audience: API,
      origin: API,
      keys: ringKeys({ keys, crypto, clock }),
      clock,
      crypto,
      nonces: mode === 'shared' ? shared() : own,
      replay: mode === 'shared' ? { mode, store, places: places({ keys, crypto, tenant: 't1' }), random } : { mode },
    })
    // Callers keep to the node that has their proofs, with `node`; with `shared` they go where they like.
    const verifiers = mode === 'shared' ? [createVerifier(options()), createVerifier(options())] : [createVerifier(options())]
    const device = await w.device()
    const { access_token: accessToken } = (await w.redeem(device, await w.code(device.id))).body
    const nonce = await (mode === 'shared' ? shared() : own).issue()
    const dpop = await device.proof(`${API}/accounts`, { method: 'GET', accessToken, nonce })
    const headers = { authorization: `DPoP ${accessToken}`, dpop }
    const answers = await fifty((i) =>
      verifiers[i % verifiers.length]!(new Request(`${API}/accounts`, { headers })).then(
        () => 'ok',
        ({ code }) => (code === 'dpop.proof' ? 'invalid_dpop_proof' : code),
      ),
    )
    oneOf(answers)
  })
})
