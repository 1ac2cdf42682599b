/**
 * All commits of one turn of the event loop in one transaction: one sync of the disk for the lot. Later commits of a batch see
 * the earlier ones, and none is answered before the transaction is committed.
 */
import { PosternError } from '@postern/core/errors'
import type { Commit } from '../../contract.js'
import { OutcomeUnknown } from '../../errors.js'
import type { Schedule } from '../turn.js'
import { apply, type Queued } from './apply.js'
import type { Statements } from './schema.js'

/** A transaction of more would hold the event loop for over ten milliseconds. */
const MAX_BATCH = 1000
/** About five seconds of another process holding the file: ten turns at once, then delays that grow to 25 ms. */
const BUSY_TURNS = 210

interface Waiting extends Queued {
  readonly resolve: (answer: Commit) => void
  readonly reject: (error: unknown) => void
}

export interface GroupCommit {
  /** @throws PosternError `store.overloaded` when the queue is full */
  push(commit: Queued): Promise<Commit>
  /** Answers everything that waits, now. */
  drain(): void
  /** Whether a transaction could not be ended, so that the handle may show what was never committed. */
  stuck(): boolean
}

export function groupCommit(sql: Statements, schedule: Schedule, maxQueue: number): GroupCommit {
  const queue: Waiting[] = []
  let scheduled = false
  let busyTurns = 0
  let stuck = false

  const later = (delayMs: number): void => {
    if (scheduled) return
    scheduled = true
    schedule(() => {
      scheduled = false
      flush()
      if (queue.length > 0) later(busyTurns <= 10 ? 0 : Math.min(busyTurns - 10, 25))
    }, delayMs)
  }

  const flush = (): void => {
    if (queue.length === 0) return
    try {
      sql.begin.run()
    } catch (error) {
      // Waiting for another process takes later turns: a blocking wait would stop everything else.
      if (isBusy(error) && busyTurns++ < BUSY_TURNS) return
      busyTurns = 0
      refuse(queue.splice(0), isBusy(error) ? 'store.overloaded' : 'store.unavailable', error)
      return
    }
    busyTurns = 0
    transact(queue.splice(0, MAX_BATCH))
  }

  const transact = (batch: readonly Waiting[]): void => {
    const answers: Commit[] = []
    try {
      for (const commit of batch) answers.push(apply(sql, commit))
    } catch (error) {
      rollback()
      refuse(batch, 'store.unavailable', error)
      return
    }
    try {
      sql.commit.run()
    } catch (error) {
      rollback()
      for (const { rev, reject } of batch) reject(new OutcomeUnknown(rev, error))
      return
    }
    for (let i = 0; i < batch.length; i++) batch[i]!.resolve(answers[i]!)
  }

  const rollback = (): void => {
    try {
      sql.rollback.run()
    } catch (error) {
      stuck = !/no transaction/i.test(String(error))
    }
  }

  return {
    push({ place, ops, now, rev }) {
      if (queue.length >= maxQueue) throw new PosternError('store.overloaded')
      return new Promise((resolve, reject) => {
        queue.push({ place, ops, now, rev, resolve, reject })
        later(0)
      })
    },
    drain() {
      while (queue.length > 0) flush()
    },
    stuck: () => stuck,
  }
}

function refuse(batch: readonly Waiting[], code: 'store.unavailable' | 'store.overloaded', cause: unknown): void {
  for (const { reject } of batch) reject(new PosternError(code, { cause }))
}

/** SQLITE_BUSY as the clients put it: a name, or the number in the low byte. */
export function isBusy(error: unknown): boolean {
  const { code, errcode, rawCode } = error as { code?: unknown; errcode?: unknown; rawCode?: unknown }
  const number = typeof errcode === 'number' ? errcode : typeof rawCode === 'number' ? rawCode : 0
  return (typeof code === 'string' && code.startsWith('SQLITE_BUSY')) || (number & 0xff) === 5
}
