/** The chains of the likelihood ratio as data, general to specific, with the constants fixed before any scoring run. */
import type { DeclarableFact } from '../config.js'
import type { ReasonCode } from '../reasons.js'

/** One level of a chain. `values`: how many there may be (B); `smoothing`: weight of the back-off in logins (m); `cap`: greatest |c| in nats (C). */
export interface Level {
  readonly fact: DeclarableFact | 'extra'
  readonly name?: string
  readonly code: ReasonCode
  readonly feature: number
  readonly values: number
  readonly smoothing: number
  readonly cap: number
  /** What an attacker's value is drawn from: anything, what is common, the victim's own habit, what recent attacks used. Sums to 1. */
  readonly attacker: readonly [uniform: number, global: number, victim: number, hot: number]
}

export interface Chain {
  readonly missing: ReasonCode
  readonly levels: readonly Level[]
}

/** Numbers are written into profiles: never reused for another meaning. */
export const features = {
  country: 1,
  asn: 2,
  prefix: 3,
  address: 4,
  asnPair: 5,
  os: 6,
  model: 7,
  device: 8,
  appVersion: 9,
  kind: 10,
  authenticator: 11,
  extra: 16,
} as const

/** Greatest number of entries kept; extras share one cap. */
export const capOf = (feature: number): number =>
  ({ 1: 4, 2: 6, 3: 6, 4: 6, 5: 4, 6: 3, 7: 3, 8: 3, 9: 3, 10: 3, 11: 3 })[feature] ?? 4

export const hoursLevel = { values: 8, smoothing: 4, cap: 2, weight: 0.5 } as const

export const chains: readonly Chain[] = [
  {
    missing: 'network.missing',
    levels: [
      {
        fact: 'country',
        code: 'network.country',
        feature: features.country,
        values: 250,
        smoothing: 0.3,
        cap: 5,
        attacker: [0.5, 0, 0.4, 0.1],
      },
      {
        fact: 'asn',
        code: 'network.asn',
        feature: features.asn,
        values: 4000,
        smoothing: 0.8,
        cap: 5,
        attacker: [0.1, 0.6, 0.2, 0.1],
      },
      {
        fact: 'prefix',
        code: 'network.prefix',
        feature: features.prefix,
        values: 1024,
        smoothing: 1.5,
        cap: 4,
        attacker: [0.3, 0.4, 0.2, 0.1],
      },
      {
        fact: 'address',
        code: 'network.address',
        feature: features.address,
        values: 256,
        smoothing: 1.5,
        cap: 3,
        attacker: [0.6, 0.2, 0.1, 0.1],
      },
    ],
  },
  {
    missing: 'device.missing',
    levels: [
      { fact: 'os', code: 'device.os', feature: features.os, values: 16, smoothing: 0.5, cap: 4, attacker: [0.2, 0.4, 0.4, 0] },
      {
        fact: 'model',
        code: 'device.model',
        feature: features.model,
        values: 400,
        smoothing: 0.6,
        cap: 4,
        attacker: [0.1, 0.5, 0.4, 0],
      },
      {
        fact: 'device',
        code: 'device.id',
        feature: features.device,
        values: 1e6,
        smoothing: 0.5,
        cap: 6,
        attacker: [0.9, 0, 0.1, 0],
      },
    ],
  },
  {
    missing: 'app.missing',
    levels: [
      {
        fact: 'appVersion',
        code: 'app.version',
        feature: features.appVersion,
        values: 32,
        smoothing: 0.6,
        cap: 2,
        attacker: [0.2, 0.6, 0.2, 0],
      },
    ],
  },
  {
    missing: 'kind.missing',
    levels: [
      {
        fact: 'kind',
        code: 'network.kind',
        feature: features.kind,
        values: 8,
        smoothing: 0.5,
        cap: 3,
        attacker: [0.2, 0.4, 0.3, 0.1],
      },
    ],
  },
  {
    missing: 'authenticator.missing',
    levels: [
      {
        fact: 'authenticator',
        code: 'authenticator',
        feature: features.authenticator,
        values: 8,
        smoothing: 0.5,
        cap: 2,
        attacker: [0.4, 0.4, 0.2, 0],
      },
    ],
  },
]

/** The chain of a declared extra. */
export function extraChain(name: string, index: number, values: number): Chain {
  return {
    missing: 'extra.missing',
    levels: [
      {
        fact: 'extra',
        name,
        code: 'extra',
        feature: features.extra + index,
        values,
        smoothing: 0.5,
        cap: 2,
        attacker: [0.4, 0.4, 0.2, 0],
      },
    ],
  }
}
