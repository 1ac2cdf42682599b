import { compile } from '@postern/policy/compile'
import { decide } from '@postern/policy/evaluate'
import { explain } from '@postern/policy/explain'
import { encode } from '@postern/policy/facts'
import { type Remedy, type RemedyStep, remedy } from '@postern/policy/remedy'
import { residual, thresholds } from '@postern/policy/residual'
import type { FactInput } from '@postern/policy/schema'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { complete, request, rules } from '../arbitraries.js'
import { allow, deny, doc, small } from '../small.js'
import { fresh, type Point, pointsOf, tiny, tinyDoc, tinyRules } from '../tiny.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const of = (f: object): FactInput<(typeof small)['spec']> => f as unknown as FactInput<(typeof small)['spec']>
const given = (f: object): FactInput<(typeof tiny)['spec']> => f as unknown as FactInput<(typeof tiny)['spec']>
const points = pointsOf(false)
const mutable = ['amount', 'app.version', 'groups']

/** A value that a step names, or one that it allows. */
function applied(p: Point, { fact, op, value }: RemedyStep): Point {
  const set = (p[fact] ?? []) as readonly string[]
  switch (op) {
    case 'oneOf':
      return { ...p, [fact]: (value as readonly unknown[])[0] }
    case 'gte':
    case 'lte':
      return { ...p, [fact]: value }
    case 'lt':
      return { ...p, [fact]: typeof value === 'number' ? value - 1 : '1.0' }
    case 'between':
      return { ...p, [fact]: (value as readonly unknown[])[0] }
    case 'has':
      return { ...p, [fact]: [...set, value as string] }
    case 'hasNot':
      return { ...p, [fact]: set.filter((one) => one !== value) }
    case 'hasAll':
      return { ...p, [fact]: [...new Set([...set, ...(value as readonly string[])])] }
    default:
      throw new Error(`${op} of ${fact}`)
  }
}
const after = (p: Point, { steps }: Remedy): Point => steps.reduce(applied, p)

it('a remedy leads to what it says, changes only what a user can change, and no secret for a user', () => {
  fc.assert(
    fc.property(
      tinyRules,
      fc.constantFrom(...points),
      fc.constantFrom('allow' as const, 'require' as const),
      fc.constantFrom('user' as const, 'operator' as const),
      (found, point, want, audience) => {
        const p = compile(tiny, tinyDoc(found))
        const start = { ...fresh, ...point }
        for (const one of remedy(p, given(start), { want, audience, steps: 400 })) {
          const { outcome } = decide(p, given(after(start, one)))
          expect(outcome).toBe(one.outcome)
          expect(outcome === 'allow' || (want === 'require' && outcome === 'require')).toBe(true)
          for (const { fact } of one.steps) {
            const spec = tiny.spec.facts[fact as keyof typeof tiny.spec.facts] as { mutability?: string; secret?: boolean }
            expect([spec.mutability, audience === 'user' && spec.secret === true]).toEqual(['user', false])
          }
        }
      },
    ),
    { numRuns: numRuns * 3 },
  )
})

it('where changing what can be changed helps, a remedy is found, and the nearest first', () => {
  fc.assert(
    fc.property(tinyRules, fc.constantFrom(...points), (found, point) => {
      const document = tinyDoc(found.filter(({ effect }) => effect !== 'require'))
      const p = compile(tiny, document)
      if (JSON.stringify(document).includes('authenticator.acr"')) return
      const start = { ...fresh, ...point }
      if (decide(p, given(start)).outcome === 'allow') return
      const changes = points
        .filter((y) => Object.keys({ ...point, ...y }).every((name) => mutable.includes(name) || y[name] === point[name]))
        .filter((y) => decide(p, given({ ...fresh, ...y })).outcome === 'allow')
        .map((y) => mutable.filter((name) => JSON.stringify(y[name]) !== JSON.stringify(point[name])).length)
      const [first] = remedy(p, given(start), { want: 'allow', audience: 'operator', steps: 2000 })
      expect(first === undefined).toBe(changes.length === 0)
      if (first) expect(first.steps.length).toBeGreaterThanOrEqual(Math.min(...changes))
    }),
    { numRuns: numRuns * 3 },
  )
})

