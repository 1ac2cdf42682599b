import { integer, list, object, oneOf, optional, text } from '@postern/core/fields'
import type { JsonObject } from '@postern/core/json'
import type { Client } from '@postern/tokens/clients'
import { requestObjects } from '@postern/tokens/jar'
import { detailTypes } from '@postern/tokens/rar'
import { describe, expect, it } from 'vitest'
import { authorize, clientKeyPair, finish, good, goodClaims, granted, portal, queryOf } from '../authorization.js'
import { basic, ISSUER, REDIRECT, SECRET, VERIFIER, type World, type WorldOptions, world } from '../world.js'

const types = detailTypes({
  payment: {
    parse: object({
      type: oneOf('payment'),
      iban: text({ max: 34, pattern: /^[A-Z0-9]{5,34}$/ }),
      cents: integer({ min: 1, max: 1e9 }),
      memo: optional(text({ max: 2000 })),
    }),
    narrows: (asked, given) => asked.iban === given.iban && (asked.cents as number) <= (given.cents as number),
  },
  account: { parse: object({ type: oneOf('account'), actions: list(oneOf('read', 'list'), { max: 2 }) }) },
})
const payment = (cents: number): JsonObject => ({ type: 'payment', iban: 'DE001', cents })
const account = (...actions: string[]): JsonObject => ({ type: 'account', actions })
const headers = { authorization: basic('portal', SECRET) }
const rich = async (o: WorldOptions = {}, more: Partial<Client> = {}): Promise<World> =>
  world({
    clients: [await portal({ ...(more as object) })],
    ...o,
    context: (context) => ({ details: types, ...o.context?.(context) }),
  })
const asking = (details: unknown) => ({
  ...good,
  authorization_details: typeof details === 'string' ? details : JSON.stringify(details),
})
const claimsOf = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString())

/** From the request to the first tokens. */
async function tokens(
  w: World,
  asked: readonly JsonObject[],
  decided?: readonly JsonObject[],
  more: Record<string, string> = {},
) {
  const page = await authorize(w, asking(asked))
  const done = await finish(w, page, granted(w, decided === undefined ? {} : { authorizationDetails: decided }))
  const code = queryOf(done).get('code')
  if (code === null) return { status: done.status, body: Object.fromEntries(queryOf(done)) }
  const form = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT, ...more }
  return w.post('/token', form, { headers })
}
const refresh = (w: World, refresh_token: string, more: Record<string, string> = {}) =>
  w.post('/token', { grant_type: 'refresh_token', refresh_token, ...more }, { headers })

