/** The search behind a diff: regions where two policies answer differently. */
import type { Compiled } from '../compile.js'
import type { Obligation } from '../obligations.js'
import { type Algebra, newAlgebra } from './algebra.js'
import { hasBit } from './bits.js'
import { type Area, meet, type Region, type Space, touching } from './boxes.js'
import { inSession, type Session, sessionsOf } from './possibleSessions.js'
import { type Pattern, patterns, start } from './reach.js'
import { type Group, type Side, sidesOf } from './sides.js'
import { type Budget, find, type Request, request } from './witness.js'

export type Verdict = 'deny' | 'default' | 'unachievable' | 'require' | 'allow'

export interface Witnessed {
  readonly request: Request
  readonly from: Verdict
  readonly to: Verdict
}

/** What one side answers once nothing denies: depends on whether an allow rule is there. */
interface Answer {
  readonly yes: Verdict
  readonly no: Verdict
  readonly obligation: Obligation | null
  readonly grants: readonly Area[]
}

interface Search {
  readonly space: Space
  readonly algebra: Algebra
  /** Of each search for a witness. */
  readonly steps: number
  /** Of all ways demands can fall due together: there may be more than anyone can read. */
  readonly ways: Budget
  readonly found: Map<string, Witnessed>
  readonly undecided: Map<string, { readonly from: Verdict; readonly to: Verdict }>
}

/** One witness for each pair of different outcomes that occurs. */
export function searchChanges(
  a: Compiled,
  b: Compiled,
  steps: number,
): { readonly witnesses: readonly Witnessed[]; readonly undecided: readonly { from: Verdict; to: Verdict }[] } {
  const { space, sides, kinds } = sidesOf([a, b], [])
  const [left, right] = sides as [Side, Side]
  const search: Search = { space, algebra: newAlgebra(), steps, ways: { left: steps }, found: new Map(), undecided: new Map() }
  const sameLevels = JSON.stringify(sorted(a.levels)) === JSON.stringify(sorted(b.levels))
  const changed = changedAreas(left, right, sameLevels)
  const sessions = changed.length === 0 ? [] : sessionsOf(space, kinds, [a.levels, b.levels], 'fresh', steps)
  if (sessions === 'undecided') return { witnesses: [], undecided: everyPair }
  for (const session of sessions)
    for (const area of changed) {
      const pinnedTo = meet(space, space.full, area)
      const region = pinnedTo && inSession(space, pinnedTo, session)
      if (region) explore(search, left, right, session, region)
    }
  return {
    witnesses: [...search.found.values()],
    undecided: search.ways.left < 0 ? everyPair : [...search.undecided.values()],
  }
}

const verdicts: readonly Verdict[] = ['deny', 'default', 'unachievable', 'require', 'allow']
/** Whatever can become something else; of step-ups also the demand. */
const everyPair: readonly { readonly from: Verdict; readonly to: Verdict }[] = verdicts.flatMap((from) =>
  verdicts.filter((to) => from !== to || to === 'require').map((to) => ({ from, to })),
)

function sorted(table: Readonly<Record<string, number>>): readonly unknown[] {
  return Object.entries(table).sort(([x], [y]) => (x < y ? -1 : 1))
}

/** Areas that mean something else on the two sides. Outside all of them the same rules match on both, so that nothing can differ there. */
function changedAreas(a: Side, b: Side, sameLevels: boolean): readonly Area[] {
  const meaning = (side: Side): ReadonlyMap<Area, string> => {
    const out = new Map<Area, Set<string>>()
    const add = (areas: readonly Area[], what: string): void => {
      for (const area of areas) out.set(area, (out.get(area) ?? new Set()).add(what))
    }
    add(side.deny, 'deny')
    for (const { requirement, areas } of side.groups) add(areas, JSON.stringify(requirement))
    add(side.allow, 'allow')
    // Where a step-up could help is more than where it would then be granted at once.
    add(side.unmasked, 'hope')
    return new Map([...out].map(([area, set]) => [area, [...set].sort().join()]))
  }
  const [one, other] = [meaning(a), meaning(b)]
  const differs = (area: Area): boolean =>
    one.get(area) !== other.get(area) || (!sameLevels && a.groups.some(({ areas }) => areas.includes(area)))
  return [...new Set([...one.keys(), ...other.keys()])].filter(differs)
}

