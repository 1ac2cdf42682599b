/** Suite 7: the primary is killed while clients write, the standby takes over, and the loss is counted. */
import type { Guarantees } from '@postern/store'
import { equal, holds } from '../check.js'
import type { Case, Kit } from './kit.js'
import type { FailoverRig } from './rigs.js'
import { type Aftermath, aftermath, type Sent, writeUntil } from './writers.js'

/** What the failover showed. */
export interface FailoverSeen {
  readonly claimed: Guarantees
  readonly acknowledged: number
  readonly mustLose: boolean
  readonly after: Aftermath
}

const CLIENTS = 32
const GOAL = 300

export async function failover(kit: Kit, rig: FailoverRig): Promise<FailoverSeen> {
  const log: Sent[] = []
  const { store, mustLose = false } = rig
  try {
    const successor = await writeUntil(kit, store, log, { clients: CLIENTS, goal: GOAL, strike: () => rig.fail() })
    const acknowledged = log.filter(({ told }) => told === 'applied').length
    const after = await aftermath(kit, successor, log)
    await successor.close()
    return { claimed: store.guarantees, acknowledged, mustLose, after }
  } finally {
    await store.close().catch(() => {})
    await rig.close()
  }
}

/** @param seen - what the failover showed; it is run once, by the first case */
export function failoverSuite(seen: () => Promise<FailoverSeen>): readonly Case[] {
  return [
    {
      name: 'failover: a lossless store loses nothing that was acknowledged; a rig that must lose is seen to lose',
      async run() {
        const { claimed, acknowledged, mustLose, after } = await seen()
        const lost = `${after.lost.length} of ${acknowledged} acknowledged commits were lost`
        if (claimed.failover === 'lossless') holds(after.lost.length === 0, lost)
        if (mustLose) holds(after.lost.length > 0, `the harness cannot see loss: ${lost}, behind a link that must lose some`)
      },
    },
    {
      name: 'failover: whatever is lost, what is left is whole, counted, and was never told as not applied',
      async run() {
        const { lost, lowered, ...rest } = (await seen()).after
        equal(rest, { torn: [], risen: [], unsettled: [], miscounted: [] }, 'what is there')
        // What is lost takes its count along, and nothing else may.
        if (lost.length === 0) equal(lowered, [], 'counters')
      },
    },
  ]
}
