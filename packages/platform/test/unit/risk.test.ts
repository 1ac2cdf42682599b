import { expect, it } from 'vitest'
import { createBank } from '../support/bank.js'
import { PIN, withPin } from '../support/people.js'

it('tries that went wrong are a fact of the next login, and none once it succeeded', async () => {
  const seen: (number | null)[] = []
  const bank = await createBank({
    pin: { maxAttempts: 5, onExhausted: 'lock' },
    risk: {
      score: (facts, _profile, _shared) => {
        seen.push(facts.failuresBefore)
        throw new Error('no score is a missing fact')
      },
    },
  })
  const { phone, slot } = await withPin(bank)
  await phone.start()
  await phone.loginPin('11111', slot)
  await phone.loginPin('11112', slot)
  seen.length = 0
  expect((await phone.loginPin(PIN, slot)).status).toBe(200)
  expect(seen).toEqual([2, 2])
  await phone.start()
  expect(seen[2]).toBeLessThan(2)
})