describe('authorization_details', () => {
  it('flow from the request through the decision into code, access token, answer, introspection and every refresh', async () => {
    const asked = [payment(500), account('read', 'list')]
    const decided = [payment(400), account('read')]
    const w = await rich()
    const { body } = await tokens(w, asked, decided)
    expect(body.authorization_details).toEqual(decided)
    expect(claimsOf(body.access_token).authorization_details).toEqual(decided)
    expect((await w.introspect(body.access_token)).body.authorization_details).toEqual(decided)
    const again = (await refresh(w, body.refresh_token)).body
    expect([again.authorization_details, claimsOf(again.access_token).authorization_details]).toEqual([decided, decided])
  })

  it('are shown to the page, parsed, with nothing beyond what their type reads', async () => {
    let shown: unknown
    const w = await rich({
      context: (context) => ({
        interaction: {
          ...context.interaction!,
          begin: async ({ authorizationDetails }) => {
            shown = authorizationDetails
            return new Response('page')
          },
        },
      }),
    })
    await authorize(w, asking([payment(1)]))
    expect(shown).toEqual([payment(1)])
    await authorize(w, good)
    expect(shown).toEqual([])
  })

  it('a decision that names none grants none, one that goes beyond what was asked grants nothing at all', async () => {
    const w = await rich()
    expect((await tokens(w, [payment(5)])).body).not.toHaveProperty('authorization_details')
    for (const wider of [[payment(6)], [payment(5), payment(5)], [account('read')]]) {
      const page = await authorize(w, asking([payment(5)]))
      const reply = await finish(w, page, granted(w, { authorizationDetails: wider }))
      expect([reply.status, await reply.text()]).toEqual([400, expect.stringContaining('details.refused')])
    }
    const plain = await finish(w, await authorize(w, good), granted(w, { authorizationDetails: [payment(1)] }))
    expect(plain.status).toBe(400)
  })

  it.each<[string, unknown]>([
    ['an unknown type', [{ type: 'transfer' }]],
    ['no type', [{ iban: 'DE001', cents: 1 }]],
    ['an unknown field', [{ ...payment(1), to: 'x' }]],
    ['a missing field', [{ type: 'payment', iban: 'DE001' }]],
    ['a wrong value', [{ ...payment(1), cents: '1' }]],
    ['one good and one bad', [payment(1), { type: 'x' }]],
    ['an object instead of a list', payment(1)],
    ['an empty list', []],
    ['a list of lists', [[payment(1)]]],
    ['null', [null]],
    ['seventeen', Array.from({ length: 17 }, () => account('read'))],
    ['more than 2 KiB', [{ ...payment(1), memo: 'x'.repeat(2000) }]],
    ['no JSON', 'x'],
    ['H06 a member twice', '[{"type":"account","type":"account","actions":[]}]'],
    ['H03 a prototype', '[{"type":"account","actions":[],"__proto__":{}}]'],
    ['H02 a depth of nine', `[{"type":"account","actions":${'['.repeat(9)}${']'.repeat(9)}}]`],
    ['the name of an inherited member as type', [{ type: 'constructor' }]],
  ])('%s is invalid_authorization_details, at /authorize and at /par', async (_what, details) => {
    const w = await rich()
    expect(queryOf(await authorize(w, asking(details))).get('error')).toBe('invalid_authorization_details')
    expect((await w.post('/par', asking(details), { headers })).body.error).toBe('invalid_authorization_details')
  })

  it('a client is held to the types it registered', async () => {
    const w = await rich({}, { detailTypes: ['account'] })
    expect(queryOf(await authorize(w, asking([payment(1)]))).get('error')).toBe('invalid_authorization_details')
    expect((await authorize(w, asking([account('read')]))).status).toBe(200)
  })

  it('that make a grant of more than 2 KiB are refused', async () => {
    const w = await rich()
    const details = [{ ...payment(1), memo: 'x'.repeat(1900) }]
    const page = await authorize(w, asking(details))
    const reply = await finish(w, page, granted(w, { authorizationDetails: details }))
    expect([reply.status, await reply.text()]).toEqual([400, expect.stringContaining('details.refused')])
  })

  it('count as their type keeps them, not as they were sent', async () => {
    const growing = detailTypes({ payment: { parse: (detail) => ({ ...detail, memo: 'x'.repeat(2048) }) } })
    const w = await rich({ context: () => ({ details: growing }) })
    expect(queryOf(await authorize(w, asking([{ type: 'payment' }]))).get('error')).toBe('invalid_authorization_details')
  })

  it('come in a request object as JSON', async () => {
    const keys = await clientKeyPair()
    const w = await rich({ context: () => ({ details: types, jar: requestObjects() }) }, { jwks: [keys.jwk] })
    const request = await keys.sign(goodClaims(w, { authorization_details: [payment(3)] }))
    const done = await finish(
      w,
      await authorize(w, { client_id: 'portal', request }),
      granted(w, { authorizationDetails: [payment(2)] }),
    )
    expect(queryOf(done).get('code')).toBeTypeOf('string')
  })

  it('are ignored where no types are registered, as any unknown parameter', async () => {
    const w = await world()
    expect((await authorize(w, asking('x'))).status).toBe(200)
  })

  it('of a type that throws what is no refusal end as a fault, not as an answer', async () => {
    const broken = detailTypes({
      payment: {
        parse: () => {
          throw new TypeError('a bug')
        },
      },
    })
    const w = await rich({ context: () => ({ details: broken }) })
    const reply = await authorize(w, asking([payment(1)]))
    expect([reply.headers.get('location'), await reply.text()]).toEqual([null, expect.stringContaining('server.failed')])
  })
})

