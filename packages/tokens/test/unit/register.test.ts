import { publicJwk } from '@postern/core/jwk'
import { describe, expect, it } from 'vitest'
import { type Device, ISSUER, type World, world } from '../world.js'

const REGISTER = `${ISSUER}/register`
async function send(
  w: World,
  device: Device,
  o: { method?: string; token?: string; scheme?: string; body?: object | string; id?: string; dpop?: string | null } = {},
) {
  const { method = 'POST', token, scheme = 'DPoP', id, body } = o
  const url = id === undefined ? REGISTER : `${REGISTER}/${id}`
  const dpop =
    o.dpop === undefined ? await device.proof(url, { method, ...(token !== undefined && { accessToken: token }) }) : o.dpop
  const headers = {
    'content-type': 'application/json',
    ...(dpop !== null && { dpop }),
    ...(token !== undefined && { authorization: `${scheme} ${token}` }),
  }
  const text = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body)
  const reply = await w.nodes[0]!.fetch(new Request(url, { method, headers, body: text }))
  const answer = await reply.text()
  return { status: reply.status, body: answer === '' ? null : JSON.parse(answer) }
}
const metadata = (device: Device, more: object = {}) => ({
  jwks: { keys: [publicJwk(device.jwk)] },
  redirect_uris: ['com.example.bank:/cb'],
  ...more,
})

