/// <reference types="node" />
import { decodeEnrolment } from '@postern/authenticators/enrolment'
import { readAttestationObject } from '@postern/authenticators/webauthn/attestation'
import { verifyAuthentication } from '@postern/authenticators/webauthn/authentication'
import { verifyRegistration } from '@postern/authenticators/webauthn/registration'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { PosternError } from '@postern/core/errors'
import { OutcomeUnknown, type Part, type Store } from '@postern/store'
import { faultyStore } from '@postern/testkit/faulty'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { claimPart, readClaim } from '../../src/internal/passkeyClaim.js'
import { byteReader } from '../../src/internal/reader.js'
import { encodeWebauthnChallenge, readWebauthnChallenge } from '../../src/internal/webauthnHandle.js'
import { type Bank, cbor, codeOf, createBank, type Passkey, passkey, rpId } from '../passkey.js'
import { assertionOf, caseOf, crypto, expectedOf, missing, now, registrationOf, w3c, w3cRoot } from '../webauthnVectors.js'
import { random } from '../world.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)
const graceMs = 60_000

/** Whether a user signs in with a key. */
async function signsIn(bank: Bank, user: string, p: Passkey): Promise<boolean> {
  const { options, handle } = await bank.ask(user)
  return (await bank.login(user, p.get(options), handle)).ok
}

/** Who holds an id, and that every active record of it stands behind a confirmed claim that names it. */
async function holders(bank: Bank, users: readonly string[], id: Uint8Array): Promise<readonly string[]> {
  const [claimRec] = await bank.store.read(await claimPart(crypto, 'bank', rpId, id), ['c'], { now: bank.time.now })
  const claim = claimRec == null ? null : readClaim(claimRec.value)
  const active: string[] = []
  for (const user of users) {
    const recs = await bank.store.list(bank.part(user), 'wa/', { now: bank.time.now, limit: 10 })
    for (const rec of recs) {
      const { status, credential } = decodeEnrolment(rec.value)
      if (status !== 'active' || credential?.id !== encodeBase64url(id)) continue
      active.push(user)
      expect(claim).toMatchObject({ owner: `usr:${user}`, name: rec.key.slice(3), confirmed: true })
      expect([rec.expiresAt, claimRec!.expiresAt]).toEqual([0, 0])
    }
  }
  return active
}

/** A store whose process dies at its k-th commit, before or after that is applied; nothing of it is heard again. */
function dying(store: Store, k: number, fate: 'not applied' | 'applied'): Store {
  let commits = 0
  const dead = () => new OutcomeUnknown('0'.repeat(16), new Error('killed'))
  return {
    ...store,
    async commit(part: Part, ...rest) {
      const n = commits++
      if (n < k) return store.commit(part, ...rest)
      if (n === k && fate === 'applied') await store.commit(part, ...rest)
      throw dead()
    },
  }
}

