import { acceptLoss, type Guarantees, live, newRev, OutcomeUnknown, requireGuarantee, type Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { seededRandom } from '@postern/testkit/simulation'
import { describe, expect, it } from 'vitest'

const storeOf = (failover: Guarantees['failover']): Store => ({ ...memoryStore(), guarantees: { durable: 'power', failover } })

describe('guarantees', () => {
  it.each([
    ['lossless', 'lossless', true],
    ['lossless', 'none', true],
    ['none', 'none', true],
    ['none', 'lossless', false],
    ['may-lose', 'none', false],
    ['may-lose', 'lossless', false],
  ] as const)('a store that says "%s" where "%s" is needed: %s', (failover, need, accepted) => {
    const ask = () => requireGuarantee(storeOf(failover), 'PIN counters', { failover: need })
    if (accepted) expect(ask).not.toThrow()
    else expect(ask).toThrow('store.refused_guarantee')
    expect(() => requireGuarantee(storeOf(failover), 'PIN counters', { failover: need }, { [acceptLoss]: true })).not.toThrow()
  })

  it('what JSON can carry does not open that door', () => {
    const options = JSON.parse('{"acceptLoss": true, "postern.acceptLoss": true, "Symbol(postern.acceptLoss)": true}')
    expect(() => requireGuarantee(storeOf('may-lose'), 'PIN counters', { failover: 'none' }, options)).toThrow(
      'store.refused_guarantee',
    )
  })
})

describe('records', () => {
  const rec = { key: 'a', value: new Uint8Array(0), n: 0, rev: 'A'.repeat(16), expiresAt: 100 }

  it('is live before its expiry, and absent from it on', () => {
    expect([99, 100, 101].map((now) => live(rec, now) !== null)).toEqual([true, false, false])
    expect(live({ ...rec, expiresAt: 0 }, Number.MAX_SAFE_INTEGER)).not.toBeNull()
    expect(live(null, 1)).toBeNull()
  })

  it('a rev is 16 base64url characters, and never the same', () => {
    const random = seededRandom(1)
    const revs = Array.from({ length: 1000 }, () => newRev(random))
    expect(revs.every((rev) => /^[A-Za-z0-9_-]{16}$/.test(rev))).toBe(true)
    expect(new Set(revs).size).toBe(1000)
  })

  it('an unknown outcome carries its rev', () => {
    expect(new OutcomeUnknown('A'.repeat(16))).toMatchObject({
      code: 'store.outcome_unknown',
      rev: 'A'.repeat(16),
      retryable: false,
    })
  })
})