describe('remedies of a payment', () => {
  const p = compile(
    tiny,
    tinyDoc([
      deny('old', { 'app.version': { lt: '2.1' } }, { reason: 'app.outdated' }),
      {
        id: 'pay',
        mode: 'enforce',
        effect: 'require',
        reason: 'step_up',
        when: { amount: { gte: 2 } },
        require: { acr: 2, maxAgeSec: 60 },
      },
      allow('use'),
    ]),
  )
  const old = given({ ...fresh, action: 'confirm', amount: 3, 'app.version': '1.0' })

  it('say: update, then show something stronger or pay less', () => {
    const [less, stronger, webauthn] = remedy(p, old, { want: 'allow', audience: 'user', steps: 200 }).toSorted(
      (a, b) => a.steps.length - b.steps.length,
    )
    const update = { fact: 'app.version', op: 'gte', value: '2.1' }
    expect(less).toEqual({ outcome: 'allow', cost: 3, steps: [expect.anything(), expect.anything()] })
    expect(less!.steps).toContainEqual(update)
    expect(less!.steps).toContainEqual({ fact: 'amount', op: 'lt', value: 2 })
    for (const one of [stronger!, webauthn!]) {
      expect(one.steps).toContainEqual(update)
      expect(one.steps.slice(-2)).toEqual([
        { fact: 'authenticator.acr', op: 'gte', value: 2 },
        { fact: 'authenticator.ageSec', op: 'lte', value: 60 },
      ])
    }
  })

  it('come cheapest first, none where nothing is to be done or nothing helps within the steps', () => {
    const all = remedy(p, old, { want: 'require', audience: 'user', steps: 200 })
    expect(all.map(({ cost }) => cost)).toEqual(all.map(({ cost }) => cost).toSorted((a, b) => a - b))
    expect(all[0]).toEqual({ outcome: 'require', cost: 2, steps: [{ fact: 'app.version', op: 'gte', value: '2.1' }] })
    expect(
      remedy(p, given({ ...fresh, action: 'login', 'app.version': '3.0' }), { want: 'allow', audience: 'user', steps: 9 }),
    ).toEqual([])
    expect(remedy(p, old, { want: 'require', audience: 'user', steps: 0 })).toEqual([])
    const locked = compile(tiny, tinyDoc([deny('root', { rooted: true }), allow('use')]))
    expect(remedy(locked, given({ action: 'login', rooted: true }), { want: 'allow', audience: 'operator', steps: 200 })).toEqual(
      [],
    )
  })

  it('are what a user is told, with reason and message, and nothing else', () => {
    const told = explain(p, old, { audience: 'user' })
    expect(Object.keys(told).sort()).toEqual(['audience', 'message', 'outcome', 'reason', 'remedies'])
    expect(told.reason).toBe('app.outdated')
    expect(told.remedies).toEqual(remedy(p, old, { want: 'allow', audience: 'user', steps: 200 }))
    expect(explain(p, old, { audience: 'user', steps: 0 }).remedies).toEqual([])
  })
})

it('what is left of a policy decides the rest as the whole decides all, in whatever order facts become known', () => {
  fc.assert(
    fc.property(rules, request, fc.infiniteStream(fc.nat(2)), (found, f, random) => {
      const p = compile(small, doc(found))
      const [first, second, rest] = [{}, {}, {}] as [Record<string, unknown>, Record<string, unknown>, Record<string, unknown>]
      for (const [name, value] of Object.entries(f)) [first, second, rest][random.next().value]![name] = value
      const { action } = f
      const whole = decide(p, of(f))
      const steps = [first, second].map((known) => ({ ...known, action }))
      const [ab, ba] = [steps, [...steps].reverse()].map((order) => order.reduce((r, known) => residual(r, of(known)), p))
      const last = of({ ...rest, action })
      expect([decide(ab!, last), decide(ba!, last)]).toEqual([whole, whole])
      expect([decide(ab!, encode(small, last)), decide(ba!, encode(small, last))]).toEqual([whole, whole])
      // Encoded anew, with all facts.
      expect(decide(ab!, encode(small, of(f)))).toEqual(whole)
    }),
    { numRuns: numRuns * 5 },
  )
})

it('of all facts, nothing is left but what concerns the session, and it decides as before', () => {
  fc.assert(
    fc.property(rules, complete, (found, f) => {
      const p = compile(small, doc(found))
      const r = residual(p, of(f))
      expect(decide(r, of({ action: f['action'] }))).toEqual(decide(p, of(f)))
      const left = (r.tables as { attributes: readonly { fact: string }[] }).attributes.map(({ fact }) => fact)
      expect(left.filter((fact) => !['authenticator.methods', 'authenticator.acr'].includes(fact))).toEqual([])
    }),
    { numRuns },
  )
})

it('thresholds are the cuts at which the decision changes, and no others', () => {
  const p = compile(
    tiny,
    tinyDoc([
      { id: 'pay', mode: 'enforce', effect: 'require', reason: 'step_up', when: { amount: { gte: 1 } }, require: { acr: 1 } },
      { id: 'big', mode: 'enforce', effect: 'require', reason: 'step_up', when: { amount: { gte: 2 } }, require: { acr: 2 } },
      deny('huge', { amount: { gte: 3 }, 'app.id': 'x' }),
      deny('elsewhere', { 'app.version': { lt: '2' }, 'app.id': 'y' }),
      allow('use'),
    ]),
  )
  const at = (app: string, fact = 'amount') =>
    thresholds(residual(p, given({ ...fresh, action: 'confirm', 'app.id': app })) as never, fact).map(
      ({ below, at, above, obligation }) => [below, at, above, obligation?.acr ?? null],
    )
  expect(at('x')).toEqual([
    ['allow', 1, 'require', 1],
    ['require', 2, 'require', 2],
    ['require', 3, 'deny', null],
  ])
  expect(at('z')).toEqual([
    ['allow', 1, 'require', 1],
    ['require', 2, 'require', 2],
  ])
  expect(at('x', 'app.version')).toEqual([])
  expect(at('x', 'rooted')).toEqual([])
})
