/// <reference types="node" />
/** Transactions, one by one: what is told of a cancelled one, what a redemption loses to, and what is remembered of keys. */
import { devicesKey } from '@postern/authenticators/devices'
import { decodeEvent } from '@postern/core/events'
import { describe, expect, it } from 'vitest'
import { thumbprints } from '../../src/internal/transactionPlan.js'
import { createBank, crypto, random } from '../transactionWorld.js'

describe('a transaction', () => {
  it('that its client takes back is told as cancelled, by that client', async () => {
    const b = await createBank()
    const created = await b.asked({ client: 'portal' })
    expect(await b.run((r) => b.t.cancel({ id: created.id, client: 'portal' }, r))).toMatchObject({ ok: true })
    const events = (await b.w.store.outbox!({ now: b.w.clock(), limit: 100 })).map((rec) => decodeEvent(rec.value)!)
    expect(events.filter(({ type }) => type === 'transaction.cancelled')).toMatchObject([
      { outcome: 'success', transaction: created.id, client: 'portal' },
    ])
  })

  it('redeemed while the devices are rewritten is read again when its device stays, and refused when it goes', async () => {
    const b = await createBank()
    const created = await b.asked({ client: 'portal' })
    expect((await b.decide(b.d, await b.answer(b.d, created))).ok).toBe(true)
    const [user, devices] = await b.read('u', devicesKey)
    const plan = await b.t.redeem({ id: created.id, client: 'portal', user: { rev: user!.rev } }, (keys) => b.read(...keys))
    if (!plan.ok) throw new Error(plan.code)
    const at = plan.ops.findIndex(({ key }) => key === devicesKey)
    expect(plan.lost(at, devices!)).toMatchObject({ ok: false, next: 'again' })
    expect(plan.lost(at, null)).toMatchObject({ ok: false, code: 'device.removed' })
  })

  it('keeps the thumbprints of as many keys as it may, and a known key costs no other its place', async () => {
    let digests = 0
    const counting = {
      ...crypto,
      digest(...args: Parameters<typeof crypto.digest>) {
        digests++
        return crypto.digest(...args)
      },
    }
    const thumbprint = thumbprints(counting, 2)
    const keys = await Promise.all(
      [1, 2, 3].map(async () => (await crypto.signer('ES256', await crypto.generateKey('ES256', random))).publicJwk),
    )
    for (const i of [0, 1, 1, 0, 1]) await thumbprint(keys[i]!)
    expect(digests).toBe(2)
    for (const i of [2, 1, 0]) await thumbprint(keys[i]!)
    expect(digests).toBe(4)
  })
})
