/** What a plan writes may end on the way to the store: the ladder is asked again, and says what that means. */
import type { Authenticator, Ceremony, Refusal, Step, Success } from '@postern/authenticators/authenticator'
import type { Op } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { simPorts } from '@postern/testkit/simulation'
import { describe, expect, it } from 'vitest'
import { createJournal } from '../../src/internal/journal.js'
import { createRunner } from '../../src/internal/login/run.js'
import { crypto } from '../support/bank.js'

const expired: Refusal = {
  ok: false,
  code: 'otp.expired',
  reason: 'late',
  ops: [],
  event: null,
  next: 'retry',
  lost: () => expired,
}

/** Marks a nonce that ends in 5 ms, and takes 10 ms the first time it is asked. */
function slow() {
  const ports = simPorts({ seed: 1 })
  const runtime = { ...ports, crypto, store: memoryStore() }
  const runner = createRunner({ runtime, journal: createJournal({ runtime, tenant: 'bank', sink: () => undefined }) })
  const end = ports.clock() + 5
  let asked = 0
  const plan = (): { ops: readonly Op[]; event: null } | null => {
    asked++
    if (ports.clock() >= end) return null
    ports.time.advance(10)
    return { ops: [{ op: 'put', key: 'ch/x', value: new Uint8Array(0), rev: null, expiresAt: end }], event: null }
  }
  const authenticator = {
    begin: async (): Promise<Step | Refusal> => {
      const made = plan()
      return made === null ? expired : { ok: true, ...made, reply: () => expired, lost: () => expired }
    },
    finish: async () => {
      const made = plan()
      return made === null ? expired : ({ ok: true, ...made, amr: [], lost: () => expired } as unknown as Success)
    },
  } as unknown as Authenticator
  const c = { part: { tenant: 'bank', id: 'dev:d1' }, device: null, app: 'retail' } as unknown as Ceremony
  const around = { ops: [], about: {}, host: undefined }
  return { runner, authenticator, c, around, asked: () => asked }
}

describe('a step that is planned too late', () => {
  it('at its begin is planned again', async () => {
    const { runner, authenticator, c, around, asked } = slow()
    expect(await runner.begin(authenticator, c, null, around)).toMatchObject({ ok: false, refusal: { code: 'otp.expired' } })
    expect(asked()).toBe(2)
  })

  it('at its end is judged again', async () => {
    const { runner, authenticator, c, around, asked } = slow()
    const again = () => authenticator.finish(c, null)
    const verdict = await again()
    expect(await runner.settle(c, verdict as Success, { ...around, again })).toMatchObject({
      ok: false,
      refusal: { code: 'otp.expired' },
    })
    expect(asked()).toBe(2)
  })

  it('whose session ended on the way is told so, and no store is asked', async () => {
    const { runner, c, around } = slow()
    const key = 'ch/session'
    const ops: readonly Op[] = [{ op: 'put', key, value: new Uint8Array(0), rev: null, expiresAt: 1 }]
    const done = { ok: true, ops: [{ op: 'check', key: 'd', rev: null }], event: null, lost: () => expired } as unknown as Success
    const lost = (ended: string) => (ended === key ? Object.assign(new Error('used'), { code: 'login.invalid_session' }) : null)
    await expect(runner.settle(c, done, { ...around, ops, lost: lost as never })).rejects.toMatchObject({
      code: 'login.invalid_session',
    })
  })
})