describe('dynamic registration', () => {
  it('registers, and a retry of the same key is the same client', async () => {
    const w = await world()
    const device = await w.device({ register: false })
    const first = await send(w, device, { body: metadata(device) })
    expect(first).toMatchObject({ status: 201, body: { token_endpoint_auth_method: 'none', dpop_bound_access_tokens: true } })
    const again = await send(w, device, { body: metadata(device) })
    expect([again.status, again.body.client_id]).toEqual([201, first.body.client_id])
  })

  it('nobody registers a key that is not his', async () => {
    const w = await world()
    const [one, two] = [await w.device({ register: false }), await w.device({ register: false })]
    expect((await send(w, one, { body: metadata(two) })).body.error).toBe('invalid_dpop_proof')
    expect((await send(w, one, { body: metadata(one), dpop: null })).body.error).toBe('invalid_dpop_proof')
  })

  it.each([
    ['javascript:', { redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
    ['data:', { redirect_uris: ['data:text/html,x'] }, 'invalid_redirect_uri'],
    ['http', { redirect_uris: ['http://evil.example/cb'] }, 'invalid_redirect_uri'],
    ['a wildcard', { redirect_uris: ['https://*.example/cb'] }, 'invalid_redirect_uri'],
    ['a logo that is no https', { logo_uri: 'http://169.254.169.254/' }, 'invalid_client_metadata'],
    ['jwks_uri', { jwks_uri: 'https://x/jwks' }, 'invalid_client_metadata'],
    ['a software statement', { software_statement: 'a.b.c' }, 'invalid_client_metadata'],
    ['two keys', { jwks: { keys: [{}, {}] } }, 'invalid_client_metadata'],
    ['a secret method', { token_endpoint_auth_method: 'client_secret_post' }, 'invalid_client_metadata'],
  ])('T44 %s is refused', async (_what, more, error) => {
    const w = await world()
    const device = await w.device({ register: false })
    expect((await send(w, device, { body: metadata(device, more) })).body.error).toBe(error)
  })

  it('a private key, duplicate members and __proto__ are refused', async () => {
    const w = await world()
    const device = await w.device({ register: false })
    for (const body of [{ jwks: { keys: [device.jwk] } }, '{"a":1,"a":2}', '{"__proto__":{}}', '[]'])
      expect((await send(w, device, { body })).status).toBe(400)
  })

  it('the token before the current one works until the current one is used, however many replies are lost', async () => {
    const w = await world()
    const device = await w.device({ register: false })
    const { body } = await send(w, device, { body: metadata(device) })
    const id: string = body.client_id
    const put = (token: string) => send(w, device, { method: 'PUT', id, token, body: metadata(device, { client_id: id }) })
    const first: string = body.registration_access_token
    const lost = await put(first)
    expect(lost.status).toBe(200)
    const again = await put(first)
    expect((await put(first)).status).toBe(200)
    expect((await put(again.body.registration_access_token)).status).toBe(200)
    expect((await put(first)).status).toBe(401)
  })

  it('a client is named by the path alone: what a query holds changes nothing', async () => {
    const w = await world()
    const device = await w.device({ register: false })
    const headers = { 'content-type': 'application/json', dpop: await device.proof(REGISTER) }
    const body = JSON.stringify(metadata(device))
    const reply = await w.nodes[0]!.fetch(new Request(`${REGISTER}?next=/register/abc`, { method: 'POST', headers, body }))
    expect(reply.status).toBe(201)
    const wrong = await w.nodes[0]!.fetch(new Request(`${REGISTER}?next=/register/abc`, { method: 'PATCH' }))
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST'])
    // What cannot be a client's name is nobody's, and no second way to register.
    const other = { ...headers, dpop: await device.proof(REGISTER) }
    for (const path of ['a/b', '%20', 'x'.repeat(65)])
      expect((await w.nodes[0]!.fetch(new Request(`${REGISTER}/${path}`, { method: 'POST', headers: other, body }))).status).toBe(
        401,
      )
  })

  it('an issuer whose own path ends in /register registers clients as any other', async () => {
    const w = await world({ issuer: 'https://id.example.com/register' })
    expect((await w.device()).id).not.toBe('')
  })

  it.each([true, false])(
    'H07 bytes that are no UTF-8, or a byte order mark, are refused (Content-Length: %s)',
    async (declared) => {
      const w = await world()
      const device = await w.device({ register: false })
      const good = new TextEncoder().encode(JSON.stringify(metadata(device, { client_name: 'x?' })))
      const bad = good.map((byte) => (byte === 0x3f ? 0xff : byte))
      for (const [bytes, status] of [
        [good, 201],
        [bad, 400],
        [new Uint8Array([0xef, 0xbb, 0xbf, ...good]), 400],
      ] as const) {
        const headers = {
          'content-type': 'application/json',
          dpop: await device.proof(REGISTER),
          ...(declared && { 'content-length': String(bytes.length) }),
        }
        const reply = await w.nodes[0]!.fetch(new Request(REGISTER, { method: 'POST', headers, body: bytes.slice() }))
        expect(reply.status).toBe(status)
      }
    },
  )

  it('T31 a PUT sent twice is refused as a replayed proof, and told as one', async () => {
    const w = await world()
    const device = await w.device({ register: false })
    const { client_id: id, registration_access_token: token } = (await send(w, device, { body: metadata(device) })).body
    const dpop = await device.proof(`${REGISTER}/${id}`, { method: 'PUT', accessToken: token })
    const put = () => send(w, device, { method: 'PUT', id, token, dpop, body: metadata(device, { client_id: id }) })
    expect((await put()).status).toBe(200)
    expect((await put()).body.error).toBe('invalid_dpop_proof')
    expect(w.events.at(-1)).toMatchObject({ type: 'proof.refused', reason: 'dpop.replayed' })
  })

  it('reads and removes; a token of another client, as Bearer, or without its proof is refused; after removal nothing is issued', async () => {
    const w = await world()
    const [device, other] = [await w.device({ register: false }), await w.device()]
    const { client_id: id, registration_access_token: token } = (await send(w, device, { body: metadata(device) })).body
    const known = { ...device, id }
    const { refresh_token } = (await w.redeem(known, await w.code(id))).body
    expect((await send(w, device, { method: 'GET', id, token })).body.client_id).toBe(id)
    expect((await send(w, device, { method: 'GET', id: other.id, token })).status).toBe(401)
    expect((await send(w, device, { method: 'GET', id, token, scheme: 'Bearer' })).status).toBe(401)
    expect((await send(w, other, { method: 'GET', id, token })).body.error).toBe('invalid_dpop_proof')
    expect((await send(w, device, { method: 'DELETE', id, token })).status).toBe(204)
    expect((await send(w, device, { method: 'GET', id, token })).status).toBe(401)
    expect((await w.refresh(known, refresh_token)).body.error).toBe('invalid_grant')
  })
})
