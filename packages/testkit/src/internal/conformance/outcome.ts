/** Suite 4, the part on the answer: a lost one is told as what it is. */
import { isPosternError } from '@postern/core/errors'
import { type Op, OutcomeUnknown } from '@postern/store'
import { equal, holds } from '../check.js'
import { bytes, type Case, type Kit, NOW, PART } from './kit.js'
import type { Cuttable } from './rigs.js'

/** For drivers whose answers can be lost; `open` gives a fresh store and the means to lose them. */
export function outcomeSuite(kit: Kit, open: () => Promise<Cuttable>): readonly Case[] {
  return [
    {
      name: 'outcome: a commit whose answer is lost is unknown or truly not applied, never reported as failed',
      async run() {
        const { store, cut } = await open()
        try {
          for (let round = 0; round < 20; round++) {
            const rev = kit.rev()
            const op: Op = { op: 'put', key: `k/${round}`, value: bytes('x'), rev: null }
            cut(round % 2 ? 'before' : 'after')
            const error = await store.commit(PART, [op], { now: NOW, rev }).then(
              () => null,
              (reason: unknown) => reason,
            )
            holds(error !== null, `round ${round}: a lost answer was told as success`)
            const [rec] = await store.read(PART, [op.key], { now: NOW })
            if (error instanceof OutcomeUnknown) equal(error.rev, rev, 'the rev of the unknown outcome')
            else holds(isPosternError(error) && !rec, `round ${round}: reported as not applied, and applied: ${String(error)}`)
            const again = await store.commit(PART, [op], { now: NOW, rev })
            equal(again.ok || again.current?.rev === rev, true, `round ${round}: sent again under the same rev`)
          }
        } finally {
          await store.close()
        }
      },
    },
  ]
}
