/** OAuth for First-Party Apps (draft-ietf-oauth-first-party-apps-04): the endpoint; the host's {@link ChallengePort} does the authentication. */
import type { JsonObject } from '@postern/core/json'
import type { Op, Part } from '@postern/store'
import type { Client } from './clients.js'
import type { Proof } from './dpop.js'
import type { Handler, IssuerContext } from './issuer.js'
import type { Login } from './login.js'

/** One call of `/authorize-challenge`, after client and proof were authenticated and the form was parsed. */
export interface ChallengeRequest {
  readonly client: Client
  /** The client's partition when it is an instance: `dev:<client_id>`. */
  readonly part: Part | null
  readonly proof: Proof | null
  /** With `proof: 'joined'`: the marker of the proof, to be part of every commit the port makes in {@link part}. */
  readonly proofOps: readonly Op[]
  /** All parameters, the standard ones included. */
  readonly form: ReadonlyMap<string, string>
  readonly scope: readonly string[]
  readonly resource: string
  readonly acrValues: readonly string[]
  readonly maxAge: number | null
  /** S256 challenge; `null` in a follow-up that did not repeat it: the port keeps the first one in `authSession`. */
  readonly codeChallenge: string | null
  readonly authSession: string | null
  readonly request: Request
}

export type ChallengeAnswer =
  | {
      readonly kind: 'code'
      readonly login: Login
      readonly authSession?: string
      /** What the code is for, where the port kept it from the first call; default this call's. */
      readonly scope?: readonly string[]
      readonly codeChallenge?: string
      readonly resource?: string
      /** Further members of the answer. */
      readonly members?: JsonObject
    }
  | {
      readonly kind: 'error'
      /** `insufficient_authorization`, `access_denied`, `invalid_session`, `redirect_to_web`, … */
      readonly error: string
      /** Default 403 for `insufficient_authorization` and `access_denied`, otherwise 400. */
      readonly status?: number
      readonly members?: JsonObject
    }

export interface ChallengePort {
  challenge(call: ChallengeRequest, context: IssuerContext): Promise<ChallengeAnswer>
  /** `'joined'`: the port puts `proofOps` into its own commits and so saves a round trip. Default: the endpoint spends the proof before it calls. */
  readonly proof?: 'joined'
}

/** What a code is for. */
export interface CodeOrder {
  readonly client: Client
  readonly login: Login
  readonly scope: readonly string[]
  readonly resource: string
  readonly codeChallenge: string
  /** `null`: the code came through no browser. */
  readonly redirectUri: string | null
  /** The key the code is bound to (RFC 9449 §10). */
  readonly dpopJkt: string | null
  readonly nonce?: string | null
}

/** A sealed authorization code for a finished login, with the guards of now; nothing is stored. For hosts with ways in of their own (custom registration). */
export declare function issueCode(order: CodeOrder, context: IssuerContext): Promise<string>

/** `POST /authorize-challenge`. */
export declare function challengeEndpoint(): Handler
