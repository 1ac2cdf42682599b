/** How a store says no: the codes of each operation, and the one error that says "perhaps". */
import { PosternError } from '@postern/core/errors'

/** Every code that `read`, `list`, `outbox` and `sweep` refuse with. Nothing was changed. */
export type StoreReadCode =
  | 'store.invalid'
  | 'store.unavailable'
  | 'store.overloaded'
  | 'store.corrupt'
  | 'store.schema_unknown'
  | 'store.list_disabled'
  | 'store.closed'

/** Every code that `commit` refuses with. All but `store.outcome_unknown` mean: not applied, now and later. */
export type StoreCommitCode =
  | 'store.outcome_unknown'
  | 'store.invalid'
  | 'store.unavailable'
  | 'store.overloaded'
  | 'store.guarantee_lost'
  | 'store.corrupt'
  | 'store.schema_unknown'
  | 'store.closed'

/** Every code that opening a driver refuses with, before the first commit. */
export type StoreOpenCode =
  | 'store.invalid'
  | 'store.unavailable'
  | 'store.refused_guarantee'
  | 'store.guarantee_lost'
  | 'store.schema_unknown'

/**
 * The commit was sent and its answer lost: it may have been applied, or may be later. `rev` is the one it was sent under;
 * `settle` sends the same ops again under it. Any other error of a store means: not applied, now and later.
 */
export class OutcomeUnknown extends PosternError<'store.outcome_unknown'> {
  readonly rev: string

  constructor(rev: string, cause?: unknown) {
    super('store.outcome_unknown', { cause })
    this.name = 'OutcomeUnknown'
    this.rev = rev
  }
}
