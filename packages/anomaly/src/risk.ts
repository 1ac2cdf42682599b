/** Risk of one login: a likelihood ratio per fact, backed off from special to general, in integer units that sum exactly. */
import type { RiskConfig } from './config.js'
import { sigmoid } from './deterministic.js'
import type { LoginFacts } from './facts.js'
import { type CleanFacts, clean } from './internal/clean.js'
import { learn, learningWeight } from './internal/gate.js'
import { type Keys, keysUnder } from './internal/keys.js'
import { type ParsedConfig, parseConfig, percentileOf } from './internal/parseConfig.js'
import { chainCap, chainTerms, failuresTerm, hoursTerm, integrityTerm, newProfileTerm, velocityTerm } from './internal/terms.js'
import { toUnits } from './internal/units.js'
import { decayed, decodeProfile, emptyProfile, encodeProfile, type Profile } from './profile.js'
import type { Assessment, Reason } from './reasons.js'
import type { View } from './shared.js'
import { velocityCap } from './velocity.js'

export type { DeclarableFact, RiskConfig } from './config.js'
export { factsWithoutResolver, factsWithResolver } from './config.js'
export type { LoginFacts } from './facts.js'
export type { Assessment, Band, Reason, ReasonCode, ReasonDetail } from './reasons.js'
export type { View } from './shared.js'

/** Pure: same arguments, same bytes, on every runtime. */
export interface RiskModel {
  /**
   * Judges one login. Never throws on bad facts.
   * @param profile - what the last successful login left; `null`: the host vouches that there is none yet (fresh enrolment)
   * @param shared - how common values are among all users; `null`: not known, every unseen value is then equally rare
   */
  score(facts: LoginFacts, profile: Uint8Array | null, shared: View | null): Assessment
  /** Names configuration and epoch. */
  readonly id: string
}

/**
 * A risk model of one tenant.
 * @throws PosternError `anomaly.config_invalid`, with the JSON pointer in its message
 * @example
 * const model = riskModel({ key: random(16) })
 * const { band, reasons, profile } = model.score(facts, null, null)
 */
export function riskModel(config: RiskConfig): RiskModel {
  const parsed = parseConfig(config)
  const keysOf = keysUnder(parsed.key)
  return {
    id: parsed.id,
    score: (facts, profile, shared) => {
      const f = clean(facts, parsed.extraNames)
      return assess(parsed, f, keysOf(f), profile, shared)
    },
  }
}

function assess(config: ParsedConfig, f: CleanFacts, keys: Keys, stored: Uint8Array | null, shared: View | null): Assessment {
  const read = readProfile(config, stored, f.at)
  const profile = read ?? emptyProfile(config.hash, f.at ?? 0)
  const reasons: Reason[] = []
  place(reasons, { code: 'prior', units: config.prior, detail: {} })
  for (const reason of read === null ? [unreadable(config, f.at === null)] : judged(config, f, keys, profile, shared))
    place(reasons, reason)
  for (const reason of always(config, f, profile)) place(reasons, reason)
  const units = reasons.reduce((sum, reason) => sum + reason.units, 0)
  const weight = learningWeight(config.reference, units, { steppedUp: f.steppedUp, fresh: profile.logins === 0 })
  return {
    score: Math.floor(100 * sigmoid(units / 1024)),
    band: units >= config.bands.high ? 'high' : units >= config.bands.raised ? 'raised' : 'low',
    calibrated: false,
    units,
    reasons,
    percentile: percentileOf(config.reference, units),
    model: config.id,
    profile: f.at === null && stored !== null ? stored.slice() : encodeProfile(learn(config, profile, f, keys, weight)),
  }
}

/** Greatest first, equals in the order they came, a term of nothing not at all. */
function place(reasons: Reason[], reason: Reason): void {
  if (reason.units === 0) return
  let at = reasons.push(reason) - 1
  for (; at > 0 && reasons[at - 1]!.units < reason.units; at--) reasons[at] = reasons[at - 1]!
  reasons[at] = reason
}

/** What is held against the profile. */
function judged(config: ParsedConfig, f: CleanFacts, keys: Keys, profile: Profile, shared: View | null): readonly Reason[] {
  const terms: Reason[] = []
  for (const chain of config.chains) terms.push(...chainTerms(chain, keys, profile, shared))
  if (config.declared.has('hours')) terms.push(hoursTerm(f.at, profile))
  const velocity = config.declared.has('velocity') ? velocityTerm(f, keys, profile) : null
  if (velocity !== null) terms.push(velocity)
  return terms
}

/** A profile that does not open, or cannot be placed in time: every chain at its cap, as if nothing at all fitted. */
function unreadable(config: ParsedConfig, timeless: boolean): Reason {
  const hours = config.declared.has('hours') ? toUnits(1) : 0
  const velocity = config.declared.has('velocity') ? toUnits(velocityCap) : 0
  return {
    code: 'profile.unreadable',
    units: config.chains.reduce((sum, chain) => sum + chainCap(chain), hours + velocity),
    detail: timeless ? { missing: ['at'] } : {},
  }
}

/** Terms that need no profile; all are at least 0. */
function always(config: ParsedConfig, f: CleanFacts, profile: Profile): readonly Reason[] {
  const terms: Reason[] = []
  if (config.declared.has('failures')) terms.push(failuresTerm(f.failures))
  if (config.declared.has('integrity')) terms.push(integrityTerm(f.integrity))
  const fresh = newProfileTerm(profile)
  if (fresh !== null) terms.push(fresh)
  return terms
}

/** The profile as it stands at the login; `null` when it does not open or the login has no time. Extras of another configuration are forgotten. */
function readProfile(config: ParsedConfig, stored: Uint8Array | null, at: number | null): Profile | null {
  if (at === null) return null
  if (stored === null) return emptyProfile(config.hash, at)
  try {
    const profile = decodeProfile(stored)
    const mine =
      profile.configHash === config.hash
        ? profile
        : { ...profile, entries: profile.entries.filter((entry) => entry.feature < 16) }
    return decayed(mine, at)
  } catch {
    return null
  }
}
