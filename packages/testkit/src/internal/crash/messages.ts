/** What a store and its far end say to each other, in structured clones: bytes and numbers arrive as they are. */
import type { ErrorCode } from '@postern/core/errors'
import type { Guarantees } from '@postern/store'

/** What a child can be asked. */
export type Call = 'read' | 'commit' | 'list' | 'outbox' | 'sweep' | 'time' | 'close'

export interface Question {
  readonly id: number
  readonly call: Call
  readonly args: readonly unknown[]
}

export type Answer =
  | { readonly id: number; readonly answer: unknown }
  /** `code` is null for what is no error of a store, and `rev` that of an unknown outcome. */
  | { readonly id: number; readonly code: ErrorCode | null; readonly message: string; readonly rev: string | null }

/** The first word of the child. */
export interface Hello {
  readonly guarantees: Guarantees
  readonly has: { readonly [K in 'outbox' | 'sweep' | 'time']: boolean }
}
