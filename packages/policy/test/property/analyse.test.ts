/** Findings and differences are those that brute force finds: all of them, and no others. */
import { analyse, type Finding } from '@postern/policy/analyse'
import { type Compiled, compile } from '@postern/policy/compile'
import { diff } from '@postern/policy/diff'
import type { Box, PolicyDocument, Rule } from '@postern/policy/document'
import { decide } from '@postern/policy/evaluate'
import { merge, neutral, type Requirement, requirementOf } from '@postern/policy/obligations'
import type { FactInput } from '@postern/policy/schema'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  fresh,
  ideal,
  inBox,
  meets,
  type Point,
  pointsOf,
  speaksOfAcr,
  tiny,
  tinyBox,
  tinyDoc,
  tinyRules,
  verdictOf,
} from '../tiny.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const steps = 100_000
const given = (p: object): FactInput<(typeof tiny)['spec']> => p as unknown as FactInput<(typeof tiny)['spec']>
const load = (d: PolicyDocument): Compiled => compile(tiny, d) as unknown as Compiled

interface Facts {
  readonly document: PolicyDocument
  readonly points: readonly Point[]
  meets(rule: Rule, p: Point): boolean
  allowed(p: Point): boolean
}
const all = [pointsOf(false), pointsOf(true)]
function factsOf(document: PolicyDocument): Facts {
  const p = compile(tiny, document)
  const once = <K>(make: (key: K, point: Point) => boolean): ((key: K, point: Point) => boolean) => {
    const known = new Map<K, Map<Point, boolean>>()
    return (key, point) => {
      const mine = known.get(key) ?? new Map<Point, boolean>()
      known.set(key, mine)
      if (!mine.has(point)) mine.set(point, make(key, point))
      return mine.get(point)!
    }
  }
  const allowed = once<null>((_, point) => decide(p, given({ ...ideal, ...point })).outcome === 'allow')
  return {
    document,
    points: all[speaksOfAcr(document) ? 1 : 0]!,
    meets: once(meets),
    allowed: (point) => allowed(null, point),
  }
}

const demandOf = (rule: Rule, { fallback }: PolicyDocument): Requirement =>
  rule.effect === 'require' ? requirementOf(rule.require, fallback) : neutral
const covers = (a: Requirement, b: Requirement): boolean => JSON.stringify(merge(a, b)) === JSON.stringify(merge(a, a))

/** By the definitions, one string a finding. */
function bruteForce(f: Facts): Set<string> {
  const { document, points, meets } = f
  const out = new Set<string>()
  const active = document.rules.filter(({ mode }) => mode === 'enforce')
  const of = (rule: Rule): readonly Point[] => points.filter((p) => meets(rule, p))
  const any = (rules: readonly Rule[], p: Point): boolean => rules.some((rule) => meets(rule, p))
  const denies = active.filter(({ effect }) => effect === 'deny')
  for (const rule of document.rules) if (of(rule).length === 0) out.add(`unsatisfiable ${rule.id}`)
  for (const rule of active) {
    const mine = of(rule)
    if (mine.length === 0) continue
    if (rule.effect !== 'deny' && mine.every((p) => any(denies, p))) out.add(`overridden ${rule.id}`)
    const others = active.filter(
      (other) => other !== rule && other.effect === rule.effect && covers(demandOf(other, document), demandOf(rule, document)),
    )
    if (mine.every((p) => any(others, p))) out.add(`redundant ${rule.id}`)
    if (rule.effect === 'require' && (rule.require.acr ?? 0) > 2 && mine.some((p) => !any(denies, p)))
      out.add(`conflict ${rule.id}`)
    if (rule.effect === 'allow')
      for (const other of denies)
        if (points.every((p) => meets(rule, p) === meets(other, p))) out.add(`conflict ${rule.id} ${other.id}`)
    if (rule.effect === 'allow') continue
    for (const fact of ['rooted', 'app.version', 'os.platform']) {
      const near = neighbours(points, fact)
      if (mine.some((x) => near(x).some((y) => switched(f, active, rule, y)))) out.add(`declared-switch ${rule.id} ${fact}`)
    }
  }
  for (const action of ['login', 'confirm'])
    if (points.some((p) => p['action'] === action && !any(active, p))) out.add(`gap ${action}`)
  document.invariants.forEach(({ when }, i) => {
    if (points.some((p) => inBox(when, p) && f.allowed(p))) out.add(`invariant ${i}`)
  })
  return out
}

