/** How finely a policy's rules tell the values of a fact apart, and whether another policy's classes answer it. */
import type { Compiled } from '../compile.js'
import type { FactValue } from '../schema.js'
import { compareVersions, type Version } from '../version.js'
import { type Attribute, attributesOf, INDEX, sample, TEXT } from './attributes.js'
import { bitsOf } from './rules.js'
import { classOf, type Known } from './slots.js'

/** The attributes of one fact: one, or of a set one a member. */
export type Cuts = ReadonlyMap<string, readonly Attribute[]>
export type Kept = { readonly class: number } | { readonly members: Readonly<Record<string, boolean>> }

export function cutsOf(p: Compiled): Cuts {
  const boxes = bitsOf(p.schema, p.document).map(({ box }) => box)
  const out = new Map<string, Attribute[]>()
  for (const a of attributesOf(p.schema, boxes)) out.set(a.fact, [...(out.get(a.fact) ?? []), a])
  return out
}

/** What the rules see of a present fact. A fact that they do not speak of is one class. */
export function keptOf(cuts: Cuts, fact: string, isSet: boolean, value: Known): Kept {
  const mine = cuts.get(fact) ?? []
  if (isSet) return { members: Object.fromEntries(mine.map((a) => [a.member, classOf(a, value) === 1])) }
  return { class: mine[0] === undefined ? 0 : classOf(mine[0], value) }
}

/** A value that stands for what was kept, as `wanted` tells values apart; `null` where it splits what was kept. */
export function standIn(p: Compiled, wanted: readonly Attribute[], old: readonly Attribute[], kept: Kept): FactValue | null {
  if ('members' in kept)
    return wanted.every(({ member }) => Object.hasOwn(kept.members, member))
      ? Object.keys(kept.members).filter((member) => kept.members[member])
      : null
  const [a, b] = [wanted[0]!, old[0]]
  const c = b === undefined ? null : classIn(a, b, kept.class)
  return c === null ? null : sample(a, p.schema, c)
}

/** The class of `a` that holds the whole class of `old`. */
function classIn(a: Attribute, old: Attribute, c: number): number | null {
  // Classes of closed facts are their values.
  if (a.kind === INDEX) return c
  if (a.kind === TEXT) {
    const [text] = [...old.texts].find(([, index]) => index === c) ?? []
    if (text !== undefined) return a.texts.get(text) ?? a.classes - 1
    return [...a.texts.keys()].every((known) => old.texts.has(known)) ? a.classes - 1 : null
  }
  const from: Version | null = c === 0 ? null : (old.cuts[c - 1] ?? null)
  const to: Version | null = old.cuts[c] ?? null
  const above = a.cuts.filter((cut) => from === null || compareVersions(cut, from) > 0)
  if (above.some((cut) => to === null || compareVersions(cut, to) < 0)) return null
  return a.cuts.length - above.length
}
