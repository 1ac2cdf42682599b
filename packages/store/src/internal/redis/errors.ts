/** What an error of a client or a server says about a call: not applied, now and later, or nothing. */
import { isPosternError, PosternError } from '@postern/core/errors'
import { OutcomeUnknown } from '../../errors.js'

/** Replies that come before a script or command has written: they depend on nothing that changes while it runs. */
const NOT_RUN =
  /^(?:NOSCRIPT|MOVED|ASK|TRYAGAIN|CLUSTERDOWN|READONLY|MASTERDOWN|OOM|MISCONF|NOREPLICAS|LOADING|BUSY|NOAUTH|NOPERM|CROSSSLOT)$/

/** The first word of an error reply; `null` for errors that the client made. Redis 6.2 wraps what a command in a script said. */
export function replyCode(error: unknown): string | null {
  const { message = '' } = error as { message?: string }
  const inner = /^ERR Error running script .*: -?([A-Z]{3,}) |^Too many Cluster redirections.*: \w*Error: ([A-Z]{3,}) /.exec(
    message,
  )
  return inner?.[1] ?? inner?.[2] ?? /^([A-Z]{3,})(?: |$)/.exec(message)?.[1] ?? null
}

/** Never sent: the connection is not there. */
export function unreachable(cause?: unknown): PosternError<'store.unavailable'> {
  return new PosternError('store.unavailable', { cause: bare(cause) })
}

/** The error of a commit that was handed to the client. */
export function commitError(error: unknown, rev: string): PosternError {
  const refused = known(error)
  return refused ?? new OutcomeUnknown(rev, bare(error))
}

/** The error of a call that changes nothing. */
export function readError(error: unknown): PosternError {
  return known(error) ?? unreachable(error)
}

function known(error: unknown): PosternError | null {
  if (isPosternError(error)) return error
  const code = replyCode(error)
  if (code === 'CORRUPT') return new PosternError('store.corrupt')
  if (code !== null && NOT_RUN.test(code)) return new PosternError('store.unavailable', { reason: code, cause: bare(error) })
  const { message } = error as { message?: string }
  // node-redis, with `commandsQueueMaxLength`, before it takes the command; and when all it heard were redirections.
  if (message === 'The queue is full') return new PosternError('store.overloaded')
  if (message === 'Too many Cluster redirections') return unreachable(error)
  return null
}

/** What may go to a log: clients hang the whole command, keys and values with it, on their errors, and servers quote arguments. */
function bare(error: unknown): Error | undefined {
  if (error === undefined) return undefined
  const { name, message } = error as { name?: string; message?: string }
  return new Error(`${name}: ${replyCode(error) ?? message}`)
}
