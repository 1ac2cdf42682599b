/**
 * Simulated users and attackers, as a stream of logins in order of time, the truth kept apart from the facts. It knows no scorer: behaviour
 * comes from small machines of places and habits. Same seed, same stream, on every runtime.
 */
import { type Attack, type AttackKind, attackAttempts } from './internal/logins/attackers.js'
import { type Attempt, habits } from './internal/logins/behaviour.js'
import type { SimulatedKind } from './internal/logins/network.js'
import { makeUser } from './internal/logins/population.js'

export { type Attack, type AttackKind, attackKinds } from './internal/logins/attackers.js'

/** What a platform would know of the login. */
export interface SimulatedFacts {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly subject: string
  readonly device: string
  readonly deviceAgeDays: number
  readonly app: string
  readonly appVersion: string
  readonly platform: 'ios' | 'android'
  readonly osVersion: string
  readonly model: string
  /** Four bytes. */
  readonly ip: Uint8Array
  readonly asn: number
  readonly kind: SimulatedKind
  readonly place: { readonly country: string; readonly lat: number; readonly lon: number; readonly radiusKm: number }
  readonly authenticator: 'pin' | 'key'
  readonly acr: number
  /** Failed tries of this subject, by anybody, since its last success. */
  readonly failuresBefore: number
  /** 0 none to 3 hardware-backed. */
  readonly integrity: number
}

/** One try to log in. */
export interface SimulatedLogin {
  readonly facts: SimulatedFacts
  readonly outcome: 'success' | 'failure'
  /** `null`: the user. Never to be shown to a scorer. */
  readonly truth: { readonly attack: AttackKind | null }
}

export interface LoginSimulation {
  readonly seed: number
  readonly users: number
  readonly days: number
  /** Midnight UTC of the first day, ms. */
  readonly start: number
  /** None by default. */
  readonly attack?: Attack | readonly Attack[] | null
  /** Default `bank`. */
  readonly app?: string
}

/**
 * Yields every try of every user and attacker, ascending by time.
 *
 * A host maps one to events of its own: `success` → `login.succeeded` (before it `pin.succeeded` or `key.succeeded`), `failure` → `pin.failed` or
 * `key.failed`, with `subject`, `device`, `app`, `appVersion`, `platform`, `osVersion` and `authenticator` taken from the facts.
 *
 * @example
 * for (const { facts, outcome } of simulateLogins({ seed: 1, users: 1000, days: 30, start, attack: { kind: 'stuffing', day: 24 } })) …
 */
export function* simulateLogins(o: LoginSimulation): Generator<SimulatedLogin, void, undefined> {
  const { seed, days, start, app = 'bank' } = o
  const attacks =
    o.attack === undefined || o.attack === null
      ? []
      : Array.isArray(o.attack)
        ? (o.attack as readonly Attack[])
        : [o.attack as Attack]
  const users = Array.from({ length: o.users }, (_, index) => makeUser(seed, index))
  const behaviours = users.map((user) => habits(seed, user))
  const failures = new Map<string, number>()
  for (let day = 0; day < days; day++) {
    const midnight = start + day * 86_400_000
    const honest = behaviours.flatMap((live) =>
      live(day, midnight).map((tried) => ({ tried, attack: null as AttackKind | null })),
    )
    const hostile = attacks
      .filter((attack) => attack.day === day)
      .flatMap((attack) =>
        attackAttempts(seed, attack, users, midnight).map((tried) => ({ tried, attack: attack.kind as AttackKind | null })),
      )
    for (const { tried, attack } of [...honest, ...hostile].sort(
      (a, b) => a.tried.at - b.tried.at || a.tried.user.index - b.tried.user.index,
    )) {
      const failuresBefore = failures.get(tried.user.subject) ?? 0
      failures.set(tried.user.subject, tried.success ? 0 : failuresBefore + 1)
      yield {
        facts: { ...factsOf(tried, app), failuresBefore },
        outcome: tried.success ? 'success' : 'failure',
        truth: { attack },
      }
    }
  }
}

function factsOf(tried: Attempt, app: string): Omit<SimulatedFacts, 'failuresBefore'> {
  const { at, user, phone, access, authenticator, appVersion, osVersion, deviceAgeDays } = tried
  const { platform, model, integrity } = phone
  return {
    at,
    subject: user.subject,
    device: phone.id,
    deviceAgeDays,
    app,
    appVersion,
    platform,
    osVersion,
    model,
    ip: access.ip,
    asn: access.asn,
    kind: access.kind,
    place: access.place,
    authenticator,
    acr: 2,
    integrity,
  }
}