describe('a registration over two partitions', () => {
  it.each(
    [0, 1, 2, 3].flatMap(
      (k) =>
        [
          [k, 'not applied'],
          [k, 'applied'],
        ] as const,
    ),
  )(
    'killed at commit %i, %s, leaves nothing that signs in but what is whole, and the id free again in the end',
    async (k, fate) => {
      const bank = createBank()
      for (const user of ['ada', 'eve']) await bank.user(user)
      const id = random(32)
      const [adas, eves] = [passkey({ id }), passkey({ id })]
      const { options, handle } = await bank.offer('ada')
      const killed = bank.register('ada', adas.create(options), handle, {}, dying(bank.store, k, fate))
      await expect(killed).rejects.toThrow('store.outcome_unknown')
      const whole = k === 3 && fate === 'applied'
      const claimed = k > 0 || fate === 'applied'
      expect(await holders(bank, ['ada', 'eve'], id)).toEqual(whole ? ['ada'] : [])
      expect(await signsIn(bank, 'ada', adas)).toBe(whole)
      const tries = async () => {
        const again = await bank.offer('eve')
        return codeOf(await bank.register('eve', eves.create(again.options), again.handle))
      }
      expect(await tries()).toBe(claimed ? 'webauthn.credential_taken' : 'ok')
      // Past both expiries a confirmed claim still waits for clocks that are behind.
      bank.time.now += 120_001
      const confirmed = k === 3 || (k === 2 && fate === 'applied')
      if (confirmed) expect(await tries()).toBe('webauthn.credential_taken')
      bank.time.now += graceMs
      expect(await tries()).toBe(whole || !claimed ? 'webauthn.credential_taken' : 'ok')
      expect(await holders(bank, ['ada', 'eve'], id)).toEqual(whole ? ['ada'] : ['eve'])
      expect(await signsIn(bank, 'ada', adas)).toBe(whole)
    },
  )

  it('that was killed before its challenge was burnt is finished by the same answer sent again', async () => {
    const bank = createBank()
    await bank.user('ada')
    const p = passkey()
    const { options, handle } = await bank.offer('ada')
    const answer = p.create(options)
    await expect(bank.register('ada', answer, handle, {}, dying(bank.store, 1, 'not applied'))).rejects.toThrow()
    expect(codeOf(await bank.register('ada', answer, handle))).toBe('ok')
    expect(await holders(bank, ['ada'], p.id)).toEqual(['ada'])
  })

  it('that shares a claim of before, and outlives it, is not confirmed', async () => {
    const bank = createBank()
    for (const user of ['ada', 'eve']) await bank.user(user)
    const id = random(32)
    const { options, handle } = await bank.offer('ada')
    const answer = passkey({ id }).create(options)
    await expect(bank.register('ada', answer, handle, {}, dying(bank.store, 0, 'applied'))).rejects.toThrow()
    bank.time.now += 119_000
    let commits = 0
    const slow: Store = {
      ...bank.store,
      async commit(...args) {
        // Its own commit of the claim is lost to the one of before; then the pending record; then it is too late.
        if (commits++ === 2) {
          bank.time.now += 2000
          const again = await bank.offer('eve')
          expect(codeOf(await bank.register('eve', passkey({ id }).create(again.options), again.handle))).toBe('ok')
          return bank.store.commit(args[0], args[1], { ...args[2], now: bank.time.now })
        }
        return bank.store.commit(...args)
      },
    }
    expect(codeOf(await bank.register('ada', answer, handle, {}, slow))).toBe('enrolment.expired')
    expect(await holders(bank, ['ada', 'eve'], id)).toEqual(['eve'])
  })

  it('whose activation comes late finds its pending record gone, and the id with whoever took it', async () => {
    const bank = createBank()
    for (const user of ['ada', 'eve']) await bank.user(user)
    const id = random(32)
    const { options, handle } = await bank.offer('ada')
    let commits = 0
    const slow: Store = {
      ...bank.store,
      async commit(...args) {
        if (commits++ === 3) {
          bank.time.now += 120_001 + graceMs
          const again = await bank.offer('eve')
          expect(codeOf(await bank.register('eve', passkey({ id }).create(again.options), again.handle))).toBe('ok')
          return bank.store.commit(args[0], args[1], { ...args[2], now: bank.time.now })
        }
        return bank.store.commit(...args)
      },
    }
    expect(codeOf(await bank.register('ada', passkey({ id }).create(options), handle, {}, slow))).toBe('enrolment.expired')
    expect(await holders(bank, ['ada', 'eve'], id)).toEqual(['eve'])
  })

  it('I3 an id has one holder, whoever races for it in whatever order', () =>
    fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.constantFrom('ada', 'eve', 'bob'), { minLength: 2, maxLength: 5 }),
        async (s, users) => {
          const bank = createBank()
          for (const user of new Set(users)) await bank.user(user)
          const id = random(32)
          const keys = users.map(() => passkey({ id }))
          const offers = await Promise.all(users.map((user) => bank.offer(user)))
          const gate = <T>(call: () => Promise<T>) => s.schedule(Promise.resolve()).then(call)
          const store: Store = {
            ...bank.store,
            commit: (...args) => gate(() => bank.store.commit(...args)),
            read: (...args) => gate(() => bank.store.read(...args)),
          }
          const all = await s.waitFor(
            Promise.all(
              users.map((user, i) => bank.register(user, keys[i]!.create(offers[i]!.options), offers[i]!.handle, {}, store)),
            ),
          )
          expect(all.filter((r) => r.ok)).toHaveLength(1)
          const winner = all.findIndex((r) => r.ok)
          expect(await holders(bank, [...new Set(users)], id)).toEqual([users[winner]])
          for (const [i, user] of users.entries()) expect([i, await signsIn(bank, user, keys[i]!)]).toEqual([i, i === winner])
        },
      ),
      { numRuns: Math.ceil(numRuns / 2) },
    ))

  it('I3 the same over a network that loses, repeats and delays: one holder at most, and what was answered is so', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.array(fc.constantFrom('ada', 'eve'), { minLength: 2, maxLength: 4 }),
        async (seed, users) => {
          const bank = createBank()
          for (const user of new Set(users)) await bank.user(user)
          const id = random(32)
          const keys = users.map(() => passkey({ id }))
          const offers = await Promise.all(users.map((user) => bank.offer(user)))
          const store = faultyStore(bank.store, { seed })
          const all = await Promise.all(
            users.map((user, i) =>
              bank.register(user, keys[i]!.create(offers[i]!.options), offers[i]!.handle, {}, store).then(codeOf, (error) => {
                if (error instanceof PosternError && error.code.startsWith('store.')) return error.code
                throw error
              }),
            ),
          )
          await store.drain()
          const held = await holders(bank, [...new Set(users)], id)
          expect(held.length).toBeLessThanOrEqual(1)
          const winners = users.filter((_, i) => all[i] === 'ok')
          expect(winners.length).toBeLessThanOrEqual(1)
          if (winners.length === 1) expect(held).toEqual(winners)
        },
      ),
      { numRuns },
    ))
})

