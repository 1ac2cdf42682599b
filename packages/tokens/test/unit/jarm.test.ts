import { createHash } from 'node:crypto'
import { signedResponses } from '@postern/tokens/jarm'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { authorize, finish, good, granted, portal, queryOf } from '../authorization.js'
import { basic, ISSUER, REDIRECT, SECRET, VERIFIER, type World, type WorldOptions, world } from '../world.js'

const signing = (o: WorldOptions = {}) =>
  world({ ...o, context: (context) => ({ jarm: signedResponses(), ...o.context?.(context) }) })
const keySet = async (w: World) =>
  createLocalJWKSet((await (await w.nodes[0]!.fetch(new Request(`${ISSUER}/jwks`))).json()) as never)
const opened = async (w: World, response: string) =>
  (await jwtVerify(response, await keySet(w), { issuer: ISSUER, audience: 'portal', currentDate: new Date(w.now()) })).payload
/** Name and value of every field of a page that posts itself. */
const fieldsOf = (page: string): Record<string, string> =>
  Object.fromEntries(
    [...page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(([, name, value]) => [name, value]),
  )

describe('a signed response', () => {
  it.each(['jwt', 'query.jwt'])(
    'T12 T13 with response_mode %s says who it is from, for whom, until when, and nothing beside it',
    async (response_mode) => {
      const w = await signing()
      const page = await authorize(w, { ...good, response_mode })
      const back = queryOf(await finish(w, page, granted(w)))
      expect([...back.keys()]).toEqual(['response'])
      const { code, ...rest } = await opened(w, back.get('response')!)
      expect(rest).toEqual({ iss: ISSUER, aud: 'portal', exp: Math.floor(w.now() / 1000) + 300, state: 's1' })
      const form = { grant_type: 'authorization_code', code: code as string, code_verifier: VERIFIER, redirect_uri: REDIRECT }
      expect((await w.post('/token', form, { headers: { authorization: basic('portal', SECRET) } })).status).toBe(200)
    },
  )

  it('is posted by form_post.jwt', async () => {
    const w = await signing()
    const reply = await finish(w, await authorize(w, { ...good, response_mode: 'form_post.jwt' }), granted(w))
    const fields = fieldsOf(await reply.text())
    expect(Object.keys(fields)).toEqual(['response'])
    expect(await opened(w, fields.response!)).toMatchObject({ state: 's1', code: expect.any(String) })
  })

  it('carries errors, too: of the request, of the decision, of a pushed one', async () => {
    const w = await signing()
    const request = { ...good, response_mode: 'jwt' }
    const wrong = queryOf(await authorize(w, { ...request, scope: 'payments' }))
    expect(await opened(w, wrong.get('response')!)).toMatchObject({ error: 'invalid_scope', state: 's1' })
    const denied = await finish(w, await authorize(w, request), { outcome: 'denied', error: 'access_denied' })
    expect(await opened(w, queryOf(denied).get('response')!)).toMatchObject({ error: 'access_denied', state: 's1' })
    const { body } = await w.post('/par', request, { headers: { authorization: basic('portal', SECRET) } })
    const pushed = await finish(w, await authorize(w, { client_id: 'portal', request_uri: body.request_uri }), {
      outcome: 'denied',
      error: 'access_denied',
    })
    expect(await opened(w, queryOf(pushed).get('response')!)).toMatchObject({ error: 'access_denied' })
  })

  it('T14 is refused where the issuer signs none, and fragment.jwt everywhere', async () => {
    const plain = await world()
    for (const response_mode of ['jwt', 'query.jwt', 'form_post.jwt'])
      expect(queryOf(await authorize(plain, { ...good, response_mode })).get('error')).toBe('invalid_request')
    const back = queryOf(await authorize(await signing(), { ...good, response_mode: 'fragment.jwt' }))
    expect([back.get('error'), back.get('state')]).toEqual(['invalid_request', 's1'])
  })

  it('is owed where the configuration says so: without a mode it is query.jwt, an unsigned mode is refused, signed', async () => {
    const w = await signing({ config: { requireSignedResponse: true } })
    const back = queryOf(await finish(w, await authorize(w, good), granted(w)))
    expect(await opened(w, back.get('response')!)).toMatchObject({ code: expect.any(String) })
    for (const response_mode of ['query', 'form_post']) {
      const refused = queryOf(await authorize(w, { ...good, response_mode }))
      expect(await opened(w, refused.get('response')!)).toMatchObject({ error: 'invalid_request', state: 's1' })
    }
    const without = await world({ config: { requireSignedResponse: true } })
    const page = await authorize(without, good)
    expect([page.status, page.headers.get('location')]).toEqual([400, null])
  })

  it('lives ten minutes at most', async () => {
    for (const lifeSec of [0, 601, 1.5]) expect(() => signedResponses({ lifeSec })).toThrow()
    const w = await signing({ context: () => ({ jarm: signedResponses({ lifeSec: 600 }) }) })
    const back = queryOf(await finish(w, await authorize(w, { ...good, response_mode: 'jwt' }), granted(w)))
    expect((await opened(w, back.get('response')!)).exp).toBe(Math.floor(w.now() / 1000) + 600)
  })

  it('is announced', async () => {
    const at = async (w: World) =>
      (await w.nodes[0]!.wellKnown(new Request(`${ISSUER}/.well-known/openid-configuration`)))!.json()
    expect(await at(await signing())).toMatchObject({
      response_modes_supported: ['query', 'form_post', 'jwt', 'query.jwt', 'form_post.jwt'],
      authorization_signing_alg_values_supported: ['ES256'],
    })
    const plain = (await at(await world())) as Record<string, unknown>
    expect(plain.response_modes_supported).toEqual(['query', 'form_post'])
    expect(plain).not.toHaveProperty('authorization_signing_alg_values_supported')
  })
})

describe('form_post', () => {
  const posted = async (state: string, clients?: WorldOptions['clients']) => {
    const w = await world(clients === undefined ? {} : { clients })
    const reply = await finish(w, await authorize(w, { ...good, state, response_mode: 'form_post' }), granted(w))
    return { reply, page: await reply.text() }
  }

  it('is a page with one form and one script, which runs by its hash; nothing else may, and nobody frames or keeps it (H20)', async () => {
    const { reply, page } = await posted('s1')
    expect(reply.status).toBe(200)
    expect(page).toContain(`<form method="post" action="${REDIRECT}">`)
    expect(fieldsOf(page)).toEqual({ code: expect.any(String), state: 's1', iss: ISSUER })
    const scripts = [...page.matchAll(/<script>([^<]*)<\/script>/g)].map(([, script]) => script!)
    expect(scripts).toEqual(['document.forms[0].submit()'])
    const hash = createHash('sha256').update(scripts[0]!).digest('base64')
    expect(reply.headers.get('content-security-policy')).toBe(
      `default-src 'none'; script-src 'sha256-${hash}'; form-action https://portal.example.com https:; base-uri 'none'; frame-ancestors 'none'`,
    )
    expect(Object.fromEntries(reply.headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-type': 'text/html; charset=utf-8',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    })
    expect(page).not.toMatch(/ on[a-z]+=|javascript:|<style|style=|src=/i)
  })

  it('H20 what the client sent is text in it, whatever it looks like', async () => {
    const state = `"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;`
    const { page } = await posted(state)
    expect(page.match(/<script/g)).toHaveLength(1)
    expect(page).not.toContain('<img')
    const entities: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&amp;': '&' }
    expect(fieldsOf(page).state!.replace(/&(?:lt|gt|quot|#39|amp);/g, (entity) => entities[entity]!)).toBe(state)
  })

  it('a quote in the redirect_uri ends no attribute', async () => {
    const redirectUri = "https://portal.example.com/cb?a=%22'b"
    const w = await world({ clients: [await portal({ redirectUris: [redirectUri] })] })
    const request = { ...good, redirect_uri: redirectUri, response_mode: 'form_post' }
    const page = await (await finish(w, await authorize(w, request), granted(w))).text()
    expect(page).toContain('action="https://portal.example.com/cb?a=%22&#39;b"')
  })

  it('carries errors, and is refused for the private-use scheme of an app', async () => {
    const w = await world()
    const page = await (await authorize(w, { ...good, scope: 'payments', response_mode: 'form_post' })).text()
    expect(fieldsOf(page)).toMatchObject({ error: 'invalid_scope', state: 's1', iss: ISSUER })
    const device = await w.device()
    const app = { ...good, client_id: device.id, redirect_uri: 'com.example.bank:/cb', response_mode: 'form_post' }
    const reply = await authorize(w, app)
    expect(new URL(reply.headers.get('location')!).searchParams.get('error')).toBe('invalid_request')
  })
})
