/// <reference types="node" />
import { spawn } from 'node:child_process'
import { PosternError } from '@postern/core/errors'
import { OutcomeUnknown, type Store } from '@postern/store'
import type { Answer, Call, Hello } from './messages.js'

export interface HostOptions {
  /** The child: a JavaScript file, run by this Node, that opens a store and gives it to `serveStore`. */
  readonly script: string
  readonly args?: readonly string[]
}

/** A store in a process of its own. */
export interface HostedStore extends Store {
  /** The id of the process. */
  readonly pid: number
  /** SIGKILL; when it returns the process is gone, and commits without an answer are unknown. */
  kill(): Promise<void>
}

interface Waiting {
  readonly resolve: (answer: never) => void
  readonly reject: (error: unknown) => void
  /** The rev of a commit, null for other calls. */
  readonly rev: string | null
}

/**
 * Starts a child that holds a store, and gives a store that asks it: what the child answered is what the outside was told before it died.
 * After its death calls get `store.unavailable`, and commits that were under way `OutcomeUnknown`.
 * @throws Error when the child ends before it serves a store, with what it wrote to stderr
 */
export function hostedStore({ script, args = [] }: HostOptions): Promise<HostedStore> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    })
    const waiting = new Map<number, Waiting>()
    let calls = 0
    let errors = ''
    let gone = false
    let closed = false
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })

    const ask = <T>(call: Call, args: readonly unknown[], rev: string | null = null): Promise<T> =>
      new Promise((answer, refuse) => {
        if (closed) return refuse(new PosternError('store.closed'))
        if (gone) return refuse(new PosternError('store.unavailable'))
        const id = ++calls
        waiting.set(id, { resolve: answer, reject: refuse, rev })
        // A failure to send is followed by the end of the child, which answers for all.
        child.send({ id, call, args }, () => {})
      })

    // `close` comes after the last message that the child had sent, `exit` may not.
    const ended = new Promise<void>((over) => {
      child.on('close', () => {
        gone = true
        for (const { rev, reject: refuse } of waiting.values())
          refuse(rev === null ? new PosternError('store.unavailable') : new OutcomeUnknown(rev))
        waiting.clear()
        over()
        reject(new Error(`the child ended before it served a store: ${errors}`))
      })
    })
    child.on('error', reject)

    child.once('message', ({ guarantees, has }: Hello) => {
      child.on('message', (message: Answer) => {
        const call = waiting.get(message.id)
        waiting.delete(message.id)
        if ('answer' in message) call?.resolve(message.answer as never)
        else call?.reject(errorOf(message))
      })
      resolve({
        pid: child.pid!,
        guarantees,
        read: (...asked) => ask('read', asked),
        commit: (...asked) => ask('commit', asked, asked[2].rev),
        list: (...asked) => ask('list', asked),
        ...(has.outbox && { outbox: (o) => ask('outbox', [o]) }),
        ...(has.sweep && { sweep: (...asked) => ask('sweep', asked) }),
        ...(has.time && { time: () => ask('time', []) }),
        async close() {
          if (!closed && !gone) await ask('close', []).catch(() => {})
          closed = true
          await ended
        },
        async kill() {
          child.kill('SIGKILL')
          await ended
        },
      })
    })
  })
}

function errorOf({ code, message, rev }: Extract<Answer, { message: string }>): Error {
  if (rev !== null) return new OutcomeUnknown(rev)
  return code === null ? new Error(message) : new PosternError(code, { reason: message })
}
