/** What a login may teach, and how much: a bound on what an attacker who does get in can move. */

import { type Entry, maxEntries, type Profile } from '../profile.js'
import type { CleanFacts } from './clean.js'
import { indexOf, lastKey } from './entries.js'
import type { Keys } from './keys.js'
import { type Chain, capOf, features } from './levels.js'
import { type ParsedConfig, unitsAt } from './parseConfig.js'
import { hourCell } from './terms.js'

/** Learned logins a profile and day. */
export const maxLearnedPerDay = 8
/** Never-seen values a profile and day; the very first login is exempt. */
export const maxNewPerDay = 3
/** A login further behind the last learned one is scored, never learned. */
export const lateSeconds = 300

/**
 * Weight ω of a login in 1/256: whole up to the 95th per cent of the frozen reference, none from the 99.5th, at least half after a passed step-up.
 * A profile that has learned nothing learns at half weight or more, or it never would.
 */
export function learningWeight(
  reference: ParsedConfig['reference'],
  units: number,
  o: { readonly steppedUp: boolean; readonly fresh: boolean },
): number {
  const [full, none] = [unitsAt(reference, 950), unitsAt(reference, 995)]
  const share = units <= full ? 1 : units >= none ? 0 : (none - units) / (none - full)
  return Math.floor(256 * Math.max(share, o.steppedUp || o.fresh ? 0.5 : 0))
}

/** The profile after a login of weight ω (1/256); the same object when nothing may be learned. `profile` has been decayed to the login's day. */
export function learn(config: ParsedConfig, profile: Profile, f: CleanFacts, keys: Keys, weight: number): Profile {
  const { at } = f
  if (at === null || weight === 0 || at < profile.lastAt - lateSeconds) return profile
  // A clock that ran ahead and came back: the day's caps hold for the day the profile stands in.
  if (Math.floor(at / 86_400) < profile.day || profile.learnedToday >= maxLearnedPerDay) return profile
  const first = profile.logins === 0
  const draft = { entries: profile.entries.slice(), fresh: 0, refused: new Set<number>() }
  const teach = (chain: readonly number[], feature: number, key: number | null) => {
    if (key === null) return
    const known = indexOf(draft.entries, feature, key) >= 0
    if (!known && !first && profile.newToday + draft.fresh >= maxNewPerDay) return void draft.refused.add(feature)
    if (!known) draft.fresh++
    draft.entries = withWeight(draft.entries, chain, feature, key, weight)
  }
  const pair = keys.asnPair(lastKey(profile.entries, features.asn))
  for (const chain of config.chains) teachChain(chain, keys, teach)
  teach([features.asnPair], features.asnPair, pair)
  // A place is remembered only together with the network it belongs to, or the next speed would be judged by the wrong pair.
  const moved = f.place !== null && at >= profile.lastAt && !draft.refused.has(features.asn) && !draft.refused.has(features.kind)
  return {
    ...profile,
    configHash: config.hash,
    entries: draft.entries,
    lastAt: Math.max(profile.lastAt, at),
    place: moved ? f.place : profile.place,
    logins: profile.logins + 1,
    learnedToday: profile.learnedToday + 1,
    newToday: first ? 0 : profile.newToday + draft.fresh,
    hours: withHour(profile.hours, hourCell(at), weight),
  }
}

function teachChain(
  chain: Chain,
  keys: Keys,
  teach: (chain: readonly number[], feature: number, key: number | null) => void,
): void {
  const group = chain.levels.map((level) => level.feature)
  for (const level of chain.levels) teach(group, level.feature, keys.of(level))
}

/** Adds weight to one value and moves it to the front of its feature, in place where the value is known and nothing overflows. */
function withWeight(entries: Entry[], chain: readonly number[], feature: number, key: number, weight: number): Entry[] {
  const at = indexOf(entries, feature, key)
  if (at < 0) return rearranged(entries, chain, { feature, key, slow: weight, fast: weight }, null)
  const old = entries[at]!
  const grown = { feature, key, slow: old.slow + weight, fast: old.fast + weight }
  let front = 0
  while (entries[front]!.feature < feature) front++
  const inPlace = front < at || at === entries.length - 1 || entries[at + 1]!.feature >= feature
  if (grown.slow > 0xffff || grown.fast > 0xffff || !inPlace) return rearranged(entries, chain, grown, old)
  for (let i = at; i > front; i--) entries[i] = entries[i - 1]!
  entries[front] = grown
  return entries
}

/** A value put in order: a full counter halves its chain; a full feature loses its least, then lowest key, to a new value. */
function rearranged(entries: readonly Entry[], chain: readonly number[], grown: Entry, old: Entry | null): Entry[] {
  const { feature } = grown
  let rest = entries.filter((entry) => entry !== old)
  const halve = Math.max(grown.slow, grown.fast) > 0xffff
  const half = (entry: Entry): Entry =>
    chain.includes(entry.feature) ? { ...entry, slow: entry.slow >>> 1, fast: entry.fast >>> 1 } : entry
  if (halve) rest = rest.map(half).filter((entry) => entry.slow > 0)
  const same = (entry: Entry) => (feature >= features.extra ? entry.feature >= features.extra : entry.feature === feature)
  if (old === null && (rest.filter(same).length >= capOf(feature) || rest.length >= maxEntries)) {
    const least = rest.filter(same).sort((a, b) => a.slow - b.slow || a.key - b.key)[0]
    rest = rest.filter((entry) => entry !== least)
  }
  const at = rest.findIndex((entry) => entry.feature >= feature)
  rest.splice(at < 0 ? rest.length : at, 0, halve ? half(grown) : grown)
  return rest
}

function withHour(hours: readonly number[], cell: number, weight: number): readonly number[] {
  const grown = hours.map((n, i) => (i === cell ? n + weight : n))
  return grown[cell]! > 0xffff ? grown.map((n) => n >>> 1) : grown
}
