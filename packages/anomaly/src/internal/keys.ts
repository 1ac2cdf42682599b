/** The 32-bit keyed hashes that stand for values: in profiles, in pairs and in the shared sketch. */
import { concat, u32, utf8 } from '@postern/core/bytes'
import { type NetworkKind, networkKinds } from '../network.js'
import type { CleanFacts } from './clean.js'
import { features, type Level } from './levels.js'
import { siphashWith, sipKey } from './siphash.js'

export interface Keys {
  /** Key of the login's value at a level, `null` where the fact is missing. */
  of(level: Level): number | null
  kind(kind: NetworkKind): number
  /** Key of the unordered pair of the last ASN and this login's; `null` where either is missing or they are the same. */
  asnPair(last: number | null): number | null
}

/** Longer than any value: platform and OS are two texts of at most 256 UTF-16 units, three bytes each. */
const ROOM = 2048

/** The keys of any login under one secret: the key schedule, and what every login asks for, is computed once. */
export function keysUnder(secret: Uint8Array): (f: CleanFacts) => Keys {
  const schedule = sipKey(secret)
  const message = new Uint8Array(ROOM)
  const hash = (feature: number, value: Uint8Array): number => {
    message[0] = feature
    message.set(value, 1)
    return siphashWith(schedule, message, value.length + 1).lo
  }
  const kinds = new Map(networkKinds.map((kind) => [kind, hash(features.kind, utf8(kind))]))
  return (f) => {
    const known: (number | null | undefined)[] = []
    const of = (level: Level): number | null => {
      const before = known[level.feature]
      if (before !== undefined) return before
      const value = (level.fact === 'extra' ? f.extras[level.name!] : f.values[level.fact]) ?? null
      const key = value === null ? null : hash(level.feature, value)
      known[level.feature] = key
      return key
    }
    return {
      of,
      kind: (kind) => kinds.get(kind)!,
      asnPair: (last) => {
        const value = f.values.asn ?? null
        if (last === null || value === null) return null
        const asn = hash(features.asn, value)
        if (asn === last) return null
        return hash(features.asnPair, concat(u32(Math.min(asn, last)), u32(Math.max(asn, last))))
      },
    }
  }
}
