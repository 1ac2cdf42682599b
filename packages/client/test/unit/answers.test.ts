/** Authenticators that the app's screens answer: enrolled, used and fallen back from, with the real platform behind a socket. */
import { createCustom } from '@postern/authenticators/custom'
import { createOtp } from '@postern/authenticators/otp/server'
import { totp } from '@postern/authenticators/otp/totp'
import { createSentCode } from '@postern/authenticators/sentCode'
import type { CreationOptionsJSON, RequestOptionsJSON } from '@postern/authenticators/webauthn/messages'
import { createWebauthn } from '@postern/authenticators/webauthn/server'
import type { CodeQuestion, CustomQuestion, Prompts, SecretQuestion } from '@postern/client/prompts'
import { decodeBase32 } from '@postern/core/base32'
import type { JsonValue } from '@postern/core/json'
import { describe, expect, it } from 'vitest'
import { ORIGIN, RP, softPasskey } from '../../../platform/test/support/passkey.js'
import { served } from '../support/served.js'
import { createPhone, createWorld, got, policyOf, registered, user } from '../support/world.js'

const timer = (task: () => void, ms: number) => {
  const handle = setTimeout(task, ms)
  return () => clearTimeout(handle)
}

async function scene() {
  const sent: string[] = []
  const world = await served(
    await createWorld({
      authenticators: (own, kit) => [
        ...own,
        createWebauthn({ rp: { id: RP, name: 'Bank' }, origins: [ORIGIN], ...kit }),
        createOtp(kit),
        createSentCode({ deliver: async ({ code }) => void sent.push(code), timer, ...kit }),
        createCustom(
          {
            name: 'word',
            amr: ['kba'],
            enrol: async ({ answer }) =>
              answer === null
                ? { outcome: 'continue', reply: 'which word?' }
                : { outcome: 'done', data: new TextEncoder().encode(String(answer)) },
            finish: async ({ answer, data }) =>
              answer === new TextDecoder().decode(data ?? new Uint8Array(0))
                ? { outcome: 'done' }
                : { outcome: 'retry', reply: 'no' },
          },
          { timer, ...kit },
        ),
      ],
      policy(schema) {
        const start = policyOf(schema)
        const more = { webauthn: 2, otp: 2, code: 2, 'custom:word': 2 }
        return {
          ...start,
          acr: { levels: { ...start.acr.levels, ...more } },
          fallback: [...start.fallback, { from: 'custom:word', to: ['pin'], on: ['cancelled', 'failed'] }],
        }
      },
    }),
  )
  return { world, sent, phone: await registered(world) }
}

/** Answers, one after another; what was asked is kept. */
function says<Q, A>(...answers: A[]): { readonly asked: Q[]; readonly prompt: (question: Q) => Promise<A> } {
  const asked: Q[] = []
  return {
    asked,
    prompt: async (question) => {
      asked.push(question)
      if (answers.length === 0) throw new Error('asked more than was thought of')
      return answers.shift()!
    },
  }
}

function browser(key: ReturnType<typeof softPasskey>): Pick<Prompts, 'passkey'> {
  return {
    passkey: async ({ purpose, publicKey }) =>
      (purpose === 'enrol'
        ? key.create(publicKey as unknown as CreationOptionsJSON)
        : key.get(publicKey as unknown as RequestOptionsJSON)) as unknown as JsonValue,
  }
}

describe('a one-time password', () => {
  it('is set up with the first code, logs in, and is asked again while it is wrong', async () => {
    const { world, phone } = await scene()
    let secret = new Uint8Array(0)
    const code = () => totp(secret, { now: world.clock.clock() })
    const shown: SecretQuestion[] = []
    const newSecret = async (question: SecretQuestion) => {
      shown.push(question)
      secret = new Uint8Array(decodeBase32(question.secret.toLowerCase())!)
      return shown.length === 1 ? '000000' : code()
    }
    got(await phone.client.enrol('otp', user([], { newSecret })))
    expect(shown).toMatchObject([{ digits: 6, uri: expect.stringContaining('otpauth://totp/') }, { reason: 'wrong' }])
    expect((await phone.client.profiles())[0]!.authenticators).toEqual(['pin', 'otp'])
    world.clock.advance(30_000)
    const typed = says<CodeQuestion, string>('000000', code())
    const session = got(await phone.client.login(phone.profile, user([], { code: typed.prompt }), { prefer: 'otp' }))
    expect(session).toMatchObject({ acr: 'pin' })
    expect(typed.asked).toEqual([
      { type: 'otp', purpose: 'login', digits: 6 },
      { type: 'otp', purpose: 'login', digits: 6, reason: 'wrong', attemptsLeft: 4 },
    ])
  })

  it('A01 ends the login with its code when the tries are spent', async () => {
    const { world, phone } = await scene()
    let secret = new Uint8Array(0)
    const newSecret = async (question: SecretQuestion) => {
      secret = new Uint8Array(decodeBase32(question.secret.toLowerCase())!)
      return totp(secret, { now: world.clock.clock() })
    }
    got(await phone.client.enrol('otp', user([], { newSecret })))
    const wrong = async () => '12345678'.slice(0, 6)
    expect(await phone.client.login(phone.profile, user([], { code: wrong }), { prefer: 'otp' })).toMatchObject({
      ok: false,
      error: { code: 'authenticator.locked' },
    })
  })

  it('needs a screen: without one it is neither set up nor offered', async () => {
    const { phone } = await scene()
    expect(await phone.client.enrol('otp', user([]))).toMatchObject({ error: { code: 'authenticator.unsupported' } })
    expect(await phone.client.enrol('custom:word', user([]))).toMatchObject({ error: { code: 'authenticator.unsupported' } })
  })
})

