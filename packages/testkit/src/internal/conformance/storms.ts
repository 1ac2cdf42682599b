/** Suite 3: many at once, over one key. Whoever loses is told what stands there. */
import type { Rec, Store } from '@postern/store'
import { equal, holds } from '../check.js'
import { bytes, type Kit, NOW, PART, type Suite } from './kit.js'

const MANY = 200

export const stormSuite: Suite = (kit) => [
  {
    name: 'storms: of 200 puts with rev null one wins, and every loser sees the winner',
    run: () =>
      kit.over(async (store) => {
        const answers = await Promise.all(times(MANY, (i) => put(kit, store, 'code/1', null, bytes(`from ${i}`))))
        const won = answers.filter(({ ok }) => ok)
        equal(won.length, 1, 'winners')
        const [winner] = won[0]!.ok ? won[0]!.recs : []
        for (const answer of answers) if (!answer.ok) equal(answer, { ok: false, at: 0, current: winner }, 'a loser')
      }),
  },
  {
    name: 'storms: of 200 adds under a max exactly max pass, and n never passes it',
    run: () =>
      kit.over(async (store) => {
        const add = () => store.commit(PART, [{ op: 'add', key: 'pin', by: 1, max: 7 }], { now: NOW, rev: kit.rev() })
        const answers = await Promise.all(times(MANY, add))
        const seen = answers.flatMap((answer) => (answer.ok ? [answer.recs[0]!.n] : []))
        equal(
          seen.sort((a, b) => a - b),
          [1, 2, 3, 4, 5, 6, 7],
          'the values that were handed out',
        )
        for (const answer of answers) if (!answer.ok) equal(answer.current?.n, 7, 'a loser sees the full counter')
      }),
  },
  {
    name: 'storms: counters go up and down at once and end where the sum is',
    run: () =>
      kit.over(async (store) => {
        await store.commit(PART, [{ op: 'add', key: 'c', by: MANY, max: MANY * 2 }], { now: NOW, rev: kit.rev() })
        const answers = await Promise.all(
          times(MANY, (i) =>
            store.commit(PART, [{ op: 'add', key: 'c', by: i % 2 ? 1 : -1, max: MANY * 2 }], { now: NOW, rev: kit.rev() }),
          ),
        )
        holds(
          answers.every(({ ok }) => ok),
          'an add inside its bounds failed',
        )
        equal((await one(store, 'c')).n, MANY, 'the sum')
      }),
  },
  {
    name: 'storms: eight chains of compare-and-swap over one record lose no update',
    run: () =>
      kit.over(async (store) => {
        await put(kit, store, 'sum', null, bytes('0'))
        const chain = async () => {
          for (let done = 0; done < 10; ) {
            const { value, rev } = await one(store, 'sum')
            const next = bytes(String(Number(String.fromCharCode(...value)) + 1))
            if ((await put(kit, store, 'sum', rev, next)).ok) done++
          }
        }
        await Promise.all(times(8, chain))
        equal((await one(store, 'sum')).value, bytes('80'), 'the sum')
      }),
  },
  {
    name: 'storms: of 50 swaps of one rev one wins, also when each has a second op',
    run: () =>
      kit.over(async (store) => {
        await put(kit, store, 'fam', null, bytes('first'))
        const { rev } = await one(store, 'fam')
        const swap = (i: number) =>
          store.commit(
            PART,
            [
              { op: 'put', key: 'fam', value: bytes(`next ${i}`), rev },
              { op: 'put', key: `e/${i}`, value: bytes('event'), rev: null },
            ],
            { now: NOW, rev: kit.rev() },
          )
        const answers = await Promise.all(times(50, swap))
        equal(answers.filter(({ ok }) => ok).length, 1, 'winners')
        const events = await store.read(
          PART,
          times(50, (i) => `e/${i}`),
          { now: NOW },
        )
        equal(events.filter((rec) => rec !== null).length, 1, 'events of losers that were written')
      }),
  },
]

function put(kit: Kit, store: Store, key: string, rev: string | null, value: Uint8Array) {
  return store.commit(PART, [{ op: 'put', key, value, rev }], { now: NOW, rev: kit.rev() })
}

async function one(store: Store, key: string): Promise<Rec> {
  const [rec] = await store.read(PART, [key], { now: NOW })
  if (!rec) throw new Error(`${key} is absent`)
  return rec
}

function times<T>(n: number, make: (i: number) => T): T[] {
  return Array.from({ length: n }, (_, i) => make(i))
}
