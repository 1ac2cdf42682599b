/** Suite 10: the server stands still and more comes than may wait. What is too much is refused at once, and nothing is told as done that is not. */
import { equal, holds } from '../check.js'
import type { Case, Kit } from './kit.js'
import type { PressureRig } from './rigs.js'
import { type Aftermath, aftermath, CLEAN, inTime, type Sent, send } from './writers.js'

/** What the stall showed. */
interface Pressed {
  readonly holds: number
  /** How the calls stood while the server stood still. */
  readonly stalled: { readonly sent: number; readonly waiting: number; readonly applied: number }
  readonly after: Aftermath
  /** Whether a commit after it all was applied. */
  readonly back: boolean
}

const QUIET_MS = 300

export function pressureSuite(kit: Kit, open: () => Promise<PressureRig>): readonly Case[] {
  let seen: Promise<Pressed> | undefined
  const pressed = (): Promise<Pressed> => {
    seen ??= open().then((rig) => press(kit, rig))
    return seen
  }
  return [
    {
      name: 'pressure: while the server stands still no more wait than may, and the rest is refused',
      async run() {
        const { stalled, holds: most } = await pressed()
        holds(stalled.waiting <= most, `${stalled.waiting} of ${stalled.sent} commits wait, ${most} may`)
      },
    },
    {
      name: 'pressure: nothing is told as applied by a server that stands still',
      async run() {
        equal((await pressed()).stalled.applied, 0, 'commits that were acknowledged')
      },
    },
    {
      name: 'pressure: when the server goes on every call is answered, the answers are true, and the store works as before',
      async run() {
        const { after, back } = await pressed()
        equal(after, CLEAN, 'what is there')
        equal(back, true, 'a commit after it')
      },
    },
  ]
}

async function press(kit: Kit, rig: PressureRig): Promise<Pressed> {
  const { store, holds: most } = rig
  const log: Sent[] = []
  try {
    await send(kit, store, log)
    await rig.stall()
    const from = log.length
    let answered = 0
    const calls = Array.from({ length: 3 * most + 10 }, (_, i) => send(kit, store, log, i).finally(() => answered++))
    await kit.sleep(QUIET_MS)
    const applied = log.slice(from).filter(({ told }) => told === 'applied').length
    const stalled = { sent: calls.length, waiting: calls.length - answered, applied }
    await rig.resume()
    await inTime(kit, Promise.all(calls), 'a call was not answered after the server went on')
    const after = await aftermath(kit, store, log)
    return { holds: most, stalled, after, back: (await send(kit, store, log)).told === 'applied' }
  } finally {
    await store.close().catch(() => {})
    await rig.close()
  }
}
