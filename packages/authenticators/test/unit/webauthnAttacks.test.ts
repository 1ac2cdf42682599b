/// <reference types="node" />
/** Attack rows A07 and A09 to A13 on passkeys, by id. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { credentialKeys, verifyAuthentication } from '@postern/authenticators/webauthn/authentication'
import { concat, utf8 } from '@postern/core/bytes'
import { decodeEvent } from '@postern/core/events'
import { newRev } from '@postern/store'
import { describe, expect, it } from 'vitest'
import { type Bank, type Bend, cbor, codeOf, createBank, flag, origin, type Passkey, passkey, rpId } from '../passkey.js'
import { crypto, random } from '../world.js'

const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')

async function signIn(bank: Bank, user: string, p: Passkey, bend: Bend = {}, more = {}) {
  const { options, handle } = await bank.ask(user, more)
  return bank.login(user, p.get(options, bend), handle, more)
}
async function enrol(bank: Bank, user: string, p: Passkey, bend: Bend & { attest?: never } = {}, more = {}) {
  const { options, handle } = await bank.offer(user, more)
  return bank.register(user, p.create(options, bend), handle)
}

describe('A07 challenges', () => {
  it('one assertion, one success: again, and 20 in parallel', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    const { options, handle } = await bank.ask('ada')
    const answer = p.get(options)
    const all = await Promise.all(Array.from({ length: 20 }, () => bank.login('ada', answer, handle)))
    expect(all.filter((r) => r.ok)).toHaveLength(1)
    expect(new Set(all.filter((r) => !r.ok).map(codeOf))).toEqual(new Set(['webauthn.challenge']))
    // Again, with the record as it stands now: the counter has moved, and the challenge is burnt.
    expect(codeOf(await bank.login('ada', answer, handle))).toBe('webauthn.counter_regressed')
    const silent = passkey({ counts: false })
    await bank.enrolled('ada', silent)
    const second = await bank.ask('ada')
    const quiet = silent.get(second.options)
    expect(codeOf(await bank.login('ada', quiet, second.handle))).toBe('ok')
    expect(codeOf(await bank.login('ada', quiet, second.handle))).toBe('webauthn.challenge')
  })

  it('one registration, one passkey: again, and 20 in parallel', async () => {
    const bank = createBank()
    await bank.user('ada')
    const { options, handle } = await bank.offer('ada')
    const [answer, other] = [passkey().create(options), passkey().create(options)]
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => bank.register('ada', i % 2 ? answer : other, handle)))
    expect(all.filter((r) => r.ok)).toHaveLength(1)
    for (const r of all.filter((r) => !r.ok))
      expect(codeOf(r)).toMatch(/^webauthn\.(challenge|credential_taken)$|^enrolment\.expired$/)
    expect(codeOf(await bank.register('ada', answer, handle))).toMatch(/^webauthn\.(challenge|credential_taken)$/)
  })

  it('are for one user, tenant, issuer, app, purpose, transaction and device', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    await bank.enrolled('eve')
    const { options, handle } = await bank.ask('ada')
    const answer = p.get(options)
    const device = { id: 'd1', rev: newRev(random), key: {}, keyLevel: 'software' as const }
    for (const more of [
      { purpose: 'step-up' as const },
      { purpose: 'confirm' as const, bind: random(32) },
      { bind: random(32) },
      { app: 'corporate' },
      { issuer: 'https://other.example' },
      { tenant: 'other' },
      { device },
      { part: bank.part('eve') },
      { part: { tenant: 'bank', id: 'dev:d1' } },
      { handle: '' },
      { handle: `${handle}A` },
      { handle: handle.slice(0, -4) },
    ]) {
      const code = codeOf(await bank.login('ada', answer, handle, more))
      // The app is inside the challenge; everything else is seen before.
      expect([more, code]).toEqual([more, expect.stringMatching(/^webauthn\.challenge$/)])
    }
    const confirm = { purpose: 'confirm' as const, bind: random(32) }
    const asked = await bank.ask('ada', confirm)
    const bound = p.get(asked.options)
    expect(codeOf(await bank.login('ada', bound, asked.handle, { ...confirm, bind: random(32) }))).toBe('webauthn.challenge')
    expect(codeOf(await bank.login('ada', bound, asked.handle, { ...confirm, bind: null }))).toBe('webauthn.challenge')
    expect(codeOf(await bank.login('ada', bound, asked.handle, confirm))).toBe('ok')
    expect(codeOf(await bank.login('ada', answer, handle))).toBe('webauthn.counter_regressed')
  })

  it('asked of one credential are none of another, though it is the same user’s', async () => {
    const bank = createBank()
    const [first, second] = [await bank.enrolled('ada'), await bank.enrolled('ada')]
    const { rec, value } = (await bank.record('ada', first.name))!
    const { options, handle } = await bank.ask('ada', { enrolment: { id: first.name, rev: rec.rev, value } })
    expect(codeOf(await bank.login('ada', second.passkey.get(options), handle))).toBe('webauthn.challenge')
    expect(codeOf(await bank.login('ada', first.passkey.get(options), handle))).toBe('ok')
  })

  it('of a registration are none of an assertion, nor the other way', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    const offered = await bank.offer('ada')
    const asked = await bank.ask('ada')
    expect(codeOf(await bank.login('ada', p.get(asked.options), offered.handle))).toBe('webauthn.challenge')
    expect(codeOf(await bank.register('ada', passkey().create(offered.options), asked.handle))).toBe('webauthn.challenge')
  })

  it('expire after five minutes, and an enrolment with its claim', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    const asked = await bank.ask('ada')
    const offered = await bank.offer('ada')
    bank.time.now += 299_999
    const late = await bank.ceremony('ada', 'enrol')
    const made = passkey().create(offered.options)
    expect(codeOf(await bank.register('ada', made, offered.handle, { claim: { ...late.claim!, until: bank.time.now } }))).toBe(
      'enrolment.expired',
    )
    bank.time.now += 1
    expect(codeOf(await bank.login('ada', p.get(asked.options), asked.handle))).toBe('webauthn.expired')
    expect(codeOf(await bank.register('ada', made, offered.handle))).toBe('webauthn.expired')
  })
})

describe('A09 where an answer comes from', () => {
  it.each([
    ['another type', { clientData: { type: 'webauthn.create' } }, 'webauthn.type'],
    ['no type', { clientData: { type: undefined } }, 'webauthn.type'],
    ['another challenge', { clientData: { challenge: b64(new Uint8Array(32)) } }, 'webauthn.challenge'],
    ['a padded challenge', { clientData: { challenge: `${b64(new Uint8Array(32))}=` } }, 'webauthn.challenge'],
    ['another origin', { clientData: { origin: 'https://evil.example' } }, 'webauthn.origin'],
    ['a subdomain', { clientData: { origin: 'https://a.bank.example' } }, 'webauthn.origin'],
    ['another port', { clientData: { origin: `${origin}:8443` } }, 'webauthn.origin'],
    ['another scheme', { clientData: { origin: 'http://bank.example' } }, 'webauthn.origin'],
    ['a trailing slash', { clientData: { origin: `${origin}/` } }, 'webauthn.origin'],
    ['upper case', { clientData: { origin: 'https://BANK.example' } }, 'webauthn.origin'],
    ['origins as a list', { clientData: { origin: [origin] } }, 'webauthn.origin'],
    ['no origin', { clientData: { origin: undefined } }, 'webauthn.origin'],
    ['a frame', { clientData: { crossOrigin: true } }, 'webauthn.cross_origin'],
    [
      'a frame in a page that is not listed',
      { clientData: { crossOrigin: true, topOrigin: 'https://evil.example' } },
      'webauthn.cross_origin',
    ],
    ['a top origin without a frame', { clientData: { topOrigin: origin } }, 'webauthn.cross_origin'],
    ['crossOrigin that is no boolean', { clientData: { crossOrigin: 'false' } }, 'webauthn.malformed'],
    ['another relying party', { rpId: 'evil.example' }, 'webauthn.rp'],
    ['client data that is no object', { clientText: '[]' }, 'webauthn.malformed'],
    ['client data that is no JSON', { clientText: '{' }, 'webauthn.malformed'],
    [
      'a member that is there twice',
      { clientText: `{"type":"webauthn.get","type":"webauthn.get","origin":"${origin}"}` },
      'webauthn.malformed',
    ],
  ] as const)('%s is refused', async (_, bend, code) => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    expect(codeOf(await signIn(bank, 'ada', p, bend as Bend))).toBe(code)
    const flipped = bend as { clientData?: { type?: string } }
    const create = flipped.clientData?.type === 'webauthn.create' ? { clientData: { type: 'webauthn.get' } } : (bend as Bend)
    expect(codeOf(await enrol(bank, 'ada', passkey(), create))).toBe(code)
  })

  it('a page that is listed frames, and only frames', async () => {
    const bank = createBank({ topOrigins: ['https://portal.example'] })
    const { passkey: p } = await bank.enrolled('ada')
    const framed = (crossOrigin: boolean, topOrigin: string) => signIn(bank, 'ada', p, { clientData: { crossOrigin, topOrigin } })
    expect(codeOf(await framed(true, 'https://portal.example'))).toBe('ok')
    expect(codeOf(await framed(false, 'https://portal.example'))).toBe('webauthn.cross_origin')
    expect(codeOf(await framed(true, 'https://portal.example.evil.example'))).toBe('webauthn.cross_origin')
    expect(codeOf(await signIn(bank, 'ada', p, { clientData: { crossOrigin: true } }))).toBe('webauthn.cross_origin')
  })

  it('a challenge that the host has lost is the host’s mistake, not one that everybody can answer', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    const { options } = await bank.ask('ada')
    const credential = { id: p.id, publicKey: p.coseKey, counter: 0, backupEligible: false, backedUp: false }
    for (const bytes of [0, 15, 16]) {
      const challenge = new Uint8Array(bytes)
      const answer = p.get(options, { clientData: { challenge: b64(challenge) } })
      const expected = { challenge, rpId, origins: [origin], userVerification: 'required' as const }
      const verified = verifyAuthentication(answer, credential, expected, { crypto })
      if (bytes < 16) await expect(verified).rejects.toThrow(RangeError)
      else expect(await verified).toMatchObject({ userVerified: true })
    }
  })

  it('an origin is compared as JSON reads it, never as it is spelt', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    const { options } = await bank.ask('ada')
    const challenge = new Uint8Array(Buffer.from(options.challenge, 'base64url'))
    const credential = { id: p.id, publicKey: p.coseKey, counter: 0, backupEligible: false, backedUp: false }
    const judged = (listed: string, written: string) => {
      const text = `{"type":"webauthn.get","challenge":"${options.challenge}","origin":${written},"crossOrigin":false}`
      const expected = { challenge, rpId, origins: [listed], userVerification: 'preferred' } as const
      return verifyAuthentication(p.get(options, { clientText: text }), credential, expected, { crypto }).then(
        () => 'ok',
        (error) => (error as { code: string }).code,
      )
    }
    expect(await judged('https://a.example', '"https://a.example"')).toBe('ok')
    expect(await judged('https://a.example', '"https:\\/\\/a.ex\\u0061mple"')).toBe('ok')
    expect(await judged('https://bücher.example', '"https://bücher.example"')).toBe('ok')
    for (const odd of ['https://a.example","x":"y', 'https://a.example\\u002eevil', 'https://a.example\\/'])
      expect([odd, await judged(odd, `"${odd}"`)]).toEqual([odd, 'webauthn.origin'])
  })

  it('a challenge that stands in the body alone proves nothing', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    const [first, second] = [await bank.ask('ada'), await bank.ask('ada')]
    const old = p.get(first.options)
    const dressed = {
      ...old,
      challenge: second.options.challenge,
      response: { ...old.response, challenge: second.options.challenge },
    }
    expect(codeOf(await bank.login('ada', dressed, second.handle))).toBe('webauthn.challenge')
  })

  it('members that nobody knows are allowed, in any order, with a byte order mark', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    for (const dress of [
      (c: string) => `\ufeff{"type":"webauthn.get","challenge":"${c}","origin":"${origin}"}`,
      (c: string) =>
        `{ "origin" : "https:\\/\\/bank.example", "extra": [1, {"a": null}], "challenge":"${c}","type":"webauthn.get" }`,
      (c: string) => `{"type":"webauthn.get","challenge":"${c}","origin":"${origin}","crossOrigin":false,"other":"x"}`,
    ]) {
      const { options, handle } = await bank.ask('ada')
      expect(codeOf(await bank.login('ada', p.get(options, { clientText: dress(options.challenge) }), handle))).toBe('ok')
    }
  })
})

describe('A10 presence, verification, backup', () => {
  it('user verification where it was asked for, presence always', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    const must = { userVerification: 'required' as const }
    expect(codeOf(await signIn(bank, 'ada', p, { flags: flag.up }, must))).toBe('webauthn.user_verification')
    // The demand is in the handle: dropping it later does not help.
    const { options, handle } = await bank.ask('ada', must)
    expect(codeOf(await bank.login('ada', p.get(options, { flags: flag.up }), handle, { userVerification: 'discouraged' }))).toBe(
      'webauthn.user_verification',
    )
    expect(codeOf(await signIn(bank, 'ada', p, { flags: flag.uv }))).toBe('webauthn.user_presence')
    expect(codeOf(await enrol(bank, 'ada', passkey(), { flags: flag.up }, must))).toBe('webauthn.user_verification')
    expect(await signIn(bank, 'ada', p, { flags: flag.up })).toMatchObject({
      ok: true,
      value: { facts: { userVerified: false }, amr: ['pop', 'user', 'swk'] },
    })
  })

  it('backed up without being eligible is refused, and eligibility never changes', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    expect(codeOf(await signIn(bank, 'ada', p, { flags: flag.up | flag.bs }))).toBe('webauthn.backup_flags')
    expect(codeOf(await signIn(bank, 'ada', p, { flags: flag.up | flag.be }))).toBe('webauthn.backup_eligibility_changed')
    expect(codeOf(await enrol(bank, 'ada', passkey(), { flags: flag.up | flag.bs }))).toBe('webauthn.backup_flags')
    const { passkey: synced } = await bank.enrolled('ada', passkey({ flags: flag.up | flag.be }))
    expect(codeOf(await signIn(bank, 'ada', synced, { flags: flag.up }))).toBe('webauthn.backup_eligibility_changed')
  })
})

describe('A11 counters', () => {
  const counterOf = async (bank: Bank, name: string) => (await bank.record('ada', name))!.value.credential!.counter

  it('equal or lower is refused where the key cannot be backed up, told in an event, and never stored', async () => {
    const bank = createBank()
    const { passkey: p, name } = await bank.enrolled('ada')
    expect(codeOf(await signIn(bank, 'ada', p, { counter: 7 }))).toBe('ok')
    for (const counter of [7, 6, 0]) {
      const { options, handle } = await bank.ask('ada')
      const answer = p.get(options, { counter })
      expect(codeOf(await bank.login('ada', answer, handle))).toBe('webauthn.counter_regressed')
      // Told once a challenge, which it burns.
      expect(codeOf(await bank.login('ada', answer, handle))).toBe('webauthn.counter_regressed')
    }
    const events = (await bank.store.outbox!({ now: bank.time.now, limit: 100 })).map(({ value }) => decodeEvent(value)!)
    expect(events.filter(({ type }) => type === 'webauthn.failed')).toHaveLength(3)
    expect(await counterOf(bank, name)).toBe(7)
    expect(codeOf(await signIn(bank, 'ada', p, { counter: 8 }))).toBe('ok')
    expect(codeOf(await signIn(bank, 'ada', p, { counter: 0xffffffff }))).toBe('ok')
    expect(await counterOf(bank, name)).toBe(0xffffffff)
  })

  it('is accepted with a fact where it can be backed up, and the option overrides both', async () => {
    const bank = createBank()
    const { passkey: p, name } = await bank.enrolled('ada', passkey({ flags: flag.up | flag.be }))
    await signIn(bank, 'ada', p, { counter: 7 })
    expect(await signIn(bank, 'ada', p, { counter: 3 })).toMatchObject({
      ok: true,
      value: { facts: { credential: { counterRegressed: true } }, event: { detail: { counterRegressed: true } } },
    })
    expect(await counterOf(bank, name)).toBe(7)
    const strict = createBank({ store: bank.store, onRegression: 'refuse' })
    expect(codeOf(await signIn(strict, 'ada', p, { counter: 3 }))).toBe('webauthn.counter_regressed')
    const { passkey: bound } = await bank.enrolled('ada')
    await signIn(bank, 'ada', bound, { counter: 5 })
    const lax = createBank({ store: bank.store, onRegression: 'report' })
    expect(await signIn(lax, 'ada', bound, { counter: 5 })).toMatchObject({ ok: true })
  })

  it('two assertions at once: one wins, the other judges again by what the first left', async () => {
    const bank = createBank()
    const { passkey: p, name } = await bank.enrolled('ada')
    const asked = [await bank.ask('ada'), await bank.ask('ada')]
    // A clone: both at the same count.
    const answers = asked.map(({ options }) => p.get(options, { counter: 9 }))
    const both = await Promise.all(answers.map((answer, i) => bank.login('ada', answer, asked[i]!.handle)))
    expect(both.filter((r) => r.ok)).toHaveLength(1)
    const lost = both.findIndex((r) => !r.ok)
    expect(both[lost]).toMatchObject({ code: 'authenticator.superseded', next: 'again' })
    expect(codeOf(await bank.login('ada', answers[lost], asked[lost]!.handle))).toBe('webauthn.counter_regressed')
    expect(await counterOf(bank, name)).toBe(9)
  })
})

describe('A12 whose credential it is', () => {
  it('another user’s is refused, by list, by handle and by name', async () => {
    const bank = createBank()
    const { passkey: eves } = await bank.enrolled('eve')
    const { passkey: adas } = await bank.enrolled('ada')
    expect(codeOf(await signIn(bank, 'ada', eves))).toBe('webauthn.not_owner')
    expect(codeOf(await signIn(bank, 'ada', eves, { userHandle: adas.userHandle }))).toBe('webauthn.not_owner')
    expect(codeOf(await signIn(bank, 'ada', adas, { userHandle: eves.userHandle }))).toBe('webauthn.not_owner')
    // Who names himself: Eve's key under Ada's handle finds no such credential of Ada's.
    const open = await bank.ask(null)
    expect(codeOf(await bank.login(null, eves.get(open.options, { userHandle: adas.userHandle }), open.handle))).toBe(
      'webauthn.credential_unknown',
    )
    expect(codeOf(await bank.login(null, eves.get(open.options, { userHandle: null }), open.handle))).toBe(
      'webauthn.credential_unknown',
    )
    expect(codeOf(await bank.login(null, eves.get(open.options), open.handle))).toBe('ok')
    // The record of one user is none in the partition of another, even if it came there.
    const { passkey: third, name } = await bank.enrolled('eve')
    const { rec } = (await bank.record('eve', name))!
    await bank.store.commit(bank.part('ada'), [{ op: 'put', key: rec.key, value: rec.value }], {
      now: bank.time.now,
      rev: newRev(random),
    })
    expect(codeOf(await signIn(bank, 'ada', third, { userHandle: null }))).toBe('webauthn.not_owner')
  })

  it('judged alone, an answer is of the credential it names, and of whom it names where nobody else does', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    const { options } = await bank.ask('ada')
    const answer = p.get(options)
    const challenge = new Uint8Array(Buffer.from(options.challenge, 'base64url'))
    const expected = { challenge, rpId, origins: [origin], userVerification: 'preferred', userHandle: utf8('usr:ada') } as const
    const credential = { id: p.id, publicKey: p.coseKey, counter: 0, backupEligible: false, backedUp: false }
    const judged = (change: object, more: object = {}, body: object = answer) =>
      verifyAuthentication(body as never, { ...credential, ...change }, { ...expected, ...more }, { crypto }).then(
        () => 'ok',
        (error) => (error as { code: string }).code,
      )
    expect(await judged({})).toBe('ok')
    expect(await judged({ id: random(32) })).toBe('webauthn.credential_unknown')
    expect(await judged({}, { userHandle: utf8('usr:eve') })).toBe('webauthn.not_owner')
    const nameless = { ...answer, response: { ...answer.response, userHandle: null } }
    expect(await judged({}, {}, nameless)).toBe('ok')
    expect(await judged({}, { discoverable: true }, nameless)).toBe('webauthn.not_owner')
    expect(await judged({}, { discoverable: true })).toBe('ok')
  })

  it('a user who was not known names himself by what he signs with, or is nobody, whoever else finds his record', async () => {
    const bank = createBank()
    const { passkey: p, name } = await bank.enrolled('ada')
    const { rec, value } = (await bank.record('ada', name))!
    const found = { part: bank.part('ada'), enrolment: { id: name, rev: rec.rev, value } }
    const { options, handle } = await bank.ask(null)
    expect(codeOf(await bank.login(null, p.get(options, { userHandle: null }), handle, found))).toBe('webauthn.not_owner')
    expect(codeOf(await bank.login(null, p.get(options), handle, found))).toBe('ok')
  })

  it('a prepared key serves the credential that it was prepared for, not another that came to have its id', async () => {
    const [first, second] = [passkey(), passkey()]
    const keys = credentialKeys(crypto, 2)
    const data = utf8('data')
    const signature = new Uint8Array(sign('sha256', data, second.key))
    const verifies = async (id: string, key: Uint8Array) => (await keys.verifier(id, key)).verify(data, signature)
    expect(await verifies('a', first.coseKey)).toBe(false)
    expect(await verifies('a', second.coseKey)).toBe(true)
    expect(await verifies('a', first.coseKey)).toBe(false)
    for (const id of ['b', 'c', 'd']) expect(await verifies(id, second.coseKey)).toBe(true)
  })

  it('one that was not asked for is refused, one that is pending or unknown too', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    const { passkey: other } = await bank.enrolled('ada')
    const only = { credentials: [{ id: other.id, transports: [] }] }
    const { options, handle } = await bank.ask('ada', only)
    expect(codeOf(await bank.login('ada', p.get(options), handle))).toBe('webauthn.credential_unknown')
    expect(codeOf(await bank.login('ada', other.get(options), handle))).toBe('ok')
    expect(codeOf(await signIn(bank, 'ada', passkey()))).toBe('webauthn.not_owner')
  })

  it('an id that is registered is registered for nobody else, nor a second time, whoever races for it', async () => {
    const bank = createBank()
    for (const user of ['ada', 'eve', 'bob']) await bank.user(user)
    const id = random(32)
    const users = ['ada', 'eve', 'bob', 'ada', 'eve', 'bob']
    const offers = await Promise.all(users.map((user) => bank.offer(user)))
    const keys = users.map(() => passkey({ id }))
    const all = await Promise.all(
      users.map((user, i) => bank.register(user, keys[i]!.create(offers[i]!.options), offers[i]!.handle)),
    )
    expect(all.filter((r) => r.ok)).toHaveLength(1)
    const winner = all.findIndex((r) => r.ok)
    for (const [i, user] of users.entries()) {
      const asked = await bank.ask(user)
      const done = await bank.login(user, keys[i]!.get(asked.options), asked.handle)
      expect([i, done.ok]).toEqual([i, i === winner])
    }
    for (const user of ['ada', 'eve']) {
      const again = await bank.offer(user)
      expect(codeOf(await bank.register(user, passkey({ id }).create(again.options), again.handle))).toBe(
        'webauthn.credential_taken',
      )
    }
  })

  it('one id may be held in two tenants', async () => {
    const bank = createBank()
    const id = random(16)
    await bank.enrolled('ada', passkey({ id }))
    await bank.user('ada', 'other')
    const part = bank.part('ada', 'other')
    const { options, handle } = await bank.offer('ada', { part })
    expect(codeOf(await bank.register('ada', passkey({ id }).create(options), handle, { part }))).toBe('ok')
  })
})

describe('A13 what an authenticator encodes', () => {
  const register = async (authData: (bytes: Uint8Array) => Uint8Array, algorithms = [-7, -8, -257]) => {
    const bank = createBank({ algorithms })
    await bank.user('ada')
    return codeOf(await enrol(bank, 'ada', passkey(), { authData }))
  }
  /** The same authenticator data with another key behind the credential's id. */
  const withKey = (key: Uint8Array) => (bytes: Uint8Array) => concat(bytes.subarray(0, 87), key)
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const [x, y] = ['x', 'y'].map((n) => new Uint8Array(Buffer.from(publicKey.export({ format: 'jwk' })[n as 'x']!, 'base64url')))
  const es256 = (...change: readonly (readonly [number | string, unknown])[]) => {
    const map = new Map<number | string, unknown>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, x],
      [-3, y],
    ])
    for (const [k, v] of change) v === undefined ? map.delete(k) : map.set(k, v)
    return cbor(map)
  }

  it('a sound key passes', async () => expect(await register(withKey(es256()))).toBe('ok'))

  it.each([
    ['a private member', es256([-4, x]), 'webauthn.malformed'],
    ['a key id', es256([2, x]), 'webauthn.malformed'],
    ['operations', es256([4, [2]]), 'webauthn.malformed'],
    ['a text key', es256(['x', 1]), 'webauthn.malformed'],
    ['a missing coordinate', es256([-3, undefined]), 'webauthn.malformed'],
    ['a compressed point', es256([-3, true]), 'webauthn.malformed'],
    ['a short coordinate', es256([-2, x!.subarray(1)]), 'webauthn.malformed'],
    ['another curve', es256([-1, 2]), 'webauthn.malformed'],
    ['a curve of another kind', es256([-1, 6]), 'webauthn.algorithm'],
    ['another kind', es256([1, 1]), 'webauthn.malformed'],
    ['an algorithm of another kind', es256([3, -8]), 'webauthn.algorithm'],
    ['an algorithm of another curve', es256([3, -35]), 'webauthn.algorithm'],
    ['an unknown algorithm', es256([3, -47]), 'webauthn.algorithm'],
    [
      'SHA-1',
      cbor(
        new Map<number, unknown>([
          [1, 3],
          [3, -65_535],
          [-1, new Uint8Array(256).fill(255)],
          [-2, Uint8Array.of(1, 0, 1)],
        ]),
      ),
      'webauthn.algorithm',
    ],
    ['a point off the curve', es256([-3, x]), 'webauthn.algorithm'],
    [
      'RSA below 2048 bits',
      cbor(
        new Map<number, unknown>([
          [1, 3],
          [3, -257],
          [-1, new Uint8Array(128).fill(255)],
          [-2, Uint8Array.of(1, 0, 1)],
        ]),
      ),
      'webauthn.malformed',
    ],
    [
      'RSA with e = 1',
      cbor(
        new Map<number, unknown>([
          [1, 3],
          [3, -257],
          [-1, new Uint8Array(256).fill(255)],
          [-2, Uint8Array.of(1)],
        ]),
      ),
      'webauthn.malformed',
    ],
    ['a key that is no map', cbor([1, 2]), 'webauthn.malformed'],
    ['an indefinite map', concat(Uint8Array.of(0xbf), es256().subarray(1), Uint8Array.of(0xff)), 'webauthn.malformed'],
    ['keys out of order', concat(Uint8Array.of(0xa5, 3, 0x26, 1, 2), es256().subarray(5)), 'webauthn.malformed'],
    ['a key twice', concat(Uint8Array.of(0xa6, 1, 2), es256().subarray(1)), 'webauthn.malformed'],
    ['a long head', concat(Uint8Array.of(0xb8, 5), es256().subarray(1)), 'webauthn.malformed'],
    ['a tag', concat(Uint8Array.of(0xc1), es256()), 'webauthn.malformed'],
    ['bytes behind it', concat(es256(), Uint8Array.of(0)), 'webauthn.malformed'],
    ['nesting', es256([-2, [[[[[[[[[1]]]]]]]]]]), 'webauthn.malformed'],
    ['nothing', new Uint8Array(0), 'webauthn.malformed'],
  ] as const)('%s is refused', async (_, key, code) => expect(await register(withKey(key))).toBe(code))

  it.each([
    ['no attested data', (b: Uint8Array) => b.map((byte, i) => (i === 32 ? byte & ~flag.at : byte))],
    ['extensions announced and absent', (b: Uint8Array) => b.map((byte, i) => (i === 32 ? byte | flag.ed : byte))],
    ['an id of 0 bytes', (b: Uint8Array) => concat(b.subarray(0, 53), Uint8Array.of(0, 0), b.subarray(87))],
    [
      'an id of 1,024 bytes',
      (b: Uint8Array) => concat(b.subarray(0, 53), Uint8Array.of(4, 0), new Uint8Array(1024), b.subarray(87)),
    ],
    ['an id that ends behind the data', (b: Uint8Array) => b.map((byte, i) => (i === 53 ? 3 : byte))],
    ['36 bytes', (b: Uint8Array) => b.subarray(0, 36)],
    ['54 bytes', (b: Uint8Array) => b.subarray(0, 54)],
    [
      'extensions that are no map',
      (b: Uint8Array) =>
        concat(
          b.map((byte, i) => (i === 32 ? byte | flag.ed : byte)),
          Uint8Array.of(0x80),
        ),
    ],
    [
      'two extension maps',
      (b: Uint8Array) =>
        concat(
          b.map((byte, i) => (i === 32 ? byte | flag.ed : byte)),
          Uint8Array.of(0xa0, 0xa0),
        ),
    ],
  ] as const)('authenticator data with %s is refused', async (_, bend) => expect(await register(bend)).toBe('webauthn.malformed'))

  it('an id has up to 1,023 bytes', async () => {
    for (const [length, code] of [
      [1, 'ok'],
      [1023, 'ok'],
      [1024, 'webauthn.malformed'],
    ] as const) {
      const bank = createBank()
      await bank.user('ada')
      expect([length, codeOf(await enrol(bank, 'ada', passkey({ id: random(length) })))]).toEqual([length, code])
    }
  })

  it('extensions that are announced and canonical are read', async () => {
    const bits = (b: Uint8Array) => b.map((byte, i) => (i === 32 ? byte | flag.ed : byte))
    expect(
      await register((b) =>
        concat(
          bits(b),
          cbor(
            new Map<string, unknown>([
              ['credProtect', 2],
              ['hmac-secret', true],
            ]),
          ),
        ),
      ),
    ).toBe('ok')
    expect(await register((b) => concat(bits(b), utf8('\xa1')))).toBe('webauthn.malformed')
  })

  it('an assertion carries no credential, and no more than it announces', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    for (const authData of [
      (b: Uint8Array) => b.map((byte, i) => (i === 32 ? byte | flag.at : byte)),
      (b: Uint8Array) => concat(b, Uint8Array.of(0)),
      (b: Uint8Array) => b.subarray(0, 36),
      (b: Uint8Array) => b.map((byte, i) => (i === 32 ? byte | flag.ed : byte)),
    ])
      expect(codeOf(await signIn(bank, 'ada', p, { authData }))).toBe('webauthn.malformed')
    const ext = (b: Uint8Array) =>
      concat(
        b.map((byte, i) => (i === 32 ? byte | flag.ed : byte)),
        cbor(new Map([['uvm', [[2, 4, 2]]]])),
      )
    expect(codeOf(await signIn(bank, 'ada', p, { authData: ext }))).toBe('ok')
  })

  it('answers that are none are refused, those over 64 KiB unread', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada')
    const { options, handle } = await bank.ask('ada')
    const answer = p.get(options)
    const big = 'A'.repeat(87_384)
    for (const bad of [
      null,
      undefined,
      'x',
      1,
      [],
      {},
      { ...answer, type: 'password' },
      { ...answer, id: 'AQ' },
      { ...answer, rawId: `${answer.rawId}=` },
      { ...answer, response: null },
      { ...answer, response: { ...answer.response, signature: undefined } },
      { ...answer, response: { ...answer.response, signature: 7 } },
      { ...answer, response: { ...answer.response, clientDataJSON: `${answer.response.clientDataJSON} ` } },
      { ...answer, response: { ...answer.response, authenticatorData: big } },
      { ...answer, response: { ...answer.response, userHandle: 'A'.repeat(87) } },
      { ...answer, response: { ...answer.response, userHandle: 7 } },
    ])
      expect([bad, codeOf(await bank.login('ada', bad, handle))]).toEqual([bad, 'webauthn.malformed'])
    const offered = await bank.offer('ada')
    const made = passkey().create(offered.options)
    for (const response of [
      { ...made.response, attestationObject: big },
      { ...made.response, attestationObject: '' },
      { ...made.response, attestationObject: b64(cbor({ fmt: 'none', attStmt: {} })) },
      { ...made.response, attestationObject: b64(cbor({ fmt: 'none', attStmt: {}, authData: 'x' })) },
      { ...made.response, attestationObject: b64(cbor({ fmt: 1, attStmt: {}, authData: new Uint8Array(200) })) },
      { ...made.response, transports: 'usb' },
      { ...made.response, transports: ['usb', 'USB!'] },
      { ...made.response, transports: Array(9).fill('usb') },
    ])
      expect(codeOf(await bank.register('ada', { ...made, response }, offered.handle))).toBe('webauthn.malformed')
    const [one, two] = [made, passkey().create(offered.options)]
    expect(codeOf(await bank.register('ada', { ...one, id: two.id, rawId: two.rawId }, offered.handle))).toBe(
      'webauthn.malformed',
    )
    expect(codeOf(await bank.register('ada', made, offered.handle))).toBe('ok')
  })
})
