import { places } from '@postern/tokens/places'
import { revoke } from '@postern/tokens/revoke'
import { describe, expect, it } from 'vitest'
import { basic, CHALLENGE, changed, REDIRECT, SECRET, VERIFIER, world } from '../world.js'

const portal = { authorization: basic('portal', SECRET) }

it('T50 a recheck of the host’s may lower the level of a token and never raise it', async () => {
  let acr = 'level1'
  const w = await world({ context: () => ({ recheck: async () => ({ ok: true, narrow: { acr } }) }) })
  const device = await w.device()
  const { access_token } = (await w.redeem(device, await w.code(device.id))).body
  expect((await w.introspect(access_token)).body.acr).toBe('level1')
  for (acr of ['level3', 'gold']) expect((await w.redeem(device, await w.code(device.id))).status).toBe(500)
})

describe('code redemption', () => {
  it('T01 code replay: the second is refused and the tokens of the first end', async () => {
    const w = await world()
    const device = await w.device()
    const code = await w.code(device.id)
    const first = (await w.redeem(device, code)).body
    expect((await w.redeem(device, code)).body.error).toBe('invalid_grant')
    expect((await w.introspect(first.access_token)).body).toEqual({ active: false })
    expect((await w.refresh(device, first.refresh_token)).body.error).toBe('invalid_grant')
  })

  it('T03 a code sent by another client is refused and stays good for its own', async () => {
    const w = await world()
    const [one, two] = [await w.device(), await w.device()]
    const code = await w.code(one.id)
    expect((await w.redeem(two, code)).body.error).toBe('invalid_grant')
    expect((await w.redeem(one, code)).status).toBe(200)
  })

  it('T04 an altered or omitted redirect_uri is refused', async () => {
    const w = await world()
    const code = await w.code('portal', { redirectUri: REDIRECT })
    const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER }
    expect((await w.post('/token', form, { headers: portal })).body.error).toBe('invalid_grant')
    expect((await w.post('/token', { ...form, redirect_uri: `${REDIRECT}/` }, { headers: portal })).body.error).toBe(
      'invalid_grant',
    )
    expect((await w.post('/token', { ...form, redirect_uri: REDIRECT }, { headers: portal })).status).toBe(200)
  })

  it.each([
    [59_999, 200],
    [60_000, 400],
    [60_001, 400],
  ])('T05 T46 a code redeemed after %i ms answers %i', async (ms, status) => {
    const w = await world()
    const device = await w.device()
    const code = await w.code(device.id)
    w.advance(ms)
    expect((await w.redeem(device, code)).status).toBe(status)
  })

  it.each([
    ['42 characters', VERIFIER.slice(1), 'invalid_request'],
    ['129 characters', 'a'.repeat(129), 'invalid_request'],
    ['the challenge itself', CHALLENGE, 'invalid_grant'],
    ['another verifier', VERIFIER.replace('d', 'e'), 'invalid_grant'],
    ['nothing', '', 'invalid_request'],
  ])('T07 T08 as verifier, %s is refused', async (_what, code_verifier, error) => {
    const w = await world()
    const device = await w.device()
    expect((await w.redeem(device, await w.code(device.id), 0, { code_verifier })).body.error).toBe(error)
  })

  it('T09 five wrong verifiers leave the code alone, the sixth burns it', async () => {
    const w = await world()
    const device = await w.device()
    const wrong = { code_verifier: CHALLENGE }
    const [spared, burnt] = [await w.code(device.id), await w.code(device.id)]
    for (let i = 0; i < 5; i++) await w.redeem(device, spared, i % 2, wrong)
    expect((await w.redeem(device, spared)).status).toBe(200)
    await Promise.all(Array.from({ length: 6 }, (_, i) => w.redeem(device, burnt, i % 2, wrong)))
    expect((await w.redeem(device, burnt)).body.error).toBe('invalid_grant')
  })

  it('T20 no handle passes for another, nor does an altered one', async () => {
    const w = await world()
    const device = await w.device()
    const { refresh_token } = (await w.redeem(device, await w.code(device.id))).body
    const code = await w.code(device.id)
    for (const bad of [
      refresh_token,
      refresh_token.replace('pr_', 'pc_'),
      `${code}A`,
      changed(code),
      code.slice(0, 40),
      'pc_',
      'x',
    ])
      expect((await w.redeem(device, bad)).body.error).toBe('invalid_grant')
    for (const bad of [code, code.replace('pc_', 'pr_')]) expect((await w.refresh(device, bad)).body.error).toBe('invalid_grant')
  })

  it('T50 a lock between login and redemption wins, judged again when its record has moved', async () => {
    let locked = false
    const asked: unknown[] = []
    const w = await world({
      context: () => ({
        recheck: async ({ current, guards }, at) => {
          asked.push([at, current?.key ?? null])
          return locked
            ? { ok: false, error: 'access_denied', code: 'user.blocked' }
            : { ok: true, guards: current ? [{ key: current.key, rev: current.rec?.rev ?? null }] : guards }
        },
      }),
    })
    const device = await w.device()
    const code = await w.code(device.id, { login: { guards: [{ key: 'enr/1', rev: 'AAAAAAAAAAAAAAAA' }] } })
    expect((await w.redeem(device, code)).status).toBe(200)
    expect(asked).toEqual([
      ['code', null],
      ['code', 'enr/1'],
    ])
    locked = true
    expect((await w.redeem(device, await w.code(device.id))).body).toMatchObject({ error: 'access_denied', code: 'user.blocked' })
  })

  it('T31 a proof is spent by the redemption it came with', async () => {
    const w = await world()
    const device = await w.device()
    const dpop = await device.proof('https://id.example.com/t1/token')
    const redeem = async (node: number) => {
      const form = {
        grant_type: 'authorization_code',
        client_id: device.id,
        code: await w.code(device.id),
        code_verifier: VERIFIER,
      }
      return (await w.post('/token', form, { node, headers: { dpop } })).body.error ?? 'ok'
    }
    expect([await redeem(0), await redeem(1)]).toEqual(['ok', 'invalid_dpop_proof'])
  })

  it('T18 a handle of one tenant does not open at another', async () => {
    const [one, two] = [await world(), await world({ seed: 2, issuer: 'https://id.example.com/t2' })]
    const device = await one.device()
    const { refresh_token } = (await one.redeem(device, await one.code(device.id))).body
    const stranger = await two.device()
    expect((await two.refresh(stranger, refresh_token)).body.error).toBe('invalid_grant')
  })

  it('H19 every token reply says no-store, refusals too', async () => {
    const w = await world()
    const device = await w.device()
    for (const reply of [await w.redeem(device, await w.code(device.id)), await w.redeem(device, 'x')])
      expect(reply.headers.get('cache-control')).toBe('no-store')
  })
})

