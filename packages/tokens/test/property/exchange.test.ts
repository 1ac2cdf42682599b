import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { ARCHIVE, exchangeAs, exchangingWorld, LEDGER, portalTokens, seenBy } from '../exchanging.js'
import { API, type World } from '../world.js'

const SCOPES = ['accounts', 'payments', 'profile', 'openid', 'offline_access'] as const
const TARGETS: Readonly<Record<string, string>> = { api: API, ledger: LEDGER, archive: ARCHIVE }
const LEVELS = ['level1', 'level2', 'level3'] as const

/** One exchange that somebody tries, and what the host's port would take away. */
const step = fc.record({
  as: fc.constantFrom('portal', 'api', 'ledger', 'archive', 'stranger'),
  resource: fc.option(fc.constantFrom(API, LEDGER, ARCHIVE, 'https://evil.example.com'), { nil: undefined }),
  scope: fc.option(fc.subarray([...SCOPES, 'admin'], { minLength: 1 }), { nil: undefined }),
  narrow: fc.record(
    {
      scope: fc.subarray([...SCOPES, 'admin']),
      lifetimeSec: fc.integer({ min: 1, max: 10_000 }),
      acr: fc.constantFrom(...LEVELS),
      kind: fc.constant('implicit' as const),
    },
    { requiredKeys: [] },
  ),
  waitMs: fc.integer({ min: 0, max: 120_000 }),
})

/** Everything introspection says of a token, asked by its holder. */
async function viewOf(w: World, token: string, holder: string) {
  return seenBy(w, holder, token)
}

it('T19 T45 no chain of exchanges widens scope, audience list, level, life or kind, or loses who acts; all of it dies with its root', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 6 }),
      fc.subarray([...SCOPES], { minLength: 1 }),
      async (steps, granted) => {
        let narrow: object = {}
        const w = await exchangingWorld({ context: () => ({ exchange: async () => ({ ok: true, narrow }) }) })
        const root = await portalTokens(w, granted)
        let held = { token: root.access_token!, view: await viewOf(w, root.access_token!, 'portal') }
        const all: [string, string][] = []
        for (const { as, resource, scope, narrow: taken, waitMs } of steps) {
          w.advance(waitMs)
          narrow = taken
          const more = { ...(resource && { resource }), ...(scope && { scope: scope.join(' ') }) }
          const { status, body } = await exchangeAs(w, as, held.token, more)
          if (status !== 200) {
            // A host that would raise the level is a fault of the host's, and no token.
            expect([400, 403, 500]).toContain(status)
            continue
          }
          const view = await viewOf(w, body.access_token, as)
          const before = held.view
          expect(view.active).toBe(true)
          const had = before.scope.split(' ')
          for (const one of view.scope.split(' ').filter(Boolean)) expect(had).toContain(one)
          if (taken.scope) for (const one of view.scope.split(' ').filter(Boolean)) expect(taken.scope).toContain(one)
          expect(view.exp).toBeLessThanOrEqual(before.exp)
          expect(LEVELS.indexOf(view.acr)).toBeLessThanOrEqual(LEVELS.indexOf(before.acr))
          expect([before.kind, 'implicit']).toContain(view.kind)
          expect([view.sub, view.sid, view.client_id]).toEqual(['user-1', 'session1', as])
          expect(Object.values(TARGETS)).toContain(view.aud)
          // Who was there stays there; whoever is not the holder's own client is added, once.
          expect(view.act).toEqual(before.client_id === as ? before.act : { sub: as, ...(before.act && { act: before.act }) })
          held = { token: body.access_token, view }
          all.push([as, body.access_token])
        }
        await w.post('/revoke', { token: root.refresh_token! }, { headers: { authorization: portalAuth } })
        for (const [holder, token] of all) expect((await viewOf(w, token, holder)).active).toBe(false)
      },
    ),
    { numRuns: 60 },
  ))

const portalAuth = `Basic ${Buffer.from(`portal:${encodeURIComponent('a-secret-of-the-portal-that-is-long:enough%')}`).toString('base64')}`