describe('assertions', () => {
  it('I3 A11 each counts once, whatever the order: the stored counter never goes down, and equal counts have one winner', () =>
    fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 6 }),
        async (s, counts) => {
          const bank = createBank()
          const { passkey: p, name } = await bank.enrolled('ada')
          const seen: number[] = []
          const gate = <T>(call: () => Promise<T>) => s.schedule(Promise.resolve()).then(call)
          const store: Store = {
            ...bank.store,
            commit: (...args) =>
              gate(async () => {
                const done = await bank.store.commit(...args)
                seen.push((await bank.record('ada', name))!.value.credential!.counter)
                return done
              }),
          }
          const tried = async (counter: number) => {
            const { options, handle } = await bank.ask('ada')
            const answer = p.get(options, { counter })
            for (;;) {
              await s.schedule(Promise.resolve())
              const done = await bank.login('ada', answer, handle, {}, store)
              if (done.ok || done.next !== 'again') return done.ok
            }
          }
          const all = await s.waitFor(Promise.all(counts.map(tried)))
          expect(seen).toEqual([...seen].sort((a, b) => a - b))
          const won = counts.filter((_, i) => all[i])
          expect(new Set(won).size).toBe(won.length)
          expect(Math.max(...won)).toBe(Math.max(...counts))
          expect(seen.at(-1)).toBe(Math.max(...counts))
        },
      ),
      { numRuns: Math.ceil(numRuns / 2) },
    ))

  it('I2 the inside of a handle is read back as it was written, and as nothing else', () =>
    fc.assert(
      fc.property(
        fc.record({
          partition: fc.constantFrom('', 'usr:ada'),
          rpId: fc.domain(),
          origins: fc.array(fc.webUrl(), { maxLength: 4 }),
          topOrigins: fc.array(fc.webUrl(), { maxLength: 2 }),
          crossOrigin: fc.boolean(),
          userVerification: fc.constantFrom('required' as const, 'preferred' as const, 'discouraged' as const),
          trusted: fc.boolean(),
          conditional: fc.boolean(),
          algorithms: fc.array(fc.integer({ min: -65_535, max: -1 }), { maxLength: 5 }),
          allowed: fc.array(
            fc.uint8Array({ minLength: 16, maxLength: 16 }).map((b) => Buffer.from(b).toString('hex')),
            { maxLength: 4 },
          ),
        }),
        fc.nat(),
        (policy, cut) => {
          const head = {
            device: '',
            enrolment: '',
            generation: 0,
            purpose: 'login',
            bind: null,
            nonce: random(32),
            expiresAt: 7,
          } as const
          const bytes = encodeWebauthnChallenge({ ...head, policy })
          const reader = byteReader(bytes)
          expect(readWebauthnChallenge(reader)).toEqual({ ...head, policy })
          expect(() => reader.end()).not.toThrow()
          expect(() => readWebauthnChallenge(byteReader(bytes.subarray(0, cut % bytes.length)))).toThrow(RangeError)
        },
      ),
      { numRuns },
    ))
})

