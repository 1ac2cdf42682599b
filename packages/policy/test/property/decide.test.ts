import { compile } from '@postern/policy/compile'
import type { Rule } from '@postern/policy/document'
import { decide } from '@postern/policy/evaluate'
import { explain } from '@postern/policy/explain'
import { encode } from '@postern/policy/facts'
import type { FactInput } from '@postern/policy/schema'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Tables } from '../../src/internal/tables.js'
import { complete, domain, request, rules } from '../arbitraries.js'
import { outcome } from '../oracle.js'
import { deny, doc, small } from '../small.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
type Input = FactInput<(typeof small)['spec']>
const of = (f: object): Input => f as unknown as Input

it('decide is what the definition says, on complete requests', () => {
  fc.assert(
    fc.property(rules, fc.array(complete, { minLength: 10, maxLength: 10 }), (found, requests) => {
      const document = doc(found)
      const p = compile(small, document)
      for (const f of requests) {
        const d = decide(p, of(f))
        expect([d.outcome, d.shadow]).toEqual([outcome(document, f), outcome(document, f, true)])
      }
    }),
    { numRuns: numRuns * 5 },
  )
})

it('fail closed: what a partial request is allowed, every completion is allowed', () => {
  fc.assert(
    fc.property(rules, request, fc.array(complete, { minLength: 8, maxLength: 8 }), (found, partial, others) => {
      const p = compile(small, doc(found))
      if (decide(p, of(partial)).outcome !== 'allow') return
      for (const other of others) expect(decide(p, of({ ...other, ...partial })).outcome).toBe('allow')
    }),
    { numRuns: numRuns * 5 },
  )
})

it('fail closed: removing facts never turns deny or require into allow', () => {
  fc.assert(
    fc.property(rules, request, fc.subarray(Object.keys(domain)), (found, whole, dropped) => {
      const p = compile(small, doc(found))
      const less = Object.fromEntries(Object.entries(whole).filter(([name]) => name === 'action' || !dropped.includes(name)))
      if (decide(p, of(less)).outcome === 'allow') expect(decide(p, of(whole)).outcome).toBe('allow')
    }),
    { numRuns: numRuns * 10 },
  )
})

it('tables of their own for each app decide and explain what the whole decides, and so does every encoding of a request', () => {
  const apps = ['x', 'y', 'v', 'w', 'u', 't']
  const padding = apps.flatMap((app) =>
    Array.from({ length: 9 }, (_, i) => deny(`p-${app}-${i}`, { app, amount: 0, action: 'login' })),
  )
  const spread = (found: readonly Rule[]): Rule[] =>
    found.flatMap((rule, i) =>
      apps.map((app, k) => ({
        ...rule,
        id: `${rule.id}-${app}`,
        when: (i + k) % 11 === 0 ? (rule.when ?? {}) : { ...rule.when, app },
      })),
    )
  fc.assert(
    fc.property(rules, fc.array(request, { minLength: 8, maxLength: 8 }), (found, requests) => {
      const document = doc([...padding, ...spread(found)])
      const [whole, split] = [compile(small, document, { partitioned: false }), compile(small, document)]
      expect((split.tables as Tables).partition?.attribute.fact).toBe('app')
      for (const f of requests) {
        const d = decide(whole, of(f))
        expect([decide(split, of(f)), decide(split, encode(small, of(f)))]).toEqual([d, d])
        expect(explain(split, of(f), { audience: 'operator' })).toEqual(explain(whole, of(f), { audience: 'operator' }))
      }
    }),
    { numRuns },
  )
})

it('an unusable value is as bad as none', () => {
  fc.assert(
    fc.property(
      rules,
      complete,
      fc.constantFrom(...Object.keys(domain).filter((name) => name !== 'action')),
      (found, f, name) => {
        const p = compile(small, doc(found))
        const { [name]: _, ...without } = f
        const broken = decide(p, of({ ...f, [name]: Number.NaN }))
        expect({ ...broken, unknown: [] }).toEqual({ ...decide(p, of(without)), unknown: [] })
      },
    ),
    { numRuns },
  )
})

it('no order changes anything: rules, conditions, facts', () => {
  fc.assert(
    fc.property(rules, request, fc.infiniteStream(fc.nat()), (found, f, random) => {
      const shuffled = <T>(all: readonly T[]): T[] =>
        all
          .map((x) => [random.next().value, x] as const)
          .sort(([a], [b]) => a - b)
          .map(([, x]) => x)
      const flip = <T extends object>(o: T): T => Object.fromEntries(shuffled(Object.entries(o))) as T
      const other = shuffled(found).map((rule) => ({ ...rule, ...(rule.when ? { when: flip(rule.when) } : {}) }))
      expect(decide(compile(small, doc(other)), of(flip(f)))).toEqual(decide(compile(small, doc(found)), of(f)))
    }),
    { numRuns },
  )
})

it('a require names at least one alternative that is usable now, and some allow rule awaits it', () => {
  fc.assert(
    fc.property(rules, request, (found, f) => {
      const p = compile(small, doc(found))
      const facts = encode(small, of(f))
      const d = decide(p, facts)
      expect(d.obligation !== null).toBe(d.outcome === 'require')
      expect(d.reason === null).toBe(d.outcome === 'allow')
      const usable = (f['authenticator.usable'] ?? []) as readonly string[]
      if (d.obligation)
        expect(d.obligation.anyOf.some((set) => set.length > 0 && set.every((kind) => usable.includes(kind)))).toBe(true)
    }),
    { numRuns: numRuns * 3 },
  )
})

it('more rules than one word holds decide the same', () => {
  const padding = Array.from({ length: 40 }, (_, i) => ({
    ...deny(`a${i}`, { amount: 0, action: 'login' }),
    reason: 'app.outdated' as const,
  }))
  fc.assert(
    fc.property(rules, fc.array(request, { minLength: 8, maxLength: 8 }), (found, requests) => {
      const [few, many] = [compile(small, doc(found)), compile(small, doc([...padding, ...found]))]
      // The padding never applies: `amount` has no meaning at login.
      for (const f of requests) expect(decide(many, of(f))).toEqual(decide(few, of(f)))
    }),
    { numRuns },
  )
})
