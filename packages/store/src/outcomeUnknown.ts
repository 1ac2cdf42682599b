import { PosternError } from '@postern/core/errors'

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