it('come to a first-party challenge, and through its answer into the tokens', async () => {
  const w = await rich({
    context: () => ({
      details: types,
      challenge: {
        challenge: async ({ authorizationDetails }) => ({
          kind: 'code',
          login: { subject: 'user-1', authTime: 1, acr: 'level2', amr: ['pin'] },
          ...(authorizationDetails.length > 1 && { authorizationDetails: authorizationDetails.slice(0, 1) }),
        }),
      },
    }),
  })
  const device = await w.device()
  const redeemed = async (details: readonly JsonObject[]) => {
    const form = { ...asking(details), client_id: device.id, scope: 'accounts', redirect_uri: '' }
    const dpop = await device.proof(`${ISSUER}/authorize-challenge`)
    const { body } = await w.post('/authorize-challenge', form, { headers: { dpop } })
    return body.error ?? (await w.redeem(device, body.authorization_code)).body.authorization_details
  }
  expect(await redeemed([payment(1), account('read')])).toEqual([payment(1)])
  expect(await redeemed([payment(1)])).toBeUndefined()
  expect(await redeemed([{ type: 'x' }])).toBe('invalid_authorization_details')
})

describe('a token request', () => {
  const narrower = JSON.stringify([payment(3)])

  it('may narrow the details of its access token; the family keeps them', async () => {
    const w = await rich()
    const { body } = await tokens(w, [payment(5), account('read')], [payment(5), account('read')], {
      authorization_details: narrower,
    })
    expect(claimsOf(body.access_token).authorization_details).toEqual([payment(3)])
    const second = (await refresh(w, body.refresh_token, { authorization_details: narrower })).body
    expect(second.authorization_details).toEqual([payment(3)])
    const third = (await refresh(w, second.refresh_token)).body
    expect(third.authorization_details).toEqual([payment(5), account('read')])
  })

  it('T19 that wants more gets invalid_authorization_details, and neither code nor family is touched', async () => {
    const w = await rich()
    const page = await authorize(w, asking([payment(5)]))
    const done = await finish(w, page, granted(w, { authorizationDetails: [payment(5)] }))
    const form = {
      grant_type: 'authorization_code',
      code: queryOf(done).get('code')!,
      code_verifier: VERIFIER,
      redirect_uri: REDIRECT,
    }
    const wider = [
      JSON.stringify([payment(6)]),
      JSON.stringify([payment(2), payment(2)]),
      JSON.stringify([account('read')]),
      '[]',
      'x',
    ]
    for (const authorization_details of wider)
      expect((await w.post('/token', { ...form, authorization_details }, { headers })).body.error).toBe(
        'invalid_authorization_details',
      )
    const { body } = await w.post('/token', form, { headers })
    for (const authorization_details of wider)
      expect((await refresh(w, body.refresh_token, { authorization_details })).body.error).toBe('invalid_authorization_details')
    expect((await refresh(w, body.refresh_token)).status).toBe(200)
  })

  it('of a grant without details gets none by asking', async () => {
    const w = await rich()
    const page = await finish(w, await authorize(w, good), granted(w))
    const form = {
      grant_type: 'authorization_code',
      code: queryOf(page).get('code')!,
      code_verifier: VERIFIER,
      redirect_uri: REDIRECT,
    }
    const { body } = await w.post('/token', { ...form, authorization_details: narrower }, { headers })
    expect(body.error).toBe('invalid_authorization_details')
  })

  it('of a client for itself may ask for details of its types', async () => {
    const w = await rich({ clients: [await portal({ grantTypes: ['client_credentials'], detailTypes: ['account'] })] })
    const ask = (authorization_details: string) =>
      w.post('/token', { grant_type: 'client_credentials', authorization_details }, { headers })
    expect(claimsOf((await ask(JSON.stringify([account('read')]))).body.access_token).authorization_details).toEqual([
      account('read'),
    ])
    expect((await ask(narrower)).body.error).toBe('invalid_authorization_details')
  })
})

it('the types are announced', async () => {
  const found = await (await (
    await rich()
  ).nodes[0]!.wellKnown(new Request(`${ISSUER}/.well-known/openid-configuration`)))!.json()
  expect(found).toMatchObject({ authorization_details_types_supported: ['payment', 'account'] })
})