const certified = ['packed-es256', 'packed-rs256', 'packed-ed448', 'tpm-es256', 'apple-es256']
const turned = (text: string, at: number, mask: number) =>
  encodeBase64url(decodeBase64url(text)!.map((byte, i) => (i === at ? byte ^ mask : byte)))

describe.skipIf(missing)('any flipped byte', () => {
  const anchors = missing ? [] : [w3cRoot!]
  const trust = {
    anchors: { packed: anchors, tpm: anchors, apple: anchors, 'android-key': anchors, 'fido-u2f': anchors },
    tpmVendors: 'any',
    unstated: 'report',
  } as const

  it.each(certified)('A13 A14 of a trusted registration is refused: %s', async (name) => {
    const c = caseOf(name)
    const whole = registrationOf(c)
    const expected = { ...expectedOf(c, 'registration'), trusted: true }
    const judged = (member: 'attestationObject' | 'clientDataJSON', at: number) => {
      const response = { ...whole.response, [member]: turned(whole.response[member], at, 1 << (at % 8)) }
      return refusedAs(verifyRegistration({ ...whole, response }, expected, { crypto, now, trust }))
    }
    expect(await refusedAs(verifyRegistration(whole, expected, { crypto, now, trust }))).toBe(null)
    for (const member of ['attestationObject', 'clientDataJSON'] as const)
      for (let at = 0; at < decodeBase64url(whole.response[member])!.length; at++)
        expect([member, at, await judged(member, at)]).toEqual([member, at, expect.stringMatching(/^webauthn\./)])
  })

  it.each(['none-es256', 'fido-u2f-es256'])(
    'A13 of one that does not sign model, flags and counter is refused but in these: %s',
    async (name) => {
      const c = caseOf(name)
      const whole = registrationOf(c)
      const expected = { ...expectedOf(c, 'registration'), trusted: name !== 'none-es256' }
      const object = decodeBase64url(whole.response.attestationObject)!
      const { authData } = readAttestationObject(object)
      const start = Buffer.from(object).indexOf(authData)
      const passed: number[] = []
      for (let at = 0; at < object.length; at++) {
        const response = { ...whole.response, attestationObject: turned(whole.response.attestationObject, at, 1 << (at % 8)) }
        if ((await refusedAs(verifyRegistration({ ...whole, response }, expected, { crypto, now, trust }))) === null)
          passed.push(at - start)
      }
      // 32 flags (a reserved bit, or one of another authenticator's), 33 to 36 the counter, 37 to 52 the model.
      expect(passed.filter((at) => at < 32 || at >= 53)).toEqual([])
      expect(passed.length).toBeGreaterThanOrEqual(20)
    },
  )

  it.each(w3c.cases.map((c) => c.id))('A13 of an assertion is refused: %s', async (name) => {
    const c = caseOf(name)
    const credential = await verifyRegistration(registrationOf(c), expectedOf(c, 'registration'), { crypto, now, trust })
    const whole = assertionOf(c)
    for (const member of ['authenticatorData', 'clientDataJSON', 'signature'] as const)
      for (let at = 0; at < decodeBase64url(whole.response[member])!.length; at++) {
        const response = { ...whole.response, [member]: turned(whole.response[member], at, 1 << (at % 8)) }
        const code = await refusedAs(
          verifyAuthentication({ ...whole, response }, credential, expectedOf(c, 'authentication'), { crypto }),
        )
        expect([member, at, code]).toEqual([member, at, expect.stringMatching(/^webauthn\./)])
      }
  })
})

