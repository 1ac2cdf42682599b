/** Claims about the subject (OpenID Connect Core §5.3). */
import type { JsonObject } from '@postern/core/json'
import type { Handler } from './issuer.js'

/** The host's claims about a subject: those of `names` that it has. Postern keeps no personal data. */
export type ClaimsPort = (ask: {
  readonly subject: string
  /** From the granted scopes and the `claims` parameter. */
  readonly names: readonly string[]
  readonly locales: readonly string[]
  readonly at: 'id_token' | 'userinfo'
}) => Promise<JsonObject>

/** `GET`/`POST /userinfo`. */
export declare function userinfoEndpoint(): Handler
