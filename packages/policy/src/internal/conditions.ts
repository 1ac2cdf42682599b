/**
 * Conditions as value sets. A box over facts becomes boxes over *attributes*: a fact, or one member of a set fact. Each attribute's conditions
 * are predicates with known break points, from which classes are cut.
 */
import type { Box, Condition, Range } from '../document.js'
import type { FactSpec, Schema } from '../schema.js'
import { compareVersions, formatVersion, nextVersion, parseVersion, type Version } from '../version.js'
import { invalid, tooLarge, under } from './read.js'

/** A value set of one attribute. */
export type ValueSet =
  | { readonly kind: 'index'; readonly ok: readonly boolean[] }
  | { readonly kind: 'text'; readonly values: readonly string[]; readonly negated: boolean }
  | { readonly kind: 'ranges'; readonly ranges: readonly (readonly [from: Version | null, to: Version | null])[] }
  | { readonly kind: 'member'; readonly present: boolean }

/** One conjunction over attributes; `source` keeps what was written, for explanations. */
export interface FlatBox {
  readonly sets: ReadonlyMap<string, readonly ValueSet[]>
  readonly source: ReadonlyMap<string, readonly Condition[]>
}

const maxBoxes = 64
const operators = new Set(['in', 'not', 'ranges', 'lt', 'lte', 'gt', 'gte', 'has', 'hasAny', 'hasAll', 'hasNone'])

/** The key of an attribute: a fact's name, or a fact's name and a member. NUL cannot stand in a fact's name. */
export function memberKey(fact: string, member: string): string {
  return `${fact}\0${member}`
}
export function factOf(key: string): string {
  const cut = key.indexOf('\0')
  return cut < 0 ? key : key.slice(0, cut)
}

/** Integers ride as versions without a second half: one order, one search. */
export function ofInteger(n: number): Version {
  return { hi: n, lo: 0, pre: null }
}

/** Values of a closed fact, by their index; every value of one rank shares it. */
export function indexes(spec: FactSpec): ReadonlyMap<string | boolean, number> | null {
  if (spec.type === 'bool')
    return new Map<string | boolean, number>([
      [false, 0],
      [true, 1],
    ])
  if (spec.type === 'enum') return new Map(spec.values.map((value, i) => [value, i]))
  if (spec.type === 'ordered')
    return new Map(
      spec.ranks.flatMap((rank, i) => (typeof rank === 'string' ? [rank] : rank).map((value) => [value, i] as const)),
    )
  return null
}

export function isMember(spec: FactSpec, member: string): boolean {
  if (spec.type !== 'set') return false
  if (spec.members === undefined) return member !== ''
  return spec.members.some((m) =>
    m.endsWith('*') ? member.startsWith(m.slice(0, -1)) && member.length >= m.length : m === member,
  )
}

/** A member's place among those that a closed set lists by name, where a number has room for them; else -1. */
export function memberBit(spec: FactSpec, member: string): number {
  if (spec.type !== 'set' || spec.members === undefined || spec.members.length > 30) return -1
  return member.endsWith('*') ? -1 : spec.members.indexOf(member)
}

/**
 * The boxes that a conjunction of written boxes means: one, or several where `hasAny` is a disjunction.
 * @throws PosternError `policy.document_invalid` for an unknown fact, operator or value; `policy.too_large` above 64 boxes
 */
export function flatten(schema: Schema, written: readonly { readonly box: Box; readonly at: string }[]): readonly FlatBox[] {
  let options: Map<string, ValueSet[]>[] = [new Map()]
  const source = new Map<string, Condition[]>()
  for (const { box, at } of written)
    for (const [fact, condition] of Object.entries(box)) {
      const here = under(at, fact)
      const spec = Object.hasOwn(schema.spec.facts, fact) ? schema.spec.facts[fact] : undefined
      if (!spec) throw invalid(here, 'is not a fact of the schema')
      source.set(fact, [...(source.get(fact) ?? []), condition])
      const choices = read(fact, spec, condition, here)
      options = options.flatMap((option) =>
        choices.map((choice) => {
          const joined = new Map(option)
          for (const [key, set] of choice) joined.set(key, [...(joined.get(key) ?? []), set])
          return joined
        }),
      )
      if (options.length > maxBoxes) throw tooLarge(`more than ${maxBoxes} boxes at ${at}`)
    }
  return options.map((sets) => ({ sets, source }))
}

type Choice = readonly (readonly [key: string, set: ValueSet])[]

function read(fact: string, spec: FactSpec, condition: Condition, at: string): readonly Choice[] {
  const body = operatorsOf(condition, at)
  if (spec.type === 'set') return readSet(fact, spec, body, at)
  for (const name of body.keys())
    if (name.startsWith('has')) throw invalid(under(at, name), `does not apply to the ${spec.type} ${fact}`)
  const order = spec.type === 'int' || spec.type === 'version' || spec.type === 'ordered'
  const bounds = ['lt', 'lte', 'gt', 'gte'].filter((name) => body.has(name))
  if ((bounds.length > 0 || body.has('ranges')) && !order) throw invalid(at, `${fact} has no order`)
  if (bounds.length > 0 && body.size > bounds.length) throw invalid(at, 'mixes bounds with another operator')
  if (bounds.length === 0 && body.size !== 1) throw invalid(at, 'must have exactly one operator')
  if (bounds.length > 0) return [[[fact, rangesOf(spec, [Object.fromEntries(body) as Range], at)]]]
  const [name, operand] = [...body][0]!
  if (name === 'ranges') {
    if (!Array.isArray(operand) || operand.length === 0) throw invalid(under(at, name), 'must be a list of ranges')
    return [[[fact, rangesOf(spec, operand as readonly Range[], under(at, name))]]]
  }
  const values = Array.isArray(operand) ? (operand as readonly unknown[]) : [operand]
  if (name === 'in' && !Array.isArray(operand)) throw invalid(under(at, name), 'must be an array')
  return [[[fact, valuesOf(spec, values, name === 'not', at)]]]
}

