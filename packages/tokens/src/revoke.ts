/** Revocation (RFC 7009, and the host's own): each writes what rotation compares, so the two are ordered (T17). No children are enumerated. */
import type { Part } from '@postern/store'
import type { Handler, IssuerContext } from './issuer.js'

/** `owner` alone: everything in it (an instance, or a user's shared clients); with `subject`: that user on the instance; `client`: one client of the user; `sid`: one session. */
export type RevokeTarget =
  | { readonly family: { readonly part: Part; readonly id: string; readonly absoluteExp: number } }
  | { readonly owner: Part; readonly subject?: string; readonly client?: string; readonly sid?: string }
  /** Everywhere: `usr:` first, then each instance named. */
  | { readonly subject: string; readonly devices: readonly string[] }

/**
 * After it has returned, nothing issued later is active under introspection.
 * @throws PosternError `store.outcome_unknown` | `store.unavailable`: call again, it is idempotent
 */
export declare function revoke(target: RevokeTarget, context: IssuerContext): Promise<void>

/** `POST /revoke`. */
export declare function revokeEndpoint(): Handler
