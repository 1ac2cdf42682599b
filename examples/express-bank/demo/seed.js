// @ts-check
// Thirty days of logins of a thousand simulated users, with one attack in them, scored as they would have been and recorded as events.
import { factsWithResolver } from '@postern/anomaly/config'
import { briefReasons } from '@postern/anomaly/reasons'
import { riskModel } from '@postern/anomaly/risk'
import { utf8 } from '@postern/core/bytes'
import { ulid } from '@postern/core/ids'
import { simulateLogins } from '@postern/testkit/logins'

const DAY_MS = 86_400_000

/**
 * @param {import('@postern/platform').Platform} platform
 * @param {{ random: (n: number) => Uint8Array, now: number, users?: number, days?: number, progress?: (done: number) => void }} o
 * @returns {Promise<{ logins: number, attacks: number }>}
 */
export async function seedHistory(platform, { random, now, users = 1_000, days = 30, progress = () => {} }) {
  const start = Math.floor(now / DAY_MS) * DAY_MS - days * DAY_MS
  const model = riskModel({ key: random(16), facts: factsWithResolver })
  const profiles = new Map()
  let batch = /** @type {import('@postern/core/events').PosternEvent[]} */ ([])
  let [logins, attacks] = [0, 0]
  for (const { facts, outcome, truth } of simulateLogins({
    seed: 42,
    users,
    days,
    start,
    app: 'retail',
    attack: { kind: 'stuffing', day: days - 6 },
  })) {
    logins++
    if (truth.attack) attacks++
    const about = {
      tenant: 'bank',
      at: facts.at,
      subject: facts.subject,
      device: facts.device,
      app: facts.app,
      appVersion: facts.appVersion,
      platform: facts.platform,
      osVersion: facts.osVersion,
    }
    const id = () => ulid(() => facts.at, random)
    const type = facts.authenticator === 'pin' ? 'pin' : 'key'
    const authenticator = type === 'pin' ? 'pin' : 'device-key'
    if (outcome === 'failure') {
      batch.push({
        ...about,
        id: id(),
        type: `${type}.failed`,
        outcome: 'failure',
        authenticator,
        reason: 'authenticator.failed',
      })
    } else {
      const { subject, device, kind, ...rest } = facts
      const assessed = model.score(
        {
          ...rest,
          id: random(16),
          subject: utf8(subject.padEnd(8)),
          device: utf8(device.padEnd(8)),
          kind: /** @type {any} */ (kind),
        },
        profiles.get(subject) ?? null,
        null,
      )
      profiles.set(subject, assessed.profile)
      batch.push({ ...about, id: id(), type: `${type}.succeeded`, outcome: 'success', authenticator })
      batch.push({
        ...about,
        id: id(),
        type: 'login.succeeded',
        outcome: 'success',
        authenticator,
        risk: {
          score: assessed.score,
          band: assessed.band,
          reasons: briefReasons(assessed.reasons),
        },
      })
    }
    if (batch.length >= 10_000) {
      await platform.record(batch)
      batch = []
      progress((facts.at - start) / (days * DAY_MS))
    }
  }
  await platform.record(batch)
  return { logins, attacks }
}
