/// <reference types="node" />
/** Passkeys of many at once, over real stores. */
import { setTimeout as sleep } from 'node:timers/promises'
import { planRemove } from '@postern/authenticators/enrolment'
import { newRev } from '@postern/store'
import { slowStore } from '@postern/testkit/latency'
import { describe, expect, it } from 'vitest'
import { type Bank, codeOf, createBank, passkey } from '../passkey.js'
import { random } from '../world.js'
import { driversOf } from './drivers.js'

const times = <T>(n: number, make: (i: number) => Promise<T>): Promise<readonly T[]> =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)))

/** How often each code came. */
function count(results: readonly Parameters<typeof codeOf>[0][]): Readonly<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const code of results.map(codeOf)) found[code] = (found[code] ?? 0) + 1
  return found
}

describe.each(driversOf('webauthn'))('$name', ({ skip, open }) => {
  describe.each([0, 2])('%i ms away', (ms) => {
    const away = async (): Promise<Bank> =>
      createBank({ store: slowStore(await open(), { ms, sleep: async (t) => void (await sleep(t)) }) })

    it.skipIf(skip)('A07 one assertion 50 times at once: one success, and never again', async () => {
      for (const counts of [true, false]) {
        const bank = await away()
        const { passkey: p } = await bank.enrolled('ada', passkey({ counts }))
        const { options, handle } = await bank.ask('ada')
        const answer = p.get(options)
        const { ok, ...others } = count(await times(50, () => bank.login('ada', answer, handle)))
        expect(ok).toBe(1)
        // Who came with the record as it was before lost its challenge; who read it afterwards may find the counter gone ahead.
        for (const code of Object.keys(others)) expect(code).toMatch(/^webauthn\.(challenge|counter_regressed)$/)
        expect(codeOf(await bank.login('ada', answer, handle))).not.toBe('ok')
      }
    })

    it.skipIf(skip)('A11 20 assertions of as many challenges that count the same: one success', async () => {
      const bank = await away()
      const { passkey: p, name } = await bank.enrolled('ada')
      const all = await times(20, async () => {
        const { options, handle } = await bank.ask('ada')
        return bank.login('ada', p.get(options, { counter: 7 }), handle)
      })
      const { ok, ...others } = count(all)
      expect(ok).toBe(1)
      for (const code of Object.keys(others)) expect(code).toMatch(/^(webauthn\.counter_regressed|authenticator\.superseded)$/)
      expect((await bank.record('ada', name))!.value.credential!.counter).toBe(7)
    })

    it.skipIf(skip)('A12 20 users register one id at once: it has one holder, who signs in', async () => {
      const bank = await away()
      const id = random(32)
      const users = await times(20, async (i) => {
        const user = `u${i}`
        await bank.user(user)
        return { user, key: passkey({ id }), offer: await bank.offer(user) }
      })
      const all = await Promise.all(
        users.map(({ user, key, offer }) => bank.register(user, key.create(offer.options), offer.handle)),
      )
      expect(count(all)).toEqual({ ok: 1, 'webauthn.credential_taken': 19 })
      const winner = all.findIndex(({ ok }) => ok)
      for (const [i, { user, key }] of users.entries()) {
        const asked = await bank.ask(user)
        expect([i, (await bank.login(user, key.get(asked.options), asked.handle)).ok]).toEqual([i, i === winner])
      }
    })

    it.skipIf(skip)('A21 a passkey is removed among 20 logins: none succeeds afterwards, and none brings it back', async () => {
      const bank = await away()
      const { passkey: p, name } = await bank.enrolled('ada')
      const login = async () => {
        const { options, handle } = await bank.ask('ada')
        return bank.login('ada', p.get(options), handle)
      }
      const remove = async () => {
        for (;;) {
          const { rec, value } = (await bank.record('ada', name))!
          const removal = planRemove({ id: name, rev: rec.rev, value }, 'user', bank.webauthn.remove(name))
          const done = await bank.store.commit(bank.part('ada'), removal, { now: bank.time.now, rev: newRev(random) })
          if (done.ok) return login()
        }
      }
      const [after] = await Promise.all([remove(), times(20, login)])
      expect(codeOf(after)).toBe('authenticator.removed')
      expect((await bank.record('ada', name))!.value.status).toBe('removed')
      expect(codeOf(await login())).toBe('authenticator.removed')
    })
  })
})
