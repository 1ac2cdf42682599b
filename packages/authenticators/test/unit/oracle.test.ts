/** The wasm engine of RFC 9807 as a peer in both roles. Its API has no `context`, so ours is empty here; its key stretching is Argon2id with a zero salt. */
import { argon2id } from '@noble/hashes/argon2.js'
import { createKe1, createKe3, createRegistrationRequest, finalizeRegistration } from '@postern/authenticators/opaque/client'
import { createKe2, createRegistrationResponse, expandSeedOf, finishLogin } from '@postern/authenticators/opaque/server'
import { ristretto255Sha512 as s } from '@postern/authenticators/opaque/suite'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { client, ready, server } from '@serenity-kit/opaque'
import { beforeAll, describe, expect, it } from 'vitest'
import { random } from '../world.js'

const keyStretching = { 'argon2id-custom': { iterations: 1, memory: 8, parallelism: 1 } }
const stretch = (input: Uint8Array) => argon2id(input, new Uint8Array(16), { t: 1, m: 8, p: 1, dkLen: 64 })
const from = (text: string) => decodeBase64url(text)!
const to = encodeBase64url
const none = new Uint8Array(0)
const userIdentifier = 'T("credential")'
const password = '27182'

beforeAll(() => ready)

describe.each([
  ['without identities', undefined],
  ['with identities', { client: 'device', server: 'https://bank.example' }],
] as const)('@serenity-kit/opaque, %s', (_, identifiers) => {
  const theirs = identifiers === undefined ? {} : { identifiers }
  const ids =
    identifiers === undefined ? {} : { clientIdentity: utf8(identifiers.client), serverIdentity: utf8(identifiers.server) }

  it('their client registers and logs in at our server', async () => {
    const keys = { ...(await s.group.deriveKeyPair(random(32))), expandSeed: expandSeedOf(s, random(64)) }
    const credentialIdentifier = utf8(userIdentifier)
    const { clientRegistrationState, registrationRequest } = client.startRegistration({ password })
    const response = await createRegistrationResponse(s, { request: from(registrationRequest), credentialIdentifier, keys })
    const { registrationRecord, exportKey } = client.finishRegistration({
      clientRegistrationState,
      registrationResponse: to(response),
      password,
      keyStretching,
      ...theirs,
    })
    for (const [typed, right] of [
      ['27182', true],
      ['27183', false],
    ] as const) {
      const { clientLoginState, startLoginRequest } = client.startLogin({ password: typed })
      const { ke2, state } = await createKe2(s, {
        record: from(registrationRecord),
        ke1: from(startLoginRequest),
        credentialIdentifier,
        context: none,
        ...ids,
        keys,
        maskingNonce: random(32),
        serverNonce: random(32),
        keyshareSeed: random(32),
      })
      const done = client.finishLogin({ clientLoginState, loginResponse: to(ke2), password: typed, keyStretching, ...theirs })
      expect(done !== undefined).toBe(right)
      if (done === undefined) continue
      expect(to(finishLogin(s, state, from(done.finishLoginRequest))!)).toBe(done.sessionKey)
      expect(done.exportKey).toBe(exportKey)
    }
  })

  it('our client registers and logs in at their server', async () => {
    const serverSetup = server.createSetup()
    const bytes = utf8(password)
    const { request, blind } = createRegistrationRequest(s, bytes, { random })
    const { registrationResponse } = server.createRegistrationResponse({
      serverSetup,
      userIdentifier,
      registrationRequest: to(request),
    })
    const registered = await finalizeRegistration(s, {
      ...ids,
      password: bytes,
      blind,
      response: from(registrationResponse),
      envelopeNonce: random(32),
      stretch,
    })
    const state = await createKe1(s, bytes, { random })
    const { serverLoginState, loginResponse } = server.startLogin({
      serverSetup,
      userIdentifier,
      registrationRecord: to(registered.record),
      startLoginRequest: to(state.ke1),
      ...theirs,
    })
    const ke2 = from(loginResponse)
    const done = await createKe3(s, { ...ids, password: bytes, state, ke2, context: none, stretch })
    expect(done!.exportKey).toEqual(registered.exportKey)
    const { sessionKey } = server.finishLogin({ serverLoginState, finishLoginRequest: to(done!.ke3), ...theirs })
    expect(sessionKey).toBe(to(done!.sessionKey))
    expect(await createKe3(s, { ...ids, password: utf8('27183'), state, ke2, context: none, stretch })).toBeNull()
  })
})