/** Requests that differ from one in a fact alone, and in what exists only for some of its values. */
function neighbours(points: readonly Point[], fact: string): (x: Point) => readonly Point[] {
  const known = groups.get(points)?.get(fact)
  const shared = new Map<Point, readonly Point[]>()
  if (!known) {
    const near = new Map<string, Point[]>()
    for (const p of points) {
      const key = JSON.stringify({ ...p, [fact]: 0, ...(fact === 'os.platform' ? { boot: 0 } : {}) }, names)
      near.set(key, [...(near.get(key) ?? []), p])
    }
    for (const mine of near.values()) for (const p of mine) shared.set(p, mine)
    groups.set(points, new Map([...(groups.get(points) ?? []), [fact, shared]]))
  }
  // What applies to both is the same in both.
  return (x) =>
    (known ?? shared)
      .get(x)!
      .filter((y) => y[fact] !== x[fact] && (fact !== 'os.platform' || y['boot'] === undefined || x['boot'] === undefined))
}
const groups = new Map<readonly Point[], ReadonlyMap<string, ReadonlyMap<Point, readonly Point[]>>>()
const names = ['action', 'amount', 'rooted', 'app.id', 'app.version', 'os.platform', 'boot', 'groups', 'authenticator.acr']

function switched(f: Facts, active: readonly Rule[], rule: Rule, y: Point): boolean {
  if (f.meets(rule, y) || !f.allowed(y)) return false
  const due = active.filter((one) => one.effect === 'require' && f.meets(one, y)).map((one) => demandOf(one, f.document))
  return rule.effect === 'deny' || !covers(due.reduce(merge, neutral), demandOf(rule, f.document))
}

function said({ kind, rules, fingerprint, witness, at }: Finding): string | null {
  const about = (JSON.parse(fingerprint) as unknown[])[3]
  switch (kind) {
    case 'gap':
      return `gap ${witness!['action']}`
    case 'invariant':
      return `invariant ${at.split('/')[2]}`
    case 'conflict':
      return about === 'equal' ? `conflict ${rules[0]} ${rules[1]}` : `conflict ${rules[0]}`
    case 'declared-switch':
      return `declared-switch ${rules[0]} ${about}`
    case 'lock-out':
    case 'fallback':
    case 'alternatives':
      return null
    default:
      return `${kind} ${rules[0]}`
  }
}

it('analysis finds what brute force finds, in both directions, and what it shows is so', () => {
  fc.assert(
    fc.property(tinyRules, fc.array(tinyBox, { maxLength: 2 }), (rules, never) => {
      const document = tinyDoc(rules, { invariants: never.map((when) => ({ never: 'allow', when })) })
      const f = factsOf(document)
      const { findings, complete } = analyse(load(document), { steps })
      expect(complete).toBe(true)
      expect(new Set(findings.map(said).filter((one) => one !== null))).toEqual(bruteForce(f))
      for (const finding of findings) confirm(f, finding)
    }),
    { numRuns },
  )
}, 300_000)

/** Whatever a finding shows or names as its cause. */
function confirm(f: Facts, { kind, rules, witness, counterpart, box }: Finding): void {
  const { document, points } = f
  const byId = new Map(document.rules.map((rule) => [rule.id, rule]))
  const [first, ...causes] = rules.map((id) => byId.get(id)!) as [Rule, ...Rule[]]
  if (kind === 'overridden' || kind === 'redundant') {
    expect(meets(first, witness!)).toBe(true)
    for (const p of points.filter((one) => meets(first, one))) expect(causes.some((rule) => meets(rule, p))).toBe(true)
  }
  if (kind === 'gap')
    for (const p of points.filter((one) => one['action'] === witness!['action'] && inBox(box!, one)))
      expect(document.rules.some((rule) => rule.mode === 'enforce' && meets(rule, p))).toBe(false)
  if (kind === 'invariant') expect(f.allowed(witness!)).toBe(true)
  if (kind === 'declared-switch') {
    expect(meets(first, witness!)).toBe(true)
    expect([meets(first, counterpart!), f.allowed(counterpart!)]).toEqual([false, true])
  }
  if (kind === 'unsatisfiable' && first.anyOf === undefined) expect(points.some((p) => inBox(box!, p))).toBe(false)
}

