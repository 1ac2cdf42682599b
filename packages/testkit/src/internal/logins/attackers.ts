/** Attackers. Each is described by what it has (passwords, a phone, knowledge of its victim), never by what a detector looks at. */
import { type Attempt, attempt } from './behaviour.js'
import { type Access, carrier, cities, hosting, vpn } from './network.js'
import { makePhone, type User } from './population.js'
import { dice } from './random.js'

/**
 * - `naive`: one victim's secret, own phone, a rented machine abroad
 * - `vpn`: the same through a VPN in the victim's country
 * - `targeted`: victim's country, carrier and model of phone, own device
 * - `stolen-phone`: the victim's very phone on the local carrier, guessing the PIN
 * - `stuffing`: a list of secrets of other sites, thousands of subjects within an hour from a few prefixes
 * - `spraying`: one likely secret against many subjects, slowly, from many prefixes
 */
export const attackKinds = ['naive', 'vpn', 'targeted', 'stolen-phone', 'stuffing', 'spraying'] as const
export type AttackKind = (typeof attackKinds)[number]

export interface Attack {
  readonly kind: AttackKind
  /** Day of the simulation, from 0. */
  readonly day: number
  /** Victims; default 20 for one-by-one attacks, all for `stuffing` and `spraying`. */
  readonly victims?: number
}

/** Every try of one attack, in no order. */
export function attackAttempts(seed: number, attack: Attack, users: readonly User[], midnight: number): readonly Attempt[] {
  const d = dice(Math.imul(seed, 15_485_863) + attack.day * 31 + attackKinds.indexOf(attack.kind))
  const crowd = attack.kind === 'stuffing' || attack.kind === 'spraying'
  const count = Math.min(users.length, attack.victims ?? (crowd ? users.length : 20))
  const offset = d.whole(0, users.length - 1)
  const victims = Array.from(
    { length: count },
    (_, i) => users[(offset + i * (crowd ? 1 : Math.max(1, Math.floor(users.length / count)))) % users.length]!,
  )
  const farm = Array.from({ length: 12 }, (_, i) => makePhone(d, `farm-${attack.day}-${i}`, attack.day))
  const abroad = cities.slice(6)
  const exits = Array.from({ length: attack.kind === 'spraying' ? 60 : 6 }, () =>
    d.chance(0.5) ? hosting(d, d.pick(abroad)) : vpn(d, d.pick(abroad)),
  )
  const out: Attempt[] = []
  for (const user of victims) {
    const own = {
      ...makePhone(d, `thief-${attack.day}-${user.index}`, attack.day),
      ...(attack.kind === 'targeted'
        ? { platform: user.phone.platform, model: user.phone.model, osMajor: user.phone.osMajor }
        : {}),
    }
    const any = midnight + d.whole(0, 86_399) * 1000
    const put = (access: Access, phone: typeof own, at: number, success: boolean) =>
      out.push(attempt(user, phone, access, attack.day, at, success, 'pin'))
    switch (attack.kind) {
      case 'naive':
        put(hosting(d, d.pick(abroad)), own, any, true)
        break
      case 'vpn':
        put(vpn(d, user.home), own, any, true)
        break
      case 'targeted':
        put(carrier(d, user.home.country, user.carrier), own, any, true)
        break
      case 'stolen-phone': {
        const wrong = d.whole(1, 4)
        const where = carrier(d, user.home.country, d.whole(0, 2))
        for (let i = 0; i <= wrong; i++) put(where, user.phone, any + i * d.whole(20_000, 90_000), i === wrong)
        break
      }
      case 'stuffing':
        put(d.pick(exits), d.pick(farm), midnight + 13 * 3_600_000 + d.whole(0, 3_599) * 1000, d.chance(0.03))
        break
      case 'spraying':
        put(d.pick(exits), d.pick(farm), any, d.chance(0.01))
    }
  }
  return out
}
