/// <reference types="node" />
/** The bank's own authenticator behind real HTTP: enrolled, used, fallen back from, and broken in every way that a host can break it. */
import type { CustomAuthenticator } from '@postern/authenticators/custom'
import { enrolPin, loginPin, type PinClientOptions, type PinExchange, type PinSlot } from '@postern/authenticators/pin/client'
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { JsonValue } from '@postern/core/json'
import { systemPorts } from '@postern/core/systemRuntime'
import { afterEach, describe, expect, it } from 'vitest'
import { memorableWord } from '../memorableWord.js'
import { type Answer, type Caller, enrolInstance, pkce } from './support/caller.js'
import { API, crypto, startWorld, type World } from './support/world.js'

const { random } = systemPorts()
const TYPE = 'custom:memorable-word'
const WORD = 'Wintergarten'
const PIN = '27184'

/** Does at the last answer whatever this says, once it says something. */
const breakable = (): { word: CustomAuthenticator; breaks: { how: (() => unknown) | null; calls: number } } => {
  const breaks: { how: (() => unknown) | null; calls: number } = { how: null, calls: 0 }
  const finish = (i: Parameters<CustomAuthenticator['finish']>[0]) => {
    breaks.calls++
    return (breaks.how === null ? memorableWord.finish(i) : breaks.how()) as ReturnType<CustomAuthenticator['finish']>
  }
  return { word: { ...memorableWord, deadlineMs: 200, finish }, breaks }
}

interface Phone {
  readonly caller: Caller
  /** Begins a login: what would do, and the first question. */
  start(): Promise<Answer>
  step(last: Answer, step: JsonValue, finish?: boolean): Promise<Answer>
  /** Answers the question by the word, and ends the login where the answer was right. */
  answer(asked: Answer, word: string): Promise<Answer>
  fallBack(last: Answer, cause: string): Promise<Answer>
  pin(asked: Answer): Promise<Answer>
  redeem(done: Answer): Promise<Answer>
}

/** A phone that has set the word, and a PIN where it is to fall back on one. */
async function phoneWith(world: World, o: { pin?: boolean } = {}): Promise<Phone> {
  const { caller } = await enrolInstance(world.issuer)
  const { verifier, challenge } = await pkce()
  const client_id = caller.clientId
  const code = { code_challenge: challenge, code_challenge_method: 'S256' }
  const letter = { client_id, data: { user: 'anna', password: 'correct horse' }, ...code }
  const registered = await caller.post('/registrations/letter/complete', { json: letter })
  const redeem = (done: Answer) => caller.redeem({ code: done.body.authorization_code, code_verifier: verifier })
  const { access_token: token } = (await redeem(registered)).body
  const enrol = (path: string, json: object) => caller.post(`/enrolments/${path}`, { json }, token)

  const first = await enrol(`${TYPE}/begin`, {})
  expect(first.body.step).toEqual({ ask: 'answer', outcome: 'continue', reply: { ask: 'word', least: 8 } })
  const short = await enrol(`${TYPE}/begin`, { handle: first.body.handle, step: { answer: 'short' } })
  expect(short.body.step).toMatchObject({ ask: 'answer', outcome: 'retry' })
  const set = await enrol(`${TYPE}/begin`, { handle: short.body.handle, step: { answer: WORD } })
  expect(set.body.step).toMatchObject({ ask: 'finish', outcome: 'done' })
  const made = await enrol(`${TYPE}/finish`, { handle: set.body.handle })
  expect([made.status, made.body.enrolment.type]).toEqual([201, TYPE])

  const sign = (data: Uint8Array) => caller.sign(data)
  const of: Omit<PinClientOptions, 'exchange'> = {
    issuer: world.issuer,
    tenant: 'bank',
    app: 'retail',
    device: client_id,
    sign,
    crypto,
    random,
    ksf: (x) => x,
  }
  let slot: PinSlot | null = null
  if (o.pin) {
    const exchange: PinExchange = {
      async begin(handle, step) {
        const { body } = await enrol('pin/begin', handle === null ? {} : { handle, step })
        return { handle: body.handle, step: body.step }
      },
      finish: async (handle, step) => (await enrol('pin/finish', { handle, step })).body,
    }
    slot = (await enrolPin({ ...of, exchange, pin: utf8(PIN) })).slot
  }

  const ask = (form: Record<string, string>) => caller.post('/authorize-challenge', { client_id, ...form })
  const phone: Phone = {
    caller,
    redeem,
    start: () => ask({ response_type: 'code', scope: 'accounts offline_access', resource: API, ...code }),
    step(last, step, finish = false) {
      const { auth_session, step: asked } = last.body
      const text = JSON.stringify({ handle: asked.handle, step, finish })
      return ask({ auth_session, authenticator: asked.authenticator, step: encodeBase64url(utf8(text)) })
    },
    async answer(asked, word) {
      const at: number[] = asked.body.step.step.reply.at
      const said = await phone.step(asked, { answer: at.map((n) => word[n - 1]).join('') })
      return said.body.step?.step?.ask === 'finish' ? phone.step(said, null, true) : said
    },
    fallBack: (last, cause) => ask({ auth_session: last.body.auth_session, authenticator: choice(last), fallback: cause }),
    async pin(asked) {
      let last = asked
      const exchange: PinExchange = {
        async begin(handle, answer) {
          if (handle !== null) last = await phone.step(last, answer as JsonValue)
          return { handle: last.body.step.handle, step: last.body.step.step }
        },
        async finish(_, answer) {
          last = await phone.step(last, answer as JsonValue, true)
          return last
        },
      }
      await loginPin({ ...of, exchange, pin: utf8(PIN), slots: [slot!], purpose: 'login' })
      return last
    },
  }
  return phone
}

