/// <reference types="node" />
/** Transactions, one by one: what is told of a cancelled one, what a redemption loses to, and what is remembered of keys. */
import { devicesKey } from '@postern/authenticators/devices'
import { encodeTransaction } from '@postern/authenticators/transaction/encoding'
import { verifyEvidence } from '@postern/authenticators/transaction/evidence'
import { decodeEvent } from '@postern/core/events'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isDisplayText } from '../../src/internal/displayText.js'
import { thumbprints } from '../../src/internal/transactionPlan.js'
import { readStored } from '../../src/internal/transactionRecord.js'
import { createBank, crypto, issuer, random } from '../transactionWorld.js'

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

  it('redeemed by two at once is one’s, and read again where the user is another than before or gone', async () => {
    const b = await createBank()
    const created = await b.asked({ client: 'portal' })
    expect((await b.decide(b.d, await b.answer(b.d, created))).ok).toBe(true)
    const [user] = await b.read('u')
    const asking = { id: created.id, client: 'portal', user: { rev: user!.rev } }
    const plan = await b.t.redeem(asking, (keys) => b.read(...keys))
    if (!plan.ok) throw new Error(plan.code)
    expect(plan.lost(1, user!)).toMatchObject({ ok: false, next: 'again' })
    expect(plan.lost(1, null)).toMatchObject({ ok: false, code: 'device.removed' })
    expect(await b.run((r) => b.t.redeem(asking, r))).toMatchObject({ ok: true })
    const [tx] = await b.read(`tx/${created.id}`)
    expect(plan.lost(0, tx!)).toMatchObject({ ok: false, code: 'transaction.decided', next: 'removed' })
    expect(plan.lost(0, null)).toMatchObject({ ok: false, code: 'transaction.unknown' })
  })

  it('is read without decoding it as it decodes, whichever members it has', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            amount: fc.constant({ value: '1.5', currency: 'CHF' }),
            payee: fc.string({ unit: fc.constantFrom('a', 'ü', '€'), minLength: 1, maxLength: 40 }),
            origin: fc.constant('Firefox, Zürich'),
            data: fc.uint8Array({ minLength: 32, maxLength: 32 }),
          },
          { requiredKeys: [] },
        ),
        fc.constantFrom(0, 1),
        fc.array(fc.constantFrom(1, 24, 64), { minLength: 1, maxLength: 16 }),
        fc.integer({ min: 1, max: 2 ** 40 }),
        (optional, match, lengths, created) => {
          const names = { issuer, tenant: 'bank', client: 'p'.repeat(lengths[0]!), app: 'retail' }
          const display = lengths.map((n) => ({ label: 'l'.repeat(n), value: 'v'.repeat(8 * n) }))
          const ids = { id: random(16), nonce: random(32) }
          const t = { ...names, ...ids, ...optional, kind: 'payment', display, created, expires: created + 300, match }
          const { client, app, id } = t
          const expected = { issuer, client, app, id, created, expiresAt: 1000 * t.expires, match }
          expect(readStored(encodeTransaction(t))).toEqual(expected)
        },
      ),
    )
    expect(() => readStored(Uint8Array.of(0xa1, 2))).toThrow('store.corrupt')
  })

  it('that somebody decided is not among those that wait, though its place still stands', async () => {
    const b = await createBank()
    const created = await b.asked({ client: 'portal' })
    const open = await b.w.store.list(b.place.part, 'open', { now: b.w.clock(), limit: 9 })
    const io = { read: (keys: readonly string[]) => b.read(...keys), list: async () => open }
    expect(await b.t.pending(b.place, 'retail', io)).toMatchObject([{ id: created.id }])
    const decided = await b.decide(b.d, await b.answer(b.d, created))
    expect(decided).toMatchObject({ ok: true })
    expect(await b.t.pending(b.place, 'retail', io)).toEqual([])
    expect(await b.decide(b.d, await b.answer(b.d, created))).toMatchObject({ code: 'transaction.decided', next: 'removed' })
  })

  it('that is overtaken eight times is given up, as an overload', async () => {
    const b = await createBank()
    let tries = 0
    const overtaken = b.run(async () => {
      tries++
      return { ...(await b.t.view({ id: 'none', client: 'portal' }, (keys) => b.read(...keys))), next: 'again' } as never
    })
    await expect(overtaken).rejects.toMatchObject({ code: 'store.overloaded' })
    expect(tries).toBe(8)
  })

  it('shows every character on either side of those that are hidden', () => {
    const hidden = [
      0, 0x1f, 0x7f, 0x9f, 0x61c, 0x200b, 0x200e, 0x200f, 0x2028, 0x202e, 0x2060, 0x2066, 0x2069, 0xd800, 0xdfff, 0xfeff,
    ]
    for (const code of hidden) expect([code, isDisplayText(`a${String.fromCharCode(code)}`, 9)]).toEqual([code, false])
    const beside = [
      0x20, 0x7e, 0xa0, 0x61b, 0x61d, 0x200a, 0x200c, 0x200d, 0x2010, 0x2027, 0x202f, 0x205f, 0x2061, 0x2065, 0x206a, 0xd7ff,
      0xe000,
    ]
    for (const code of [...beside, 0xfefe, 0xff00])
      expect([code, isDisplayText(`a${String.fromCharCode(code)}`, 9)]).toEqual([code, true])
  })

  it('evidence is no evidence only where it does not hold: what a crypto port throws goes on', async () => {
    const b = await createBank()
    const created = await b.asked()
    const done = await b.decide(b.d, await b.answer(b.d, created))
    if (!done.ok) throw new Error(done.code)
    const down = { ...crypto, verify: () => Promise.reject(new Error('HSM')) }
    await expect(verifyEvidence(down, done.value.evidence, b.d.jwk)).rejects.toThrow('HSM')
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