describe('forms and client authentication', () => {
  it.each([
    ['a duplicate parameter', 'grant_type=client_credentials&scope=accounts&scope=accounts', 400],
    ['an array', 'grant_type=client_credentials&scope[]=accounts', 400],
    ['a broken escape', 'grant_type=%zz', 400],
    ['65 parameters', Array.from({ length: 65 }, (_, i) => `p${i}=1`).join('&'), 413],
    ['more than 64 KiB', `a=${'x'.repeat(65_536)}`, 413],
  ])('H05 %s is refused', async (_what, form, status) => {
    const w = await world()
    const answer = await w.post('/token', form, { headers: portal })
    expect([answer.status, answer.body.error]).toEqual([status, 'invalid_request'])
  })

  it('H12 a form that does not say so is refused', async () => {
    const w = await world()
    for (const type of ['text/plain', 'application/json', 'multipart/form-data'])
      expect(
        (await w.post('/token', 'grant_type=client_credentials', { headers: { ...portal, 'content-type': type } })).status,
      ).toBe(400)
  })

  it('H15 Basic credentials are split at the first colon and decoded once', async () => {
    const w = await world()
    const ask = (authorization: string) => w.post('/introspect', { token: 'x' }, { headers: { authorization } })
    expect((await ask(basic('portal', SECRET))).body).toEqual({ active: false })
    expect((await ask(basic('portal', encodeURIComponent(SECRET)))).status).toBe(401)
    expect((await ask(`Basic ${Buffer.from(`portal:${SECRET}`).toString('base64')}`)).status).toBe(400)
    const refused = await ask(basic('portal', 'wrong'))
    expect([refused.status, refused.body.error, refused.headers.get('www-authenticate')]).toEqual([
      401,
      'invalid_client',
      `Basic realm="${w.contexts[0]!.issuer}"`,
    ])
  })

  it('refuses two methods at once, an unregistered method, an unknown client alike', async () => {
    const w = await world()
    const form = { token: 'x' }
    const both = await w.post('/introspect', { ...form, client_id: 'portal', client_secret: SECRET }, { headers: portal })
    const other = await w.post('/introspect', { ...form, client_id: 'portal', client_secret: SECRET })
    const unknown = await w.post('/introspect', { ...form, client_id: 'nobody', client_secret: SECRET })
    for (const answer of [both, other, unknown])
      expect([answer.status, answer.body.error, answer.body.error_description]).toEqual([
        401,
        'invalid_client',
        'Client authentication failed.',
      ])
  })

  it('H10 the issuer is what is configured, whatever Host and X-Forwarded say', async () => {
    const w = await world()
    const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' }
    const reply = await w.nodes[0]!.wellKnown(
      new Request('http://evil.example/.well-known/oauth-authorization-server/t1', { headers }),
    )
    const document = (await reply!.json()) as Record<string, string>
    expect(document.issuer).toBe('https://id.example.com/t1')
    expect(JSON.stringify(document)).not.toContain('evil')
  })
})

