/** What is to be issued once the commit holds: data, so that a grant cannot issue by itself. */
import type { JsonObject } from '@postern/core/json'
import type { Part } from '@postern/store'
import type { Guard, TokenKind } from '../login.js'
import type { Family } from './family.js'

/** Seconds that an access token lives at most, whatever is configured. */
export const MAX_ACCESS_SEC = 1800

export interface TokenPlan {
  readonly kind: TokenKind
  readonly clientId: string
  readonly subject: string
  /** Of a pairwise client: the sector that its `sub` is for. */
  readonly sector?: string
  readonly part: Part
  /** The family the access token dies with; `row`: its record must exist, not merely be no tombstone. */
  readonly family: { readonly id: string; readonly row: boolean } | null
  /** Epochs the access token dies with; `null`: none were read. */
  readonly epochs: readonly Guard[] | null
  /** Of an exchanged token, in place of `epochs`: it dies with what the token before it died with. */
  readonly exchanged?: {
    readonly grantee: string
    readonly marks: readonly string[]
    readonly session: boolean
    readonly revs: readonly (string | null)[] | null
  }
  readonly scope: readonly string[]
  readonly resource: string
  readonly lifetimeSec: number
  /** Ms: the grant's own end. */
  readonly notAfter: number
  readonly jkt: string | null
  /** `x5t#S256` of the client certificate the tokens are bound to. */
  readonly x5t?: string
  readonly details?: readonly JsonObject[]
  /** Who acts for the subject (RFC 8693 §4.1). */
  readonly act?: JsonObject
  readonly acr: string | null
  readonly amr: readonly string[]
  /** Ms. */
  readonly authTime: number | null
  readonly sid: string | null
  readonly nonce: string | null
  readonly app: JsonObject | null
  /** The family record to seal into a refresh token; `rev` absent: the commit's. */
  readonly refresh: { readonly family: Family; readonly rev?: string } | null
  readonly members: JsonObject
  readonly claims: JsonObject
  /** Further claims of the ID token (`ds_hash`, `auth_req_id`, …). */
  readonly idClaims?: JsonObject
  /** The ID token names the refresh token, too (CIBA Core §10.3.1). */
  readonly rtHash?: boolean
}
