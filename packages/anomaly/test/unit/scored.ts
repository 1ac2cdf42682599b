/** Scores the simulated logins one after the other, as a platform would: the profile moves only when a login succeeds and is let in. */
import { utf8 } from '@postern/core/bytes'
import { type Attack, type AttackKind, type SimulatedFacts, simulateLogins } from '@postern/testkit/logins'
import type { DeclarableFact } from '../../src/config.js'
import { type Assessment, type LoginFacts, type RiskModel, riskModel } from '../../src/risk.js'

export interface Scored {
  readonly at: number
  readonly attack: AttackKind | null
  readonly success: boolean
  readonly before: number
  readonly assessment: Assessment
}

export const id = (text: string): Uint8Array => utf8(text.padEnd(16, '.'))

export function factsOf(f: SimulatedFacts, n: number): LoginFacts {
  return { ...f, id: id(`login-${n}`), subject: id(f.subject), device: id(f.device) }
}

export const key: Uint8Array = Uint8Array.from({ length: 16 }, (_, i) => i)

/** Attack logins never teach here: their effect is another test's. */
export function scoreAll(o: {
  seed: number
  users: number
  days: number
  attacks: readonly Attack[]
  facts: readonly DeclarableFact[]
}): readonly Scored[] {
  const model: RiskModel = riskModel({ key, facts: o.facts })
  const profiles = new Map<string, { bytes: Uint8Array; logins: number }>()
  const out: Scored[] = []
  for (const { facts, outcome, truth } of simulateLogins({
    seed: o.seed,
    users: o.users,
    days: o.days,
    start: Date.UTC(2026, 9, 1),
    attack: o.attacks,
  })) {
    const known = profiles.get(facts.subject)
    const assessment = model.score(factsOf(facts, out.length), known?.bytes ?? null, null)
    out.push({ at: facts.at, attack: truth.attack, success: outcome === 'success', before: known?.logins ?? 0, assessment })
    if (outcome === 'success' && truth.attack === null)
      profiles.set(facts.subject, { bytes: assessment.profile, logins: (known?.logins ?? 0) + 1 })
  }
  return out
}

/** Chance that an attack scores above a legitimate login; ties count half. */
export function auc(attacks: readonly number[], legit: readonly number[]): number {
  const sorted = [...legit].sort((a, b) => a - b)
  const below = (x: number, orEqual: boolean): number => {
    let [lo, hi] = [0, sorted.length]
    while (lo < hi) {
      const mid = (lo + hi) >> 1
      if (sorted[mid]! < x || (orEqual && sorted[mid] === x)) lo = mid + 1
      else hi = mid
    }
    return lo
  }
  return attacks.reduce((sum, x) => sum + (below(x, false) + below(x, true)) / 2 / sorted.length, 0) / attacks.length
}
