/** The configuration of a risk model: what is asked of every login, what counts as raised and high, and the frozen reference. */

/** A fact that a deployment can supply. What is declared and then missing is judged at its worst; what is not declared is not judged. */
export const declarableFacts = [
  'country',
  'asn',
  'prefix',
  'address',
  'os',
  'model',
  'device',
  'appVersion',
  'kind',
  'authenticator',
  'hours',
  'velocity',
  'failures',
  'integrity',
] as const
export type DeclarableFact = (typeof declarableFacts)[number]

/** For a host without address resolvers and without device attestation. */
export const factsWithoutResolver: readonly DeclarableFact[] = [
  'prefix',
  'address',
  'os',
  'model',
  'device',
  'appVersion',
  'authenticator',
  'hours',
  'failures',
]

/** For a host with a place and an ASN resolver. */
export const factsWithResolver: readonly DeclarableFact[] = [
  'country',
  'asn',
  'prefix',
  'address',
  'os',
  'model',
  'device',
  'appVersion',
  'kind',
  'authenticator',
  'hours',
  'velocity',
  'failures',
]

/** What `riskModel` takes. */
export interface RiskConfig {
  /** 16 bytes, secret, one a tenant: keys every hash, so that a stored profile names no place or address. */
  readonly key: Uint8Array
  /** Default {@link factsWithoutResolver}. */
  readonly facts?: readonly DeclarableFact[]
  /** Name → number of values it may take, at most 8 names. */
  readonly extras?: Readonly<Record<string, number>>
  /** Takeovers per million logins, default 100. */
  readonly takeoversPerMillion?: number
  /**
   * Units from which a login is `raised`, `high`. Default: the facts make a takeover 10 times, 100 times as likely as before they were known,
   * until thresholds are fitted to an alert budget.
   */
  readonly bands?: { readonly raised: number; readonly high: number }
  /**
   * Units of legitimate logins, for `percentile` and for what may be learned. Frozen: a gate that followed the stream could be walked.
   * Default {@link referenceWithResolver} where `asn` is declared, else {@link referenceWithoutResolver}.
   */
  readonly reference?: Reference
}

/** A frozen picture of legitimate logins: units at thousandths, both ascending. */
export type Reference = readonly { readonly permille: number; readonly units: number }[]

const thousandths = [0, 10, 50, 100, 250, 500, 750, 900, 950, 980, 990, 995, 999, 1000] as const
const frozen = (units: readonly number[]): Reference => thousandths.map((permille, i) => ({ permille, units: units[i]! }))

/**
 * Measured once on simulated users (500 users, 60 days, seed 7, every login but the first; `@postern/testkit/logins`) with
 * {@link factsWithResolver}, and frozen. A host that has a month of its own logins replaces it.
 */
export const referenceWithResolver: Reference = /* @__PURE__ */ frozen([
  -24400, -24000, -23900, -23700, -23400, -20500, -18000, -16600, -15400, -14000, -13100, -12100, -9700, -5100,
])

/** The same with {@link factsWithoutResolver}. */
export const referenceWithoutResolver: Reference = /* @__PURE__ */ frozen([
  -20800, -20600, -20400, -20300, -20000, -17200, -14500, -13200, -12500, -11100, -10400, -9800, -7000, -2200,
])
