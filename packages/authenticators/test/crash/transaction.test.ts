/// <reference types="node" />
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { loginPin } from '@postern/authenticators/pin/client'
import { prepareDecision } from '@postern/authenticators/transaction/client'
import { type Evidence, verifyEvidence } from '@postern/authenticators/transaction/evidence'
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { decodeEvent } from '@postern/core/events'
import { sqliteStore } from '@postern/store/sqlite'
import { killNine } from '@postern/testkit/crash'
import Database from 'libsql'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Bundle, bundle } from '../../../testkit/test/bundle.js'
import { decodeRecord } from '../../src/internal/transactionRecord.js'
import { createBank, crypto, payment } from '../transactionWorld.js'

const now = 1_800_000_000_000
let decider: Bundle
let verifier: Bundle

beforeAll(async () => {
  decider = await bundle(new URL('./transactionDecider.ts', import.meta.url))
  verifier = await bundle(new URL('./transactionVerifier.ts', import.meta.url))
})
afterAll(() => {
  decider.remove()
  verifier.remove()
})

it.each([12, 45])(
  'A16 kill -9 after %i answers, and again: what was told stands, each end has its event, no try is lost',
  async (afterLines) => {
    const file = join(decider.folder, `${afterLines}.db`)
    const told = new Map<string, Set<string>>()
    for (const life of ['1', '2', '3']) {
      for (const line of await killNine({ script: decider.script, args: [file, life], afterLines })) {
        const [id = '', state = ''] = line.split(' ')
        told.set(id, (told.get(id) ?? new Set()).add(state))
      }
    }
    const store = sqliteStore(new Database(file))
    const part = { tenant: 'bank', id: 'usr:ada' }
    const all = await store.list(part, 'tx/', { now, limit: 1000 })
    const events = (await store.list(part, 'e/', { now, limit: 1000 })).map((rec) => decodeEvent(rec.value)!)
    expect(all.length).toBeGreaterThanOrEqual(told.size)
    for (const [id, states] of told) {
      const rec = all.find(({ key }) => key === `tx/${id}`)
      const { state } = decodeRecord(rec!.value)
      const ends = [...states].filter((s) => s !== 'pending')
      expect(ends.length).toBeLessThanOrEqual(1)
      if (ends.length === 1) expect(state).toBe(ends[0])
    }
    for (const rec of all) {
      const { state, ending, bytes } = decodeRecord(rec.value)
      const id = rec.key.slice(3)
      const ends = events.filter(({ type, transaction }) => type === 'transaction.decided' && transaction === id)
      expect(ends.length).toBe(state === 'approved' || state === 'denied' ? 1 : 0)
      const failed = events.filter(({ type, transaction }) => type === 'transaction.failed' && transaction === id).length
      const [count] = await store.read(part, [`num/${id}`], { now })
      // Each try and its event are one commit.
      expect(count?.n ?? 0).toBe(failed + (state === 'approved' ? 1 : 0))
      if (ending?.evidence) expect(ending.evidence.statement).toEqual(ending.evidence.signed)
      expect(bytes.length).toBeGreaterThan(100)
    }
    await store.close()
  },
)

it('a PIN proof without its approving commit leaves the transaction pending, and the same proof approves it later', async () => {
  const b = await createBank()
  const slot = await b.w.withPin(b.d, '2718')
  const created = await b.asked()
  const choice = { device: 'd1', enrolment: slot.enrolment, type: 'pin', decision: 'approve', number: '' } as const
  const { bind, answer } = await prepareDecision(await b.open(created), choice, crypto)
  const exchange = b.w.exchange(b.d, 'confirm', slot.enrolment, { bind })
  const login = await loginPin({ ...b.w.client(b.d), exchange, pin: utf8('2718'), slots: [slot], purpose: 'confirm', bind })
  expect(decodeRecord((await b.read(`tx/${created.id}`))[0]!.value).state).toBe('pending')
  const ceremony = await b.w.ceremony(b.d, 'confirm', slot.enrolment, { bind })
  const done = await b.decide(b.d, answer(), { confirmed: { ceremony, success: login.result as never } })
  expect(done).toMatchObject({ ok: true, value: { state: 'approved' } })
  if (done.ok) expect(inAnotherProcess(done.value.evidence, b.d.jwk)).toBe(`approve ${payment.payee}`)
})

it('A18 kept evidence verifies in a process that has the public key and nothing else; one byte changed, and it does not', async () => {
  const b = await createBank()
  const created = await b.asked()
  const done = await b.decide(b.d, await b.answer(b.d, created, { decision: 'report' }))
  if (!done.ok) throw new Error(done.reason)
  const { evidence } = done.value
  expect(inAnotherProcess(evidence, b.d.jwk)).toBe(`report ${payment.payee}`)
  const transaction = evidence.transaction.map((byte, i) => (i === 200 ? byte ^ 1 : byte))
  expect(inAnotherProcess({ ...evidence, transaction }, b.d.jwk)).toBe('no')
  expect(inAnotherProcess(evidence, (await b.w.device('d2')).jwk)).toBe('no')
  expect(await verifyEvidence(crypto, evidence, b.d.jwk)).not.toBeNull()
})

function inAnotherProcess({ jkt, ...evidence }: Evidence, key: JsonWebKey): string {
  const members = Object.fromEntries(Object.entries(evidence).map(([name, value]) => [name, encodeBase64url(value)]))
  return execFileSync(process.execPath, [verifier.script], {
    input: JSON.stringify({ key, jkt, ...members }),
    encoding: 'utf8',
  })
}
