/** A portal asks, the user decides on his phone, over the platform's own routes. */

import { releaseDevice } from '@postern/authenticators/devices'
import { loginPin } from '@postern/authenticators/pin/client'
import { verifyEvidence } from '@postern/authenticators/transaction/evidence'
import { decodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { newRev } from '@postern/store'
import { places } from '@postern/tokens/places'
import { describe, expect, it } from 'vitest'
import { type Answer, type Bank, createBank, crypto, ISSUER, quickKsf } from '../support/bank.js'
import { PIN, withKey, withPin } from '../support/people.js'
import { confirmingOf, portalOf, transfer, withPortals } from '../support/portal.js'

const codeOf = ({ status, body }: Answer) => (status < 300 ? body['state'] : body['code'])

/** The first step of a device's removal: off its users' lists. */
async function releaseEverywhere(bank: Bank, device: string): Promise<void> {
  const part = await places({ keys: bank.keys, crypto, tenant: 'bank' }).user('c-1001')
  for (;;) {
    const now = bank.clock.clock()
    const [rec] = await bank.store.read(part, ['devices'], { now })
    const change = releaseDevice(rec ?? null, { device, now })
    if (change.ok && (await bank.store.commit(part, [change.op], { now, rev: newRev(bank.ports.random) })).ok) return
  }
}

async function scene() {
  const bank = await createBank(withPortals)
  const person = await withKey(bank)
  const portal = await portalOf(bank)
  const confirming = confirmingOf(person.phone, await person.phone.profile())
  /** What the portal asked for, as the phone finds it, with the number on the portal's screen. */
  const asked = async (over: object = {}) => {
    const { id, number, tx } = await portal.ask(over)
    const shown = (await confirming.list()).find((one) => one.id === tx)!
    return { id, number, tx: shown, by: { type: 'device-key', number: number ?? '' } }
  }
  return { bank, portal, confirming, asked, ...person }
}

const bytes = (text: unknown) => decodeBase64url(String(text))!

async function evidenceOf(answer: Answer, key: JsonWebKey) {
  const { transaction, statement, signed, signature, jkt } = answer.body['evidence'] as Record<string, string>
  const kept = {
    transaction: bytes(transaction),
    statement: bytes(statement),
    signed: bytes(signed),
    signature: bytes(signature),
    jkt: jkt!,
  }
  return verifyEvidence(crypto, kept, key)
}

describe('a transaction', () => {
  it('is listed with who may decide, approved by the key that policy asks for, and redeemed once with evidence', async () => {
    const { portal, confirming, asked, key } = await scene()
    const { id, number, tx, by } = await asked()
    expect(number).toMatch(/^\d\d$/)
    expect(tx.choices).toEqual([{ id: key.id, type: 'device-key' }])
    expect((await portal.call('GET', `/transactions/${id}`)).body).toMatchObject({ state: 'pending', expires_in: 300 })
    expect((await portal.call('POST', `/transactions/${id}/redeem`, {})).body).toMatchObject({ code: 'transaction.pending' })
    const answer = await confirming.answer(tx, by, key)
    expect(await confirming.decide(tx.id, answer)).toEqual({ status: 200, body: { id: tx.id, state: 'approved' } })
    expect(codeOf(await confirming.decide(tx.id, answer))).toBe('transaction.decided')
    const redeemed = await portal.call('POST', `/transactions/${id}/redeem`, {})
    expect(redeemed).toMatchObject({ status: 200, body: { type: 'device-key', enrolment: key.id, amr: ['pop', 'swk'] } })
    expect(await evidenceOf(redeemed, key.signer.publicJwk)).toMatchObject({
      transaction: { client: 'portal', kind: 'transfer', amount: { value: '12.50', currency: 'EUR' } },
      statement: { decision: 'approve', number },
    })
    expect((await portal.call('POST', `/transactions/${id}/redeem`, {})).body).toMatchObject({ code: 'transaction.decided' })
    expect(await confirming.list()).toEqual([])
  })

  it('is denied and reported by the device alone, and held back after that', async () => {
    const { portal, confirming, asked, bank } = await scene()
    const { id, tx } = await asked()
    const answer = await confirming.answer(tx, { decision: 'deny' })
    expect(codeOf(await confirming.decide(tx.id, answer))).toBe('denied')
    expect((await portal.call('GET', `/transactions/${id}`)).body).toMatchObject({ state: 'denied', cause: 'user' })
    const more = await portal.call('POST', '/transactions', { login_hint: 'c-1001', ...transfer })
    expect(more).toMatchObject({ status: 429, body: { code: 'transaction.cooling_down' } })
    bank.clock.advance(30_001)
    const again = await asked()
    const report = await confirming.answer(again.tx, { decision: 'report' })
    expect(codeOf(await confirming.decide(again.tx.id, report))).toBe('reported')
  })

  it('is one for each client at a time, taken back by it, and nobody else’s', async () => {
    const { bank, portal, asked } = await scene()
    const { id } = await asked()
    expect((await portal.call('POST', '/transactions', { login_hint: 'c-1001', ...transfer })).body).toMatchObject({
      code: 'transaction.pending',
    })
    const other = await portalOf(bank, 'other')
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/redeem'],
    ] as const)
      expect(codeOf(await other.call(method, `/transactions/${id}${path}`, method === 'POST' ? {} : undefined))).toBe(
        'transaction.unknown',
      )
    expect((await portal.call('DELETE', `/transactions/${id}`)).status).toBe(204)
    expect((await portal.call('GET', `/transactions/${id}`)).body).toMatchObject({ state: 'cancelled', cause: 'client' })
    const replaced = await portal.ask()
    const next = await portal.ask({ replace: true })
    expect((await portal.call('GET', `/transactions/${replaced.id}`)).body).toMatchObject({
      state: 'cancelled',
      cause: 'replaced',
    })
    expect((await portal.call('GET', `/transactions/${next.id}`)).body).toMatchObject({ state: 'pending' })
  })

  it('for a user who is not there looks the same, and ends unanswered', async () => {
    const { bank, portal } = await scene()
    const [known, unknown] = [await portal.ask({ login_hint: 'c-1001' }), await portal.ask({ login_hint: 'nobody' })]
    const shape = async (id: string, by = portal) => (await by.call('GET', `/transactions/${id}`)).body
    expect(await shape(unknown.id)).toEqual(await shape(known.id))
    bank.clock.advance(301_000)
    expect(await shape(unknown.id, await portalOf(bank))).toMatchObject({ state: 'expired' })
  })

  it('needs a token of its scope: an app’s own, or none, opens nothing', async () => {
    const { bank, phone, enrolToken } = await scene()
    const ask = { login_hint: 'c-1001', ...transfer }
    expect((await phone.send('POST', '/transactions', ask, enrolToken)).status).toBe(401)
    const own = await phone.send(
      'POST',
      '/token',
      new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: phone.clientId,
        scope: 'mobile-auth',
        resource: ISSUER,
      }),
    )
    expect(own.body).not.toMatchObject({ scope: 'mobile-auth' })
    expect((await bank.call('/transactions', { method: 'POST' })).status).toBe(401)
  })
})

