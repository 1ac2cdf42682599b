/** The commits of one turn of the event loop in one write, and at most one wait for replicas behind them. */
import { PosternError } from '@postern/core/errors'
import type { Commit } from '../../contract.js'
import { OutcomeUnknown } from '../../errors.js'
import { nextTurn } from '../turn.js'
import { commitError } from './errors.js'

export interface Queued {
  readonly place: string
  readonly rev: string
  /** Hands it to the client. */
  send(): Promise<unknown>
  /** What the reply means; a promise, when another question has to be asked first. */
  answer(reply: unknown): Commit | Promise<Commit>
}

interface Waiting {
  readonly commit: Queued
  readonly resolve: (answer: Commit) => void
  readonly reject: (error: unknown) => void
}

export interface Pipeline {
  /** @throws PosternError `store.overloaded` when as many calls are unanswered as may be */
  commit(commit: Queued): Promise<Commit>
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
    const batch = queue
    queue = []
    const sent = batch.map(({ commit }) => commit.send())
    const asked = acknowledged === undefined ? undefined : askAfter(batch, acknowledged)
    batch.forEach((waiting, i) => {
      void settle(waiting, sent[i]!, asked?.get(waiting.commit.place))
    })
  }

  /** In one go with the commits: each question counts what came before it on its connection. */
  const askAfter = (batch: readonly Waiting[], ask: (place: string) => Promise<boolean>): Map<string, Promise<boolean>> => {
    const asked = new Map<string, Promise<boolean>>()
    let last: Promise<boolean> | undefined
    for (const { commit } of batch) {
      if (asked.has(commit.place)) continue
      last = oneServer && last ? last : ask(commit.place)
      asked.set(commit.place, last)
    }
    return asked
  }

  const settle = async (
    { commit, resolve, reject }: Waiting,
    sent: Promise<unknown>,
    asked: Promise<boolean> | undefined,
  ): Promise<void> => {
    const { rev } = commit
    try {
      const said = commit.answer(await sent)
      const answer = said instanceof Promise ? await said : said
      // What refused it may be its own first sending, which is then as much in question.
      const ours = answer.ok || answer.current?.rev === rev
      if (asked !== undefined && ours && !(await asked)) throw new OutcomeUnknown(rev, new Error('too few replicas have it'))
      resolve(answer)
    } catch (error) {
      reject(commitError(error, rev))
    } finally {
      leave()
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
