/** `store migrate`, `store sweep`, `store restore`: a store's own upkeep, from a terminal or a pipeline. */
import { finishEpoch, raiseEpoch, readEpoch } from '@postern/tokens/restoreEpoch'
import type { Command, Io, OpenedStore } from '../io.js'
import { typed, Usage } from '../usage.js'

const where = { store: { type: 'string' } } as const

/** The store of a URL. @throws Usage where none was named, or nothing opens it */
export async function opened(io: Io, url: unknown): Promise<OpenedStore> {
  if (typeof url !== 'string') throw new Usage('Needed: --store <url>, sqlite:<file> or postgres://….')
  if (io.open === undefined) throw new Usage('No store can be opened from here.')
  return io.open(url)
}

/** Brings the tables to what this program needs; twice is once. */
export const migrateStore: Command = async (argv, io, out) => {
  const { values } = typed(argv, where, [])
  const { migrate, close } = await opened(io, values.store)
  try {
    const done = await migrate()
    out.done({ migrated: done }, [done])
    return true
  } finally {
    await close()
  }
}

/** Removes what expired, until nothing is left or the time is up. */
export const sweepStore: Command = async (argv, io, out) => {
  const { values } = typed(argv, { ...where, 'budget-ms': { type: 'string' } }, [])
  const budgetMs = Number(values['budget-ms'] ?? 1000)
  if (!Number.isInteger(budgetMs) || budgetMs < 1) throw new Usage('--budget-ms is a whole number from 1.')
  const { store, close } = await opened(io, values.store)
  try {
    const { clock } = io.ports
    const open = await store()
    const end = clock() + budgetMs
    let removed = 0
    for (let some = -1; some !== 0 && clock() < end; removed += some) some = (await open.sweep?.(clock(), end - clock())) ?? 0
    out.done({ removed }, [`${removed} expired records removed`])
    return true
  } finally {
    await close()
  }
}

/** Begins the aftermath of a restore, or says that it is over. */
export const restoreStore: Command = async (argv, io, out) => {
  const { values } = typed(argv, { ...where, tenant: { type: 'string' }, finish: { type: 'string' } }, [])
  const { tenant, finish } = values
  if (typeof tenant !== 'string') throw new Usage('Needed: --tenant <name>.')
  const { store, close } = await opened(io, values.store)
  try {
    const at = { runtime: { ...io.ports, store: await store(), events: () => undefined, fetch: nowhere }, tenant }
    if (typeof finish === 'string') await finishEpoch(at, finish)
    else await raiseEpoch(at)
    const { id, state } = await readEpoch(at)
    out.done({ tenant, epoch: id, state }, [
      `${tenant}: epoch ${id}, ${state}`,
      ...(state === 'pending'
        ? [
            'Handles from before it open no more, within a minute on every node: users log in again.',
            'Re-apply revocations, locks and removals since the backup; until then no node is ready. Then:',
            `postern store restore --store … --tenant ${tenant} --finish ${id}`,
          ]
        : []),
    ])
    return true
  } finally {
    await close()
  }
}

/** Nothing here goes out. */
export const nowhere: typeof fetch = () => Promise.reject(new TypeError('no network'))
