/// <reference types="node" />
import { isPosternError } from '@postern/core/errors'
import { OutcomeUnknown, type Store } from '@postern/store'
import type { Answer, Hello, Question } from './messages.js'

/**
 * Serves a store to the process that started this one with `hostedStore`, and ends when that one closes the store or dies.
 * @throws Error when this process was not started so
 */
export function serveStore(store: Store): void {
  const send = process.send?.bind(process)
  if (send === undefined) throw new Error('serveStore runs in a child of hostedStore')
  const calls = store as unknown as Record<string, (...args: readonly unknown[]) => Promise<unknown>>
  process.on('disconnect', () => process.exit())
  process.on('message', async ({ id, call, args }: Question) => {
    let answer: Answer
    try {
      answer = { id, answer: await calls[call]!(...args) }
    } catch (error) {
      answer = {
        id,
        code: isPosternError(error) ? error.code : null,
        message: String(error),
        rev: error instanceof OutcomeUnknown ? error.rev : null,
      }
    }
    send(answer, undefined, undefined, () => {
      if (call === 'close') process.exit()
    })
  })
  const has = { outbox: store.outbox !== undefined, sweep: store.sweep !== undefined, time: store.time !== undefined }
  send({ guarantees: store.guarantees, has } satisfies Hello)
}