describe('a code that is sent', () => {
  it('is asked for, sent again on wish, and taken', async () => {
    const { phone, sent } = await scene()
    got(await phone.client.enrol('code', user([], { code: async () => sent.at(-1)! })))
    const screen = user([], { code: async () => (sent.length === 2 ? { resend: true } : sent.at(-1)!) })
    got(await phone.client.login(phone.profile, screen, { prefer: 'code' }))
    expect(sent).toHaveLength(3)
  })

  it('that cannot be sent any more is no end of the login: the PIN still does', async () => {
    const { phone, sent } = await scene()
    got(await phone.client.enrol('code', user([], { code: async () => sent.at(-1)! })))
    const back = user([], { code: async () => null })
    for (let i = 0; i < 4; i++)
      expect(await phone.client.login(phone.profile, back, { prefer: 'code' })).toMatchObject({
        error: { code: 'client.cancelled' },
      })
    expect(await phone.client.login(phone.profile, back, { prefer: 'code' })).toMatchObject({ error: { code: 'net.limited' } })
    got(await phone.client.login(phone.profile, user(['40718']), { prefer: 'pin' }))
  })
})

describe('a host’s own authenticator', () => {
  it('asks in its own words, and may be wrong and asked again', async () => {
    const { phone } = await scene()
    const enrolled = says<CustomQuestion, JsonValue>('sesame')
    got(await phone.client.enrol('custom:word', user([], { custom: enrolled.prompt })))
    expect(enrolled.asked).toMatchObject([{ type: 'custom:word', purpose: 'enrol', again: false, reply: 'which word?' }])
    const typed = says<CustomQuestion, JsonValue>('barley', 'sesame')
    got(await phone.client.login(phone.profile, user([], { custom: typed.prompt }), { prefer: 'custom:word' }))
    expect(typed.asked).toMatchObject([{ again: false }, { again: true, reply: 'no', attemptsLeft: 4 }])
  })

  it('gives way to the PIN when the user goes back', async () => {
    const { phone } = await scene()
    got(await phone.client.enrol('custom:word', user([], { custom: async () => 'sesame' })))
    const screen = user(['40718'], { custom: async () => undefined })
    got(await phone.client.login(phone.profile, screen, { prefer: 'custom:word' }))
    expect(screen.asked).toEqual([{ purpose: 'login', reason: 'fallback' }])
  })
})

describe('a passkey', () => {
  it('is added, logs in, and registers its user on another phone', async () => {
    const { world, phone } = await scene()
    const key = softPasskey(world.random(24))
    expect(got(await phone.client.enrol('webauthn', user([], browser(key))))).toMatchObject({ type: 'webauthn' })
    expect(got(await phone.client.login(phone.profile, user([], browser(key)), { prefer: 'webauthn' }))).toMatchObject({
      acr: 'pin',
    })

    const other = createPhone(world)
    got(await other.client.start())
    const { profile } = got(await other.client.register('passkey', user(['40718'], browser(key))))
    expect(got(await other.client.login(profile!, user(['40718'])))).toMatchObject({ acr: 'pin' })
    expect(await (await other.client.fetch('/accounts')).json()).toMatchObject({ subject: 'c-1001' })
  })

  it('that a browser does not give is a cancellation; one of nobody is a refusal', async () => {
    const { world, phone } = await scene()
    const nobody = user([], { passkey: async () => null })
    expect(await phone.client.enrol('webauthn', nobody)).toMatchObject({ error: { code: 'client.cancelled' } })
    const other = createPhone(world)
    got(await other.client.start())
    expect(await other.client.register('passkey', nobody)).toMatchObject({ error: { code: 'client.cancelled' } })
    const stranger = user([], { passkey: async () => ({ id: 'x' }) })
    expect(await other.client.register('passkey', stranger)).toMatchObject({ error: { code: 'authenticator.failed' } })
    expect(await other.client.register('passkey', user([]))).toMatchObject({ error: { code: 'authenticator.unsupported' } })
  })
})
