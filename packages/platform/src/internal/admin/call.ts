/** What passes between the admin API's door and its rooms. */
import type { AdminScope } from '../../admin.js'
import type { HostContext } from '../../node.js'

/** Who asks, as the token said. */
export interface Operator {
  /** `sub` of the token; what events name. */
  readonly id: string
  readonly issuer: string
  readonly scopes: ReadonlySet<string>
  /** Ms. */
  readonly expiresAt: number
}

/** One authenticated, authorised request at the room it is for. */
export interface Call {
  readonly request: Request
  readonly operator: Operator
  /** The path's variable parts, in order. */
  readonly params: readonly string[]
  /** Declared parameters that were sent, each once. */
  readonly query: ReadonlyMap<string, string>
  readonly host: HostContext | undefined
}

/** What a room answers; the door adds ETag, caching and safety headers. */
export interface Answer {
  readonly status?: number
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as it is, with its type. */
  readonly text?: { readonly type: string; readonly value: string }
  readonly stream?: { readonly type: string; readonly value: ReadableStream<Uint8Array> }
  /** The rev that a write has to name; without one, the ETag is a digest of the body. */
  readonly rev?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A method on a path: what it takes, what it needs, who answers. */
export interface Room {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly path: RegExp
  readonly scope: AdminScope
  /** Parameters it knows; any other is refused. */
  readonly query?: readonly string[]
  answer(call: Call): Promise<Answer>
}
