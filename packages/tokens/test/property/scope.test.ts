import type { Client } from '@postern/tokens/clients'
import { parseConfig } from '@postern/tokens/config'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clientResource, clientScope, narrowScope, scopeAt } from '../../src/internal/scope.js'

const ALL = ['openid', 'offline_access', 'a', 'b', 'c']
const some = fc.subarray(ALL)
const [ONE, TWO, NONE] = ['https://one.example', 'https://two.example', 'https://none.example']
const client = (scope: readonly string[], resources?: readonly string[]): Client => ({
  id: 'x',
  kind: 'shared',
  auth: { method: 'none' },
  redirectUris: [],
  grantTypes: [],
  scope,
  ...(resources !== undefined && { resources }),
})
const tried = <T>(run: () => T): T | null => {
  try {
    return run()
  } catch {
    return null
  }
}

describe('scopes and resources only narrow', () => {
  it('what is given is what was asked for, once each, or nothing when any of it may not be had', () =>
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...ALL), { minLength: 1 }), some, (asked, most) => {
        const given = tried(() => narrowScope(asked.join(' '), most))
        const fits = asked.every((token) => most.includes(token))
        expect(given === null ? null : [...given].sort()).toEqual(fits ? [...new Set(asked)].sort() : null)
      }),
    ))

  it('a client gets what its issuer has, it may have and it asked for', () =>
    fc.assert(
      fc.property(some, some, some, (asked, own, offered) => {
        const config = parseConfig({ defaultResource: ONE, scopes: offered })
        const given = tried(() => clientScope(asked.length === 0 ? undefined : asked.join(' '), client(own), config)) ?? []
        for (const token of given) expect([own, offered, asked].every((all) => all.includes(token))).toBe(true)
      }),
    ))

  it('at a resource it gets no more than both allow, and asking twice changes nothing', () =>
    fc.assert(
      fc.property(some, some, (scope, most) => {
        const config = parseConfig({ defaultResource: ONE, resources: { [ONE]: { scopes: most } }, scopes: ALL })
        const given = scopeAt(ONE, scope, config)
        for (const token of given) expect(scope.includes(token) && (most.includes(token) || ALL.indexOf(token) < 2)).toBe(true)
        expect(scopeAt(ONE, given, config)).toEqual(given)
      }),
    ))

  it('one resource, of the client’s and of the issuer’s', () =>
    fc.assert(
      fc.property(
        fc.constantFrom(undefined, ONE, TWO, NONE),
        fc.option(fc.subarray([ONE, TWO, NONE]), { nil: undefined }),
        (asked, own) => {
          const config = parseConfig({ defaultResource: ONE, resources: { [ONE]: {}, [TWO]: {} } })
          const given = tried(() => clientResource(asked, client([], own), config))
          const wanted = asked ?? ONE
          expect(given).toBe((own ?? [ONE]).includes(wanted) && wanted !== NONE ? wanted : null)
        },
      ),
    ))
})
