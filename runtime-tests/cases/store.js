// @ts-check
import { utf8 } from '@postern/core/bytes'
import { systemPorts } from '@postern/core/systemRuntime'
import { newRev } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { refuses, same } from './assert.js'

const { random } = systemPorts()
const part = { tenant: 'retail', id: 'dev:d1' }

/** @type {readonly (readonly [string, () => void | Promise<void>])[]} */
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
]
