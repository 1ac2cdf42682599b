/** The gate before a decision that is polled for: one poll an interval, and five seconds longer for each one that came too soon (RFC 8628 §3.5; T40). */
import type { Part, Rec } from '@postern/store'
import type { IssuerContext } from '../issuer.js'
import { commit } from './commit.js'

export interface Gate {
  readonly part: Part
  /** The record that is waited for; polling never writes it. */
  readonly state: string
  /** Stands while the next poll is too soon. */
  readonly gate: string
  /** Counts polls that were. */
  readonly slow: string
  readonly intervalSec: number
  /** Ms: when the waiting ends. */
  readonly exp: number
}

const SLOWER_SEC = 5
const MAX_SLOW = 20
const NOTHING = new Uint8Array(0)

/**
 * Lets one poll through, in one read and one commit.
 * @returns the state; `null` when it is gone; `'slow'` for a poll that came too soon
 */
export async function passGate(g: Gate, now: number, context: IssuerContext): Promise<Rec | null | 'slow'> {
  const [state, gate, slow] = await context.runtime.store.read(g.part, [g.state, g.gate, g.slow], { now })
  if (!state) return null
  if (gate) return tooSoon(g, context)
  const waitMs = (g.intervalSec + SLOWER_SEC * (slow?.n ?? 0)) * 1000
  const { answer } = await commit(
    g.part,
    [{ op: 'put', key: g.gate, value: NOTHING, rev: null, expiresAt: now + waitMs }],
    context,
  )
  return answer.ok ? state : tooSoon(g, context)
}

async function tooSoon({ part, slow, exp }: Gate, context: IssuerContext): Promise<'slow'> {
  // Beyond the most it is refused, and the poll was too soon all the same.
  await commit(part, [{ op: 'add', key: slow, by: 1, max: MAX_SLOW, expiresAt: exp }], context)
  return 'slow'
}
