/** Suite 6: kill -9 in the middle of commits, again and again over the same data. */
import type { Guarantees } from '@postern/store'
import { equal, holds } from '../check.js'
import type { Case, Kit } from './kit.js'
import type { CrashRig } from './rigs.js'
import { type Aftermath, aftermath, type Sent, writeUntil } from './writers.js'

/** What the rounds showed. */
export interface CrashSeen {
  readonly claimed: Guarantees
  /** Commits that were under way at a kill. */
  readonly unknown: number
  /** One a round. */
  readonly rounds: readonly Aftermath[]
}

const CLIENTS = 32

export async function crash(kit: Kit, rig: CrashRig, rounds: number): Promise<CrashSeen> {
  const log: Sent[] = []
  const seen: Aftermath[] = []
  try {
    let store = await rig.store()
    const claimed = store.guarantees
    let unknown = 0
    for (let round = 0; round < rounds; round++) {
      const strike = async (): Promise<void> => {
        if (round % 4 > 0) await kit.sleep(round % 4)
        await rig.kill()
      }
      await writeUntil(kit, store, log, { clients: CLIENTS, goal: 100 + 37 * (round % 10), strike })
      unknown += log.filter(({ told }) => told === 'unknown').length
      await store.close().catch(() => {})
      await rig.restart()
      store = await rig.store()
      seen.push(await aftermath(kit, store, log))
    }
    await store.close()
    return { claimed, unknown, rounds: seen }
  } finally {
    await rig.close()
  }
}

/** @param seen - what the rounds showed; they are run once, by the first case */
export function crashSuite(rounds: number, seen: () => Promise<CrashSeen>): readonly Case[] {
  const judge = (name: string, what: (round: Aftermath) => readonly string[]): Case => ({
    name: `kill -9: ${name}`,
    async run() {
      const { unknown, rounds: all } = await seen()
      holds(unknown > 0, 'no commit was under way at any kill: the harness shows nothing')
      for (const [i, round] of all.entries()) equal(what(round), [], `round ${i + 1} of ${rounds}`)
    },
  })
  return [
    judge(`what was acknowledged is stored, over ${rounds} rounds`, ({ lost }) => lost),
    judge('a commit is there whole or not at all', ({ torn }) => torn),
    judge('what was told as not applied is not there', ({ risen }) => risen),
    judge('an unknown outcome is settled, and then applied exactly once', ({ unsettled }) => unsettled),
    judge('no counter is lower than was acknowledged', ({ lowered }) => lowered),
    judge('every counter stands at the number of commits that count in it', ({ miscounted }) => miscounted),
  ]
}
