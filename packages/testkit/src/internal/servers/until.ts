/// <reference types="node" />
import { setTimeout as sleep } from 'node:timers/promises'

/** Asks until the answer is yes. @throws Error when it is not within 30 s */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 30_000
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('what was waited for did not come about within 30 s')
    await sleep(20)
  }
}
