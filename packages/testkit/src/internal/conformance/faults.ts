/** Suite 12: a protocol in small over a lying network, under one seed: redemption of a code, rotation of a token, a limit on tries. */
import { isPosternError } from '@postern/core/errors'
import type { Commit, Op, Store } from '@postern/store'
import { settle } from '@postern/store/settle'
import { type FaultPlan, faultyStore } from '../../faulty.js'
import { equal, holds } from '../check.js'
import { bytes, type Kit, NOW, PART, type Suite } from './kit.js'

/** What a client was told in the end; `answer` is null while the outcome is unknown. */
interface Told {
  readonly rev: string
  readonly answer: Commit | null
}

const HARSH: FaultPlan = { delay: 0.15, dropBefore: 0.1, dropAfter: 0.15, late: 0.15, duplicate: 0.1 }
const CLIENTS = 4
const ROTATIONS = 5
const MOST_TRIES = 5

export const faultSuite: Suite = (kit) => [
  {
    name: 'faults: over a network that loses, delays and doubles, a code is redeemed once, a token has one successor, a limit holds',
    async run() {
      for (let i = 0; i < Math.ceil(20 * kit.scale); i++)
        await kit.over(async (bare) => {
          const seed = kit.seed * 1000 + i
          const store = faultyStore(bare, { seed, plan: HARSH })
          try {
            const [redeemed, , tries] = await Promise.all([redemption(kit, store), rotation(kit, store, bare), limit(kit, store)])
            await store.drain()
            await judge(bare, redeemed, tries)
          } catch (error) {
            throw new Error(`seed ${seed}: ${String(error)}\n${store.log.join('\n')}`, { cause: error })
          }
        })
    },
  },
]

/** Several clients redeem one code for a family, each with an event, and families are counted. */
function redemption(kit: Kit, store: Store): Promise<readonly Told[]> {
  const counted: Op = { op: 'add', key: 'families', by: 1, max: 1000 }
  return race(kit, store, CLIENTS, (i) => [put('code/1', null), put('fam/1', null), put(`e/redeemed-${i}`, null), counted])
}

/** Several clients rotate what they read, round after round; whoever loses a round sees who won it. */
async function rotation(kit: Kit, store: Store, bare: Store): Promise<void> {
  await bare.commit(PART, [put('fam/2', null)], { now: NOW, rev: kit.rev() })
  for (let round = 0; round < ROTATIONS; round++) {
    const [standing] = await bare.read(PART, ['fam/2'], { now: NOW })
    const next = standing!.value[0]! + 1
    const told = await race(kit, store, CLIENTS, (i) => [
      { op: 'put', key: 'fam/2', value: Uint8Array.of(next), rev: standing!.rev },
      put(`e/rotated-${round}-${i}`, null),
    ])
    const winners = told.filter(({ answer }) => answer?.ok)
    holds(winners.length <= 1, `round ${round}: ${winners.length} successors of one token`)
  }
}

/** More tries than the limit allows, each counted with a marker of its own so that it can be settled. */
function limit(kit: Kit, store: Store): Promise<readonly Told[]> {
  return race(kit, store, 3 * MOST_TRIES, (i) => [put(`try/${i}`, null), { op: 'add', key: 'tries', by: 1, max: MOST_TRIES }])
}

async function judge(bare: Store, redeemed: readonly Told[], tries: readonly Told[]): Promise<void> {
  const [code, family, families] = await bare.read(PART, ['code/1', 'fam/1', 'families'], { now: NOW })
  const winners = redeemed.filter(({ answer }) => answer?.ok)
  holds(winners.length <= 1, `${winners.length} clients redeemed one code`)
  for (const { rev } of winners) equal([code?.rev, family?.rev], [rev, rev], 'what the winner wrote')
  for (const { answer } of redeemed) if (answer?.ok === false) equal(answer.current?.rev, code?.rev, 'what a loser was shown')
  const events = await present(bare, CLIENTS, (i) => `e/redeemed-${i}`)
  const redemptions = code ? 1 : 0
  equal(
    [events, families?.n ?? 0, family ? 1 : 0],
    [redemptions, redemptions, redemptions],
    'redemptions, by event, count and family',
  )

  const [rotated] = await bare.read(PART, ['fam/2'], { now: NOW })
  let rotations = 0
  for (let round = 0; round < ROTATIONS; round++) rotations += await present(bare, CLIENTS, (i) => `e/rotated-${round}-${i}`)
  equal(rotations, rotated!.value[0], 'rotations, by their events')

  const [count] = await bare.read(PART, ['tries'], { now: NOW })
  const counted = count?.n ?? 0
  holds(counted <= MOST_TRIES, `${counted} tries were counted, ${MOST_TRIES} are allowed`)
  equal(await present(bare, tries.length, (i) => `try/${i}`), counted, 'tries, by their markers')
  for (const [i, { rev, answer }] of tries.entries()) {
    const [marker] = await bare.read(PART, [`try/${i}`], { now: NOW })
    if (answer) equal(marker?.rev, answer.ok ? rev : undefined, `try ${i}, told as ${answer.ok ? 'counted' : 'too many'}`)
  }
}

function race(kit: Kit, store: Store, clients: number, ops: (i: number) => readonly Op[]): Promise<readonly Told[]> {
  return Promise.all(
    Array.from({ length: clients }, async (_, i): Promise<Told> => {
      const rev = kit.rev()
      try {
        return { rev, answer: await settle(store, PART, ops(i), { now: NOW, rev, attempts: 12 }) }
      } catch (error) {
        if (isPosternError(error, 'store.outcome_unknown')) return { rev, answer: null }
        throw error
      }
    }),
  )
}

async function present(store: Store, n: number, key: (i: number) => string): Promise<number> {
  const keys = Array.from({ length: n }, (_, i) => key(i))
  return (await store.read(PART, keys, { now: NOW })).filter((rec) => rec !== null).length
}

function put(key: string, rev: null): Op {
  return { op: 'put', key, value: key.startsWith('fam/') ? Uint8Array.of(0) : bytes('x'), rev }
}