describe('a decision that is not one', () => {
  it('A18 with one byte changed, another decision, another device, another user’s: refused, and still pending', async () => {
    const { bank, portal, confirming, asked, key, phone } = await scene()
    const second = await withKey(bank, 2)
    const elsewhere = confirmingOf(second.phone, await second.phone.profile())
    const stranger = await withKey(bank, 3)
    const { id, tx, by } = await asked()
    const good = (await confirming.answer(tx, by, key)) as Record<string, string>
    const flip = (text: string) => `${text[0] === 'A' ? 'B' : 'A'}${text.slice(1)}`
    const refused = [
      await confirming.decide(tx.id, { ...good, hash: flip(good['hash']!) }),
      await confirming.decide(tx.id, { ...good, signature: flip(good['signature']!) }),
      await confirming.decide(tx.id, { ...good, decision: 'deny', number: '' }),
      await confirming.decide(tx.id, { ...good, type: 'device', enrolment: '' }),
      await confirming.decide(tx.id, { ...good, enrolment: second.key.id }),
      await elsewhere.decide(tx.id, good),
      await elsewhere.decide(tx.id, await elsewhere.answer(tx, { ...by, device: phone.clientId }, key)),
      await confirmingOf(stranger.phone, await phone.profile('c-9')).decide(tx.id, good),
    ]
    expect(refused.map(({ status }) => status).filter((status) => status < 400)).toEqual([])
    expect((await portal.call('GET', `/transactions/${id}`)).body).toMatchObject({ state: 'pending' })
    expect(codeOf(await confirming.decide(tx.id, good))).toBe('approved')
  })

  it('A16 of 100 different numbers at once: three are looked at', async () => {
    const { portal, confirming, asked, key } = await scene()
    const { id, number, tx } = await asked()
    const numbers = Array.from({ length: 100 }, (_n, i) => String(i).padStart(2, '0'))
    const answers = await Promise.all(numbers.map((one) => confirming.answer(tx, { type: 'device-key', number: one }, key)))
    const told = (await Promise.all(answers.map((answer) => confirming.decide(tx.id, answer)))).map(codeOf)
    const looked = told.filter((code) => code === 'approved' || code === 'transaction.mismatch')
    expect(looked.length).toBeLessThanOrEqual(3)
    expect(told.filter((code) => code === 'transaction.decided')).toHaveLength(100 - looked.length)
    const { state } = (await portal.call('GET', `/transactions/${id}`)).body
    expect(state).toBe(looked.includes('approved') ? 'approved' : 'denied')
    expect(number).toMatch(/^\d\d$/)
  })

  it('A16 A21 of 50 approvals, denials and the removal of a device at once: one stands, and one was told so', async () => {
    const { bank, portal, confirming, asked, key, phone } = await scene()
    const second = await withKey(bank, 2)
    const elsewhere = confirmingOf(second.phone, await second.phone.profile())
    const { id, tx, number, by } = await asked()
    const [yes, no] = [await confirming.answer(tx, by, key), await confirming.answer(tx, { decision: 'deny' })]
    const other = await elsewhere.answer(tx, { type: 'device-key', number }, second.key)
    const gone = () => releaseEverywhere(bank, phone.clientId)
    const [all] = await Promise.all([
      Promise.all(
        Array.from({ length: 50 }, (_n, i) =>
          i % 3 === 0
            ? confirming.decide(tx.id, yes)
            : i % 3 === 1
              ? confirming.decide(tx.id, no)
              : elsewhere.decide(tx.id, other),
        ),
      ),
      gone(),
    ])
    const winners = all.filter(({ status }) => status === 200)
    expect(winners).toHaveLength(1)
    expect((await portal.call('GET', `/transactions/${id}`)).body).toMatchObject({ state: winners[0]!.body['state'] })
    for (const lost of all.filter(({ status }) => status !== 200))
      expect(['transaction.decided', 'device.removed']).toContain(codeOf(lost))
    // The removed device decides nothing from here on.
    bank.clock.advance(31_000)
    const next = await portal.ask()
    const [shown] = await elsewhere.list()
    const late = await confirming.answer(shown!, { type: 'device-key', number: next.number }, key)
    expect(codeOf(await confirming.decide(next.tx, late))).toBe('device.removed')
  })
})