describe('whatever is sent', () => {
  const answer = fc.oneof(
    fc.anything(),
    fc.record({
      id: fc.constant('AQ'),
      rawId: fc.constant('AQ'),
      type: fc.constant('public-key'),
      response: fc.record({
        clientDataJSON: fc.oneof(
          fc.string(),
          fc.json().map((j) => encodeBase64url(new TextEncoder().encode(j))),
        ),
        attestationObject: fc.oneof(fc.string(), fc.uint8Array({ maxLength: 300 }).map(encodeBase64url)),
        authenticatorData: fc.oneof(fc.string(), fc.uint8Array({ maxLength: 100 }).map(encodeBase64url)),
        signature: fc.uint8Array({ maxLength: 100 }).map(encodeBase64url),
      }),
    }),
  )

  it('A13 is refused with a code of ours', () =>
    fc.assert(
      fc.asyncProperty(answer, async (input) => {
        const expected = {
          challenge: new Uint8Array(32),
          rpId,
          origins: ['https://bank.example'],
          userVerification: 'preferred',
          algorithms: [-7],
        } as const
        const credential = {
          id: Uint8Array.of(1),
          publicKey: new Uint8Array(77),
          counter: 0,
          backupEligible: false,
          backedUp: false,
        }
        expect(await refusedAs(verifyRegistration(input as never, expected, { crypto, now }))).toMatch(/^webauthn\./)
        expect(await refusedAs(verifyAuthentication(input as never, credential, expected, { crypto }))).toMatch(/^webauthn\./)
      }),
      { numRuns: 5 * numRuns },
    ))

  it('A13 is refused in bounded time, however it is made', async () => {
    const full = new Uint8Array(65_000)
    const nested = Uint8Array.from([...Array(60_000).fill(0x81), 0])
    const many = cbor(Array(60_000).fill(0))
    const wide = cbor(new Map(Array.from({ length: 12_000 }, (_, i) => [`k${i}`, 0])))
    const certificates = cbor({
      fmt: 'packed',
      attStmt: { alg: -7, sig: full.subarray(0, 70), x5c: Array(8).fill(full.subarray(0, 7000)) },
      authData: full.subarray(0, 200),
    })
    const c = missing ? null : caseOf('packed-es256')
    const whole = c === null ? null : registrationOf(c)
    for (const bytes of [full, nested, many, wide, certificates]) {
      const response = { clientDataJSON: whole?.response.clientDataJSON ?? '', attestationObject: encodeBase64url(bytes) }
      const id = whole?.id ?? 'AQ'
      const expected =
        c === null
          ? { challenge: full.subarray(0, 32), rpId, origins: [], userVerification: 'preferred' as const, algorithms: [-7] }
          : expectedOf(c, 'registration')
      const start = process.cpuUsage()
      expect(
        await refusedAs(verifyRegistration({ id, rawId: id, type: 'public-key', response }, expected, { crypto, now })),
      ).toMatch(/^webauthn\./)
      // Thirty times what the slowest takes, in milliseconds of the processor: what others do with it does not count.
      expect(process.cpuUsage(start).user / 1000).toBeLessThan(500)
    }
  })
})

async function refusedAs(promise: Promise<unknown>): Promise<string | null> {
  try {
    await promise
    return null
  } catch (error) {
    if (error instanceof PosternError) return error.code
    throw error
  }
}
