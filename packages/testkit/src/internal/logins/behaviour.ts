/** What one user does on one day: a small machine of places (home, work, under way, abroad) and habits. It knows no score. */
import { type Access, type City, carrier, cities, fixedLine, guestLine, relay, vpn } from './network.js'
import { makePhone, type Phone, type User } from './population.js'
import { type Dice, dice } from './random.js'

/** One try to log in, before the subject's failures have been counted. */
export interface Attempt {
  readonly at: number
  readonly user: User
  readonly phone: Phone
  readonly access: Access
  readonly authenticator: 'pin' | 'key'
  readonly appVersion: string
  readonly osVersion: string
  readonly deviceAgeDays: number
  readonly success: boolean
}

const DAY = 86_400_000

/** Carries what lasts over days: the line's address, the journey, the phone. */
export function habits(seed: number, user: User): (day: number, midnight: number) => readonly Attempt[] {
  const d = dice(Math.imul(seed, 104_729) ^ Math.imul(user.index + 1, 2_654_435_761))
  let line = fixedLine(d, user.home, user.provider)
  let away: { readonly city: City; readonly until: number; readonly line: Access } | null = null
  let { phone } = user
  return (day, midnight) => {
    if (d.chance(1 / 25)) line = fixedLine(d, user.home, user.provider)
    if (d.chance(1 / 500)) phone = makePhone(d, `phone-${user.index}-${day}`, day)
    if (away !== null && day > away.until) away = null
    if (away === null && d.chance(1 / 90)) {
      const city = d.pick(cities.filter((c) => c !== user.home))
      away = { city, until: day + d.whole(2, 9), line: guestLine(d, city) }
    }
    const weekend = [0, 6].includes(new Date(midnight).getUTCDay())
    const often = user.loginsPerDay * (weekend ? 0.6 : 1)
    const count = Math.floor(often) + (d.chance(often % 1) ? 1 : 0) + (d.chance(0.08) ? 1 : 0)
    const out: Attempt[] = []
    for (let i = 0; i < count; i++) {
      const hour = (d.pick(user.peaks) + (d.next() + d.next() - 1) * 2 + 24) % 24
      const at = midnight + Math.floor((hour / 24) * DAY)
      const where = place(d, user, hour, weekend, line, away)
      const tries = d.chance(user.clumsy) ? d.whole(1, 2) : 0
      for (let t = 0; t <= tries; t++)
        out.push(
          attempt(user, phone, where, day, at + t * d.whole(6_000, 20_000), t === tries, d.chance(0.9) ? user.prefers : 'pin'),
        )
    }
    return out
  }
}

function place(
  d: Dice,
  user: User,
  hour: number,
  weekend: boolean,
  line: Access,
  away: { readonly city: City; readonly line: Access } | null,
): Access {
  const country = away === null ? user.home.country : away.city.country
  if (user.habit === 'relay' && d.chance(0.5)) return relay(d, country)
  if (user.habit === 'vpn' && d.chance(0.4)) return vpn(d, user.home)
  // Roaming data leaves through the home carrier's gateway.
  if (away !== null) return d.chance(0.5) ? away.line : carrier(d, user.home.country, user.carrier)
  if (user.work !== null && !weekend && hour >= 9 && hour < 17 && d.chance(0.6)) return user.work
  return d.chance(0.55) ? line : carrier(d, country, user.carrier)
}

export function attempt(
  user: User,
  phone: Phone,
  access: Access,
  day: number,
  at: number,
  success: boolean,
  authenticator: 'pin' | 'key',
): Attempt {
  const release = Math.max(0, Math.floor((day - user.updateDelay + 28) / 14))
  const os = phone.osMajor + (day >= phone.upgradeDay ? 1 : 0)
  return {
    at,
    user,
    phone,
    access,
    authenticator,
    appVersion: `4.${release}.0`,
    osVersion: `${os}.${phone.upgradeDay % 3}`,
    deviceAgeDays: Math.max(0, day - phone.since),
    success,
  }
}
