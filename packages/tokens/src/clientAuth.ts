/** A way for clients to prove who they are, passed in: a host ships only what it uses. */
import type { ErrorCode } from '@postern/core/errors'
import type { Op, Part } from '@postern/store'
import type { Client } from './clients.js'
import type { IssuerContext } from './issuer.js'

/** A put-if-absent that makes an assertion or proof single-use; `spent` is what its repetition is refused with. */
export interface Marker {
  readonly part: Part
  readonly op: Op
  readonly spent: Extract<ErrorCode, 'client.replayed' | 'client.attestation' | 'dpop.proof'>
}

/** One family of ways to authenticate a client. */
export interface ClientAuthMethod {
  /** `token_endpoint_auth_method` values. */
  readonly methods: readonly string[]
  /** The credential a request carries, or `null` when it carries none of this kind. Of the request the headers count; its body is `form`. */
  read(
    request: Request,
    form: ReadonlyMap<string, string>,
    context: IssuerContext,
  ): {
    readonly method: string
    readonly clientId: string
    /** @param client - `null` for an unknown one: the same work is done and refused */
    verify(client: Client | null, context: IssuerContext): Promise<readonly Marker[]>
  } | null
}