const choice = (answer: Answer): string => answer.body.choices.find((c: { type: string }) => c.type === TYPE).id

describe('an authenticator that the bank wrote', () => {
  let world: World
  afterEach(() => world.close())

  it('enrols, asks for two letters of the word, and logs in', async () => {
    world = await startWorld()
    const phone = await phoneWith(world)
    const asked = await phone.start()
    expect(asked.body.step.step).toMatchObject({ ask: 'answer', outcome: 'continue', reply: { ask: 'letters' } })
    const done = await phone.answer(asked, WORD)
    expect(done.status).toBe(200)
    const tokens = await phone.redeem(done)
    expect(tokens.body.token_type).toBe('DPoP')
    const claims = JSON.parse(Buffer.from(tokens.body.access_token.split('.')[1], 'base64url').toString())
    expect(claims).toMatchObject({ acr: 'pin', amr: ['kba'] })
  })

  it('falls back on the PIN', async () => {
    world = await startWorld()
    const phone = await phoneWith(world, { pin: true })
    const asked = await phone.start()
    expect(asked.body.fallback).toContainEqual(expect.objectContaining({ from: TYPE, to: ['pin'] }))
    const wrong = await phone.answer(asked, 'xxxxxxxxxxxx')
    expect(wrong.body.step.step).toMatchObject({ ask: 'answer', outcome: 'retry' })
    const fallen = await phone.fallBack(wrong, 'failed')
    const done = await phone.pin(fallen)
    expect(done.status).toBe(200)
    expect((await phone.redeem(done)).body.token_type).toBe('DPoP')
  })

  it('is locked after three wrong answers, whatever was asked', async () => {
    world = await startWorld()
    const phone = await phoneWith(world)
    let asked = await phone.start()
    for (let i = 0; i < 2; i++) {
      expect((await phone.answer(asked, 'xxxxxxxxxxxx')).body.step.step.outcome).toBe('retry')
      asked = await phone.start()
    }
    expect((await phone.answer(asked, 'xxxxxxxxxxxx')).body.code).toBe('authenticator.locked')
    expect((await phone.start()).body).toMatchObject({ code: 'authenticator.none_usable' })
  })

  it.each([
    ['a throw', () => Promise.reject(new Error('the word is Wintergarten'))],
    ['a function that never answers', () => new Promise(() => {})],
    ['an answer that is none', () => Promise.resolve({ outcome: 'ok' })],
  ])('%s costs a try, lets nobody in and says nothing; the next right answer does', async (_, how) => {
    const { word, breaks } = breakable()
    world = await startWorld({ word })
    const phone = await phoneWith(world)
    breaks.how = how
    const asked = await phone.start()
    const failed = await phone.answer(asked, WORD)
    expect([failed.status, failed.body.code, breaks.calls]).toEqual([403, 'authenticator.failed', 1])
    expect(JSON.stringify(failed.body)).not.toContain('Wintergarten')
    // The handle was burnt with the try: the same answer again does not reach the bank.
    expect(
      (await phone.answer({ ...asked, body: { ...asked.body, auth_session: failed.body.auth_session } }, WORD)).body.code,
    ).toBe('authenticator.failed')
    expect(breaks.calls).toBe(1)
    breaks.how = null
    expect((await phone.answer(await phone.start(), WORD)).status).toBe(200)
  })
})
