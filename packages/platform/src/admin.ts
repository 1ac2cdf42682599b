/** The admin API's front: who its operators are, and what each may do. */

/** Scopes of operator tokens. */
export const adminScopes = [
  'config:read',
  'config:write',
  'policy:read',
  'policy:write',
  'policy:publish',
  'users:read',
  'users:write',
  'events:read',
  'insight:read',
] as const
export type AdminScope = (typeof adminScopes)[number]

/** Whom the admin API believes: bearer JWTs of these issuers, for this audience. */
export interface OperatorTrust {
  /** What `aud` must be. */
  readonly audience: string
  readonly issuers: readonly {
    readonly issuer: string /** Its signing keys, public members. */
    readonly keys: readonly JsonWebKey[]
  }[]
}
