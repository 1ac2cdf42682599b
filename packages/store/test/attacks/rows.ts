/// <reference types="node" />
/**
 * The store's part of the attack rows, for any driver: the shape of the one commit that answers each, at 0, 2 and 10 ms from the store.
 * The rooms above build their flows from these shapes.
 */
import type { Commit, Op, Part, Store } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { slowStore } from '@postern/testkit/latency'
import { describe, expect, it } from 'vitest'

export const now = 1_767_225_600_000
export const user: Part = { tenant: 'bank', id: 'u:1' }
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
let revs = 0
const newRev = (): string => String(++revs).padStart(16, '0')
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const won = (answers: readonly Commit[]): number => answers.filter(({ ok }) => ok).length
export const fifty = <T>(make: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: 50 }, (_, i) => make(i)))
export const commit = (store: Store, ops: readonly Op[], part: Part = user): Promise<Commit> =>
  store.commit(part, ops, { now, rev: newRev() })

/**
 * Registers the rows.
 * @param open - the nodes of one deployment, fresh and empty: calls are spread over them
 */
export function attackRows(open: () => Promise<readonly Store[]> | readonly Store[]): void {
  describe.each([0, 2, 10])('at %i ms', (ms) => {
    /** The nodes, from the caller's distance, and the one that a numbered call goes to. */
    const deployed = async () => {
      const nodes = (await open()).map((store) => (ms === 0 ? store : slowStore(store, { ms, sleep })))
      return { node: (i: number): Store => nodes[i % nodes.length]!, close: () => Promise.all(nodes.map((node) => node.close())) }
    }

    it('T02 code replay, 50 parallel: one redemption, and every replay sees whose it was', async () => {
      const { node, close } = await deployed()
      const redeem = (i: number) =>
        commit(node(i), [
          { op: 'put', key: 'code/j1', value: bytes(`fam/${i}`), rev: null, expiresAt: now + 60_000 },
          { op: 'put', key: `fam/${i}`, value: bytes('family'), rev: null },
          eventOp({ id: `01${String(i).padStart(24, '0')}`, at: now, tenant: 'bank', type: 'code.redeemed', outcome: 'success' }),
        ])
      const answers = await fifty(redeem)
      expect(won(answers)).toBe(1)
      const winner = answers.findIndex(({ ok }) => ok)
      for (const answer of answers)
        if (!answer.ok) expect(answer).toMatchObject({ at: 0, current: { value: bytes(`fam/${winner}`) } })
      expect(await node(0).list(user, 'fam/', { now, limit: 100 })).toHaveLength(1)
      expect(await node(1).list(user, 'e/', { now, limit: 100 })).toHaveLength(1)
      // The next commit of a replay revokes the family that `current` named.
      expect(await commit(node(1), [{ op: 'put', key: `fam/${winner}`, value: bytes('revoked') }])).toMatchObject({ ok: true })
      await close()
    })

    it('T16 refresh race, 50 parallel with one token: one successor, which every loser is shown', async () => {
      const { node, close } = await deployed()
      const first = await commit(node(0), [{ op: 'put', key: 'fam/1', value: bytes('0'), rev: null }])
      const { rev } = first.ok ? first.recs[0]! : { rev: '' }
      const answers = await fifty((i) => commit(node(i), [{ op: 'put', key: 'fam/1', value: bytes(`next ${i}`), rev }]))
      expect(won(answers)).toBe(1)
      const successor = answers.flatMap((answer) => (answer.ok ? [answer.recs[0]!.rev] : []))[0]
      for (const answer of answers) if (!answer.ok) expect(answer.current?.rev).toBe(successor)
      await close()
    })

    it('T17 refresh against revoke: they write one record, so after a revoke no rotation is accepted', async () => {
      for (let round = 0; round < 5; round++) {
        const { node, close } = await deployed()
        const first = await commit(node(0), [{ op: 'put', key: 'fam/1', value: bytes('live'), rev: null }])
        const { rev } = first.ok ? first.recs[0]! : { rev: '' }
        const rotate = (i: number) => commit(node(i), [{ op: 'put', key: 'fam/1', value: bytes('live'), rev }])
        const revoke = async () => {
          await commit(node(1), [{ op: 'put', key: 'fam/1', value: bytes('revoked') }])
          return rotate(round)
        }
        const [, afterRevoke] = await Promise.all(round % 2 ? [rotate(0), revoke()] : [rotate(0), revoke(), rotate(1)])
        expect(afterRevoke!.ok).toBe(false)
        const [family] = await node(round).read(user, ['fam/1'], { now })
        expect(family!.value).toEqual(bytes('revoked'))
        await close()
      }
    })

    it.each([
      ['T28 client assertion', 'assertion'],
      ['T31 DPoP proof', 'dpop'],
    ])('%s jti replay, 50 parallel: one success', async (_row, kind) => {
      const { node, close } = await deployed()
      const use = (i: number) =>
        commit(node(i), [{ op: 'put', key: `j/${kind}`, value: new Uint8Array(0), rev: null, expiresAt: now + 60_000 }])
      expect(won(await fifty(use))).toBe(1)
      expect([(await use(0)).ok, (await use(1)).ok]).toEqual([false, false])
      await close()
    })

    it('A01 PIN brute force, 50 parallel on one device: only so many guesses as are allowed are taken', async () => {
      const { node, close } = await deployed()
      const take = (i: number) =>
        commit(node(i), [
          { op: 'add', key: 'pin/e1', by: 1, max: 5 },
          { op: 'add', key: 'pin/e1/failed', by: 1, max: 30, expiresAt: now + 1 },
        ])
      const answers = await fifty(take)
      expect(won(answers)).toBe(5)
      for (const answer of answers) if (!answer.ok) expect(answer).toMatchObject({ at: 0, current: { n: 5 } })
      expect((await node(0).read(user, ['pin/e1/failed'], { now }))[0]?.n).toBe(5)
      await close()
    })

    it('A20 device limit, 50 parallel: it is counted inside one record, and the limit holds', async () => {
      const { node, close } = await deployed()
      const limit = 3
      const enrol = async (i: number): Promise<boolean> => {
        let [devices] = await node(i).read(user, ['devices'], { now })
        for (;;) {
          const names: string[] = devices ? JSON.parse(new TextDecoder().decode(devices.value)) : []
          if (names.length >= limit) return false
          const answer = await commit(node(i), [
            { op: 'put', key: 'devices', value: bytes(JSON.stringify([...names, `d${i}`])), rev: devices?.rev ?? null },
            { op: 'put', key: `device/d${i}`, value: bytes('device'), rev: null },
          ])
          if (answer.ok) return true
          devices = answer.current
        }
      }
      const enrolled = await fifty(enrol)
      expect(enrolled.filter(Boolean)).toHaveLength(limit)
      expect(await node(1).list(user, 'device/', { now, limit: 100 })).toHaveLength(limit)
      await close()
    })
  })
}
