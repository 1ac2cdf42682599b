/** The rows that a request selects, and what they leave: shared by decisions and explanations, so that these cannot drift apart. */
import { classOf, isUnsure, type Slots } from './slots.js'
import { MAY_ROW, MUST_ROW, NA_ROW, type Scratch, type Tables } from './tables.js'

/** The tables that a request is decided with: those of its value where they are partitioned, all of them where that value is missing. */
export function tablesFor(t: Tables, f: Slots): Tables {
  const { partition } = t
  if (partition === null) return t
  const value = f.values[partition.attribute.slot]!
  return isUnsure(value) ? t : partition.parts[classOf(partition.attribute, value)]!
}

/** Fills `into` and says whether anything was missing, that is, whether `may` differs from `must` and was filled too. */
export function match(t: Tables, f: Slots, into: Scratch): boolean {
  const { attributes, base, words } = t
  const { values } = f
  const { mustAt, mayAt } = into
  let forked = false
  for (let i = 0; i < attributes.length; i++) {
    const a = attributes[i]!
    const value = values[a.slot]!
    if (!isUnsure(value)) {
      mustAt[i] = mayAt[i] = base[i]! + classOf(a, value) * words
      continue
    }
    const extra = base[i]! + a.classes * words
    if (value.lack === 'outside') {
      mustAt[i] = mayAt[i] = extra + NA_ROW * words
      continue
    }
    forked = true
    // In doubt whether the fact exists at all, a rule must match only if it does not speak of it.
    mustAt[i] = extra + (value.doubt ? NA_ROW : MUST_ROW) * words
    mayAt[i] = value.value === null ? extra + MAY_ROW * words : base[i]! + classOf(a, value.value) * words
  }
  and(t, mustAt, attributes.length, into.must)
  if (forked) and(t, mayAt, attributes.length, into.may)
  return forked
}

/** The AND of the first `count` attributes' rows. The most selective come first, so that most words are done after one. */
export function and({ rows, words }: Tables, at: Int32Array, count: number, out: Uint32Array): void {
  for (let w = 0; w < words; w++) {
    let word = -1
    for (let i = 0; i < count && word !== 0; i++) word &= rows[at[i]! + w]!
    out[w] = word
  }
}
