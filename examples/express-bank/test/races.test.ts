import { exportJWK, generateKeyPair } from 'jose'
import * as openid from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type Caller, type Code, createCaller, portalCode } from './support/caller.js'
import { phoneInHand } from './support/phoneInHand.js'
import { startWorld, type World } from './support/world.js'

const fifty = (run: () => Promise<Answer>): Promise<Answer[]> => Promise.all(Array.from({ length: 50 }, run))
const refusals = (answers: readonly Answer[]): Set<string> =>
  new Set(answers.filter(({ status }) => status !== 200).map(({ status, body }) => `${status} ${body.error}`))

describe.each([0, 2, 10])('over HTTP, with %i ms a store call', (storeMs) => {
  let world: World
  let introspect: (token: string) => Promise<openid.IntrospectionResponse>
  beforeAll(async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    world = await startWorld({ storeMs, apiKey: { ...(await exportJWK(publicKey)), alg: 'ES256' } as JsonWebKey })
    const api = await openid.discovery(new URL(world.issuer), 'accounts-api', undefined, openid.PrivateKeyJwt(privateKey), {
      execute: [openid.allowInsecureRequests],
    })
    introspect = (token) => openid.tokenIntrospection(api, token)
  })
  afterAll(() => world.close())

  describe.each(['portal', 'phone'] as const)('a %s', (kind) => {
    let caller: Caller
    let code: () => Promise<Code>
    beforeAll(async () => {
      if (kind === 'portal') {
        caller = await createCaller(world.issuer, 'portal')
        code = () => portalCode(world.issuer)
      } else {
        const phone = await phoneInHand(world, 'anna')
        caller = phone.caller
        code = phone.catchCode
      }
    })

    it('T01 T02 redeems one code 50 times at once: exactly one 200, and its family is revoked', async () => {
      const stolen = await code()
      const answers = await fifty(() => caller.redeem(stolen))
      const won = answers.filter(({ status }) => status === 200)
      expect(won).toHaveLength(1)
      expect(refusals(answers)).toEqual(new Set(['400 invalid_grant']))
      const { refresh_token, access_token } = won[0]!.body
      expect(refresh_token).toBeTypeOf('string')
      expect(refusals([await caller.refresh(refresh_token)])).toEqual(new Set(['400 invalid_grant']))
      expect(await introspect(access_token)).toEqual({ active: false })
    })

    it('T16 refreshes with one token 50 times at once: 50 times 200, and one successor', async () => {
      const first = await caller.redeem(await code())
      expect(first.status).toBe(200)
      const answers = await fifty(() => caller.refresh(first.body.refresh_token))
      expect(refusals(answers)).toEqual(new Set())
      const successors = new Set(answers.map(({ body }) => body.refresh_token))
      expect(successors.size).toBe(1)
      const [successor] = successors
      expect(successor).not.toBe(first.body.refresh_token)
      expect((await introspect(answers[0]!.body.access_token)).active).toBe(true)
      expect((await caller.refresh(successor)).status).toBe(200)
    })
  })
})
