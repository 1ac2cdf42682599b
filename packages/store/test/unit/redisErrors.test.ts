import { OutcomeUnknown } from '@postern/store'
import { describe, expect, it } from 'vitest'
import { commitError, readError, replyCode } from '../../src/internal/redis/errors.js'

const rev = 'AAAAAAAAAAAAAAAA'
const saying = (message: string) => new Error(message)

describe('what an error says of a commit', () => {
  it.each([
    ['READONLY', "READONLY You can't write against a read only replica. script: 0c54, on @user_script:70."],
    ['OOM', "OOM command not allowed when used memory > 'maxmemory'."],
    // As Redis 6.2 puts what a command in a script said.
    [
      'OOM',
      "ERR Error running script (call to f_0c54): @user_script:1: @user_script: 1: -OOM command not allowed when used memory > 'maxmemory'. ",
    ],
    [
      'READONLY',
      "ERR Error running script (call to f_0c54): @user_script:70: @user_script: 70: -READONLY You can't write against a read only replica. ",
    ],
    ['MISCONF', 'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.'],
    ['NOREPLICAS', 'NOREPLICAS Not enough good replicas to write.'],
    ['CLUSTERDOWN', 'CLUSTERDOWN Hash slot not served'],
    ['TRYAGAIN', 'TRYAGAIN Multiple keys request during rehashing of slot'],
    ['MOVED', 'MOVED 3999 127.0.0.1:6381'],
    // As ioredis Cluster puts the last thing it heard.
    ['MOVED', 'Too many Cluster redirections. Last error: ReplyError: MOVED 3999 127.0.0.1:6381'],
    ['LOADING', 'LOADING Redis is loading the dataset in memory'],
    ['BUSY', 'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.'],
    ['NOAUTH', 'NOAUTH Authentication required.'],
    ['NOPERM', "NOPERM this user has no permissions to run the 'evalsha' command"],
    ['NOSCRIPT', 'NOSCRIPT No matching script. Please use EVAL.'],
  ])('%s was not run: unavailable, and may be tried again', (reason, message) => {
    expect(replyCode(saying(message))).toBe(reason)
    expect(commitError(saying(message), rev)).toMatchObject({ code: 'store.unavailable', reason, retryable: true })
  })

  it.each([
    'Connection is closed.',
    'Socket closed unexpectedly',
    'read ECONNRESET',
    'write EPIPE',
    'Command timed out',
    'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
    'Too many Cluster redirections. Last error: Error: Connection is closed.',
    'ERR Error running script (call to f_0c54): @user_script:70: Script killed by user with SCRIPT KILL...',
    'WRONGTYPE Operation against a key holding the wrong kind of value script: 0c54, on @user_script:60.',
    "ERR The user executing the script can't run this command or subcommand script: 0c54, on @user_script:60.",
    '',
  ])('"%s" says nothing: the outcome is unknown, and a read is unavailable', (message) => {
    const error = commitError(saying(message), rev)
    expect(error).toBeInstanceOf(OutcomeUnknown)
    expect((error as OutcomeUnknown).rev).toBe(rev)
    expect(readError(saying(message))).toMatchObject({ code: 'store.unavailable' })
  })

  it('a queue of the client that is full took nothing: overloaded', () => {
    expect(commitError(saying('The queue is full'), rev)).toMatchObject({ code: 'store.overloaded' })
  })

  it('a cause tells the kind of error and not what the server quoted', () => {
    const quoting = Object.assign(saying("ERR unknown command 'evalsha', with args beginning with: '{bank:secret}key'"), {
      command: { args: ['{bank:secret}key'] },
    })
    const { cause } = commitError(quoting, rev) as { cause?: Error & { command?: unknown } }
    expect([cause?.message, cause?.command]).toEqual(['Error: ERR', undefined])
  })
})
