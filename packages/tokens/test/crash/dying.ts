/// <reference types="node" />
/** The child's side of the crash tests: a store that commits, says so, and never answers, so that no reply is ever sent. */
import { writeSync } from 'node:fs'
import type { Op, Store } from '@postern/store'
import { storeAt } from './storeAt.js'

export interface Dying {
  readonly wrap: () => Store
  /** Prints what the parent is to know, and holds back the answer to the next commit that has such a key. */
  readonly hold: (known: unknown) => void
}

/** Over the store that the first argument names. @param due - the key that the commit is known by */
export async function dying(due: (key: string) => boolean): Promise<Dying> {
  const store = await storeAt(process.argv[2] ?? '')
  let held = false
  const commit: Store['commit'] = async (part, ops: readonly Op[], o) => {
    const answer = await store.commit(part, ops, o)
    if (!held || !ops.some(({ key }) => due(key))) return answer
    writeSync(1, 'committed\n')
    return new Promise(() => setInterval(() => undefined, 1000))
  }
  return {
    wrap: () => ({ ...store, commit }),
    hold(known) {
      writeSync(1, `${JSON.stringify(known)}\n`)
      held = true
    },
  }
}
