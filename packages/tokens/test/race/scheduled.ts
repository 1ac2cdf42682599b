/** A world whose store answers in whatever order a scheduler chooses, while it races. */
import type { Store } from '@postern/store'
import type fc from 'fast-check'
import { type World, type WorldOptions, world } from '../world.js'

export interface Scheduled {
  readonly w: World
  /** Runs the work with every store call of it in the scheduler's hands. */
  race<T>(work: () => Promise<T>): Promise<T>
}

export async function scheduled(schedule: fc.Scheduler, o: WorldOptions = {}): Promise<Scheduled> {
  let racing = false
  const turn = <T>(run: () => Promise<T>): Promise<T> =>
    racing ? schedule.schedule(Promise.resolve(), 'store').then(run) : run()
  const w = await world({
    ...o,
    wrap: (store) => ({
      ...store,
      read: (...a: Parameters<Store['read']>) => turn(() => store.read(...a)),
      commit: (...a: Parameters<Store['commit']>) => turn(() => store.commit(...a)),
    }),
  })
  return {
    w,
    async race(work) {
      racing = true
      const answer = await schedule.waitFor(work())
      racing = false
      return answer
    },
  }
}
