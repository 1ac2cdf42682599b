import type { JsonObject } from '@postern/core/json'
import type { Part } from '@postern/store'
import type { TokenKind } from '../login.js'

/** What is to be issued once the commit holds. */
export interface TokenPlan {
  readonly kind: TokenKind
  readonly subject: string
  readonly part: Part | null
  readonly scope: readonly string[]
  readonly resource: string
  readonly lifetimeSec: number
  readonly members: JsonObject
}
