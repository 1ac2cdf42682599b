import type { Prompts } from '@postern/client/prompts'
import type { JsonObject } from '@postern/core/json'
import { parseJson } from '@postern/core/json'
import { readJws, signJws } from '@postern/core/jws'
import { describe, expect, it } from 'vitest'
import { createPhone, createWorld, crypto, got, ISSUER, quickKsf, user } from '../support/world.js'

/** A registration on a phone whose wire changes the bundle. */
async function withBundle(change: (text: string, payload: JsonObject) => string | Promise<string>) {
  const world = await createWorld()
  const fetch: typeof world.fetch = async (input, init) => {
    const reply = await world.fetch(input, init)
    if (String(input) !== `${ISSUER}/bundle`) return reply
    const text = await reply.text()
    const { payload } = readJws(text, { algs: ['ES256'], typ: ['postern-bundle+jwt'] })
    return new Response(await change(text, parseJson(payload) as JsonObject), { headers: reply.headers })
  }
  const runtime = { clock: world.clock.clock, random: world.random, crypto, fetch, ksf: quickKsf }
  const { client } = createPhone(world, { runtime })
  got(await client.start())
  const screen = user(['40718', '40718'])
  const register = (prompts: Prompts = screen) => client.register({ custom: 'letter', data: 'c-1' }, prompts)
  return { world, client, screen, register }
}

const thief = async (world: { random: (n: number) => Uint8Array }) =>
  crypto.signer('ES256', await crypto.generateKey('ES256', world.random))

describe('the bundle with the PIN policy', () => {
  it('is taken from the issuer', async () => {
    const { register, screen } = await withBundle((text) => text)
    got(await register())
    expect(screen.asked).toEqual(['new'])
  })

  it.each<[string, (text: string, payload: JsonObject) => string | Promise<string>]>([
    [
      'signed by somebody else under the same kid',
      async (text, payload) => {
        const { kid } = readJws(text, { algs: ['ES256'], typ: ['postern-bundle+jwt'] })
        const signer = await thief({ random: (n) => globalThis.crypto.getRandomValues(new Uint8Array(n)) })
        return signJws(signer, { typ: 'postern-bundle+jwt', kid: kid! }, { ...payload, pin_policy: {} })
      },
    ],
    ['with a signature of nothing', (text) => `${text.slice(0, text.lastIndexOf('.'))}.${'A'.repeat(86)}`],
    ['that is none', () => 'hello'],
  ])('%s: is refused, and nobody is asked for a PIN', async (_, change) => {
    const { register, screen, client } = await withBundle(change)
    expect(await register()).toMatchObject({ ok: false, error: { code: 'net.unreachable' } })
    expect(screen.asked).toEqual([])
    expect(await client.profiles()).toEqual([])
  })

  it('is no older than the last: an old one with weaker rules cannot be played back', async () => {
    let old: string | null = null
    let replay = false
    const { register, world, client } = await withBundle((text) => {
      old ??= text
      return replay ? old : text
    })
    got(await register())
    world.clock.advance(3_600_000)
    got(await client.register({ custom: 'letter', data: 'c-2' }, user(['52960'])))
    replay = true
    expect(await client.register({ custom: 'letter', data: 'c-3' }, user(['52960']))).toMatchObject({
      error: { code: 'net.unreachable' },
    })
  })
})
