/** Who the simulated users are: where they live, what they carry, when they are awake. */
import { type Access, type City, cities, fixedLine } from './network.js'
import { type Dice, dice } from './random.js'

export interface Phone {
  readonly id: string
  readonly platform: 'ios' | 'android'
  readonly model: string
  readonly osMajor: number
  /** Day on which this phone came into use; before day 0 for most. */
  readonly since: number
  /** Day of the operating system's upgrade on this phone. */
  readonly upgradeDay: number
  /** Hardware-backed integrity or less, as in {@link SimulatedFacts.integrity}. */
  readonly integrity: number
}

export interface User {
  readonly index: number
  readonly subject: string
  readonly home: City
  readonly provider: number
  readonly work: Access | null
  readonly carrier: number
  readonly phone: Phone
  readonly loginsPerDay: number
  /** Local hours around which this user logs in. */
  readonly peaks: readonly number[]
  readonly habit: 'plain' | 'relay' | 'vpn'
  readonly prefers: 'pin' | 'key'
  /** Days until the user updates the app after a release. */
  readonly updateDelay: number
  readonly clumsy: number
}

const phones: readonly { readonly weight: number; readonly value: Pick<Phone, 'platform' | 'model'> }[] = [
  { weight: 18, value: { platform: 'ios', model: 'iPhone15,2' } },
  { weight: 14, value: { platform: 'ios', model: 'iPhone16,1' } },
  { weight: 9, value: { platform: 'ios', model: 'iPhone14,5' } },
  { weight: 4, value: { platform: 'ios', model: 'iPhone12,8' } },
  { weight: 16, value: { platform: 'android', model: 'SM-S921B' } },
  { weight: 12, value: { platform: 'android', model: 'SM-A546B' } },
  { weight: 9, value: { platform: 'android', model: 'Pixel 8' } },
  { weight: 6, value: { platform: 'android', model: 'Redmi Note 13' } },
  { weight: 3, value: { platform: 'android', model: 'Fairphone 5' } },
]

/** The same user for the same seed and index, whatever else is simulated. */
export function makeUser(seed: number, index: number): User {
  const d = dice(Math.imul(seed, 7919) + index)
  const home = d.weighted(cities.slice(0, 6).map((value, i) => ({ weight: [6, 4, 5, 3, 2, 2][i]!, value })))
  const shift = d.weighted([
    { weight: 80, value: [8, 12, 19] },
    { weight: 12, value: [7, 21] },
    { weight: 8, value: [23, 3, 15] },
  ])
  return {
    index,
    subject: `user-${String(index).padStart(4, '0')}`,
    home,
    provider: d.whole(0, 3),
    work: d.chance(0.6) ? fixedLine(d, home, d.whole(0, 3)) : null,
    carrier: d.whole(0, 2),
    phone: makePhone(d, `phone-${index}-0`, -d.whole(30, 700)),
    loginsPerDay: d.weighted([
      { weight: 3, value: 0.4 },
      { weight: 4, value: 1 },
      { weight: 3, value: 2 },
    ]),
    peaks: shift.map((hour) => (hour + d.whole(-1, 1) + 24) % 24),
    habit: d.weighted([
      { weight: 87, value: 'plain' },
      { weight: 8, value: 'relay' },
      { weight: 5, value: 'vpn' },
    ]),
    prefers: d.chance(0.45) ? 'pin' : 'key',
    updateDelay: d.whole(0, 25),
    clumsy: d.chance(0.1) ? 0.12 : 0.03,
  }
}

export function makePhone(d: Dice, id: string, since: number): Phone {
  const { platform, model } = d.weighted(phones)
  const newest = platform === 'ios' ? 26 : 16
  return {
    id,
    platform,
    model,
    osMajor:
      newest -
      d.weighted([
        { weight: 5, value: 0 },
        { weight: 4, value: 1 },
        { weight: 1, value: 2 },
      ]),
    since,
    upgradeDay: d.whole(0, 400),
    integrity: d.chance(0.93) ? 3 : 2,
  }
}