function explore(s: Search, a: Side, b: Side, session: Session, region: Region): void {
  const { space } = s
  const near = touching(space, region)
  const close = (areas: readonly Area[]): readonly Area[] => areas.filter(({ id }) => hasBit(near, id))
  const groups = ({ groups: all }: Side): readonly Group[] =>
    all.map(({ requirement, areas }) => ({ requirement, areas: close(areas) })).filter(({ areas }) => areas.length > 0)
  const [denyA, denyB] = [close(a.deny), close(b.deny)]
  const both = { region, outside: [...new Set([...denyA, ...denyB])], due: start }
  const nearA = { ...a, groups: groups(a), allow: close(a.allow), unmasked: close(a.unmasked) }
  const nearB = { ...b, groups: groups(b), allow: close(b.allow), unmasked: close(b.unmasked) }
  // One side denies, the other does not; where both deny nothing changes.
  for (const area of denyA.filter((one) => !denyB.includes(one))) {
    const part = meet(space, region, area)
    if (part)
      answers(s, nearB, session, { region: part, outside: denyB, due: start }, (at, verdict, o) =>
        note(s, session, at, 'deny', verdict, null, o),
      )
  }
  for (const area of denyB.filter((one) => !denyA.includes(one))) {
    const part = meet(space, region, area)
    if (part)
      answers(s, nearA, session, { region: part, outside: denyA, due: start }, (at, verdict, o) =>
        note(s, session, at, verdict, 'deny', o, null),
      )
  }
  const beside =
    (left: Pattern) =>
    (right: Pattern): false => {
      compare(s, session, right, answerOf(s, nearA, session, left.due), answerOf(s, nearB, session, right.due))
      return false
    }
  patterns(
    space,
    s.algebra,
    nearA.groups,
    both,
    (left) => patterns(space, s.algebra, nearB.groups, { ...left, due: start }, beside(left), s.ways) === 'undecided',
    s.ways,
  )
}

type At = Omit<Pattern, 'due'>

function answerOf(s: Search, side: Side, session: Session, due: typeof start): Answer {
  const resolved = s.algebra.resolve(due, session, side.levels)
  if (resolved === null) return { yes: 'unachievable', no: 'unachievable', obligation: null, grants: [] }
  if (resolved === 'satisfied') return { yes: 'allow', no: 'default', obligation: null, grants: side.allow }
  return { yes: 'require', no: 'default', obligation: resolved, grants: side.unmasked }
}

/** Every verdict of one side in a region that nothing denies. */
function answers(
  s: Search,
  side: Side,
  session: Session,
  from: Pattern,
  visit: (at: At, verdict: Verdict, obligation: Obligation | null) => void,
): void {
  const told = (at: Pattern): false => {
    const answer = answerOf(s, side, session, at.due)
    for (const area of answer.grants) {
      const region = meet(s.space, at.region, area)
      if (region) visit({ region, outside: at.outside }, answer.yes, answer.yes === 'require' ? answer.obligation : null)
    }
    visit({ region: at.region, outside: [...at.outside, ...answer.grants] }, answer.no, null)
    return false
  }
  patterns(s.space, s.algebra, side.groups, from, told, s.ways)
}

/** The four ways in which two sides can grant or not, where they differ. */
function compare(s: Search, session: Session, at: At, x: Answer, y: Answer): void {
  const { space } = s
  for (const p of [true, false])
    for (const q of [true, false]) {
      const [from, to] = [p ? x.yes : x.no, q ? y.yes : y.no]
      const [before, after] = [from === 'require' ? x.obligation : null, to === 'require' ? y.obligation : null]
      if (from === to && JSON.stringify(before) === JSON.stringify(after)) continue
      if (s.found.has(keyOf(from, to, before, after))) continue
      const inX = p ? (x.grants.length > 0 ? x.grants : x.yes === 'unachievable' ? [null] : []) : [null]
      const inY = q ? (y.grants.length > 0 ? y.grants : y.yes === 'unachievable' ? [null] : []) : [null]
      const outside = [...at.outside, ...(p ? [] : x.grants), ...(q ? [] : y.grants)]
      for (const g of inX) {
        const one = g ? meet(space, at.region, g) : at.region
        if (one === null) continue
        for (const h of inY) {
          const region = h ? meet(space, one, h) : one
          if (region) note(s, session, { region, outside }, from, to, before, after)
        }
      }
    }
}

function note(
  s: Search,
  session: Session,
  at: At,
  from: Verdict,
  to: Verdict,
  before: Obligation | null,
  after: Obligation | null,
): void {
  const key = keyOf(from, to, before, after)
  if (s.found.has(key)) return
  const found = find(s.space, at.region, at.outside, { left: s.steps })
  if (found === 'undecided') s.undecided.set(key, { from, to })
  else if (found !== null) {
    s.undecided.delete(key)
    s.found.set(key, { request: { ...request(s.space, found), ...session.facts }, from, to })
  }
}

function keyOf(from: Verdict, to: Verdict, before: Obligation | null, after: Obligation | null): string {
  return JSON.stringify([from, to, before, after])
}
