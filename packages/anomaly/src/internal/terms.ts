/** The terms of the sum, each with its reason. A missing input costs the term's cap, so that leaving a fact out never helps. */
import { ln } from '../deterministic.js'
import type { NetworkKind } from '../network.js'
import type { Profile } from '../profile.js'
import type { Reason } from '../reasons.js'
import type { View } from '../shared.js'
import { travel, velocityCap } from '../velocity.js'
import type { CleanFacts } from './clean.js'
import { indexOf, lastKey } from './entries.js'
import type { Keys } from './keys.js'
import { type Chain, features, hoursLevel, type Level } from './levels.js'
import { toUnits } from './units.js'

const FAILURES_CAP = 3
const INTEGRITY = [2, 1, 0.25, 0] as const
const PROFILE_NEW = 1

/** A declared chain: every level against its parent, or the caps of all when one level is missing. */
export function chainTerms(chain: Chain, keys: Keys, profile: Profile, shared: View | null): readonly Reason[] {
  if (chain.levels.some((level) => keys.of(level) === null)) return [missingChain(chain, keys)]
  const terms: Reason[] = []
  let parent: Level | null = null
  let [parentKey, above] = [0, 0]
  for (const level of chain.levels) {
    const key = keys.of(level)!
    const own = weightOf(profile, level.feature, key)
    const known = Math.max(own, parent === null ? totalOf(profile, level.feature) : above)
    const units = toUnits(ratio(level, own, known, commonness(shared, level, key, parentKey, parent?.feature ?? level.feature)))
    const detail = { seen: own > 0, permille: known > 0 ? Math.floor((1000 * own) / known) : 0 }
    terms.push({ code: level.code, units, detail: level.name === undefined ? detail : { ...detail, name: level.name } })
    parent = level
    parentKey = key
    above = own
  }
  return terms
}

function missingChain(chain: Chain, keys: Keys): Reason {
  const missing = chain.levels.filter((level) => keys.of(level) === null).map((level) => level.name ?? level.fact)
  return { code: chain.missing, units: chainCap(chain), detail: { missing } }
}

/** What a chain costs when it is missing or the profile cannot be read. */
export function chainCap(chain: Chain): number {
  return chain.levels.reduce((sum, level) => sum + toUnits(level.cap), 0)
}

/** `c(v) = clamp(ln P_a − ln P_u, ±C)`: local counts are backed off to what is common, the attacker's habits are explicit. */
function ratio(level: Level, own: number, known: number, common: number): number {
  const user = (own + level.smoothing * common) / (known + level.smoothing)
  const [uniform, global, victim] = level.attacker
  const attacker = uniform / level.values + global * common + victim * user
  return Math.max(-level.cap, Math.min(level.cap, ln(attacker) - ln(user)))
}

/** `G(v|u)`: never above 1, the sketch may overestimate. */
function commonness(shared: View | null, level: Level, key: number, parentKey: number, parentFeature: number): number {
  if (shared === null) return 1 / level.values
  return Math.min(
    1,
    (shared.popularity(level.feature, key) + 0.5) / (shared.popularity(parentFeature, parentKey) + 0.5 * level.values),
  )
}

/** Hour of day in eight cells, half of each neighbour's weight added. */
export function hoursTerm(at: number | null, profile: Profile): Reason {
  const { values, smoothing, cap, weight } = hoursLevel
  if (at === null) return { code: 'hours.missing', units: toUnits(weight * cap), detail: { missing: ['at'] } }
  const cell = hourCell(at)
  const h = (i: number) => profile.hours[(i + 8) % 8]! / 256
  const own = h(cell) + (h(cell - 1) + h(cell + 1)) / 2
  let total = 0
  for (let i = 0; i < 8; i++) total += h(i)
  const known = 2 * total
  const user = (own + smoothing / values) / (known + smoothing)
  const c = Math.max(-cap, Math.min(cap, ln(1 / values) - ln(user)))
  return { code: 'hours', units: toUnits(weight * c), detail: { seen: own > 0 } }
}

export function hourCell(at: number): number {
  return Math.floor((at % 86_400) / 10_800)
}

/** Speed since the last learned login; skipped for networks that are elsewhere by nature and for a pair this user alternates between. */
export function velocityTerm(f: CleanFacts, keys: Keys, profile: Profile): Reason | null {
  if (f.place === null || f.at === null)
    return { code: 'velocity.missing', units: toUnits(velocityCap), detail: { missing: [f.place === null ? 'place' : 'at'] } }
  if (profile.place === null) return null
  if (f.kind !== null && roaming.includes(f.kind)) return null
  if (roaming.some((kind) => keys.kind(kind) === lastKey(profile.entries, features.kind))) return null
  const pair = keys.asnPair(lastKey(profile.entries, features.asn))
  if (pair !== null && weightOf(profile, features.asnPair, pair) >= 2) return null
  const { kmAtLeast, hours, nats } = travel(
    { place: profile.place, at: profile.lastAt * 1000 },
    { place: f.place, at: f.at * 1000 },
  )
  if (nats === 0) return null
  const from = profile.place.radiusKm
  return {
    code: 'velocity',
    units: toUnits(nats),
    detail: {
      to: f.place.country,
      hours: Math.floor(hours * 10) / 10,
      kmAtLeast: Math.floor(kmAtLeast),
      radiiKm: [from, Math.ceil(f.place.radiusKm)],
    },
  }
}

const roaming: readonly NetworkKind[] = ['relay', 'satellite', 'vpn']

export function failuresTerm(failures: number | null): Reason {
  if (failures === null)
    return { code: 'failures.missing', units: toUnits(FAILURES_CAP), detail: { missing: ['failuresBefore'] } }
  return { code: 'failures', units: toUnits(Math.min(FAILURES_CAP, ln(1 + failures))), detail: { count: failures } }
}

export function integrityTerm(integrity: number | null): Reason {
  if (integrity === null) return { code: 'integrity.missing', units: toUnits(INTEGRITY[0]), detail: { missing: ['integrity'] } }
  return { code: 'integrity', units: toUnits(INTEGRITY[integrity as 0 | 1 | 2 | 3]), detail: { count: integrity } }
}

export function newProfileTerm(profile: Profile): Reason | null {
  return profile.logins > 0 ? null : { code: 'profile.new', units: toUnits(PROFILE_NEW), detail: {} }
}

export function weightOf(profile: Profile, feature: number, key: number): number {
  const at = indexOf(profile.entries, feature, key)
  return at < 0 ? 0 : profile.entries[at]!.slow / 256
}

function totalOf(profile: Profile, feature: number): number {
  let sum = 0
  for (let i = 0; i < profile.entries.length; i++) if (profile.entries[i]!.feature === feature) sum += profile.entries[i]!.slow
  return sum / 256
}
