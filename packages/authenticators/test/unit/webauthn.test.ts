/// <reference types="node" />
import { planLock, planRemove } from '@postern/authenticators/enrolment'
import { createRegistry, factsOf } from '@postern/authenticators/registry'
import { u32, utf8 } from '@postern/core/bytes'
import { decodeEvent } from '@postern/core/events'
import { newRev } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { describe, expect, it } from 'vitest'
import { anchorOf, attestPacked, attestU2f, authority, issue } from '../attesters.js'
import { attestNone, attestSelf, codeOf, createBank, flag, origin, passkey, rpId } from '../passkey.js'
import { issuer, random } from '../world.js'

describe('passkeys in the registry', () => {
  it('register and sign in, for a user who is known and for one who names himself', async () => {
    const bank = createBank()
    const { passkey: p, name } = await bank.enrolled('ada')
    const credentials = [{ id: p.id, transports: ['internal'] }]
    const known = await bank.ask('ada', { credentials })
    expect(known.options.allowCredentials).toEqual([
      { type: 'public-key', id: Buffer.from(p.id).toString('base64url'), transports: ['internal'] },
    ])
    const done = await bank.login('ada', p.get(known.options, { userHandle: null }), known.handle)
    expect(done).toMatchObject({
      ok: true,
      value: {
        amr: ['pop', 'user', 'swk', 'mfa'],
        facts: {
          type: 'webauthn',
          enrolment: name,
          purpose: 'login',
          userVerified: true,
          keyLevel: 'software',
          credential: { counterRegressed: false },
        },
      },
    })
    const open = await bank.ask(null)
    expect(open.options.allowCredentials).toEqual([])
    const named = await bank.login(null, p.get(open.options), open.handle)
    expect(named).toMatchObject({ ok: true, value: { facts: { enrolment: name } } })
    expect((await bank.record('ada', name))!.value).toMatchObject({
      status: 'active',
      usedAt: bank.time.now,
      owner: 'usr:ada',
      credential: { counter: 2, transports: ['hybrid', 'internal'], discoverable: true },
    })
  })

  it('ask in the words of the specification, and name the user by the partition', async () => {
    const bank = createBank({
      algorithms: [-50, -7],
      hints: ['security-key'],
      residentKey: 'required',
      attachment: 'platform',
      attestation: { conveyance: 'direct' },
      label: () => ({ name: 'ada@bank.example', displayName: 'Ada' }),
    })
    await bank.user('ada')
    const { options } = await bank.offer('ada', {
      userVerification: 'required',
      credentials: [{ id: Uint8Array.of(1), transports: [] }],
    })
    expect(options).toEqual({
      rp: { id: rpId, name: 'Bank' },
      user: { id: Buffer.from('usr:ada').toString('base64url'), name: 'ada@bank.example', displayName: 'Ada' },
      challenge: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      pubKeyCredParams: [
        { type: 'public-key', alg: -50 },
        { type: 'public-key', alg: -7 },
      ],
      timeout: 300_000,
      excludeCredentials: [{ type: 'public-key', id: 'AQ' }],
      authenticatorSelection: {
        residentKey: 'required',
        requireResidentKey: true,
        authenticatorAttachment: 'platform',
        userVerification: 'required',
      },
      hints: ['security-key'],
      attestation: 'direct',
      attestationFormats: [],
      extensions: { credProps: true },
    })
  })

  it('tell browsers that know no hints what all hints have in common', async () => {
    const attachment = async (o: Parameters<typeof createBank>[0]) => {
      const bank = createBank(o)
      await bank.user('ada')
      return (await bank.offer('ada')).options.authenticatorSelection.authenticatorAttachment
    }
    expect(await attachment({})).toBe(undefined)
    expect(await attachment({ hints: ['client-device'] })).toBe('platform')
    expect(await attachment({ hints: ['security-key', 'hybrid'] })).toBe('cross-platform')
    expect(await attachment({ hints: ['hybrid', 'client-device'] })).toBe(undefined)
    expect(await attachment({ hints: ['hybrid'], attachment: 'platform' })).toBe('platform')
  })

  it('keep an attested model only where somebody vouches for it', async () => {
    const root = authority()
    const anchors = { packed: [anchorOf(root)], 'fido-u2f': [anchorOf(root)] }
    const bank = createBank({ trust: { anchors } })
    await bank.user('ada')
    const aaguid = random(16)
    const authData = (bytes: Uint8Array) => {
      bytes.set(aaguid, 37)
      return bytes
    }
    for (const [attest, attested, kept] of [
      [attestPacked(issue(root)), true, aaguid],
      [attestU2f(issue(root)), true, new Uint8Array(16)],
      [attestNone, false, aaguid],
    ] as const) {
      const { options, handle } = await bank.offer('ada')
      const done = await bank.register('ada', passkey().create(options, { attest, authData, flags: flag.up }), handle)
      if (!done.ok) throw new Error(done.reason)
      const { credential } = (await bank.record('ada', done.value.facts.enrolment))!.value
      expect(credential).toMatchObject({ attested, aaguid: Buffer.from(kept).toString('hex') })
      expect(done.value.facts.credential).toMatchObject({ attested, aaguid: Buffer.from(kept).toString('hex') })
    }
  })

  it('cost one commit an assertion and four a registration, one of them in each of the two partitions, twice', async () => {
    const seen: string[] = []
    const inner = memoryStore()
    const commit: typeof inner.commit = (part, ...rest) => {
      seen.push(part.id.slice(0, 3))
      return inner.commit(part, ...rest)
    }
    const bank = createBank({ store: { ...inner, commit } })
    const { passkey: p } = await bank.enrolled('ada')
    expect(seen).toEqual(['usr', 'ix:', 'usr', 'ix:', 'usr'])
    const { options, handle } = await bank.ask('ada')
    expect(seen).toHaveLength(5)
    await bank.login('ada', p.get(options), handle)
    expect(seen).toHaveLength(6)
  })

  it('the challenge is SHA-256 of T("postern:webauthn/v1:challenge", CONTEXT, n)', async () => {
    const bank = createBank()
    await bank.user('ada')
    const drawn: Uint8Array[] = []
    const recording = createBank({ store: bank.store, bare: { random: (n: number) => drawn[drawn.push(random(n)) - 1]! } })
    const bind = random(32)
    const { options } = await recording.ask('ada', { purpose: 'confirm', bind })
    const nonce = drawn.find((one) => one.length === 32)!
    const t = (label: string, ...fields: Uint8Array[]) =>
      Buffer.concat([...[utf8(label)].map(field), Buffer.from([fields.length]), ...fields.map(field)])
    const field = (bytes: Uint8Array) => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
    const context = t(
      'postern:context/v1',
      ...['webauthn/v1', issuer, 'bank', 'retail', '', ''].map((s) => utf8(s)),
      u32(0),
      utf8('confirm'),
      bind,
    )
    const { createHash } = await import('node:crypto')
    const expected = createHash('sha256')
      .update(t('postern:webauthn/v1:challenge', context, nonce))
      .digest('base64url')
    expect(options.challenge).toBe(expected)
  })

  it('are facts for policy, and a locked or removed one says so to who proves to have it', async () => {
    const bank = createBank()
    const { passkey: p, name } = await bank.enrolled('ada')
    const registry = createRegistry([bank.webauthn])
    const judged = async () => factsOf(registry, [(await bank.record('ada', name))!.rec], { owner: 'usr:ada' })
    expect((await judged()).facts['authenticator.usable']).toEqual(['webauthn'])
    const change = async (plan: (e: { id: string; rev: string; value: never }) => Parameters<typeof bank.store.commit>[1]) => {
      const { rec, value } = (await bank.record('ada', name))!
      await bank.store.commit(bank.part('ada'), plan({ id: name, rev: rec.rev, value: value as never }), {
        now: bank.time.now,
        rev: newRev(random),
      })
    }
    const tried = async () => {
      const { options, handle } = await bank.ask('ada')
      return codeOf(await bank.login('ada', p.get(options), handle))
    }
    await change((e) => [planLock(e, 'operator')])
    expect((await judged()).enrolments).toMatchObject([{ id: name, state: 'locked' }])
    expect(await tried()).toBe('authenticator.locked')
    await change((e) => planRemove(e, 'user', bank.webauthn.remove(name)))
    expect((await judged()).facts['authenticator.enrolled']).toEqual([])
    expect(await tried()).toBe('authenticator.removed')
    // The same credential may be enrolled again, once nobody can still be activating it: its tombstone and its claim give way.
    await expect(bank.enrolled('ada', p)).rejects.toThrow('webauthn.credential_taken')
    bank.time.now += 300_000
    await bank.enrolled('ada', p)
    expect(await tried()).toBe('ok')
  })

  it('a session of the app is bound to its device, and what a device that proved itself gets wrong is told once a challenge', async () => {
    const bank = createBank()
    const { passkey: p, name } = await bank.enrolled('ada')
    const device = { id: 'd1', rev: newRev(random), key: {}, keyLevel: 'software' as const }
    const { options, handle } = await bank.ask('ada', { device })
    const answer = p.get(options)
    expect(codeOf(await bank.login('ada', answer, handle))).toBe('webauthn.challenge')
    const wrong = { ...answer, response: { ...answer.response, signature: passkey().get(options).response.signature } }
    for (const _ of [1, 2]) expect(codeOf(await bank.login('ada', wrong, handle, { device }))).toBe('webauthn.signature')
    const events = (await bank.store.outbox!({ now: bank.time.now, limit: 100 })).map(({ value }) => decodeEvent(value)!)
    expect(events.filter(({ type }) => type === 'webauthn.failed')).toMatchObject([
      { reason: 'signature', authenticator: name, device: 'd1' },
    ])
    expect(codeOf(await bank.login('ada', answer, handle, { device }))).toBe('ok')
    // Where no device proved itself nothing is written: it would be a stranger's to write.
    const other = await bank.ask('ada')
    const before = (await bank.store.outbox!({ now: bank.time.now, limit: 100 })).length
    const forged = {
      ...p.get(other.options),
      response: { ...p.get(other.options).response, signature: wrong.response.signature },
    }
    expect(codeOf(await bank.login('ada', forged, other.handle))).toBe('webauthn.signature')
    expect((await bank.store.outbox!({ now: bank.time.now, limit: 100 })).length).toBe(before)
  })

  it('are kept in hardware where somebody trusted says so and they cannot be copied', async () => {
    const root = authority()
    const trust = { anchors: { packed: [anchorOf(root)] } }
    const bank = createBank({ trust, attestation: { conveyance: 'direct', trusted: true } })
    await bank.user('ada')
    for (const [flags, level, amr] of [
      [flag.up | flag.uv, 'hardware', 'hwk'],
      [flag.up | flag.uv | flag.be, 'software', 'swk'],
    ] as const) {
      const { options, handle } = await bank.offer('ada')
      const p = passkey({ flags })
      const done = await bank.register('ada', p.create(options, { attest: attestPacked(issue(root)) }), handle)
      expect(done).toMatchObject({ ok: true, value: { facts: { keyLevel: level, credential: { attested: true } } } })
      const asked = await bank.ask('ada')
      const login = await bank.login('ada', p.get(asked.options), asked.handle)
      expect(login).toMatchObject({ ok: true, value: { amr: ['pop', 'user', amr, 'mfa'], facts: { keyLevel: level } } })
    }
  })

  it('say once, in the event, that their backup state changed', async () => {
    const bank = createBank()
    const { passkey: p } = await bank.enrolled('ada', passkey({ flags: flag.up | flag.uv | flag.be, counts: false }))
    const sign = async (flags: number) => {
      const { options, handle } = await bank.ask('ada')
      return bank.login('ada', p.get(options, { flags }), handle)
    }
    const be = flag.up | flag.be
    expect(await sign(be | flag.bs)).toMatchObject({
      ok: true,
      value: { facts: { credential: { backupChanged: true, backedUp: true } }, amr: ['pop', 'user', 'swk'] },
    })
    bank.time.now++
    expect(await sign(be | flag.bs)).toMatchObject({ ok: true, value: { facts: { credential: { backupChanged: false } } } })
    const events = (await bank.store.outbox!({ now: bank.time.now, limit: 100 })).map(({ value }) => decodeEvent(value)!)
    expect(events.filter(({ type }) => type === 'webauthn.succeeded').map(({ detail }) => detail!['backupChanged'])).toEqual([
      true,
      false,
    ])
  })

  it('are not created with origins that are none, unknown algorithms, or more than a handle holds', async () => {
    for (const bad of [
      { origins: [] },
      { origins: ['bank.example'] },
      { origins: ['https://bank.example/'] },
      { origins: ['http://bank.example'] },
      { origins: [origin], topOrigins: ['*'] },
      { algorithms: [] },
      { algorithms: [-65_535] },
      { origins: Array.from({ length: 60 }, (_, i) => `https://${'x'.repeat(40)}${i}.example`) },
    ])
      expect(() => createBank(bad)).toThrow(RangeError)
    const app = 'android:apk-key-hash:pNiP5iKyQ8JwgGOaKA1zGPUPJIS-0H1xKCQcfIoGLck'
    expect(() => createBank({ origins: [origin, app, 'ios:bundle-id:example.bank', 'http://localhost:5173'] })).not.toThrow()
    const bank = createBank()
    await bank.user('ada')
    const credentials = Array.from({ length: 33 }, (_, i) => ({ id: Uint8Array.of(i), transports: [] }))
    await expect(bank.ask('ada', { credentials })).rejects.toThrow(RangeError)
    // The most that is allowed fits.
    const full = createBank({ origins: Array.from({ length: 28 }, (_, i) => `https://${'x'.repeat(40)}${i}.example`) })
    const { handle } = await full.ask('ada', { credentials: credentials.slice(0, 32) })
    expect(handle.length).toBeLessThanOrEqual(4096)
  })

  it('an app signs in from its own origin', async () => {
    const app = 'android:apk-key-hash:pNiP5iKyQ8JwgGOaKA1zGPUPJIS-0H1xKCQcfIoGLck'
    const bank = createBank({ origins: [origin, app] })
    const { passkey: p } = await bank.enrolled('ada')
    const { options, handle } = await bank.ask('ada')
    expect(codeOf(await bank.login('ada', p.get(options, { from: app.replace('pNiP', 'pNiQ') }), handle))).toBe('webauthn.origin')
    expect(codeOf(await bank.login('ada', p.get(options, { from: app }), handle))).toBe('ok')
  })

  it('a conditional create needs no user present, any other does', async () => {
    const bank = createBank()
    await bank.user('ada')
    const plain = await bank.offer('ada')
    expect(codeOf(await bank.register('ada', passkey().create(plain.options, { flags: 0 }), plain.handle))).toBe(
      'webauthn.user_presence',
    )
    const quiet = await bank.offer('ada', {}, { mediation: 'conditional' })
    expect(codeOf(await bank.register('ada', passkey().create(quiet.options, { flags: 0 }), quiet.handle))).toBe('ok')
    for (const bad of [{}, 'x', { mediation: 'silent' }, { mediation: 'conditional', more: 1 }])
      await expect(bank.offer('ada', {}, bad)).rejects.toThrow('webauthn.malformed')
  })

  it('self attestation is reported as what it is worth', async () => {
    const bank = createBank()
    const trusting = createBank({ store: bank.store, attestation: { conveyance: 'direct', trusted: true } })
    await bank.user('ada')
    const first = await bank.offer('ada')
    const done = await bank.register('ada', passkey().create(first.options, { attest: attestSelf }), first.handle)
    expect(done).toMatchObject({ ok: true, value: { facts: { keyLevel: 'software', credential: { attested: false } } } })
    const second = await trusting.offer('ada')
    // The demand is in the handle: another node, configured otherwise, judges by what was asked.
    expect(codeOf(await bank.register('ada', passkey().create(second.options, { attest: attestSelf }), second.handle))).toBe(
      'webauthn.attestation_untrusted',
    )
  })
})
