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
  /** Units from which a login is `raised`, `high`. Defaults: the frozen reference's 99 and 99.9 per cent points. */
  readonly bands?: { readonly raised: number; readonly high: number }
  /** Units at given thousandths of legitimate logins, both ascending. It is frozen: a gate that followed the stream could be walked. */
  readonly reference?: readonly { readonly permille: number; readonly units: number }[]
}
