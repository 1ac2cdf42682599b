/** The host's last word before a token: locks, removed devices and raised policies between login and redemption win (T50). */
import type { JsonObject } from '@postern/core/json'
import type { Part, Rec } from '@postern/store'
import type { Guard, TokenKind } from './login.js'

export type RecheckAt = 'code' | 'refresh' | 'client' | 'device' | 'ciba' | 'exchange'

/** A grant as `recheck` sees it. */
export interface GrantView {
  readonly subject: string | null
  /** What the grant itself says of its client: an instance is not looked up again for this. */
  readonly client: { readonly id: string; readonly kind: 'instance' | 'shared'; readonly jkt: string | null }
  /** The partition in which guards are checked. */
  readonly part: Part
  readonly kind: TokenKind
  readonly scope: readonly string[]
  readonly resource: string
  /** Granted `authorization_details`, when there are any. */
  readonly details?: readonly JsonObject[]
  readonly acr: string | null
  readonly amr: readonly string[]
  readonly authTime: number | null
  readonly sid: string | null
  /** What the login carried in. */
  readonly facts: JsonObject | null
  /** The guards of the login, at `'code'`. */
  readonly guards: readonly Guard[]
  /** What this port returned as `seen` when it last judged this family. */
  readonly seen: JsonObject | null
  /** A guard did not hold at commit: what is there now. Judge again with it, without a read. */
  readonly current: { readonly key: string; readonly rec: Rec | null } | null
  /** The request, for its headers. Its body has been read. `null` where no client asks: tokens that CIBA pushes. */
  readonly request: Request | null
}

export type Verdict =
  | {
      readonly ok: true
      /** Checked in the commit; one of the same key replaces the login's. ≤ 4. */
      readonly guards?: readonly Guard[]
      /** What the access token gets at most. It never widens: an `acr` that is not known to be weaker is an error of the host's. */
      readonly narrow?: { readonly scope?: readonly string[]; readonly lifetimeSec?: number; readonly acr?: string }
      /** Kept sealed in the family for the next time, ≤ 512 bytes as JSON. */
      readonly seen?: JsonObject
      /** Further members of the token response; standard ones are not replaced. */
      readonly members?: JsonObject
      /** Further private claims of the access token; standard ones are not replaced. */
      readonly claims?: JsonObject
    }
  | {
      readonly ok: false
      readonly error: 'invalid_grant' | 'access_denied' /** For the answer's `code` member and the event. */
      readonly code: string
    }

/** Called at redemption, at a poll and a push, at refresh and for a client's own token, before the commit and again when a guard of its own failed, at most 4 times. */
export type Recheck = (grant: GrantView, at: RecheckAt) => Promise<Verdict>
