import type { ChallengePort, ChallengeRequest } from '@postern/tokens/challenge'
import { describe, expect, it } from 'vitest'
import { CHALLENGE, ISSUER, world } from '../world.js'

const form = {
  response_type: 'code',
  scope: 'accounts',
  code_challenge: CHALLENGE,
  code_challenge_method: 'S256',
  acr_values: 'level2',
}

describe('/authorize-challenge', () => {
  async function setup(answer: (call: ChallengeRequest) => Awaited<ReturnType<ChallengePort['challenge']>>) {
    const calls: ChallengeRequest[] = []
    const challenge: ChallengePort = {
      async challenge(call) {
        calls.push(call)
        return answer(call)
      },
    }
    const w = await world({ context: () => ({ challenge }) })
    const device = await w.device()
    const ask = async (more: Record<string, string> = {}, dpop?: string) =>
      w.post(
        '/authorize-challenge',
        { client_id: device.id, ...form, ...more },
        { headers: { dpop: dpop ?? (await device.proof(`${ISSUER}/authorize-challenge`)) } },
      )
    return { w, device, ask, calls }
  }

  it('hands over what was asked, turns a login into a code, and the code into tokens', async () => {
    const { w, device, ask, calls } = await setup(({ authSession, form }) =>
      authSession === null
        ? { kind: 'error', error: 'insufficient_authorization', members: { auth_session: 'as1', choices: [] } }
        : {
            kind: 'code',
            login: { subject: 'user-1', authTime: 1, acr: 'level2', amr: ['pin'], refresh: !form.has('step') },
            authSession,
          },
    )
    const first = await ask()
    expect([first.status, first.body]).toEqual([403, { error: 'insufficient_authorization', auth_session: 'as1', choices: [] }])
    expect(calls[0]).toMatchObject({
      scope: ['accounts'],
      acrValues: ['level2'],
      codeChallenge: CHALLENGE,
      proof: { jkt: device.jkt },
    })
    const second = await ask({ auth_session: 'as1' })
    expect(second.body.auth_session).toBe('as1')
    expect((await w.redeem(device, second.body.authorization_code)).body.refresh_token).toBeTypeOf('string')
    // An enrolment that is not confirmed yet gets an access token alone.
    const third = await ask({ auth_session: 'as1', step: 'x' })
    const tokens = (await w.redeem(device, third.body.authorization_code)).body
    expect([tokens.refresh_token, typeof tokens.access_token]).toEqual([undefined, 'string'])
    expect((await w.introspect(tokens.access_token)).body.active).toBe(true)
  })

  it('spends the proof before the port acts, asks for one, and knows no shared secret-less stranger', async () => {
    const { w, device, ask, calls } = await setup(() => ({ kind: 'error', error: 'access_denied' }))
    const dpop = await device.proof(`${ISSUER}/authorize-challenge`)
    await Promise.all([ask({}, dpop), ask({}, dpop)])
    expect(calls).toHaveLength(1)
    expect((await w.post('/authorize-challenge', { client_id: device.id, ...form })).body.error).toBe('invalid_dpop_proof')
  })

  it('without a port there is no endpoint, nor is one announced', async () => {
    const w = await world()
    expect((await w.post('/authorize-challenge', form)).status).toBe(404)
    const reply = await w.nodes[0]!.fetch(new Request(`${ISSUER}/.well-known/openid-configuration`))
    expect(await reply.json()).not.toHaveProperty('authorization_challenge_endpoint')
  })
})
