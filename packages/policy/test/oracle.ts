/** A decision by the definition: no classes, no rows, no shared code with the package but the types. Slow and plain on purpose. */
import type { Box, Condition, PolicyDocument, Rule } from '@postern/policy/document'
import semver from 'semver'

const ranks: Readonly<Record<string, number>> = { none: 0, vendor: 1, strongbox: 2, enclave: 2 }
const pad = (v: string): string => {
  const [release, pre] = v.split('-') as [string, string | undefined]
  return [...release.split('.'), '0', '0'].slice(0, 3).join('.') + (pre ? `-${pre}` : '')
}
type Facts = Readonly<Record<string, unknown>>

function compare(fact: string, a: unknown, b: unknown): number {
  if (fact === 'version') return semver.compare(pad(a as string), pad(b as string))
  if (fact === 'level') return ranks[a as string]! - ranks[b as string]!
  return a === b ? 0 : typeof a === 'number' ? a - (b as number) : 1
}

function holds(fact: string, c: Condition, seen: unknown): boolean {
  const is = (value: unknown): boolean => compare(fact, seen, value) === 0
  if (typeof c !== 'object') return is(c)
  if (Array.isArray(c)) return c.some(is)
  const o = c as Readonly<Record<string, unknown>>
  const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value])
  return Object.entries(o).every(([op, v]) => {
    switch (op) {
      case 'in':
        return list(v).some(is)
      case 'not':
        return !list(v).some(is)
      case 'lt':
        return compare(fact, seen, v) < 0
      case 'lte':
        return compare(fact, seen, v) <= 0
      case 'gt':
        return compare(fact, seen, v) > 0
      case 'gte':
        return compare(fact, seen, v) >= 0
      case 'ranges':
        return (v as readonly Condition[]).some((range) => holds(fact, range, seen))
      case 'has':
        return (seen as readonly unknown[]).includes(v)
      case 'hasAny':
        return list(v).some((m) => (seen as readonly unknown[]).includes(m))
      case 'hasAll':
        return list(v).every((m) => (seen as readonly unknown[]).includes(m))
      default:
        return !list(v).some((m) => (seen as readonly unknown[]).includes(m))
    }
  })
}

/** Complete requests alone. */
export function applies(fact: string, f: Facts): boolean {
  if (fact === 'amount') return f['action'] === 'confirm'
  return fact !== 'boot' || f['platform'] === 'android'
}
export function matches(box: Box, f: Facts): boolean {
  return Object.entries(box).every(([fact, c]) => applies(fact, f) && holds(fact, c, f[fact]))
}
export function ruleMatches(rule: Rule, f: Facts): boolean {
  return matches(rule.when ?? {}, f) && (rule.anyOf === undefined || rule.anyOf.some((box) => matches(box, f)))
}

const subsets = (all: readonly string[]): string[][] =>
  all.reduce<string[][]>((out, x) => out.concat(out.map((s) => [...s, x])), [[]])

/** The outcome on a complete request; requirements by enumeration of all sets of authenticators. */
export function outcome(doc: PolicyDocument, f: Facts, shadows = false): 'allow' | 'require' | 'deny' {
  const active = doc.rules.filter((rule) => rule.mode === 'enforce' || (shadows && rule.mode === 'shadow'))
  const hit = active.filter((rule) => ruleMatches(rule, f))
  if (hit.some(({ effect }) => effect === 'deny')) return 'deny'
  const due = hit.flatMap((rule) => (rule.effect === 'require' ? [rule.require] : []))
  const acr = Math.max(0, ...due.map((r) => r.acr ?? 0))
  const maxAge = Math.min(Number.POSITIVE_INFINITY, ...due.map((r) => r.maxAgeSec ?? Number.POSITIVE_INFINITY))
  const reach = (s: readonly string[]): number =>
    Math.max(0, ...Object.entries(doc.acr.levels).map(([key, level]) => (key.split('+').every((k) => s.includes(k)) ? level : 0)))
  const direct = (s: readonly string[]): boolean =>
    reach(s) >= acr && due.every((r) => r.anyOf === undefined || r.anyOf.some((set) => set.every((k) => s.includes(k))))
  const locked = f['authenticator.locked'] as readonly string[]
  // One edge in the test document: biometric → pin, on `unavailable` (unless locked) and `not-enrolled`.
  const edge =
    due.every((r) => r.fallback !== 'none') &&
    (!locked.includes('biometric') || !(f['authenticator.enrolled'] as readonly string[]).includes('biometric'))
  const minimal = subsets(['pin', 'biometric', 'device-key']).filter(
    (s, _, all) => direct(s) && !all.some((t) => t.length < s.length && t.every((k) => s.includes(k)) && direct(t)),
  )
  const through = edge
    ? minimal
        .filter((s) => s.includes('biometric') && !s.includes('pin'))
        .map((s) => s.map((k) => (k === 'biometric' ? 'pin' : k)))
        .filter((s) => reach(s) >= acr)
    : []
  const options = [...minimal, ...through]
  // A demand that names nothing, for a proof that is too old, is met by showing anything of the level table again.
  const askable = options.flatMap((s) => (s.length > 0 ? [s] : Object.keys(doc.acr.levels).map((key) => key.split('+'))))
  const within =
    (name: string) =>
    (s: readonly string[]): boolean =>
      s.every((k) => (f[name] as readonly string[]).includes(k))
  const done =
    due.length === 0 ||
    ((f['authenticator.acr'] as number) >= acr &&
      (acr === 0 || Math.max(...Object.values(doc.acr.levels)) >= acr) &&
      (f['authenticator.ageSec'] as number) <= maxAge &&
      options.some(within('authenticator.methods')))
  const grants = (g: Facts, free: boolean): boolean =>
    active.some((rule) => {
      if (rule.effect !== 'allow') return false
      if (!free) return ruleMatches(rule, g)
      const strip = (box: Box): Box =>
        Object.fromEntries(
          Object.entries(box).filter(
            ([name]) => !['authenticator.methods', 'authenticator.acr', 'authenticator.ageSec'].includes(name),
          ),
        )
      // A box that contradicts itself about authenticators is empty however good they become; the generators never write one.
      return matches(strip(rule.when ?? {}), g) && (rule.anyOf === undefined || rule.anyOf.some((box) => matches(strip(box), g)))
    })
  if (!done) {
    if (!askable.some(within('authenticator.usable'))) return 'deny'
    return grants(f, true) ? 'require' : 'deny'
  }
  return grants(f, false) ? 'allow' : 'deny'
}
