/** The commits of one turn of the event loop in one write, and at most one wait for replicas behind them. */
import { PosternError } from '@postern/core/errors'
import type { Commit } from '../../contract.js'
import { OutcomeUnknown } from '../../errors.js'
import { nextTurn } from '../turn.js'
import type { Commits } from './commit.js'
import { commitError } from './errors.js'
import type { CommitRequest } from './pack.js'

interface Waiting {
  readonly commit: CommitRequest
  readonly resolve: (answer: Commit) => void
  readonly reject: (error: unknown) => void
}

export interface Pipeline {
  /** @throws PosternError `store.overloaded` when as many calls are unanswered as may be */
  commit(commit: CommitRequest): Promise<Commit>
  /** Any other call, counted among the unanswered. @throws PosternError `store.overloaded` */
  call<T>(call: () => Promise<T>): Promise<T>
  /** Sends what is queued; resolves when all is answered. */
  drain(): Promise<void>
}

/**
 * @param acknowledged - asks whether replicas have what was sent to a partition just before; without it nobody does
 * @param oneServer - all partitions are on one connection, so that one question is enough
 * @param maxUnanswered - queued and under way: a client's own queue has no bound
 */
export function pipeline(
  { batchesOf, send, answer }: Commits,
  acknowledged: ((place: string) => Promise<boolean>) | undefined,
  oneServer: boolean,
  maxUnanswered: number,
): Pipeline {
  let queue: Waiting[] = []
  let unanswered = 0
  let idle: (() => void)[] = []

  const enter = (): void => {
    if (unanswered >= maxUnanswered) throw new PosternError('store.overloaded')
    unanswered++
  }
  const leave = (): void => {
    if (--unanswered > 0) return
    for (const resolve of idle) resolve()
    idle = []
  }

  const flush = (): void => {
    const waiting = queue
    queue = []
    const batches = batchesOf(waiting.map(({ commit }) => commit))
    const sent = batches.map(send)
    const asked = acknowledged === undefined ? undefined : askAfter(batches, acknowledged)
    let first = 0
    batches.forEach((batch, i) => {
      void settle(waiting.slice(first, (first += batch.length)), sent[i]!, asked?.get(batch[0]!.place))
    })
  }

  /** In one go with the commits: each question counts what came before it on its connection. */
  const askAfter = (
    batches: readonly (readonly CommitRequest[])[],
    ask: (place: string) => Promise<boolean>,
  ): Map<string, Promise<boolean>> => {
    const asked = new Map<string, Promise<boolean>>()
    let last: Promise<boolean> | undefined
    for (const [first] of batches) {
      const { place } = first!
      if (asked.has(place)) continue
      last = oneServer && last ? last : ask(place)
      asked.set(place, last)
    }
    return asked
  }

  const settle = async (
    batch: readonly Waiting[],
    sent: Promise<unknown>,
    asked: Promise<boolean> | undefined,
  ): Promise<void> => {
    const replies = await sent.then(
      (reply) => () => reply,
      (error: unknown) => () => {
        throw error
      },
    )
    for (const [i, { commit, resolve, reject }] of batch.entries()) {
      const { rev } = commit
      try {
        const said = answer(commit, replies(), i)
        // What refused it may be its own first sending, which is then as much in question.
        const ours = said.ok || said.current?.rev === rev
        if (asked !== undefined && ours && !(await asked)) throw new OutcomeUnknown(rev, new Error('too few replicas have it'))
        resolve(said)
      } catch (error) {
        reject(commitError(error, rev))
      } finally {
        leave()
      }
    }
  }

  return {
    commit(commit) {
      enter()
      return new Promise((resolve, reject) => {
        if (queue.push({ commit, resolve, reject }) === 1) nextTurn(flush, 0)
      })
    },
    async call(call) {
      enter()
      try {
        return await call()
      } finally {
        leave()
      }
    },
    async drain() {
      if (queue.length > 0) flush()
      if (unanswered > 0) await new Promise<void>((resolve) => idle.push(resolve))
    },
  }
}