function operatorsOf(condition: Condition, at: string): ReadonlyMap<string, unknown> {
  if (Array.isArray(condition)) return new Map([['in', condition]])
  if (typeof condition !== 'object' || condition === null) return new Map([['in', [condition]]])
  const found = new Map(Object.entries(condition))
  if (found.size === 0) throw invalid(at, 'has no operator')
  for (const name of found.keys()) if (!operators.has(name)) throw invalid(under(at, name), 'is not an operator')
  return found
}

function readSet(fact: string, spec: FactSpec, body: ReadonlyMap<string, unknown>, at: string): readonly Choice[] {
  const fixed: [string, ValueSet][] = []
  let any: readonly string[] | null = null
  for (const [name, operand] of body) {
    if (!name.startsWith('has')) throw invalid(under(at, name), `does not apply to the set ${fact}`)
    const members = name === 'has' ? [operand] : operand
    if (!Array.isArray(members) || members.length === 0) throw invalid(under(at, name), 'must name members')
    for (const member of members)
      if (typeof member !== 'string' || !isMember(spec, member)) throw invalid(under(at, name), `names no member of ${fact}`)
    const named = members as readonly string[]
    if (name === 'hasAny') any = named
    else for (const member of named) fixed.push([memberKey(fact, member), { kind: 'member', present: name !== 'hasNone' }])
  }
  return any === null
    ? [fixed]
    : any.map((member) => [...fixed, [memberKey(fact, member), { kind: 'member', present: true }] as const])
}

function valuesOf(spec: FactSpec, values: readonly unknown[], negated: boolean, at: string): ValueSet {
  const known = indexes(spec)
  if (known) {
    const ok: boolean[] = new Array(new Set(known.values()).size).fill(negated)
    for (const value of values) {
      const index = known.get(value as string | boolean)
      if (index === undefined) throw invalid(at, `is not a value of this ${spec.type}`)
      ok[index] = !negated
    }
    return { kind: 'index', ok }
  }
  if (spec.type === 'open') {
    for (const value of values) if (typeof value !== 'string') throw invalid(at, 'must be a string')
    return { kind: 'text', values: values as readonly string[], negated }
  }
  const points = values.map((value) => point(spec, value, at)).sort(compareVersions)
  if (!negated) return { kind: 'ranges', ranges: points.map((p) => [p, after(spec, p)] as const) }
  const edges: (Version | null)[] = [null, ...points.flatMap((p) => [p, after(spec, p)]), null]
  return {
    kind: 'ranges',
    ranges: Array.from({ length: edges.length / 2 }, (_, i) => [edges[2 * i]!, edges[2 * i + 1]!] as const),
  }
}

function rangesOf(spec: FactSpec, ranges: readonly Range[], at: string): ValueSet {
  const cuts = ranges.map((range): readonly [Version | null, Version | null] => {
    if (range === null || typeof range !== 'object' || Array.isArray(range)) throw invalid(at, 'must be a range')
    const { lt, lte, gt, gte } = range
    for (const name of Object.keys(range))
      if (!['lt', 'lte', 'gt', 'gte'].includes(name)) throw invalid(under(at, name), 'is not a bound')
    if (Object.keys(range).length === 0) throw invalid(at, 'has no bound')
    if ((lt !== undefined && lte !== undefined) || (gt !== undefined && gte !== undefined))
      throw invalid(at, 'gives one bound twice')
    const from = gte !== undefined ? point(spec, gte, at) : gt !== undefined ? after(spec, point(spec, gt, at)) : null
    const to = lt !== undefined ? point(spec, lt, at) : lte !== undefined ? after(spec, point(spec, lte, at)) : null
    return [from, to]
  })
  if (spec.type !== 'ordered') return { kind: 'ranges', ranges: cuts }
  const ok = spec.ranks.map((_, rank) =>
    cuts.some(([from, to]) => (from === null || rank >= from.hi) && (to === null || rank < to.hi)),
  )
  return { kind: 'index', ok }
}

function point(spec: FactSpec, value: unknown, at: string): Version {
  if (spec.type === 'int') {
    if (!Number.isSafeInteger(value)) throw invalid(at, 'must be an integer')
    if ((value as number) < (spec.min ?? -Infinity) || (value as number) > (spec.max ?? Infinity))
      throw invalid(at, 'is outside the range of the fact')
    return ofInteger(value as number)
  }
  if (spec.type === 'ordered') {
    const rank = typeof value === 'string' ? indexes(spec)!.get(value) : undefined
    if (rank === undefined) throw invalid(at, 'is not a value of this ordered fact')
    return ofInteger(rank)
  }
  const version = typeof value === 'string' ? parseVersion(value) : null
  if (version === null || (version.pre !== null && !(spec.type === 'version' && spec.prerelease)))
    throw invalid(at, 'is not a version')
  if (parseVersion(formatVersion(after(spec, version))) === null) throw invalid(at, 'is a version with none above it')
  return version
}

function after(spec: FactSpec, p: Version): Version {
  return spec.type === 'version' ? nextVersion(p, spec.prerelease === true) : ofInteger(p.hi + 1)
}
