// @ts-check

import { utf8 } from '@postern/core/bytes'
import { systemPorts } from '@postern/core/systemRuntime'
import { newRev } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { storeConformance } from '@postern/testkit/conformance'
import { refuses, same } from './assert.js'

const { random } = systemPorts()
const part = { tenant: 'retail', id: 'dev:d1' }

/** @type {readonly import('../suite.js').Case[]} */
export const cases = [
  [
    'store: of fifty that redeem one code, one wins (T02)',
    async () => {
      const store = memoryStore()
      const commits = await Promise.all(
        Array.from({ length: 50 }, () =>
          store.commit(part, [{ op: 'put', key: 'code/1', value: utf8('x'), rev: null }], { now: 1, rev: newRev(random) }),
        ),
      )
      same(commits.filter(({ ok }) => ok).length, 1)
    },
  ],
  [
    'store: a bounded counter never passes its bound (A01)',
    async () => {
      const store = memoryStore()
      const commits = await Promise.all(
        Array.from({ length: 50 }, () =>
          store.commit(part, [{ op: 'add', key: 'pin/1', by: 1, max: 3 }], { now: 1, rev: newRev(random) }),
        ),
      )
      same(commits.filter(({ ok }) => ok).length, 3)
    },
  ],
  [
    'store: a key outside the alphabet is refused (H22)',
    () =>
      refuses(
        () => memoryStore().commit(part, [{ op: 'check', key: '../x}', rev: null }], { now: 1, rev: newRev(random) }),
        'store.invalid',
      ),
  ],
  ...conformance('memory', async ({ graceMs }) => memoryStore({ graceMs })),
]

/**
 * The conformance kit over one driver.
 * @param {string} driver @param {Parameters<typeof storeConformance>[0]} make @param {{ only?: readonly import('../suite.js').Runtime[] }} [o]
 * @returns {import('../suite.js').Case[]}
 */
export function conformance(driver, make, o = {}) {
  return storeConformance(make, { scale: 0.25 }).map(({ name, run }) => [`store/${driver}: ${name}`, run, o])
}
