import { existsSync, readFileSync } from 'node:fs'
import { createKe1, createKe3, createRegistrationRequest, finalizeRegistration } from '@postern/authenticators/opaque/client'
import { curve25519Over, curve25519Sha512 } from '@postern/authenticators/opaque/curve25519'
import { p256Sha256 } from '@postern/authenticators/opaque/p256'
import {
  createKe2,
  createRegistrationResponse,
  expandSeedOf,
  fakeRecord,
  finishLogin,
} from '@postern/authenticators/opaque/server'
import { type OpaqueSuite, ristretto255Sha512, sizes } from '@postern/authenticators/opaque/suite'
import { fromHex, hex } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { describe, expect, it } from 'vitest'
import { vectorsAt } from '../vectorsAt.js'

const file = vectorsAt('auth/opaque/vectors.json')
const present = existsSync(file) || process.env['POSTERN_REQUIRE'] === 'all'
interface Vector {
  readonly config: { readonly Fake: string; readonly Group: string; readonly Context: string }
  readonly inputs: Readonly<Record<string, string>>
  readonly intermediates: Readonly<Record<string, string>>
  readonly outputs: Readonly<Record<string, string>>
}
const vectors: readonly Vector[] = present ? JSON.parse(readFileSync(file, 'utf8')) : []
const suites: Readonly<Record<string, OpaqueSuite>> = {
  'curve25519 native': curve25519Over(createCrypto()),
  ristretto255: ristretto255Sha512,
  curve25519: curve25519Sha512,
  'P256_XMD:SHA-256_SSWU_RO_': p256Sha256,
}
const noRandom = () => {
  throw new Error('a vector leaves nothing to chance')
}
const identity = (input: Uint8Array) => input

describe.skipIf(!present)('RFC 9807 Appendix C', () => {
  it('has six real and three fake vectors', () => {
    expect(vectors.map((v) => v.config.Fake).sort()).toEqual([...Array(6).fill('False'), ...Array(3).fill('True')])
  })

  it.each(
    [
      ...vectors,
      ...vectors
        .filter((v) => v.config.Group === 'curve25519')
        .map((v) => ({ ...v, config: { ...v.config, Group: 'curve25519 native' } })),
    ].map((v, i) => ({ v, name: `${i + 1}: ${v.config.Group}, fake ${v.config.Fake}` })),
  )('vector $name', async ({ v }) => {
    const s = suites[v.config.Group]!
    const b = (name: string) => fromHex(v.inputs[name]!)!
    const ids = {
      ...(v.inputs['client_identity'] === undefined ? {} : { clientIdentity: b('client_identity') }),
      ...(v.inputs['server_identity'] === undefined ? {} : { serverIdentity: b('server_identity') }),
    }
    const keys = {
      publicKey: b('server_public_key'),
      privateKey: b('server_private_key'),
      expandSeed: expandSeedOf(s, b('oprf_seed')),
    }
    const server = {
      ...ids,
      credentialIdentifier: b('credential_identifier'),
      context: fromHex(v.config.Context)!,
      keys,
      maskingNonce: b('masking_nonce'),
      serverNonce: b('server_nonce'),
      keyshareSeed: b('server_keyshare_seed'),
    }
    if (v.config.Fake === 'True') {
      const record = fakeRecord(s, b('client_public_key'), b('masking_key'))
      expect(hex((await createKe2(s, { ...server, record, ke1: b('KE1') })).ke2)).toBe(v.outputs['KE2'])
      return
    }
    const password = b('password')
    const registration = createRegistrationRequest(s, password, { random: noRandom, blind: b('blind_registration') })
    expect(hex(registration.request)).toBe(v.outputs['registration_request'])
    const response = await createRegistrationResponse(s, {
      request: registration.request,
      credentialIdentifier: server.credentialIdentifier,
      keys,
    })
    expect(hex(response)).toBe(v.outputs['registration_response'])
    const registered = await finalizeRegistration(s, {
      ...ids,
      password,
      blind: registration.blind,
      response,
      envelopeNonce: b('envelope_nonce'),
      stretch: identity,
    })
    expect(hex(registered.record)).toBe(v.outputs['registration_upload'])
    expect(hex(registered.exportKey)).toBe(v.outputs['export_key'])
    const state = await createKe1(s, password, {
      random: noRandom,
      blind: b('blind_login'),
      nonce: b('client_nonce'),
      keyshareSeed: b('client_keyshare_seed'),
    })
    expect(hex(state.ke1)).toBe(v.outputs['KE1'])
    const answer = await createKe2(s, { ...server, record: registered.record, ke1: state.ke1 })
    expect(hex(answer.ke2)).toBe(v.outputs['KE2'])
    const done = await createKe3(s, { ...ids, password, state, ke2: answer.ke2, context: server.context, stretch: identity })
    expect(hex(done!.ke3)).toBe(v.outputs['KE3'])
    expect(hex(done!.sessionKey)).toBe(v.outputs['session_key'])
    expect(hex(done!.exportKey)).toBe(v.outputs['export_key'])
    expect(hex(finishLogin(s, answer.state, done!.ke3)!)).toBe(v.outputs['session_key'])
    const sized = sizes(s)
    expect([registration.request, response, registered.record, state.ke1, answer.ke2, done!.ke3].map((m) => m.length)).toEqual([
      sized.request,
      sized.response,
      sized.record,
      sized.ke1,
      sized.ke2,
      sized.ke3,
    ])
  })
})
