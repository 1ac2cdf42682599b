import { faultyStore } from '@postern/testkit/faulty'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { world } from '../world.js'

const numRuns = Number(process.env.POSTERN_RUNS ?? 100)

/** What a family is, in a few lines: its tokens in order, when the newest came to be, whether it lives. */
interface Model {
  tokens: string[]
  rotatedAt: number
  live: boolean
}
const GRACE = 3_600_000

describe('refresh rotation', () => {
  it('agrees with its model for any order of use, retry, reuse, revocation and time', async () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 5, arbitrary: fc.record({ use: fc.nat({ max: 2 }), node: fc.nat({ max: 1 }) }) },
        { weight: 2, arbitrary: fc.record({ wait: fc.constantFrom(1000, GRACE, GRACE + 1) }) },
        { weight: 1, arbitrary: fc.constant({ revoke: true }) },
      ),
      { maxLength: 12 },
    )
    const w = await world()
    const device = await w.device()
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const { body } = await w.redeem(device, await w.code(device.id))
        const model: Model = { tokens: [body.refresh_token], rotatedAt: w.now(), live: true }
        for (const step of all) {
          if ('wait' in step) w.advance(step.wait)
          else if ('revoke' in step) {
            const dpop = await device.proof('https://id.example.com/t1/revoke')
            await w.post('/revoke', { client_id: device.id, token: model.tokens[0]! }, { headers: { dpop } })
            model.live = false
          } else {
            const newest = model.tokens.length - 1
            const used = Math.max(0, newest - step.use)
            const answer = await w.refresh(device, model.tokens[used]!, step.node)
            const retry = used === newest - 1 && w.now() <= model.rotatedAt + GRACE
            expect(answer.status).toBe(model.live && (used === newest || retry) ? 200 : 400)
            if (model.live && used === newest) {
              model.tokens.push(answer.body.refresh_token)
              model.rotatedAt = w.now()
            } else if (model.live && retry) expect(answer.body.refresh_token).toBe(model.tokens[newest])
            else model.live = false
          }
        }
      }),
      { numRuns },
    )
  })

  it('whatever character of a handle changes, it is refused', async () => {
    const w = await world()
    const device = await w.device()
    const { refresh_token } = (await w.redeem(device, await w.code(device.id))).body
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: refresh_token.length - 1 }), fc.constantFrom(...'Az09-_=+ .'), async (at, character) => {
        fc.pre(refresh_token[at] !== character)
        const altered = refresh_token.slice(0, at) + character + refresh_token.slice(at + 1)
        expect((await w.refresh(device, altered)).status).not.toBe(200)
      }),
      { numRuns },
    )
    expect((await w.refresh(device, refresh_token)).status).toBe(200)
  })

  it('under a lying network one code gives at most one family, and one token at most one successor', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        let lying = false
        const w = await world({
          wrap: (store) => {
            const faulty = faultyStore(store, {
              seed,
              plan: { delay: 0.1, dropBefore: 0.1, dropAfter: 0.1, late: 0.1, duplicate: 0.1 },
            })
            return {
              ...store,
              commit: (...a) => (lying ? faulty : store).commit(...a),
              read: (...a) => (lying ? faulty : store).read(...a),
            }
          },
        })
        const device = await w.device()
        const code = await w.code(device.id)
        lying = true
        const redeemed = (await Promise.all([0, 1, 0, 1].map((node) => w.redeem(device, code, node)))).filter(
          ({ status }) => status === 200,
        )
        lying = false
        expect(redeemed.length).toBeLessThanOrEqual(1)
        const other = (await w.redeem(device, await w.code(device.id))).body
        lying = true
        const answers = await Promise.all(Array.from({ length: 6 }, (_, i) => w.refresh(device, other.refresh_token, i % 2)))
        lying = false
        const good = answers.filter(({ status }) => status === 200)
        expect(new Set(good.map(({ body }) => body.refresh_token)).size).toBeLessThanOrEqual(1)
        expect(answers.every(({ status }) => [200, 400, 503].includes(status))).toBe(true)
        // Nobody is logged out by the network: the honest party's next try works.
        const token = good[0]?.body.refresh_token ?? other.refresh_token
        expect((await w.refresh(device, token)).status).toBe(200)
      }),
      { numRuns: Math.ceil(numRuns / 2) },
    )
  })
})
