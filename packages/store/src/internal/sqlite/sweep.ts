/** Removal of what expired: a walk along the primary key, a step a turn, so that no index on expiry doubles the writes of a marker. */
import { PosternError } from '@postern/core/errors'
import type { Schedule } from '../turn.js'
import type { Statements } from './schema.js'

const ROWS_A_STEP = 512

interface Place {
  readonly p: string
  readonly k: string
}

const START: Place = { p: '', k: '' }

/** Sweeps from where it stopped, at most once around; the budget is measured by the database's own clock. */
export function sweeper(
  sql: Statements,
  graceMs: number,
  schedule: Schedule,
): (now: number, budgetMs: number) => Promise<number> {
  let cursor = START

  /** Deletes what is due among the next rows. @returns how many rows went */
  const step = (due: number): number => {
    const from = cursor
    const to = sql.step.get(from.p, from.k, ROWS_A_STEP - 1) as Place | undefined
    cursor = to ?? START
    const { changes } = to ? sql.sweepTo.run(from.p, from.k, to.p, to.k, due) : sql.sweepRest.run(from.p, from.k, due)
    return Number(changes)
  }
  const clock = (): number => Number((sql.time.get() as { ms: number }).ms)

  return async (now, budgetMs) => {
    const first = cursor
    const ending = clock() + budgetMs
    let swept = 0
    for (let ends = 0; ; ) {
      try {
        swept += step(now - graceMs)
      } catch (cause) {
        // Another process is writing, or the disk is full: what is left waits for the next sweep.
        if (swept > 0) return swept
        throw new PosternError('store.unavailable', { cause })
      }
      if (cursor === START) ends++
      // Once around: past where it began, or, where that row is gone, at the end for the second time.
      if (ends === 2 || (ends === 1 && (first === START || isBefore(first, cursor)))) return swept
      if (clock() >= ending) return swept
      await new Promise<void>((resolve) => schedule(resolve, 0))
    }
  }
}

function isBefore(a: Place, b: Place): boolean {
  return a.p < b.p || (a.p === b.p && a.k < b.k)
}