it('devices are locked out that no other fact and no session lets log in, and no others', () => {
  fc.assert(
    fc.property(tinyRules, (rules) => {
      const document = tinyDoc(rules)
      const f = factsOf(document)
      const kindOf = (p: Point): string => JSON.stringify([p['app.id'], p['app.version'], p['os.platform']])
      const logins = f.points.filter(({ action }) => action === 'login')
      const free = new Set(logins.filter((p) => f.allowed(p)).map(kindOf))
      const counts = logins.filter(({ rooted, groups, boot }) => !rooted && (groups as unknown[]).length === 0 && boot !== true)
      const installed = [...new Set(counts.map(kindOf))].map((key) => {
        const [app, version, platform] = JSON.parse(key) as [string, string, string]
        return { facts: { 'app.id': app, 'app.version': version, 'os.platform': platform }, devices: 1 }
      })
      const { findings } = analyse(load(document), { steps, installed })
      const boxes = findings.filter(({ kind }) => kind === 'lock-out')
      for (const p of logins) expect(boxes.some(({ box }) => inBox(box!, p))).toBe(!free.has(kindOf(p)))
      for (const { box, devices } of boxes) expect(devices).toBe(installed.filter(({ facts }) => inBox(box!, facts)).length)
    }),
    { numRuns },
  )
})

/** A document beside one that was edited, so that most of it is the same. */
const pair = fc.tuple(tinyRules, tinyRules, fc.integer({ min: 0, max: 3 }), fc.boolean()).map(([rules, other, edits, levels]) => [
  tinyDoc(rules),
  tinyDoc(
    rules.map((rule, i) => (i < edits && other[i] ? { ...other[i], id: rule.id } : rule)),
    levels ? { acr: { levels: { pin: 1, webauthn: 1, 'device-key+pin': 2 } } } : {},
  ),
])

it('a diff shows one request for each outcome that becomes another, and only those', () => {
  fc.assert(
    fc.property(pair, ([a, b]) => {
      const [left, right] = [compile(tiny, a!), compile(tiny, b!)]
      const spoken = speaksOfAcr(a!) || speaksOfAcr(b!)
      const expected = new Set<string>()
      for (const p of pointsOf(spoken)) {
        const request = given({ ...fresh, ...p })
        const [x, y] = [decide(left, request), decide(right, request)]
        const [from, to] = [verdictOf(x), verdictOf(y)]
        if (from !== to || JSON.stringify(x.obligation) !== JSON.stringify(y.obligation))
          expected.add(JSON.stringify([from, to, x.obligation, y.obligation]))
      }
      const { changes, undecided } = diff(left as unknown as Compiled, right as unknown as Compiled, { steps })
      expect(undecided).toEqual([])
      const found = changes.map(({ from, to, witness, rules, obligations }) => {
        const [x, y] = [decide(left, given(witness)), decide(right, given(witness))]
        expect([verdictOf(x), verdictOf(y)]).toEqual([from, to])
        expect([rules.before, rules.after]).toEqual([x.matched, y.matched])
        return JSON.stringify([from, to, obligations?.before ?? null, obligations?.after ?? null])
      })
      expect(new Set(found)).toEqual(expected)
      expect(found.length).toBe(expected.size)
    }),
    { numRuns },
  )
}, 300_000)

it('nothing differs from itself, nor from the same rules written otherwise', () => {
  const split = (when: Box): readonly Box[] => [
    { ...when, rooted: true },
    { ...when, rooted: false },
  ]
  fc.assert(
    fc.property(tinyRules, (rules) => {
      const a = load(tinyDoc(rules))
      expect(diff(a, a, { steps }).changes).toEqual([])
      const other = [...rules]
        .reverse()
        .map((rule) =>
          rule.anyOf || rule.when?.['rooted'] !== undefined ? rule : { ...rule, when: {}, anyOf: split(rule.when ?? {}) },
        )
      expect(diff(a, load(tinyDoc(other)), { steps }).changes).toEqual([])
    }),
    { numRuns },
  )
})
