/** The host's pages: the token server shows none. */
import type { JsonObject } from '@postern/core/json'
import type { Client } from './clients.js'
import type { Login } from './login.js'

/** What the page needs to know about the authorization request. */
export interface Prompt {
  /** Sealed; hand it back to `resumeAuthorization` within 30 min, from the same browser. */
  readonly handle: string
  readonly client: Client
  readonly scope: readonly string[]
  readonly resource: string
  /** Asked for, parsed by their types; none when the client asked for none. */
  readonly authorizationDetails: readonly JsonObject[]
  /** Levels asked for, in the client's order of preference. */
  readonly acrValues: readonly string[]
  /** Seconds. */
  readonly maxAge: number | null
  readonly prompt: readonly string[]
  readonly loginHint: string | null
  /** The `sub` of `id_token_hint` or `claims`, as this client knows it: a login of anybody else is answered `login_required`. */
  readonly hintedSubject: string | null
  readonly uiLocales: readonly string[]
  readonly claims: JsonObject | null
}

export type Decision =
  | {
      readonly outcome: 'granted'
      readonly login: Login
      /** ⊆ the prompt's. */
      readonly scope: readonly string[]
      /** Within the prompt's, by the law of their types; left out, none are granted. */
      readonly authorizationDetails?: readonly JsonObject[]
    }
  | {
      readonly outcome: 'denied'
      readonly error:
        | 'access_denied'
        | 'login_required'
        | 'consent_required'
        | 'interaction_required'
        | 'unmet_authentication_requirements'
    }

export interface InteractionPort {
  /**
   * Shows a page, or answers at once from the host's own session. With `prompt` `none` it must answer: a page is not shown, the client is
   * told `interaction_required`. A `PosternError` below 500 is told to the client as an OAuth error, any other throw ends on the error page; no code is made.
   */
  begin(prompt: Prompt, request: Request): Promise<Response | Decision>
  /** The error page for requests that must not be redirected (unknown client, wrong redirect_uri, lost browser binding). */
  error(e: { readonly code: string; readonly publicMessage: string }, request: Request): Promise<Response>
}
