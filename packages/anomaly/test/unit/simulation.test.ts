import { attackKinds } from '@postern/testkit/logins'
import { expect, it } from 'vitest'
import { factsWithoutResolver, factsWithResolver } from '../../src/risk.js'
import { auc, scoreAll } from './scored.js'

// Seeds differ from the one that the frozen reference was measured on.
const attacks = attackKinds.map((kind, i) => ({ kind, day: 24 + i, victims: 50 }))
/** Bounds below what was seen on seeds 1, 2 and 3; the thief with the victim's own phone, place and carrier is the hard one. */
const least = { naive: 0.99, vpn: 0.98, targeted: 0.95, 'stolen-phone': 0.88, stuffing: 0.99, spraying: 0.99 }

it.each([
  ['with address resolvers', factsWithResolver, 11],
  ['without resolvers', factsWithoutResolver, 12],
] as const)('simulated attackers score above users, %s', (name, facts, seed) => {
  const all = scoreAll({ seed, users: 150, days: 30, attacks, facts })
  const legit = all.filter((s) => s.attack === null && s.success && s.before > 0)
  const figures = attackKinds.map((kind) => {
    const units = all
      .filter((s) => s.attack === kind && s.success === (kind === 'stolen-phone' ? true : s.success))
      .map((s) => s.assessment.units)
    return {
      kind,
      n: units.length,
      auc:
        Math.round(
          1e4 *
            auc(
              units,
              legit.map((s) => s.assessment.units),
            ),
        ) / 1e4,
    }
  })
  console.info(`risk ${name}, seed ${seed}: ${figures.map((f) => `${f.kind} ${f.auc} (${f.n})`).join(', ')}`)
  for (const f of figures) expect(f.auc, f.kind).toBeGreaterThanOrEqual(least[f.kind])
  const raised = legit.filter((s) => s.assessment.band !== 'low').length / legit.length
  expect(raised).toBeLessThan(0.01)
  for (const s of all) expect(s.assessment.reasons.reduce((sum, reason) => sum + reason.units, 0)).toBe(s.assessment.units)
})
