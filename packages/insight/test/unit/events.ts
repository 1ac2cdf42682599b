/** Simulated logins as events, as a platform would write them: risk included, by the real scorer. */
import { factsWithResolver, riskModel } from '@postern/anomaly/risk'
import { utf8 } from '@postern/core/bytes'
import type { PosternEvent } from '@postern/core/events'
import { type LoginSimulation, simulateLogins } from '@postern/testkit/logins'

export const start: number = Date.UTC(2026, 9, 1)

export function simulatedEvents(o: Partial<LoginSimulation>): readonly PosternEvent[] {
  const model = riskModel({ key: new Uint8Array(16), facts: factsWithResolver })
  const id = (text: string) => utf8(text.padEnd(16, '.'))
  const profiles = new Map<string, Uint8Array>()
  const out: PosternEvent[] = []
  for (const { facts, outcome } of simulateLogins({
    seed: 3,
    users: 200,
    days: 30,
    start,
    attack: { kind: 'stuffing', day: 23, victims: 120 },
    ...o,
  })) {
    const assessed = model.score(
      { ...facts, id: id(String(out.length)), subject: id(facts.subject), device: id(facts.device) },
      profiles.get(facts.subject) ?? null,
      null,
    )
    const risk = {
      score: assessed.score,
      band: assessed.band,
      reasons: assessed.reasons.map(({ code, units }) => ({ code, units })),
    }
    const { at, subject, device, app, appVersion, platform, osVersion, authenticator } = facts
    const common = { at, tenant: 'demo', subject, device, app, appVersion, platform, osVersion, authenticator }
    const name = (n: number) => `e${String(out.length + n).padStart(8, '0')}`
    const ok = outcome === 'success'
    out.push({ ...common, id: name(0), type: `${authenticator}.${ok ? 'succeeded' : 'failed'}`, outcome })
    out.push({ ...common, id: name(0), type: ok ? 'login.succeeded' : 'login.failed', outcome, risk })
    if (ok && assessed.band === 'low') profiles.set(subject, assessed.profile)
  }
  return out
}
