/** Suite 9: pages are in order, whole, and show what is live alone. */
import type { Op, Rec, Store } from '@postern/store'
import { equal, holds } from '../check.js'
import { bytes, type Kit, NOW, PART, type Suite } from './kit.js'

export const listSuite: Suite = (kit) => [
  {
    name: 'list: a prefix takes its own keys alone: no wildcard, no half name',
    run: () =>
      kit.over(async (store) => {
        const keys = ['f/1', 'f/10', 'f/1/x', 'f-1', 'f_1', 'f.1', 'g/1', 'f~', 'f', 'e/1']
        await put(kit, store, keys)
        for (const prefix of ['', 'f', 'f/', 'f/1', 'f/1/', 'f_', 'f.', 'g/1', 'x', 'f~', '_', '-']) {
          const listed = await store.list(PART, prefix, { now: NOW, limit: 100 })
          equal(
            listed.map(({ key }) => key),
            keys.filter((key) => key.startsWith(prefix)).sort(),
            `prefix "${prefix}"`,
          )
        }
      }),
  },
  {
    name: 'list: keys come in the order of their bytes',
    run: () =>
      kit.over(async (store) => {
        const keys = ['a', 'a-', 'a.', 'a/', 'a/0', 'a0', 'a_', 'aa', 'a~', 'b', '-', '.', '/', '0', '9', '_', 'z', '~']
        await put(kit, store, keys.toReversed())
        equal(
          names(await store.list(PART, '', { now: NOW, limit: 1000 })),
          keys.toSorted((a, b) => (a < b ? -1 : 1)),
          'the order',
        )
      }),
  },
  {
    name: 'list: pages of any size, joined, are the whole without repeats',
    run: () =>
      kit.over(async (store) => {
        const keys = Array.from({ length: 50 }, (_, i) => `p/${String(i * 7).padStart(3, '0')}`)
        await put(kit, store, [...keys, 'o/1', 'q/1'])
        for (const limit of [1, 3, 49, 50, 51, 1000]) equal(names(await pages(store, 'p/', limit)), keys, `pages of ${limit}`)
        equal(
          names(await store.list(PART, 'p/', { now: NOW, after: 'p/003', limit: 1 })),
          ['p/007'],
          'after a key that is not there',
        )
        equal(await store.list(PART, 'p/', { now: NOW, after: 'p/343', limit: 9 }), [], 'after the last')
        equal(await store.list(PART, 'p/', { now: NOW, after: 'z', limit: 9 }), [], 'after the prefix')
        equal(names(await store.list(PART, 'p/', { now: NOW, after: 'a', limit: 1 })), ['p/000'], 'after what is before it')
      }),
  },
  {
    name: 'list: what is expired is not shown and takes no place on a page',
    run: () =>
      kit.over(async (store) => {
        for (let i = 0; i < 20; i++) {
          const op: Op = { op: 'put', key: `k/${10 + i}`, value: bytes('x'), ...(i % 2 ? {} : { expiresAt: NOW + 100 }) }
          await store.commit(PART, [op], { now: NOW, rev: kit.rev() })
        }
        equal((await store.list(PART, 'k/', { now: NOW + 99, limit: 100 })).length, 20, 'at t-1')
        const live = Array.from({ length: 10 }, (_, i) => `k/${11 + 2 * i}`)
        equal(names(await store.list(PART, 'k/', { now: NOW + 100, limit: 10 })), live, 'at t')
      }),
  },
  {
    name: 'list: while others write, what stood all along is listed once',
    run: () =>
      kit.over(async (store) => {
        const standing = Array.from({ length: 40 }, (_, i) => `s/${100 + i}`)
        await put(kit, store, standing)
        let writing = true
        const writer = async () => {
          for (let i = 0; writing; i++) {
            const key = `s/${100 + (i % 40)}x`
            await store.commit(PART, [i % 2 ? { op: 'del', key } : { op: 'put', key, value: bytes('x') }], {
              now: NOW,
              rev: kit.rev(),
            })
          }
        }
        const writers = [writer(), writer()]
        try {
          for (let i = 0; i < 5; i++) {
            const seen = names(await pages(store, 's/', 7))
            equal(
              seen.filter((key) => !key.endsWith('x')),
              standing,
              'what stood all along',
            )
            holds(
              seen.every((key, at) => at === 0 || seen[at - 1]! < key),
              'a page went back or repeated a key',
            )
          }
        } finally {
          writing = false
          await Promise.all(writers)
        }
      }),
  },
]

async function put(kit: Kit, store: Store, keys: readonly string[]): Promise<void> {
  for (const key of keys) await store.commit(PART, [{ op: 'put', key, value: bytes(key) }], { now: NOW, rev: kit.rev() })
}

async function pages(store: Store, prefix: string, limit: number): Promise<readonly Rec[]> {
  const all: Rec[] = []
  for (let more = true; more; ) {
    const after = all.at(-1)?.key
    const page = await store.list(PART, prefix, { now: NOW, limit, ...(after === undefined ? {} : { after }) })
    all.push(...page)
    more = page.length === limit
  }
  return all
}

function names(recs: readonly Rec[]): readonly string[] {
  return recs.map(({ key }) => key)
}