describe('introspection and revocation', () => {
  it('T42 a client without the right learns nothing, a public one is not let in', async () => {
    const w = await world()
    const device = await w.device()
    const { access_token } = (await w.redeem(device, await w.code(device.id))).body
    expect((await w.introspect(access_token)).body).toMatchObject({ active: true, client_id: device.id, token_type: 'DPoP' })
    expect((await w.post('/introspect', { token: access_token, client_id: 'other', client_secret: SECRET })).body).toEqual({
      active: false,
    })
    expect((await w.post('/introspect', { token: access_token, client_id: 'spa' })).status).toBe(401)
    w.advance(300_000)
    expect((await w.introspect(access_token)).body).toEqual({ active: false })
  })

  it('T43 revoking an unknown or foreign token is 200 and does nothing', async () => {
    const w = await world()
    const device = await w.device()
    const { refresh_token, access_token } = (await w.redeem(device, await w.code(device.id))).body
    for (const token of ['x', refresh_token, access_token])
      expect((await w.post('/revoke', { token }, { headers: portal })).status).toBe(200)
    expect((await w.introspect(access_token)).body.active).toBe(true)
    expect((await w.refresh(device, refresh_token)).status).toBe(200)
  })

  it('an access token revoked alone ends, its family lives', async () => {
    const w = await world()
    const device = await w.device()
    const { refresh_token, access_token } = (await w.redeem(device, await w.code(device.id))).body
    const dpop = await device.proof('https://id.example.com/t1/revoke')
    await w.post('/revoke', { token: access_token, client_id: device.id }, { headers: { dpop } })
    expect((await w.introspect(access_token)).body.active).toBe(false)
    expect((await w.refresh(device, refresh_token)).status).toBe(200)
  })
})

