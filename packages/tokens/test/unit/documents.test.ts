import { createKeyRingDocument, LEAD_MS, openKeyRing, RETAIN_MS, rotateKeyRing } from '@postern/core/keyRing'
import { partsOf } from '@postern/core/reply'
import type { IssuerContext } from '@postern/tokens/issuer'
import { describe, expect, it } from 'vitest'
import { basic, ISSUER, SECRET, type World, world } from '../world.js'

const METADATA = `${ISSUER}/.well-known/openid-configuration`
const get = async (w: World, url: string) => {
  const reply = await w.nodes[0]!.fetch(new Request(url))
  return { headers: reply.headers, text: await reply.text() }
}
const kids = async (w: World) =>
  (JSON.parse((await get(w, `${ISSUER}/jwks`)).text).keys as { kid: string }[]).map(({ kid }) => kid)

describe('public documents', () => {
  it('the key set follows the clock, though the context stays the same', async () => {
    const w = await world({ nodes: 1 })
    const { runtime } = w.contexts[0]!
    const first = await createKeyRingDocument(runtime)
    const both = await rotateKeyRing(first, 'signing', runtime)
    Object.assign(w.contexts[0]!, { keys: await openKeyRing(both, runtime.crypto) })
    const [old, next] = both.signing.map(({ kid }) => kid)
    expect(await kids(w)).toEqual([old, next])
    w.advance(LEAD_MS + RETAIN_MS.signing - 1)
    expect(await kids(w)).toEqual([old, next])
    w.advance(1)
    expect(await kids(w)).toEqual([next])
  })

  it('discovery follows what the host passes in', async () => {
    const w = await world({ nodes: 1 })
    const before = (await get(w, METADATA)).text
    expect((await get(w, METADATA)).text).toBe(before)
    const interaction: IssuerContext['interaction'] = undefined
    Object.assign(w.contexts[0]!, { interaction })
    const after = JSON.parse((await get(w, METADATA)).text)
    expect([JSON.parse(before).authorization_endpoint, after.authorization_endpoint]).toEqual([`${ISSUER}/authorize`, undefined])
  })

  it('may be read from everywhere, and be kept for five minutes', async () => {
    const w = await world({ nodes: 1 })
    for (const url of [METADATA, `${ISSUER}/jwks`])
      expect(Object.fromEntries((await get(w, url)).headers)).toMatchObject({
        'access-control-allow-origin': '*',
        'cache-control': 'public, max-age=300',
        'content-type': 'application/json',
      })
  })
})

describe('a bridge that brings no Request', () => {
  const bridged = (method: string, path: string, body = '', headers: Record<string, string> = {}) => {
    const all: Record<string, string> = {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(body.length),
      ...headers,
    }
    return {
      method,
      url: ISSUER + path,
      headers: { get: (name: string) => all[name] ?? null },
      text: async () => body,
    } as unknown as Request
  }

  it('gets the parts of a reply, the same that a Request gets as a Response', async () => {
    const w = await world({ nodes: 1 })
    const headers = { authorization: basic('portal', SECRET) }
    const introspection = partsOf(await w.nodes[0]!.fetch(bridged('POST', '/introspect', 'token=x', headers)))
    expect(introspection).toMatchObject({ status: 200, text: '{"active":false}' })
    const answer = await w.post('/introspect', { token: 'x' }, { headers })
    expect(introspection!.headers).toEqual(Object.fromEntries(answer.headers))
    const refused = partsOf(await w.nodes[0]!.fetch(bridged('POST', '/token', 'grant_type=x')))
    expect([refused!.status, JSON.parse(refused!.text).error]).toEqual([400, 'unsupported_grant_type'])
    expect(refused!.headers['cache-control']).toBe('no-store')
    const document = partsOf(await w.nodes[0]!.fetch(bridged('GET', '/jwks')))
    expect(document!.text).toBe((await get(w, `${ISSUER}/jwks`)).text)
  })

  it('who brings a Request gets a Response of the runtime’s own', async () => {
    const w = await world({ nodes: 1 })
    for (const url of [METADATA, `${ISSUER}/jwks`, `${ISSUER}/token`, `${ISSUER}/nowhere`]) {
      const reply = await w.nodes[0]!.fetch(new Request(url))
      expect(reply, url).toBeInstanceOf(Response)
      expect(partsOf(reply)).toBeNull()
    }
  })
})