describe('a PIN that confirms', () => {
  it('is proved for this answer alone, and its evidence verifies with the device key', async () => {
    const bank: Bank = await createBank(withPortals)
    const { phone, slot } = await withPin(bank)
    const portal = await portalOf(bank)
    const confirming = confirmingOf(phone, await phone.profile())
    const { id, number, tx } = await portal.ask()
    const [shown] = await confirming.list()
    expect(shown!.choices).toEqual([{ id: slot.enrolment, type: 'pin' }])
    const choice = { type: 'pin', enrolment: slot.enrolment, number }
    const answer = (await confirming.answer(shown!, choice)) as Record<string, string>
    const { bindOf, encodeStatement } = await import('@postern/authenticators/transaction/evidence')
    const hash = bytes(answer['hash'])
    const bind = await bindOf(crypto, encodeStatement({ hash, device: phone.clientId, decision: 'approve', ...choice }))
    const prove = (pin: string, sent: object) => {
      let last: Answer = { status: 0, body: {} }
      return loginPin({
        issuer: ISSUER,
        tenant: 'bank',
        app: 'retail',
        device: phone.clientId,
        sign: (data) => phone.device.sign(data),
        crypto,
        random: phone.random,
        ksf: quickKsf,
        pin: utf8(pin),
        slots: [slot],
        purpose: 'confirm',
        bind,
        exchange: {
          async begin(handle, step) {
            last = await confirming.begin(tx, answer, handle === null ? {} : { handle, step })
            if (last.status !== 200) throw new Error(String(last.body['code']))
            return { handle: String(last.body['handle']), step: last.body['step'] as never }
          },
          async finish(handle, step) {
            last = await confirming.decide(tx, sent, { handle, step })
            return last
          },
        },
      }).then(
        () => last,
        () => last,
      )
    }
    await prove('11111', answer)
    expect((await portal.call('GET', `/transactions/${id}`)).body).toMatchObject({ state: 'pending' })
    // Proved for an approval; what is sent with it is another answer.
    const bent = await prove(PIN, { ...answer, number: number === '00' ? '01' : '00' })
    expect(codeOf(bent)).toBe('authenticator.failed')
    expect(codeOf(await prove(PIN, answer))).toBe('approved')
    const redeemed = await portal.call('POST', `/transactions/${id}/redeem`, {})
    expect(redeemed.body).toMatchObject({ type: 'pin' })
    expect(await evidenceOf(redeemed, phone.device.publicJwk)).toMatchObject({ statement: { type: 'pin', number } })
  })
})

