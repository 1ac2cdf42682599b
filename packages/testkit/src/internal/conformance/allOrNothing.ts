/** Suite 4: a commit that fails anywhere has done nothing anywhere. */
import type { Op, Store } from '@postern/store'
import { equal } from '../check.js'
import { bytes, type Kit, NOW, PART, type Suite } from './kit.js'

const PLACES = 16

export const allOrNothingSuite: Suite = (kit) => [
  ...FAILING.map(({ what, op, current }) => ({
    name: `all or nothing: ${what} at each of 16 places leaves nothing behind`,
    run: () =>
      kit.over(async (store) => {
        const rev = await furnish(kit, store)
        const before = await everything(store)
        for (let at = 0; at < PLACES; at++) {
          const ops = Array.from({ length: PLACES }, (_, i) => (i === at ? op : harmless(i, rev)))
          const answer = await store.commit(PART, ops, { now: NOW, rev: kit.rev() })
          equal({ ok: answer.ok, at: answer.ok ? -1 : answer.at }, { ok: false, at }, 'the index')
          equal(answer.ok ? '' : (answer.current?.key ?? null), current, 'what stood in the way')
          equal(await everything(store), before, `after a failure at ${at}`)
        }
      }),
  })),
  {
    name: 'all or nothing: an op that fails among others fails alone, too, and says the same',
    run: () =>
      kit.over(async (store) => {
        await furnish(kit, store)
        const before = await everything(store)
        for (const { what, op, current } of FAILING) {
          const answer = await store.commit(PART, [op], { now: NOW, rev: kit.rev() })
          equal(answer.ok ? 'ok' : [answer.at, answer.current?.key ?? null], [0, current], what)
          equal(await everything(store), before, `after ${what}`)
        }
      }),
  },
  {
    name: 'all or nothing: of two failing ops the first is named',
    run: () =>
      kit.over(async (store) => {
        const rev = await furnish(kit, store)
        for (let first = 0; first < PLACES - 1; first++) {
          const ops = Array.from({ length: PLACES }, (_, i) => {
            if (i === first) return FAILING[0]!.op
            return i === PLACES - 1 ? FAILING.at(-1)!.op : harmless(i, rev)
          })
          const answer = await store.commit(PART, ops, { now: NOW, rev: kit.rev() })
          equal(answer.ok ? -1 : answer.at, first, 'the index')
        }
      }),
  },
  {
    name: 'all or nothing: 16 ops that all hold are all there, in the order asked for',
    run: () =>
      kit.over(async (store) => {
        const rev = await furnish(kit, store)
        const answer = await store.commit(
          PART,
          Array.from({ length: PLACES }, (_, i) => harmless(i, rev)),
          { now: NOW, rev: 'ABCDEFGHIJKLMNOP' },
        )
        if (!answer.ok) throw new Error(`the commit failed at ${answer.at}`)
        for (const [i, rec] of answer.recs.entries()) {
          const op = harmless(i, rev)
          if (op.op === 'del') equal(rec, null, 'a del')
          else equal([rec?.key, rec?.rev], [op.key, op.op === 'check' ? rev : 'ABCDEFGHIJKLMNOP'], `the record of op ${i}`)
          if (op.op !== 'del') equal(await store.read(PART, [op.key], { now: NOW }), [rec], `op ${i} as it is read`)
        }
      }),
  },
]

/** Ops that fail over what `furnish` puts there, and the key that stands in the way. */
const FAILING: readonly { what: string; op: Op; current: string | null }[] = [
  { what: 'a put with rev null over a record', op: { op: 'put', key: 'there', value: bytes('x'), rev: null }, current: 'there' },
  {
    what: 'a put with the wrong rev',
    op: { op: 'put', key: 'there', value: bytes('x'), rev: 'wrongwrongwrong0' },
    current: 'there',
  },
  {
    what: 'a put with a rev over nothing',
    op: { op: 'put', key: 'absent', value: bytes('x'), rev: 'wrongwrongwrong0' },
    current: null,
  },
  { what: 'a check of absence', op: { op: 'check', key: 'there', rev: null }, current: 'there' },
  { what: 'a check of the wrong rev', op: { op: 'check', key: 'there', rev: 'wrongwrongwrong0' }, current: 'there' },
  { what: 'a del of the wrong rev', op: { op: 'del', key: 'there', rev: 'wrongwrongwrong0' }, current: 'there' },
  { what: 'an add above its max', op: { op: 'add', key: 'count', by: 1, max: 3 }, current: 'count' },
  { what: 'an add above its max over nothing', op: { op: 'add', key: 'absent', by: 4, max: 3 }, current: null },
  { what: 'taking from a counter that is absent', op: { op: 'add', key: 'absent', by: -1, max: 9 }, current: null },
  { what: 'an add below zero', op: { op: 'add', key: 'count', by: -4, max: 9 }, current: 'count' },
]

async function furnish(kit: Kit, store: Store): Promise<string> {
  const rev = kit.rev()
  const kept = Array.from({ length: PLACES }, (_, i): Op => ({ op: 'put', key: `kept/${i}`, value: bytes(`${i}`) }))
  await store.commit(PART, kept, { now: NOW, rev })
  await store.commit(
    PART,
    [
      { op: 'put', key: 'there', value: bytes('there') },
      { op: 'add', key: 'count', by: 3, max: 3 },
    ],
    { now: NOW, rev },
  )
  return rev
}

/** An op that holds, of another kind at each place. */
function harmless(i: number, rev: string): Op {
  const key = `kept/${i}`
  if (i % 5 === 0) return { op: 'put', key, value: bytes('new'), rev }
  if (i % 5 === 1) return { op: 'put', key: `new/${i}`, value: bytes('new'), rev: null }
  if (i % 5 === 2) return { op: 'del', key }
  if (i % 5 === 3) return { op: 'add', key, by: 1, max: 100 }
  return { op: 'check', key, rev }
}

async function everything(store: Store) {
  const keys = Array.from({ length: PLACES }, (_, i) => [`kept/${i}`, `new/${i}`]).flat()
  return store.read(PART, [...keys, 'there', 'count', 'absent'], { now: NOW })
}
