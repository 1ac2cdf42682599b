import { type Counting, countingStore } from '@postern/testkit/counting'
import { expect, it } from 'vitest'
import { SECRET, world } from '../world.js'

it('round trips: redemption 1, refresh 1, retry 2, introspection 1, client credentials with a secret 0', async () => {
  const counters: Counting[] = []
  const w = await world({ wrap: (store) => counters[counters.push(countingStore(store)) - 1]!.store })
  const device = await w.device()
  const code = await w.code(device.id)
  const trips = async (run: () => Promise<unknown>): Promise<number> => {
    counters[0]!.reset()
    await run()
    const { read, commit, list } = counters[0]!.counts()
    return read + commit + list
  }
  // biome-ignore lint/suspicious/noExplicitAny: the body of a token response
  let tokens: any
  expect(await trips(async () => (tokens = (await w.redeem(device, code)).body))).toBe(1)
  expect(await trips(() => w.refresh(device, tokens.refresh_token))).toBe(1)
  expect(await trips(() => w.refresh(device, tokens.refresh_token))).toBe(2)
  expect(await trips(() => w.introspect(tokens.access_token))).toBe(1)
  expect(
    await trips(() =>
      w.post('/token', { grant_type: 'client_credentials', client_id: 'service', client_secret: SECRET, scope: 'accounts' }),
    ),
  ).toBe(0)
})
