/** Suite 11: what a store says of itself, against what was seen of it. */
import type { Guarantees } from '@postern/store'
import { equal, holds } from '../check.js'
import type { CrashSeen } from './crash.js'
import type { FailoverSeen } from './failover.js'
import { type Case, type Kit, NOW, PART } from './kit.js'

const DURABLE: readonly Guarantees['durable'][] = ['none', 'process', 'power']
const FAILOVER: readonly Guarantees['failover'][] = ['none', 'may-lose', 'lossless']

export interface Seen {
  readonly crash?: () => Promise<CrashSeen>
  readonly failover?: () => Promise<FailoverSeen>
}

export function honestySuite(kit: Kit, { crash, failover }: Seen): readonly Case[] {
  return [
    {
      name: 'honesty: guarantees is one plausible value, the same before and after commits',
      run: () =>
        kit.over(async (store) => {
          const { durable, failover: survives } = store.guarantees
          holds(DURABLE.includes(durable) && FAILOVER.includes(survives), 'guarantees names a level that does not exist')
          holds(
            durable !== 'none' || survives !== 'lossless',
            'a store that forgets when its process dies loses at failover, too',
          )
          await store.commit(PART, [{ op: 'add', key: 'n', by: 1, max: 9 }], { now: NOW, rev: kit.rev() })
          equal(store.guarantees, { durable, failover: survives }, 'guarantees after a commit')
        }),
    },
    ...(crash
      ? [
          {
            name: 'honesty: a store that claims to survive the death of its process does',
            async run() {
              const { claimed, rounds } = await crash()
              const lost = rounds.reduce((sum, round) => sum + round.lost.length, 0)
              holds(
                claimed.durable === 'none' || lost === 0,
                `it says "${claimed.durable}" and lost ${lost} acknowledged commits`,
              )
            },
          },
        ]
      : []),
    ...(failover
      ? [
          {
            name: 'honesty: a store that claims to lose nothing at failover does not, and one with a standby does not deny it',
            async run() {
              const { claimed, after } = await failover()
              holds(claimed.failover !== 'none', 'it says that there is no failover, and was failed over')
              const lost = after.lost.length
              holds(claimed.failover !== 'lossless' || lost === 0, `it says "lossless" and lost ${lost} acknowledged commits`)
            },
          },
        ]
      : []),
  ]
}
