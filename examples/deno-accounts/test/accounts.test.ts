import { join } from 'node:path'
import type { Client } from '@postern/client'
import { createCrypto } from '@postern/core/crypto'
import { systemPorts } from '@postern/core/systemRuntime'
import { createSealedFetch, type SealedFetch } from '@postern/payload/client'
import { createKemRing } from '@postern/payload/keys'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPhone } from '../../express-bank/demo/phone.js'
import { acr } from '../../express-bank/postern.js'
import { type Caller, createCaller, enrolInstance, pkce, portalCode } from '../../express-bank/test/support/caller.js'
import { fingers, ok, phoneInHand } from '../../express-bank/test/support/phoneInHand.js'
import { freePort, startWorld, type World } from '../../express-bank/test/support/world.js'
import { absent, type RuntimeName, serveAccounts } from './support/served.js'

const ports = { ...systemPorts(), crypto: createCrypto() }

describe('the account API', () => {
  let world: World
  let api: string
  let settings: object
  let root: JsonWebKey
  let phone: Client
  beforeAll(async () => {
    api = `http://127.0.0.1:${await freePort()}`
    world = await startWorld({ api })
    const secret = await ports.crypto.generateKey('Ed25519', ports.random)
    root = (await ports.crypto.signer('Ed25519', secret)).publicJwk
    settings = {
      origin: api,
      issuer: world.issuer,
      root: secret,
      kemRing: await createKemRing(ports),
      acr,
      operatorToken: world.operatorToken,
    }
    phone = createPhone({ issuer: world.issuer, api, keyRoots: [root], folder: join(world.folder, 'phone'), prompts: fingers() })
    ok(await phone.start())
    const { profile } = ok(
      await phone.register({ custom: 'letter', data: { user: 'anna', password: 'correct horse' } }, fingers()),
    )
    ok(await phone.login(String(profile), fingers()))
  })
  afterAll(() => world.close())

  // The same expectations for both: what one runtime answers, the other answers.
  for (const name of ['Deno', 'Node'] satisfies RuntimeName[])
    describe.skipIf(absent(name))(`under ${name}`, () => {
      let stop: () => Promise<void>
      let sealed: (caller: Caller, token: string, path?: string, init?: RequestInit) => Promise<Response>
      beforeAll(async () => {
        stop = await serveAccounts(name, settings, world.folder)
        sealed = async (caller, token, path = '/accounts', init = {}) => {
          let nonce: string | undefined
          const call: SealedFetch = createSealedFetch({
            origin: api,
            roots: [root],
            runtime: ports,
            headers: async ({ method, url }) => ({
              authorization: `DPoP ${token}`,
              dpop: await caller.proof(method, url, { token, ...(nonce === undefined ? {} : { nonce }) }),
            }),
          })
          const first = await call(api + path, init)
          nonce = first.headers.get('dpop-nonce') ?? undefined
          return /use_dpop_nonce/.test(first.headers.get('www-authenticate') ?? '') ? call(api + path, init) : first
        }
      })
      afterAll(() => stop())

      it('publishes the key document that its callers seal to', async () => {
        const answer = await fetch(`${api}/.well-known/ohttp-gateway`)
        expect(answer.status).toBe(200)
        expect(answer.headers.get('content-type')).toBe('application/ohttp-keys')
        expect((await answer.arrayBuffer()).byteLength).toBeGreaterThan(40)
      })

      it('answers a phone', async () => {
        const answer = await phone.fetch(`${api}/accounts`)
        expect(answer.status).toBe(200)
        expect((await answer.json()).accounts).toEqual([{ iban: 'NL00BANK0000001001', balance: 1_234_567, currency: 'EUR' }])
      })

      it.each([
        ['GET', '/accounts', 403, 'payload.required'],
        ['POST', '/transfers', 403, 'payload.required'],
        ['GET', '/nothing', 404, 'request.not_found'],
        ['PUT', '/accounts', 405, 'request.method'],
        ['GET', '/accounts%2f..%2ftransfers', 400, 'request.malformed'],
      ])('refuses a plain %s %s with %i', async (method, path, status, code) => {
        const answer = await fetch(api + path, { method })
        expect([answer.status, (await answer.json()).code]).toEqual([status, code])
        expect(answer.headers.get('allow')).toBe(status === 405 ? 'GET' : null)
      })

      it('refuses a token of another audience, sealed and with a proof of its key', async () => {
        const { caller } = await enrolInstance(world.issuer)
        const { verifier, challenge } = await pkce()
        const done = await caller.post('/registrations/letter/complete', {
          json: {
            client_id: caller.clientId,
            data: { user: 'bob', password: 'battery staple' },
            code_challenge: challenge,
            code_challenge_method: 'S256',
          },
        })
        const enrolling = await caller.redeem({ code: done.body.authorization_code, code_verifier: verifier })
        expect(enrolling.status).toBe(200)
        const refused = await sealed(caller, enrolling.body.access_token)
        expect(refused.status).toBe(401)
        expect(refused.headers.get('www-authenticate')).toContain('error="invalid_token"')

        // The same call with a token for this API gets past that, and no further: a browser has no device that policy knows.
        const portal = await createCaller(world.issuer, 'portal')
        const meant = await portal.redeem(await portalCode(world.issuer))
        const known = await sealed(portal, meant.body.access_token)
        expect([known.status, (await known.json()).code]).toEqual([403, 'app.outdated'])
      })

      it('asks for a step-up (RFC 9470) when a large transfer comes with a PIN alone, not for a small one', async () => {
        const { caller, catchCode } = await phoneInHand(world, `bare-${name}`)
        const { body } = await caller.redeem(await catchCode())
        const transfer = (amount: number): Promise<Response> =>
          sealed(caller, body.access_token, '/transfers', {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ amount, to: 'NL00BANK0000000002' }),
          })
        expect((await transfer(100)).status).toBe(201)
        const large = await transfer(100_001)
        expect(large.status).toBe(401)
        expect(large.headers.get('www-authenticate')).toMatch(/insufficient_user_authentication.*acr_values="strong"/)
      })

      it('refuses a token that another key than its own proves', async () => {
        const portal = await createCaller(world.issuer, 'portal')
        const { body } = await portal.redeem(await portalCode(world.issuer))
        const thief = await createCaller(world.issuer, 'portal')
        const refused = await sealed(thief, body.access_token)
        expect(refused.status).toBe(401)
        expect(refused.headers.get('www-authenticate')).toContain('invalid_dpop_proof')
      })
    })
})
