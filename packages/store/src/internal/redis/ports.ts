/**
 * What the driver asks of a client, and how the two clients are made to give it: commands go to the primary of their key over a
 * connection that is up, all calls of one moment in one write, and nothing is ever sent twice that may have run.
 */
import { replyCode, unreachable } from './errors.js'

export type RedisArg = string | Uint8Array

/** Four calls of a Redis client. Bulk replies are bytes; a failed call rejects with what the server or the client said. */
export interface RedisPort {
  /**
   * Runs a script by its SHA-1, and by its text where the server has not got it. Without `sha` it goes out once, as text: neither a
   * missing script nor a slot that moved is made up for.
   * The keys are of one slot. Calls made together leave together, in order, and a later call with a key of that slot is behind them.
   */
  eval(sha: string, script: string, keys: readonly string[], args: readonly RedisArg[]): Promise<unknown>
  mget(keys: readonly string[]): Promise<readonly (Uint8Array | null)[]>
  /** Any other command, to the primary that holds `key`. */
  send(key: string, ...args: RedisArg[]): Promise<unknown>
  close(): Promise<void>
}

/** A connection that is up: takes a command and answers it once. */
export type Line = (args: readonly RedisArg[], resolve: (reply: unknown) => void, reject: (error: unknown) => void) => void

/** A client, single or of a cluster. */
export interface Client {
  /** 0 where there is but one server. */
  slotOf(key: string): number
  /** The connection to the primary of a slot, when it is up. @param answered - it has just answered, whatever the client says */
  lineTo(slot: number, answered: boolean): Line | undefined
  /** Sends in the client's own way: it waits for a connection, and follows a slot that moved. */
  ask(key: string, args: readonly RedisArg[]): Promise<unknown>
  close(): Promise<void>
}

/** The port over a client. What finds no connection, and no new one either, is `store.unavailable`: it was never sent. */
export function portOver(client: Client): RedisPort {
  const waiting = new Map<number, Promise<unknown>>()

  /** Waits for a connection by a question that changes nothing; all calls to the slot queue up behind it, in order. */
  const connected = (slot: number, key: string): Promise<unknown> => {
    let asked = waiting.get(slot)
    if (asked === undefined) {
      asked = client.ask(key, ['EXISTS', key])
      waiting.set(slot, asked)
      const over = () => waiting.delete(slot)
      asked.then(over, over)
    }
    return asked
  }

  const put = (key: string, ...[args, resolve, reject]: Parameters<Line>): void => {
    const slot = client.slotOf(key)
    const line = waiting.has(slot) ? undefined : client.lineTo(slot, false)
    if (line !== undefined) {
      line(args, resolve, reject)
      return
    }
    connected(slot, key).then(
      () => {
        const up = client.lineTo(slot, true)
        if (up === undefined) reject(unreachable())
        else up(args, resolve, reject)
      },
      (cause) => reject(unreachable(cause)),
    )
  }

  /** What a server refused because it lies elsewhere now, or because it has not got the script, has not run. */
  const send = (key: string, args: readonly RedisArg[], script?: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const failed = (error: unknown): void => {
        if (script === undefined || replyCode(error) !== 'NOSCRIPT') reject(error)
        else send(key, ['EVAL', script, ...args.slice(2)]).then(resolve, reject)
      }
      put(key, args, resolve, (error) => {
        if (hasMoved(error)) client.ask(key, args).then(resolve, failed)
        else failed(error)
      })
    })

  const sendOnce = (key: string, args: readonly RedisArg[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      put(key, args, resolve, (error) => {
        // Shows the client where the slot is now, for the next time.
        if (hasMoved(error)) client.ask(key, ['EXISTS', key]).catch(() => {})
        reject(error)
      })
    })

  return {
    eval(sha, script, keys, args) {
      const key = keys[0]!
      const count = String(keys.length)
      if (sha === '') return sendOnce(key, ['EVAL', script, count, ...keys, ...args])
      return send(key, ['EVALSHA', sha, count, ...keys, ...args], script)
    },
    mget: (keys) => send(keys[0]!, ['MGET', ...keys]) as Promise<(Uint8Array | null)[]>,
    send: (key, ...args) => send(key, args),
    close: () => client.close(),
  }
}

function hasMoved(error: unknown): boolean {
  const code = replyCode(error)
  return code === 'MOVED' || code === 'ASK'
}

/** Both clients take bytes as Buffers and nothing else; this makes one without copying. */
export function bufferOf(arg: RedisArg): RedisArg {
  if (typeof arg === 'string') return arg
  const Bytes = platform.Buffer!
  return arg instanceof Bytes ? arg : Bytes.from(arg.buffer, arg.byteOffset, arg.byteLength)
}

interface NodeBuffer extends Uint8Array {
  readonly parent: unknown
}

interface BufferType {
  new (): NodeBuffer
  from(buffer: ArrayBufferLike, offset: number, length: number): Uint8Array
  allocUnsafe(size: number): Uint8Array
}

/** The clients need a Buffer; the driver itself does not. */
export const platform: { readonly Buffer?: BufferType } = globalThis as never
