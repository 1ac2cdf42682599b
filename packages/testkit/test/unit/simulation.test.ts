import { type Faults, seededRandom, simClock, simNetwork, simPorts } from '@postern/testkit/simulation'
import { describe, expect, it } from 'vitest'

describe('clock and randomness', () => {
  it('a clock stands until it is moved, and does not go back', () => {
    const { clock, advance } = simClock(1000)
    expect([clock(), clock()]).toEqual([1000, 1000])
    advance(5)
    expect(clock()).toBe(1005)
    expect(() => advance(-1)).toThrow(RangeError)
  })

  it('one seed gives the same bytes, and another seed others, evenly spread', () => {
    expect(seededRandom(1)(32)).toEqual(seededRandom(1)(32))
    expect(seededRandom(1)(32)).not.toEqual(seededRandom(2)(32))
    const counts = new Array<number>(256).fill(0)
    for (const byte of seededRandom(3)(256 * 200)) counts[byte]!++
    const chi = counts.reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0)
    // 255 degrees of freedom: 99.9 % lies between 190 and 330.
    expect(chi).toBeGreaterThan(180)
    expect(chi).toBeLessThan(340)
  })

  it('two processes under one seed are one and the same', async () => {
    const [one, two] = [simPorts({ seed: 5 }), simPorts({ seed: 5 })]
    expect([one.random(16), one.clock()]).toEqual([two.random(16), two.clock()])
    await one.events([{ id: '0', at: 1, tenant: 'bank', type: 'login.started', outcome: 'success' }])
    expect([one.collected.length, two.collected.length]).toEqual([1, 0])
    one.time.advance(1)
    expect(one.clock() - two.clock()).toBe(1)
  })
})

describe('network', () => {
  const run = async (faults: Faults, requests = 200, seed = 1) => {
    let handled = 0
    const net = simNetwork({ seed, faults })
    net.register('bank.example', async (request) => {
      handled++
      return new Response(`${request.method} ${await request.text()}`)
    })
    const told: string[] = []
    for (let i = 0; i < requests; i++)
      told.push(
        await net.fetch('https://bank.example/', { method: 'POST', body: `${i}` }).then(
          (reply) => reply.text(),
          (error) => (error instanceof TypeError ? 'lost' : 'bug'),
        ),
      )
    return { handled, told, lost: told.filter((text) => text === 'lost').length }
  }

  it('carries requests to the host that is registered for them', async () => {
    expect(await run({}, 2)).toEqual({ handled: 2, told: ['POST 0', 'POST 1'], lost: 0 })
    await expect(simNetwork({ seed: 1 }).fetch('https://nowhere.example/')).rejects.toThrow(TypeError)
  })

  it('a lost request does not reach the handler; a lost reply does, and the caller sees the same error', async () => {
    expect(await run({ loseRequest: 1 })).toMatchObject({ handled: 0, lost: 200 })
    expect(await run({ loseReply: 1 })).toMatchObject({ handled: 200, lost: 200 })
    expect(await run({ duplicate: 1 })).toMatchObject({ handled: 400, lost: 0 })
  })

  it('the same seed loses the same replies', async () => {
    const faults = { loseRequest: 0.2, loseReply: 0.2, duplicate: 0.2 }
    const [one, again, other] = [await run(faults), await run(faults), await run(faults, 200, 2)]
    expect(again).toEqual(one)
    expect(other.told).not.toEqual(one.told)
    expect(one.lost).toBeGreaterThan(40)
    expect(one.lost).toBeLessThan(110)
  })

  it('delays go through `pause`, and an aborted request ends', async () => {
    const pauses: number[] = []
    const controller = new AbortController()
    const net = simNetwork({ seed: 1, faults: { delayMs: 50 }, pause: async (ms) => void pauses.push(ms) })
    net.register('bank.example', () => {
      controller.abort()
      return new Response('late')
    })
    await expect(net.fetch('https://bank.example/', { signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' })
    expect(pauses).toHaveLength(2)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(50)
  })

  it('redirects are followed, handed back or refused as the request says', async () => {
    const net = simNetwork({ seed: 1 })
    net.register('bank.example', ({ url }) =>
      url.endsWith('/end') ? new Response('end') : new Response(null, { status: 302, headers: { location: '/end' } }),
    )
    expect(await (await net.fetch('https://bank.example/')).text()).toBe('end')
    expect((await net.fetch('https://bank.example/', { redirect: 'manual' })).status).toBe(302)
    await expect(net.fetch('https://bank.example/', { redirect: 'error' })).rejects.toThrow(TypeError)
  })
})
