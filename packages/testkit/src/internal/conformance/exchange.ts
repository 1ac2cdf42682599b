/** Suite 4, the part on the wire: the connection is cut at each point of the exchange, and no commit is there in part. */
import type { Store } from '@postern/store'
import { equal, holds } from '../check.js'
import type { Case, Kit } from './kit.js'
import type { ExchangeRig } from './rigs.js'
import { aftermath, CLEAN, inTime, type Sent, send } from './writers.js'

const TRIES = 200

export function exchangeSuite(kit: Kit, open: () => Promise<ExchangeRig>): readonly Case[] {
  return [
    {
      name: 'all or nothing: the connection is cut at each point of the exchange, and a commit is whole, absent or told as unknown',
      async run() {
        const { store, link, close } = await open()
        const log: Sent[] = []
        try {
          for (const [direction, bytes] of await points(kit, store, link, log)) {
            await working(kit, store, log)
            link.cutAfter(direction, bytes)
            await inTime(kit, send(kit, store, log), 'a commit whose connection was cut was never answered')
            link.cut()
          }
          await working(kit, store, log)
          holds(
            log.some(({ told }) => told === 'unknown'),
            'no outcome was unknown: the harness cuts nothing',
          )
          equal(await aftermath(kit, store, log), CLEAN, 'what is there')
        } finally {
          await store.close().catch(() => {})
          await close()
        }
      },
    },
  ]
}

/** Before the first byte, after it, in between, before the last and after it: of what is sent, and of what is answered. */
async function points(
  kit: Kit,
  store: Store,
  link: ExchangeRig['link'],
  log: Sent[],
): Promise<readonly ['up' | 'down', number][]> {
  // The first calls of a connection prepare it; the third is as the rest will be.
  for (let i = 0; i < 2; i++) await working(kit, store, log)
  const before = link.passed()
  await working(kit, store, log)
  const after = link.passed()
  return (['up', 'down'] as const).flatMap((direction) => {
    const size = after[direction] - before[direction]
    const at = [0, 1, ...[1, 2, 3].map((quarter) => (size * quarter) >> 2), size - 1, size]
    return [...new Set(at)].map((bytes): ['up' | 'down', number] => [direction, bytes])
  })
}

/** Commits until one is applied: the client finds its way back. */
async function working(kit: Kit, store: Store, log: Sent[]): Promise<void> {
  for (let left = TRIES; left > 0; left--) {
    if ((await inTime(kit, send(kit, store, log), 'a commit was never answered')).told === 'applied') return
    await kit.sleep(20)
  }
  throw new Error('the store did not come back after its connection was cut')
}
