/** What a user's authentication came to, as the one who did it reports it to the token server. */
import type { JsonObject } from '@postern/core/json'

/** A `check` in the partition the grant lives in: the grant dies when the record is no longer at this `rev` (`null`: absent). */
export interface Guard {
  readonly key: string
  readonly rev: string | null
}

/** Access tokens say whose they are: of a user, of a user without a prompt, of the app instance itself. Private claim `kind`. */
export type TokenKind = 'user' | 'implicit' | 'device'

export interface Login {
  /** The host's subject id, 1–255 characters; never a name or an address. */
  readonly subject: string
  /** When the user was authenticated, ms. */
  readonly authTime: number
  readonly acr: string
  readonly amr: readonly string[]
  /** Browser session, when the host has one; never used again after its end. Lower-case base32, hex or ULID, ≤ 64 characters. */
  readonly sid?: string
  /** Default `user`. */
  readonly kind?: TokenKind
  /** ≤ 4 records of the owner partition that redemption checks: the device, the enrolment. They do not end the family later; epochs do. */
  readonly guards?: readonly Guard[]
  /** Facts for `recheck`, ≤ 1 KiB as JSON, sealed into every handle of the grant. */
  readonly facts?: JsonObject
  /**
   * `false`: no refresh token comes of this login, whatever was asked for. A family may only be where a revocation of its subject looks:
   * on an instance, that is after an enrolment was confirmed there. Default `true`.
   */
  readonly refresh?: boolean
}
