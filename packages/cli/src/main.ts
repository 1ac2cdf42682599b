/** `postern`, as a function: what is typed and what it may touch come in, an exit code goes out. */
import { isPosternError } from '@postern/core/errors'
import { createKeys, turnKeys } from './internal/commands/keys.js'
import { checkPolicy, explainPolicy } from './internal/commands/policy.js'
import { migrateStore, restoreStore, sweepStore } from './internal/commands/store.js'
import type { Command, Io } from './internal/io.js'
import { reporter } from './internal/output.js'
import { Usage } from './internal/usage.js'

export type { Io, OpenedStore } from './internal/io.js'

/** Done, the check failed, bad usage, refused by the server, server unreachable. */
export const exitCodes: {
  readonly done: 0
  readonly failed: 1
  readonly usage: 2
  readonly refused: 3
  readonly unreachable: 4
} = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  unreachable: 4,
}

const commands: Readonly<Record<string, Command>> = {
  'policy check': checkPolicy,
  'policy explain': explainPolicy,
  'keys create': createKeys,
  'keys rotate': turnKeys,
  'store migrate': migrateStore,
  'store sweep': sweepStore,
  'store restore': restoreStore,
}

const help = `postern: checks policies, explains decisions, creates and turns keys, keeps a store.

  postern policy check <file>                    everything that would keep it from being published
  postern policy explain <file> --facts <file>   one decision, and why
      --audience operator|user                   whom the explanation is for (operator)
  postern keys create --out <file>               a new key ring, sealed
      --master-key <file>                        32 bytes: raw, hex or base64url
      --new-master-key <file>                    makes one
      --unsealed                                 plain JSON: for development alone
      --alg ES256|Ed25519                        of the signing key (ES256)
  postern keys rotate --tenant <name>            the next key of a ring in the store
      --ring signing|long|short                  which (signing)
      --master-key <file>                        that the ring is sealed under
      --store <url>                              as below
  postern store migrate --store <url>            brings the tables to what this program needs
  postern store sweep --store <url>              removes what expired
      --budget-ms <n>                            for how long (1000)
  postern store restore --tenant <name>          after a restore: ends what was sealed before it
      --finish <epoch>                           everything since the backup is re-applied
      --store <url>                              sqlite:<file> or postgres://…; @<file> reads the URL from a file

  --json                                         one JSON value on standard output
Exit: 0 done · 1 the check failed · 2 bad usage · 3 refused by the server · 4 server unreachable
`

/**
 * Runs one command.
 * @param argv - what was typed after `postern`
 * @returns one of {@link exitCodes}
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const words = argv.filter((word) => !word.startsWith('-'))
  const asked = argv.includes('--help') || argv.includes('-h') || words[0] === 'help'
  if (asked || argv.length === 0) {
    io.out(help)
    return asked ? exitCodes.done : exitCodes.usage
  }
  // `--json` goes everywhere, also before the command.
  const [room, verb, ...rest] = argv[0] === '--json' ? [...argv.slice(1), '--json'] : argv
  const command = commands[`${room} ${verb}`]
  const out = reporter(io, argv.includes('--json'))
  if (command === undefined) {
    out.fail('usage', 'There is no such command; see postern --help.')
    return exitCodes.usage
  }
  try {
    return (await command(rest, io, out)) ? exitCodes.done : exitCodes.failed
  } catch (error) {
    if (error instanceof Usage) {
      out.fail('usage', error.message)
      return exitCodes.usage
    }
    if (!isPosternError(error)) throw error
    out.fail(error.code, error.publicMessage)
    if (error.code === 'keys.conflict') return exitCodes.refused
    return error.code === 'store.unavailable' ? exitCodes.unreachable : exitCodes.failed
  }
}
