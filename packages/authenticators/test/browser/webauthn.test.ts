/// <reference types="node" />
/** The browser half in a real Chromium with virtual authenticators, against our server half and against SimpleWebAuthn's. */
import { planRemove } from '@postern/authenticators/enrolment'
import { newRev } from '@postern/store'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { random } from '../world.js'
import { chromiumPath, type Host, launch, type Opened, openPage, startHost, type VirtualAuthenticator } from './chromium.js'

const required = process.env['POSTERN_REQUIRE'] === 'all'

describe.skipIf(chromiumPath() === '' && !required)('passkeys in Chromium', () => {
  let host: Host
  let browser: Browser
  let user = 0
  /** A user nobody was before. */
  const someone = (): string => `u${user++}`

  beforeAll(async () => {
    host = await startHost({
      algorithms: [-8, -7, -257, -48, -49, -50],
      origins: ['https://bank.example', 'https://related.test'],
      topOrigins: ['https://portal.test'],
    })
    browser = await launch(host)
  }, 300_000)
  afterAll(async () => {
    await browser?.close()
    host?.close()
  })

  /** A page with one authenticator. */
  async function withPage(
    work: (page: Opened, authenticator: VirtualAuthenticator) => Promise<void>,
    o: { readonly authenticator?: object; readonly before?: string; readonly url?: string } = {},
  ): Promise<void> {
    const page = await openPage(browser, o.url, o.before)
    try {
      await work(page, await page.authenticator(o.authenticator))
    } finally {
      await page.close()
    }
  }

  it.each([
    ['ES256', -7],
    ['EdDSA', -8],
    ['RS256', -257],
    ['ML-DSA-44', -48],
    ['ML-DSA-65', -49],
    ['ML-DSA-87', -50],
  ] as const)('%s: registered, used with a list and without, and refused a second time on the same device', (_, alg) =>
    withPage(async (page, key) => {
      const ada = someone()
      const options = { pubKeyCredParams: [{ type: 'public-key', alg }] }
      const made = await page.ceremony({ kind: 'create', user: ada, options })
      expect(made).toMatchObject({ code: 'ok', facts: { type: 'webauthn', userVerified: true, keyLevel: 'software' } })
      expect(JSON.parse(made.sent!).answer.response.publicKeyAlgorithm).toBe(alg)
      const [credential] = await key.credentials()
      const ceremony = { credentials: [credential!.id] }
      const used = { code: 'ok', amr: ['pop', 'user', 'swk', 'mfa'], facts: { purpose: 'login', userVerified: true } }
      expect(await page.ceremony({ kind: 'get', user: ada, ceremony })).toMatchObject(used)
      expect(await page.ceremony({ kind: 'get', user: null })).toMatchObject(used)
      expect(await page.ceremony({ kind: 'create', user: ada, ceremony })).toEqual({
        code: 'webauthn.already_registered',
        cause: 'InvalidStateError',
      })
    }),
  )

  describe('PRF', () => {
    const prf = { hasPrf: true }

    it('gives the same bytes for the same input and passkey at creation and use, others for another input, and none of them leaves the page', () =>
      withPage(
        async (page, key) => {
          const ada = someone()
          const made = await page.ceremony({ kind: 'create', user: ada, prf: { eval: ['one', 'two'] } })
          expect(made).toMatchObject({ code: 'ok', prf: { enabled: true } })
          const [credential] = await key.credentials()
          const used = await page.ceremony({ kind: 'get', user: null, prf: { eval: ['two', 'one'] } })
          expect(used).toMatchObject({ code: 'ok', prf: { enabled: null } })
          expect(used.prf!.first).toMatch(/^[0-9a-f]{64}$/)
          expect(used.prf!.second).toMatch(/^[0-9a-f]{64}$/)
          expect(used.prf!.first).not.toBe(used.prf!.second)
          // An authenticator may have nothing to say at creation; what it says then is what it says later.
          if (made.prf!.first !== null) expect(made.prf).toMatchObject({ first: used.prf!.second, second: used.prf!.first })
          const ceremony = { credentials: [credential!.id] }
          const evalByCredential = { [credential!.id]: ['one'] }
          const byId = await page.ceremony({ kind: 'get', user: ada, ceremony, prf: { eval: ['two'], evalByCredential } })
          expect(byId.prf).toEqual({ enabled: null, first: used.prf!.second, second: null })
          // What the browser gives when nobody stands between: the inputs went as they are, and so did what came out.
          const raw = await page.run(async () => {
            const prf = { eval: { first: new TextEncoder().encode('one') } }
            const publicKey = { challenge: new Uint8Array(32), rpId: 'bank.example', extensions: { prf } }
            const credential = (await navigator.credentials.get({ publicKey })) as PublicKeyCredential
            return [...new Uint8Array(credential.getClientExtensionResults().prf!.results!.first as ArrayBuffer)]
          }, null)
          expect(used.prf!.second).toBe(Buffer.from(raw).toString('hex'))
          for (const { sent } of [made, used, byId]) {
            const { clientExtensionResults } = JSON.parse(sent!).answer
            expect(Object.keys(clientExtensionResults).filter((one) => one !== 'credProps')).toEqual([])
            for (const secret of [used.prf!.first!, used.prf!.second!])
              for (const form of ['hex', 'base64', 'base64url'] as const)
                expect(sent).not.toContain(Buffer.from(secret, 'hex').toString(form))
          }
        },
        { authenticator: prf },
      ))

    it('asked of a passkey that cannot, gives nothing; asked by id without a list, is unsupported', () =>
      withPage(async (page) => {
        const made = await page.ceremony({ kind: 'create', user: someone(), prf: {} })
        expect(made).toMatchObject({ code: 'ok', prf: { enabled: false, first: null, second: null } })
        const used = await page.ceremony({ kind: 'get', user: null, prf: { eval: ['one'] } })
        expect(used).toMatchObject({ code: 'ok', prf: { enabled: null, first: null, second: null } })
        const ended = await page.ceremony({ kind: 'get', user: null, prf: { evalByCredential: { AAAA: ['one'] } } })
        expect(ended).toEqual({ code: 'webauthn.unsupported', cause: 'NotSupportedError' })
      }))
  })

  describe('without a dialog', () => {
    it('conditional get signs in from the autofill', () =>
      withPage(async (page) => {
        const ada = someone()
        expect(await page.ceremony({ kind: 'create', user: ada })).toMatchObject({ code: 'ok' })
        expect(await page.ceremony({ kind: 'get', user: null, mediation: 'conditional' })).toMatchObject({ code: 'ok' })
      }))

    it('conditional get waits past its time, until the button calls it off', () =>
      withPage(async (page, key) => {
        await page.ceremony({ kind: 'create', user: someone() })
        await key.set('setAutomaticPresenceSimulation', false)
        let ended = false
        const autofill = page.ceremony({ kind: 'get', user: null, mediation: 'conditional', options: { timeout: 200 } })
        void autofill.then(() => (ended = true))
        await page.tab.waitForTimeout(600)
        expect(ended).toBe(false)
        await key.set('setAutomaticPresenceSimulation', true)
        expect(await page.ceremony({ kind: 'get', user: null })).toMatchObject({ code: 'ok' })
        expect((await autofill).code).toMatch(/^(ok|webauthn\.aborted)$/)
      }))

    it('conditional create is asked for, sent as such, and called off', () =>
      withPage(async (page) => {
        const asked = { kind: 'create', user: someone(), mediation: 'conditional', abortAfterMs: 500 } as const
        // Chromium waits for a password that the user has just signed in with, and there is none in a virtual one.
        expect(await page.ceremony(asked)).toEqual({ code: 'webauthn.aborted', cause: 'AbortError' })
        expect(await page.ceremony({ kind: 'create', user: someone() })).toMatchObject({ code: 'ok' })
      }))
  })

  describe('when it ends without a passkey', () => {
    const waiting = { automaticPresenceSimulation: false }
    const none = 'webauthn.cancelled'

    it('a page, a newer call, a signal that measures time and the time of the options are told apart', () =>
      withPage(
        async (page) => {
          const get = { kind: 'get', user: null } as const
          for (const abortAfterMs of [0, 300])
            expect(await page.ceremony({ ...get, abortAfterMs })).toEqual({ code: 'webauthn.aborted', cause: 'AbortError' })
          const first = page.ceremony(get)
          await page.tab.waitForTimeout(200)
          const second = page.ceremony({ kind: 'create', user: someone(), options: { timeout: 500 } })
          expect(await first).toEqual({ code: 'webauthn.aborted', cause: 'AbortError' })
          expect(await second).toEqual({ code: 'webauthn.timed_out', cause: 'NotAllowedError' })
          expect(await page.ceremony({ ...get, timeoutSignalMs: 300 })).toEqual({
            code: 'webauthn.timed_out',
            cause: 'TimeoutError',
          })
        },
        { authenticator: waiting },
      ))

    it('a device whose user does not verify himself says no where that is required', () =>
      withPage(async (page, key) => {
        const ada = someone()
        await page.ceremony({ kind: 'create', user: ada })
        await key.set('setUserVerified', false)
        const ceremony = { userVerification: 'required' }
        for (const asked of [
          { kind: 'get', user: null },
          { kind: 'create', user: someone() },
        ] as const)
          expect(await page.ceremony({ ...asked, ceremony })).toEqual({ code: none, cause: 'NotAllowedError' })
      }))

    it('a key without user verification is a factor of one, and refused where more is required whatever the page asked for', () =>
      withPage(
        async (page) => {
          const ada = someone()
          const made = await page.ceremony({ kind: 'create', user: ada })
          expect(made).toMatchObject({ code: 'ok', facts: { userVerified: false } })
          const credentials = [JSON.parse(made.sent!).answer.id]
          const asked = { kind: 'get', user: ada, ceremony: { credentials } } as const
          expect(await page.ceremony(asked)).toMatchObject({ code: 'ok', amr: ['pop', 'user', 'swk'] })
          const ceremony = { credentials, userVerification: 'required' }
          const bent = { ...asked, ceremony, options: { userVerification: 'discouraged' } }
          expect((await page.ceremony(bent)).code).toBe('webauthn.user_verification')
        },
        { authenticator: { hasResidentKey: false, hasUserVerification: false, isUserVerified: false, transport: 'usb' } },
      ))

    it('a passkey that is another user’s, that was removed at the bank, and then from the device', () =>
      withPage(async (page, key) => {
        const [ada, eve] = [someone(), someone()]
        const made = await page.ceremony({ kind: 'create', user: ada })
        const { id } = (await key.credentials())[0]!
        const asked = { kind: 'get', user: ada, ceremony: { credentials: [id] } } as const
        expect((await page.ceremony({ ...asked, user: eve, ceremony: {} })).code).toBe('webauthn.not_owner')
        expect(await page.ceremony(asked)).toMatchObject({ code: 'ok' })
        const { bank } = host
        const name = String(made.facts!['enrolment'])
        const { rec, value } = (await bank.record(ada, name))!
        const removal = planRemove({ id: name, rev: rec.rev, value }, 'user', bank.webauthn.remove(name))
        await bank.store.commit(bank.part(ada), removal, { now: bank.time.now, rev: newRev(random) })
        expect((await page.ceremony(asked)).code).toBe('authenticator.removed')
        await key.remove(id)
        for (const one of [asked, { kind: 'get', user: null }] as const)
          expect(await page.ceremony(one)).toEqual({ code: none, cause: 'NotAllowedError' })
      }))

    it('a page that may not, options that are none, and an algorithm that is no key', () =>
      withPage(async (page) => {
        const create = { kind: 'create', user: someone() } as const
        const ended = async (options: object) => page.ceremony({ ...create, options: options as never })
        expect(await ended({ rp: { id: 'other.example', name: 'Other' } })).toEqual({
          code: 'webauthn.origin',
          cause: 'SecurityError',
        })
        expect(await ended({ challenge: '***' })).toEqual({ code: 'webauthn.malformed', cause: 'EncodingError' })
        expect(await ended({ user: { name: 'x', displayName: 'x' } })).toEqual({
          code: 'webauthn.malformed',
          cause: 'TypeError',
        })
        expect(await ended({ pubKeyCredParams: [{ type: 'other', alg: -7 }] })).toEqual({
          code: 'webauthn.unsupported',
          cause: 'NotSupportedError',
        })
        const codes = await page.run(
          async (half) =>
            Promise.all(
              [null, undefined, 'x', {}, { publicKey: null }].map((step) =>
                half.passkeys.get(step).catch((error) => (error as { code: string }).code),
              ),
            ),
          null,
        )
        expect(codes).toEqual(Array(5).fill('webauthn.malformed'))
      }))

    it('everything else that a browser may throw has its code', () =>
      withPage(async (page) => {
        // Chromium on a desktop throws none of these by itself: here the page throws them in its place.
        const code = (name: string, kind: 'create' | 'get') =>
          page.run(
            async (half, [thrown, asked]) => {
              navigator.credentials[asked as 'get'] = () => Promise.reject(new DOMException('', thrown))
              const publicKey = {
                challenge: 'AAAA',
                rpId: 'bank.example',
                pubKeyCredParams: [],
                rp: { name: 'x' },
                user: { id: 'AA' },
              }
              return half.passkeys[asked as 'get']({
                publicKey: { ...publicKey, user: { id: 'AA', name: 'x', displayName: 'x' } },
              }).catch((error) => (error as { code: string }).code)
            },
            [name, kind] as const,
          )
        expect(await code('ConstraintError', 'create')).toBe('webauthn.constraint')
        expect(await code('OperationError', 'get')).toBe('webauthn.busy')
        expect(await code('InvalidStateError', 'get')).toBe('webauthn.failed')
        for (const name of ['UnknownError', 'NotReadableError', 'constructor'])
          expect(await code(name, 'get')).toBe('webauthn.failed')
      }))

    it('hints reach the browser, those of the page in place of the server’s, and so does the mediation', () =>
      withPage(async (page) => {
        const seen = await page.run(async (half) => {
          const asked: unknown[] = []
          navigator.credentials.get = async (options) => {
            const { hints } = options!.publicKey as { readonly hints?: readonly string[] }
            asked.push([hints, options!.mediation ?? null])
            return null
          }
          const publicKey = { challenge: 'AAAA', rpId: 'bank.example', hints: ['hybrid'] }
          for (const o of [{}, { hints: ['security-key'] as const }, { mediation: 'conditional' as const }])
            await half.passkeys.get({ publicKey }, o).catch((error) => asked.push((error as { code: string }).code))
          return asked
        }, null)
        expect(seen).toEqual([
          [['hybrid'], null],
          'webauthn.cancelled',
          [['security-key'], null],
          'webauthn.cancelled',
          [['hybrid'], 'conditional'],
          'webauthn.cancelled',
        ])
      }))

    it('a page without TLS has no passkeys', async () => {
      const page = await openPage(browser, 'http://plain.test')
      try {
        expect((await page.ceremony({ kind: 'create', user: someone() })).code).toBe('webauthn.unsupported')
        expect(await page.run((half) => half.capabilities(), null)).toMatchObject({
          webauthn: false,
          conditionalGet: null,
          prf: null,
        })
        expect(await page.run((half) => half.signalled('unknown', {} as never), null)).toBe(false)
      } finally {
        await page.close()
      }
    })
  })

  describe('from elsewhere', () => {
    it('a related origin uses the passkeys of the bank, another site does not', async () => {
      const page = await openPage(browser, 'https://related.test')
      try {
        await page.authenticator()
        const ada = someone()
        const made = await page.ceremony({ kind: 'create', user: ada })
        expect(made).toMatchObject({ code: 'ok' })
        const { clientDataJSON } = JSON.parse(made.sent!).answer.response
        expect(JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString()).origin).toBe('https://related.test')
        await page.tab.goto('https://portal.test')
        expect(await page.ceremony({ kind: 'get', user: null })).toEqual({ code: 'webauthn.origin', cause: 'SecurityError' })
        await page.tab.goto('https://bank.example')
        expect(await page.ceremony({ kind: 'get', user: null })).toMatchObject({ code: 'ok' })
      } finally {
        await page.close()
      }
    })

    it.each([
      ['https://portal.test', 'ok'],
      ['https://related.test', 'webauthn.cross_origin'],
    ])('A09 a frame in a page of %s: %s', (top, code) =>
      withPage(async (page) => {
        await page.ceremony({ kind: 'create', user: someone() })
        await page.tab.goto(`${top}/frame`)
        const frame = page.tab.frames().find((one) => one.url().startsWith('https://bank.example'))!
        const used = await page.ceremony({ kind: 'get', user: null }, frame)
        const { clientDataJSON } = JSON.parse(used.sent!).answer.response
        expect(JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString())).toMatchObject({
          origin: 'https://bank.example',
          crossOrigin: true,
          topOrigin: top,
        })
        expect(used.code).toBe(code)
      }),
    )
  })

  describe('what the browser says of itself, and is told', () => {
    it('capabilities come from the browser', () =>
      withPage(async (page) => {
        expect(await page.run((half) => half.capabilities(), null)).toMatchObject({
          webauthn: true,
          conditionalGet: true,
          conditionalCreate: true,
          userVerifyingPlatformAuthenticator: true,
          relatedOrigins: true,
          prf: true,
          signalUnknownCredential: true,
        })
      }))

    it('an older browser is asked the older questions; what it cannot say is null', () =>
      withPage(
        async (page) => {
          expect(await page.run((half) => half.capabilities(), null)).toEqual({
            webauthn: true,
            conditionalCreate: null,
            conditionalGet: true,
            hybridTransport: null,
            passkeyPlatformAuthenticator: null,
            userVerifyingPlatformAuthenticator: true,
            relatedOrigins: null,
            prf: null,
            signalUnknownCredential: false,
            signalAllAcceptedCredentials: true,
            signalCurrentUserDetails: true,
          })
        },
        { before: 'delete PublicKeyCredential.getClientCapabilities; delete PublicKeyCredential.signalUnknownCredential' },
      ))

    it('the name of a user changes, what is not his any more goes, and what the bank does not know goes too', () =>
      withPage(async (page, key) => {
        const ada = someone()
        for (let i = 0; i < 2; i++) await page.ceremony({ kind: 'create', user: ada })
        const [first, second] = (await key.credentials()).map(({ id }) => id)
        const rpId = 'bank.example'
        const userId = Buffer.from(`usr:${ada}`).toString('base64url')
        const tell = (kind: 'unknown' | 'accepted' | 'details', o: object) =>
          page.run((half, [name, details]) => half.signalled(name, details as never), [kind, o] as const)
        expect(await tell('details', { rpId, userId, name: 'ada@bank.example', displayName: 'Ada L.' })).toBe(true)
        expect((await key.credentials()).map((one) => [one.userName, one.userDisplayName])).toContainEqual([
          'ada@bank.example',
          'Ada L.',
        ])
        expect(await tell('unknown', { rpId, credentialId: first })).toBe(true)
        expect((await key.credentials()).map(({ id }) => id)).not.toContain(first)
        expect(await tell('accepted', { rpId, userId, allAcceptedCredentialIds: [] })).toBe(true)
        expect((await key.credentials()).map(({ id }) => id)).not.toContain(second)
        expect(await tell('unknown', { rpId, credentialId: '***' })).toBe('webauthn.malformed')
        expect(await tell('unknown', { rpId: 'other.example', credentialId: first })).toBe('webauthn.origin')
      }))
  })

  describe('older browsers', () => {
    const before =
      'delete PublicKeyCredential.parseCreationOptionsFromJSON; delete PublicKeyCredential.parseRequestOptionsFromJSON; delete PublicKeyCredential.prototype.toJSON'

    it('without JSON of their own do the same, to the letter', async () => {
      const answers = await Promise.all(
        [before, ''].map(async (script) => {
          const page = await openPage(browser, undefined, script)
          try {
            const key = await page.authenticator({ hasPrf: true })
            const ada = someone()
            const extensions = { credProps: true, prf: { eval: { first: 'AAAA' } } }
            const made = await page.ceremony({ kind: 'create', user: ada, options: { extensions } })
            expect(made).toMatchObject({ code: 'ok', prf: { enabled: true } })
            const ceremony = { credentials: [(await key.credentials())[0]!.id] }
            const asked = { extensions: { prf: { eval: { first: 'AAAA' } } } }
            const used = await page.ceremony({ kind: 'get', user: ada, ceremony, options: asked })
            expect(used).toMatchObject({ code: 'ok', prf: { first: expect.stringMatching(/^[0-9a-f]{64}$/) } })
            expect(await page.ceremony({ kind: 'create', user: ada, ceremony })).toMatchObject({
              code: 'webauthn.already_registered',
            })
            expect((await page.ceremony({ kind: 'get', user: ada, options: { challenge: '***' } })).code).toBe(
              'webauthn.malformed',
            )
            return [made, used].map(({ sent }) => shape(JSON.parse(sent!).answer))
          } finally {
            await page.close()
          }
        }),
      )
      expect(answers[0]).toEqual(answers[1])
    })

    it('a password manager that answers with objects of its own is understood, one that answers with nothing is not', async () => {
      const page = await openPage(
        browser,
        undefined,
        "PublicKeyCredential.prototype.toJSON = () => { throw new TypeError('Illegal invocation') }",
      )
      try {
        await page.authenticator()
        const ada = someone()
        expect(await page.ceremony({ kind: 'create', user: ada })).toMatchObject({ code: 'ok' })
        expect(await page.ceremony({ kind: 'get', user: ada })).toMatchObject({ code: 'ok' })
        const code = await page.run(async (half) => {
          navigator.credentials.get = async () => ({}) as never
          return half.passkeys.get({ publicKey: { challenge: 'AAAA' } }).catch((error) => (error as { code: string }).code)
        }, null)
        expect(code).toBe('webauthn.malformed')
      } finally {
        await page.close()
      }
    })

    /** Members and kinds; what differs from one passkey to the next is left out. */
    function shape(value: unknown): unknown {
      if (typeof value !== 'object' || value === null) return typeof value
      return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, shape(member)]))
    }
  })

  describe('SimpleWebAuthn', () => {
    it.each([
      ['its browser half', { client: 'foreign' }],
      ['its server half', { at: 'foreign' }],
    ] as const)('%s registers and signs in with ours', (_, o) =>
      withPage(async (page) => {
        const ada = someone()
        expect((await page.ceremony({ kind: 'create', user: ada, ...o })).code).toBe('ok')
        expect((await page.ceremony({ kind: 'get', user: null, ...o })).code).toBe('ok')
      }),
    )
  })
})
