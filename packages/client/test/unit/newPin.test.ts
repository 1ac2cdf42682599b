/** What decides over a new PIN: block lists that the policy names by their hash, and the suites that phone and server have in common. */
import type { PinSuite } from '@postern/authenticators/pin/messages'
import type { ClientRuntime } from '@postern/client/ports'
import { encodeBlockList } from '@postern/policy/pin/blocklist'
import { defaultPinPolicy, type PinPolicy } from '@postern/policy/pin/policy'
import { describe, expect, it } from 'vitest'
import { createPhone, createWorld, crypto, got, ISSUER, quickKsf, stored, user, type World } from '../support/world.js'

const runtimeOf = (world: World, over: Partial<ClientRuntime> = {}): ClientRuntime => ({
  clock: world.clock.clock,
  random: world.random,
  crypto,
  fetch: world.fetch,
  ksf: quickKsf,
  ...over,
})

/** A phone before its first user; block lists lie at `lists`, whose keys are addresses. */
async function scene(refs: Record<string, string>, lists: (coded: Uint8Array) => Record<string, Response | Error>) {
  const { bytes, count, hash } = await encodeBlockList(5, ['40718', '81539'], crypto)
  const named = Object.fromEntries(Object.entries(refs).map(([length, ref]) => [length, { ref, count, hash }]))
  const pinPolicy: PinPolicy = { ...defaultPinPolicy, length: { min: 5, max: 6 }, blocklists: named }
  const world = await createWorld({ pinPolicy })
  const asked: string[] = []
  const there = lists(bytes)
  const fetch: ClientRuntime['fetch'] = async (input, init) => {
    const found = there[String(input)]
    if (found === undefined) return world.fetch(input, init)
    asked.push(String(input))
    if (found instanceof Error) throw found
    return found.clone()
  }
  const phone = createPhone(world, { runtime: runtimeOf(world, { fetch }) })
  got(await phone.client.start())
  const register = (pins: readonly string[], subject = 'c-1') => {
    const screen = user(pins)
    return phone.client
      .register({ custom: 'letter', data: subject }, screen)
      .then((result) => ({ result, shown: screen.asked, asked: [...asked] }))
  }
  return { world, register }
}

const HERE = `${ISSUER}/lists/five`

describe('a block list that the policy names by its hash', () => {
  it('refuses its PINs on the phone, and is loaded once, before anybody types', async () => {
    const { register } = await scene({ '5': 'lists/five' }, (coded) => ({ [HERE]: new Response(coded.slice()) }))
    const first = await register(['40718', '4071', '52960'])
    expect(first.result.ok).toBe(true)
    expect(first.shown).toEqual(['new', ['blocked'], ['length']])
    expect((await register(['81539', '52960'], 'c-2')).asked).toEqual([HERE])
  })

  it('may lie on another host', async () => {
    const far = 'https://lists.example/five.bin'
    const { register } = await scene({ '5': far }, (coded) => ({ [far]: new Response(coded.slice()) }))
    expect((await register(['40718', '52960'])).shown).toEqual(['new', ['blocked']])
  })

  it('of a length that no PIN may have is not asked for', async () => {
    const { register } = await scene({ '8': 'lists/eight' }, () => ({ [`${ISSUER}/lists/eight`]: new Error('asked') }))
    const { result, asked } = await register(['40718'])
    expect([result.ok, asked]).toEqual([true, []])
  })

  it.each<[string, string, (coded: Uint8Array) => Response | Error]>([
    [
      'with another content',
      'lists/five',
      (coded) => new Response(coded.map((byte, i) => (i === coded.length - 1 ? byte ^ 1 : byte))),
    ],
    ['that is cut off', 'lists/five', (coded) => new Response(coded.slice(0, -1))],
    ['that is not there', 'lists/five', () => new Response('none', { status: 404 })],
    ['that nobody can reach', 'lists/five', () => new TypeError('fetch failed')],
    ['that is too large', 'lists/five', () => new Response(new Uint8Array(4 * 1024 * 1024 + 1))],
    ['at an address of another scheme', 'http://login.bank.example/postern/lists/five', () => new Error('asked')],
    ['at no address', 'https://[', () => new Error('asked')],
  ])('%s: no PIN is made, and nobody is asked for one', async (_, ref, reply) => {
    const { register } = await scene({ '5': ref }, (coded) => ({ [HERE]: reply(coded), [ref]: new Error('asked') }))
    const { result, shown, asked } = await register(['52960'])
    expect(result).toMatchObject({ ok: false, error: { code: 'net.unreachable' } })
    expect(shown).toEqual([])
    expect(asked).toEqual(ref === 'lists/five' ? [HERE] : [])
  })
})

describe('the suite of a PIN', () => {
  const enrolled = async (server: readonly [PinSuite, ...PinSuite[]], suites?: readonly PinSuite[]) => {
    const world = await createWorld({ pin: { suites: server } })
    const phone = createPhone(world, { runtime: runtimeOf(world, suites === undefined ? {} : { suites }) })
    got(await phone.client.start())
    return { ...phone, result: await phone.client.register({ custom: 'letter', data: 'c-1' }, user(['40718'])) }
  }
  const suiteOf = ({ storage }: Awaited<ReturnType<typeof enrolled>>) =>
    (stored(storage).profiles[0]?.slots[0] as { suite?: string } | undefined)?.suite

  it.each<[readonly [PinSuite, ...PinSuite[]], readonly PinSuite[] | undefined, PinSuite]>([
    [['0001'], undefined, '0001'],
    [['0003', '0001'], undefined, '0003'],
    [['0003', '0001'], ['0001'], '0001'],
    [['0002', '0001'], ['0001', '0002', '0003'], '0002'],
  ])('is the first of the server’s %j that the phone has of %j', async (server, suites, suite) => {
    const phone = await enrolled(server, suites)
    const { profile } = got(phone.result)
    expect(suiteOf(phone)).toBe(suite)
    expect(got(await phone.client.login(profile!, user(['40718'])))).toMatchObject({ acr: 'pin' })
  })

  it('that they do not share is none: the app is told that this device cannot', async () => {
    const phone = await enrolled(['0003'], ['0001'])
    expect(phone.result).toMatchObject({ ok: false, error: { code: 'authenticator.unsupported' } })
    expect(await phone.client.profiles()).toEqual([])
  })

  it('changes with the PIN, when phone and server have a better one by then', async () => {
    const world = await createWorld({ pin: { suites: ['0003', '0001'] } })
    const phone = createPhone(world, { runtime: runtimeOf(world, { suites: ['0001'] }) })
    got(await phone.client.start())
    const { profile } = got(await phone.client.register({ custom: 'letter', data: 'c-1' }, user(['40718'])))
    const later = phone.again({}, { runtime: runtimeOf(world, { suites: ['0001', '0003'] }) })
    got(await later.client.start())
    got(await later.client.login(profile!, user(['40718'])))
    got(await later.client.changePin(user(['40718', '40718', '29518'])))
    expect((stored(phone.storage).profiles[0]!.slots[0] as unknown as { suite: string }).suite).toBe('0003')
    expect(got(await later.client.login(profile!, user(['29518'])))).toMatchObject({ acr: 'pin' })
  })
})