describe('a picture', () => {
  it('A17 is claimed once, by a device of this app, and goes on as any transaction; its portal learns whose it is', async () => {
    const { bank, portal, confirming, key } = await scene()
    const second = await withKey(bank, 2)
    const elsewhere = confirmingOf(second.phone, await second.phone.profile())
    const waits = await portal.call('POST', '/transactions/qr', { ...transfer, origin: 'bank.example, Berlin' })
    const { id, number } = waits.body as { id: string; number: string }
    const picture = async () => String((await portal.call('GET', `/transactions/${id}/picture`)).body['text'])
    expect((await portal.call('GET', `/transactions/${id}`)).body).toEqual({ state: 'unclaimed' })
    const other = await portalOf(bank, 'other')
    expect((await other.call('GET', `/transactions/${id}/picture`)).body).toMatchObject({ code: 'transaction.unknown' })
    const old = await picture()
    bank.clock.advance(30_000)
    expect(codeOf(await confirming.scan(old, key.id))).toBe('transaction.qr_refused')
    const text = await picture()
    const [one, two] = await Promise.all([confirming.scan(text, key.id), elsewhere.scan(text, second.key.id)])
    const claims = [one, two].filter(({ status }) => status === 200)
    expect(claims).toHaveLength(1)
    expect([one, two].find(({ status }) => status !== 200)!.body).toMatchObject({ code: 'transaction.qr_refused' })
    const mine = one.status === 200 ? { by: confirming, key } : { by: elsewhere, key: second.key }
    const claimed = claims[0]!.body as { id: string; transaction: string }
    const answer = await mine.by.answer(claimed, { type: 'device-key', number }, mine.key)
    expect(codeOf(await mine.by.decide(claimed.id, answer))).toBe('approved')
    const redeemed = await portal.call('POST', `/transactions/${id}/redeem`, {})
    expect(redeemed.body).toMatchObject({ sub: 'c-1001', type: 'device-key' })
  })
})
