/** Encoded facts, read back as a host would send them. */
import type { FactValue } from '../schema.js'
import { formatVersion, type Version } from '../version.js'
import { PRESENT, type Slots } from './slots.js'

/** The value of a fact that is present, `null` otherwise; of values that share a rank, the first. Integers as they are, versions as text. */
export function readFact(f: Slots, name: string): FactValue | null {
  const slot = f.schema.index.get(name)
  if (slot === undefined || f.state[slot] !== PRESENT) return null
  const spec = f.schema.spec.facts[name]!
  const n = f.num[slot]!
  switch (spec.type) {
    case 'enum':
      return spec.values[n]!
    case 'ordered': {
      const rank = spec.ranks[n]!
      return typeof rank === 'string' ? rank : rank[0]!
    }
    case 'bool':
      return n === 1
    case 'int':
      return n
    case 'version':
      return formatVersion(versionOf(f, slot))
    case 'set':
      return [...(f.ref[slot] as ReadonlySet<string>)].sort()
    case 'open':
      return f.ref[slot] as string
  }
}

export function versionOf(f: Slots, slot: number): Version {
  return { hi: f.num[slot]!, lo: f.low[slot]!, pre: f.ref[slot] as string | null }
}
