/// <reference types="node" />
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createWorld, type Fate, registered, user } from '../support/world.js'

const right = '40718'
/** Each run has a bank of its own: a tenth of what other properties take. */
const numRuns = Math.ceil(Number(process.env['POSTERN_RUNS'] ?? 100) / 10)

/** What a user, an app and a network do to a client; `at` is the request of the login that it happens to. */
type Act =
  | { readonly act: 'login'; readonly wrong: boolean }
  | { readonly act: 'lost'; readonly wrong: boolean; readonly at: number; readonly fate: Fate }
  | { readonly act: 'abort'; readonly wrong: boolean; readonly at: number }
  | { readonly act: 'fetch' | 'background' | 'logout' }
  | { readonly act: 'wait'; readonly ms: number }

const at = fc.integer({ min: 1, max: 6 })
const wrong = fc.boolean()
const acts: fc.Arbitrary<readonly Act[]> = fc.array(
  fc.oneof(
    fc.record({ act: fc.constant('login' as const), wrong }),
    fc.record({ act: fc.constant('lost' as const), wrong, at, fate: fc.constantFrom<Fate>('lose-request', 'lose-reply') }),
    fc.record({ act: fc.constant('abort' as const), wrong, at }),
    fc.record({ act: fc.constantFrom('fetch' as const, 'background' as const, 'logout' as const) }),
    fc.record({ act: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 900_000 }) }),
  ),
  { minLength: 3, maxLength: 12 },
)

it('whatever is cut off and in whatever order: the right PIN logs in while a try is left, a wrong one never does', async () => {
  await fc.assert(
    fc.asyncProperty(acts, async (all) => {
      const world = await createWorld()
      const { client, profile } = await registered(world)
      const background: Promise<unknown>[] = []
      /** The most tries that the server can have counted since the last right PIN, of three. */
      let spent = 0

      async function logIn(isWrong: boolean, signal?: AbortSignal): Promise<boolean> {
        spent++
        const done = await client.login(profile, user([isWrong ? '00000' : right]), signal === undefined ? {} : { signal })
        if (isWrong) expect(done.ok, 'a wrong PIN').toBe(false)
        if (done.ok) spent = 0
        return done.ok
      }

      // The session of a registration is good for enrolling alone.
      await logIn(false)
      for (const one of all) {
        // The third try is the right PIN's: nobody has typed three wrong ones, so it must be there.
        if (spent === 2) expect(await logIn(false), 'the third try').toBe(true)
        let requests = 0
        if (one.act === 'login') expect(await logIn(one.wrong)).toBe(!one.wrong)
        else if (one.act === 'lost') {
          world.fate = () => (++requests === one.at ? one.fate : 'pass')
          await logIn(one.wrong)
        } else if (one.act === 'abort') {
          const controller = new AbortController()
          world.late = () => {
            if (++requests === one.at) controller.abort()
            return null
          }
          await logIn(one.wrong, controller.signal)
        } else if (one.act === 'wait') world.clock.advance(one.ms)
        else if (one.act === 'logout') expect(await client.logout()).toMatchObject({ ok: true, value: { server: 'told' } })
        else if (one.act === 'background') background.push(client.fetch('/accounts').catch((error: unknown) => error))
        else if (client.session !== null) expect((await client.fetch('/accounts')).status).toBe(200)
        else await expect(client.fetch('/accounts')).rejects.toMatchObject({ code: 'login.required' })
        world.fate = () => 'pass'
        world.late = () => null
      }
      await Promise.all(background)
      expect(await logIn(false), 'the last login').toBe(true)
      expect((await client.fetch('/accounts')).status).toBe(200)
    }),
    { numRuns },
  )
}, 300_000)