describe('shared clients', () => {
  const form = { grant_type: 'authorization_code', code_verifier: VERIFIER, redirect_uri: REDIRECT }
  async function setup(scope: readonly string[] = ['openid', 'accounts']) {
    const w = await world()
    const code = await w.code('portal', { redirectUri: REDIRECT, scope, login: { sid: 'session1' } })
    const { body } = await w.post('/token', { ...form, code }, { headers: portal })
    const refresh = (refresh_token: string, node = 0) =>
      w.post('/token', { grant_type: 'refresh_token', refresh_token }, { node, headers: portal })
    return { w, body, refresh }
  }

  it('T18 a refresh token of one confidential client is nothing to another', async () => {
    const { w, body, refresh } = await setup()
    const stolen = { grant_type: 'refresh_token', refresh_token: body.refresh_token, client_id: 'other', client_secret: SECRET }
    expect((await w.post('/token', stolen)).body.error).toBe('invalid_grant')
    expect((await refresh(body.refresh_token)).status).toBe(200)
  })

  it('T15 without a bound key the grace is 60 s', async () => {
    const { w, body, refresh } = await setup()
    const first = (await refresh(body.refresh_token)).body
    w.advance(60_000)
    expect((await refresh(body.refresh_token, 1)).body.refresh_token).toBe(first.refresh_token)
    w.advance(1)
    expect((await refresh(body.refresh_token)).status).toBe(400)
    expect((await refresh(first.refresh_token)).status).toBe(400)
  })

  it.each([
    ['the user', {}, ['openid'], 400],
    ['the client of the user', { client: 'portal' }, ['openid'], 400],
    ['another client of the user', { client: 'other' }, ['openid'], 200],
    ['the session', { sid: 'session1' }, ['openid'], 400],
    ['the session, of an offline grant', { sid: 'session1' }, ['openid', 'offline_access'], 200],
    ['another session', { sid: 'session2' }, ['openid'], 200],
  ])('revoking %s', async (_what, aim, scope, status) => {
    const { w, body, refresh } = await setup(scope)
    const { crypto } = w.contexts[0]!.runtime
    const owner = await places({ keys: w.keys, crypto, tenant: 't1' }).user('user-1')
    await revoke({ owner, ...aim }, w.contexts[0]!)
    expect((await w.introspect(body.access_token)).body.active).toBe(status === 200)
    expect((await refresh(body.refresh_token)).status).toBe(status)
  })

  it('the token of a service ends with its own epoch', async () => {
    const w = await world()
    const ask = async () =>
      (
        await w.post('/token', {
          grant_type: 'client_credentials',
          client_id: 'service',
          client_secret: SECRET,
          scope: 'accounts',
        })
      ).body.access_token
    const { crypto } = w.contexts[0]!.runtime
    const token = await ask()
    expect((await w.introspect(token)).body).toMatchObject({ active: true, kind: 'device' })
    await revoke({ owner: places({ keys: w.keys, crypto, tenant: 't1' }).client('service') }, w.contexts[0]!)
    expect((await w.introspect(token)).body.active).toBe(false)
    w.advance(1000)
    expect((await w.introspect(await ask())).body.active).toBe(true)
  })
})

describe('what the host is told', () => {
  it('H21 an event for every change and refusal, with the true reason, and no secret in any', async () => {
    const w = await world()
    const device = await w.device()
    const code = await w.code(device.id)
    const { refresh_token, access_token } = (await w.redeem(device, code)).body
    await w.refresh(device, refresh_token)
    await w.redeem(device, code)
    await w.refresh(device, `${refresh_token}x`)
    const waiting = await w.inner.outbox!({ now: w.now(), limit: 100 })
    const told = [
      ...waiting.map(({ value }) => Buffer.from(value).toString()),
      ...w.events.map((event) => JSON.stringify(event)),
    ].join('\n')
    for (const type of ['client.registered', 'code.redeemed', 'token.refreshed', 'code.replayed', 'token.refused'])
      expect(told).toContain(`"${type}"`)
    expect(told).toContain('refresh.unreadable')
    for (const secret of [code, refresh_token, access_token, VERIFIER]) expect(told).not.toContain(secret.slice(3, 40))
  })

  it('a port that throws is a 500 that says nothing, and an event that names the error alone', async () => {
    const w = await world({
      context: () => ({
        recheck: async () => {
          throw new TypeError('the password is hunter2')
        },
      }),
    })
    const device = await w.device()
    const answer = await w.redeem(device, await w.code(device.id))
    expect([answer.status, answer.body.error]).toEqual([500, 'server_error'])
    expect(JSON.stringify(w.events)).toContain('server.failed TypeError')
    expect(JSON.stringify([w.events, answer.body])).not.toContain('hunter2')
  })
})
