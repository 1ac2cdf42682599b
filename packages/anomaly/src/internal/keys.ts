/** The 32-bit keyed hashes that stand for values: in profiles, in pairs and in the shared sketch. */
import { concat, u8, u32, utf8 } from '@postern/core/bytes'
import { siphash13 } from '../deterministic.js'
import type { NetworkKind } from '../network.js'
import type { Profile } from '../profile.js'
import type { CleanFacts } from './clean.js'
import { features, type Level } from './levels.js'

export interface Keys {
  /** Key of the login's value at a level, `null` where the fact is missing. */
  of(level: Level): number | null
  kind(kind: NetworkKind): number
  /** Key of the unordered pair of the last ASN and this login's; `null` where either is missing or they are the same. */
  asnPair(last: number | null): number | null
}

export function keysOf(secret: Uint8Array, f: CleanFacts): Keys {
  const hash = (feature: number, value: Uint8Array): number => siphash13(secret, concat(u8(feature), value)).lo
  const value = (level: Level) => (level.fact === 'extra' ? f.extras[level.name!] : f.values[level.fact]) ?? null
  const known = new Map<number, number | null>()
  const of = (level: Level): number | null => {
    const bytes = value(level)
    if (!known.has(level.feature)) known.set(level.feature, bytes === null ? null : hash(level.feature, bytes))
    return known.get(level.feature)!
  }
  const asn = f.values.asn === null || f.values.asn === undefined ? null : hash(features.asn, f.values.asn)
  return {
    of,
    kind: (kind) => hash(features.kind, utf8(kind)),
    asnPair: (last) =>
      last === null || asn === null || asn === last
        ? null
        : hash(features.asnPair, concat(u32(Math.min(asn, last)), u32(Math.max(asn, last)))),
  }
}

/** The key touched last at a feature: it stands first. */
export function lastKey(profile: Profile, feature: number): number | null {
  return profile.entries.find((entry) => entry.feature === feature)?.key ?? null
}
