import { faultyStore } from '@postern/testkit/faulty'
import { slowStore } from '@postern/testkit/latency'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { good, granted, queryOf } from '../authorization.js'
import { basic, ISSUER, REDIRECT, SECRET, VERIFIER, type World, world } from '../world.js'
import { scheduled } from './scheduled.js'

const numRuns = Number(process.env.POSTERN_RUNS ?? 100)
const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
const headers = { authorization: basic('portal', SECRET) }
const push = async (w: World, more: Record<string, string> = {}): Promise<string> =>
  (await w.post('/par', { ...good, ...more }, { headers })).body.request_uri

/** A page of a pushed request, in the browser of `cookie` where there is one. */
async function page(w: World, request_uri: string, cookie?: string, node = 0) {
  const query = new URLSearchParams({ client_id: 'portal', request_uri })
  const reply = await w.nodes[node]!.fetch(
    new Request(`${ISSUER}/authorize?${query}`, { headers: cookie === undefined ? {} : { cookie } }),
  )
  return { handle: await reply.text(), cookie: cookie ?? reply.headers.get('set-cookie')!.split(';')[0]! }
}
const end = (w: World, { handle, cookie }: { handle: string; cookie: string }, node: number): Promise<Response> =>
  w.nodes[node]!.resume(handle, granted(w), new Request(`${ISSUER}/login`, { headers: { cookie } }))
const redeem = (w: World, code: string) =>
  w.post('/token', { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT }, { headers })

/** Of many answers the one that brings a code; all others are the error page. */
async function onlyWinner(answers: readonly Response[]): Promise<string> {
  const won = answers.filter(({ status }) => status === 303)
  expect(won).toHaveLength(1)
  const pages = await Promise.all(answers.filter((answer) => !won.includes(answer)).map((answer) => answer.text()))
  for (const text of pages) expect(text).toContain('par.invalid')
  return queryOf(won[0]!).get('code')!
}

describe.each([0, 2, 10])('T37 with %i ms a store call, two nodes', (ms) => {
  const slow = () => world({ wrap: (store) => (ms === 0 ? store : slowStore(store, { ms, sleep })) })

  it('50 parallel ends of one page give one code, and it works', async () => {
    const w = await slow()
    const request_uri = await push(w)
    const opened = await page(w, request_uri)
    const code = await onlyWinner(await Promise.all(Array.from({ length: 50 }, (_, i) => end(w, opened, i % 2))))
    expect((await redeem(w, code)).status).toBe(200)
    const again = await w.nodes[1]!.fetch(
      new Request(`${ISSUER}/authorize?${new URLSearchParams({ client_id: 'portal', request_uri })}`),
    )
    expect(again.status).toBe(400)
  })

  it('50 pages of one stored request, ended in parallel, give one code', async () => {
    const w = await slow()
    const request_uri = await push(w, { state: 'x'.repeat(1000), nonce: 'n'.repeat(500) })
    expect(request_uri.length).toBeLessThan(1500)
    const first = await page(w, request_uri)
    const more = await Promise.all(Array.from({ length: 49 }, (_, i) => page(w, request_uri, first.cookie, i % 2)))
    const code = await onlyWinner(await Promise.all([first, ...more].map((opened, i) => end(w, opened, i % 2))))
    expect((await redeem(w, code)).status).toBe(200)
  })

  it('50 parallel ends of a request that was not pushed give one code', async () => {
    const w = await slow()
    const reply = await w.nodes[0]!.fetch(new Request(`${ISSUER}/authorize?${new URLSearchParams(good)}`))
    const opened = { handle: await reply.text(), cookie: reply.headers.get('set-cookie')!.split(';')[0]! }
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => end(w, opened, i % 2)))
    expect(answers.map(({ status }) => status).sort()).toEqual([303, ...Array(49).fill(400)])
  })

  it('granted and denied at once: one code at most, and a denial takes nothing back', async () => {
    const w = await slow()
    const opened = await page(w, await push(w))
    const request = () => new Request(`${ISSUER}/login`, { headers: { cookie: opened.cookie } })
    const denials = Array.from({ length: 25 }, (_, i) =>
      w.nodes[i % 2]!.resume(opened.handle, { outcome: 'denied', error: 'access_denied' }, request()),
    )
    const grants = Array.from({ length: 25 }, (_, i) => end(w, opened, i % 2))
    const answers = await Promise.all([...denials, ...grants])
    const codes = answers.flatMap((answer) => (answer.status === 303 ? (queryOf(answer).get('code') ?? []) : []))
    expect(codes).toHaveLength(1)
    expect((await redeem(w, codes[0]!)).status).toBe(200)
  })
})

it('T37 in every order that two ends, a reload and the redemption can come, there is one code', () =>
  fc.assert(
    fc.asyncProperty(fc.scheduler(), async (schedule) => {
      const { w, race } = await scheduled(schedule)
      const request_uri = await push(w)
      const [one, two] = [await page(w, request_uri), await page(w, request_uri)]
      const answers = await race(() =>
        Promise.all([end(w, one, 0), end(w, two, 1), page(w, request_uri, one.cookie, 1).then(() => null)]),
      )
      const codes = answers.flatMap((answer) => (answer?.status === 303 ? [queryOf(answer).get('code')!] : []))
      expect(codes).toHaveLength(1)
      expect((await redeem(w, codes[0]!)).status).toBe(200)
    }),
    { numRuns },
  ))

it('T37 under a lying network a request gives at most one code, whatever became of its commits', () =>
  fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      let lying = false
      const w = await world({
        wrap: (store) => {
          const plan = { delay: 0.1, dropBefore: 0.1, dropAfter: 0.1, late: 0.1, duplicate: 0.1 }
          const faulty = faultyStore(store, { seed, plan })
          return {
            ...store,
            read: (...a) => (lying ? faulty : store).read(...a),
            commit: (...a) => (lying ? faulty : store).commit(...a),
          }
        },
      })
      const opened = await page(w, await push(w))
      lying = true
      const answers = await Promise.all(Array.from({ length: 6 }, (_, i) => end(w, opened, i % 2)))
      lying = false
      const codes = answers.flatMap((answer) => (answer.status === 303 ? [queryOf(answer).get('code')!] : []))
      expect(codes.length).toBeLessThanOrEqual(1)
      const late = await end(w, opened, 0)
      if (late.status === 303) codes.push(queryOf(late).get('code')!)
      expect(codes.length).toBeLessThanOrEqual(1)
      for (const code of codes) expect((await redeem(w, code)).status).toBe(200)
    }),
    { numRuns },
  ))
