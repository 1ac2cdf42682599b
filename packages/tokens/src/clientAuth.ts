/** A way for clients to prove who they are, passed in: a host ships only what it uses. */
import type { ErrorCode } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Op, Part } from '@postern/store'
import type { Client } from './clients.js'
import type { IssuerContext } from './issuer.js'

/** A put-if-absent that makes an assertion or proof single-use; `spent` is what its repetition is refused with. */
export interface Marker {
  readonly part: Part
  readonly op: Op
  readonly spent: Extract<ErrorCode, 'grant.invalid' | 'jar.refused' | 'client.replayed' | 'client.attestation' | 'dpop.proof'>
}

/** A client that has proved itself. */
export interface Authenticated {
  /** What makes the proof single-use; spent last. */
  readonly markers: readonly Marker[]
  /** Thumbprint of the key of the one instance that called, where the method tells a client's instances apart: its refresh tokens are bound to it. */
  readonly holder?: string
  /** Thumbprint of the key that the request's DPoP proof must be made with, over a nonce of ours: it is the proof of possession. */
  readonly proofKey?: string
}

/** A credential as it was presented. */
export interface Credential {
  readonly method: string
  readonly clientId: string
  /** @param client - `null` for an unknown one: the same work is done and refused */
  verify(client: Client | null, context: IssuerContext): Promise<Authenticated>
}

/** One family of ways to authenticate a client. */
export interface ClientAuthMethod {
  /** `token_endpoint_auth_method` values. */
  readonly methods: readonly string[]
  /** The credential goes along with the connection (a certificate), so it counts for clients that are registered with it and is no second one beside another. */
  readonly ambient?: true
  /** The credential a request carries, or `null` when it carries none of this kind. Of the request the headers count; its body is `form`. */
  read(request: Request, form: ReadonlyMap<string, string>, context: IssuerContext): Credential | null
  /** Its members of the metadata document. */
  announce?(context: IssuerContext): JsonObject
  /** Headers of every answer that clients get, errors too. */
  headers?(context: IssuerContext): Promise<Readonly<Record<string, string>>>
}
