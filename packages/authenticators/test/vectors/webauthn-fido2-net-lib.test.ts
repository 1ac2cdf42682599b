/// <reference types="node" />
/** What real security keys, phones and TPMs wrote, as kept by fido2-net-lib; each with the result that it has here. */
import { createHash, createPublicKey, verify } from 'node:crypto'
import { androidAnchors, appleAnchors } from '@postern/authenticators/webauthn/anchors'
import type { AttestationTrust } from '@postern/authenticators/webauthn/attestation'
import { readAttestationObject } from '@postern/authenticators/webauthn/attestation'
import { verifyAuthentication } from '@postern/authenticators/webauthn/authentication'
import type { AuthenticationResponseJSON } from '@postern/authenticators/webauthn/messages'
import { type NewCredential, verifyRegistration } from '@postern/authenticators/webauthn/registration'
import { decodeBase64url } from '@postern/core/base64url'
import { hex } from '@postern/core/bytes'
import { readCbor, writeCbor } from '@postern/core/cbor'
import { readCoseKey } from '@postern/core/cose'
import { parseCertificate, verifyChain } from '@postern/core/x509'
import { describe, expect, it } from 'vitest'
import { tpm } from '../../src/internal/formats/tpm.js'
import { allAlgs, codeOf, crypto, fido2, fido2Missing, metadata2021, netLibCertificate, refusalOf } from '../webauthnVectors.js'

const at2021 = Date.UTC(2021, 10, 1)
const anchors = { apple: appleAnchors, 'android-key': androidAnchors }

interface Options {
  readonly challenge: string
  readonly rp: { readonly id: string }
}

async function register(
  options: string,
  response: string,
  o: { now?: number; trust?: AttestationTrust; id?: string; crossed?: string } = {},
): Promise<NewCredential> {
  const { challenge, rp } = fido2<Options>(options)
  const body = fido2<Record<string, unknown> & { response: Record<string, string> }>(response)
  const id = o.id ?? (body['rawId'] as string)
  const { origin } = JSON.parse(Buffer.from(body.response['clientDataJSON']!, 'base64url').toString()) as { origin: string }
  return verifyRegistration(
    { ...body, id, rawId: id, type: 'public-key' } as never,
    {
      challenge: decodeBase64url(challenge.replace(/=+$/, ''))!,
      rpId: rp.id,
      origins: [origin],
      userVerification: 'discouraged',
      algorithms: [...allAlgs, -65_535],
    },
    {
      crypto,
      now: o.now ?? at2021,
      trust: { metadata: await metadata2021(), anchors, tpmVendors: new Set(['id:FFFFF1D0']), ...o.trust },
    },
  )
}

/** Options, response, and what the attestation is found to be: format, type, doubt, model. */
const found = [
  ['attestationNoneOptions', 'attestationNoneResponse', 'none', 'none', 'none', null],
  ['attestationOptionsNone', 'attestationResultsNone', 'none', 'none', 'none', null],
  [
    'attestationOptionsATKey',
    'attestationResultsATKey',
    'packed',
    'certified',
    null,
    'AuthenTrend ATKey.Pro FIDO2 Authenticator',
  ],
  // A maker and a model that the metadata of 2021 does not list.
  ['attestationOptionsTrustKeyT110', 'attestationResultTrustKeyT110', 'packed', 'certified', 'chain.anchor', null],
  // The chain closes with its own root, which is nobody's anchor.
  ['attestationOptionsPacked', 'attestationResultsPacked', 'packed', 'certified', 'chain.anchor', null],
  ['attestationOptionsPacked512', 'attestationResultsPacked512', 'packed', 'self', 'self', null],
  // U2F keys have no model and are found by their certificate's key.
  ['attestationOptionsU2F', 'attestationResultsU2F', 'fido-u2f', 'certified', null, 'Security Key by Yubico'],
  ['options1', 'json1', 'fido-u2f', 'certified', null, 'Security Key by Yubico'],
  ['attestationAndroidKeyOptions', 'attestationAndroidKeyResponse', 'android-key', 'certified', 'android.software', null],
  ['attestationTPMSHA256Options', 'attestationTPMSHA256Response', 'tpm', 'certified', 'chain.anchor', null],
] as const

describe.skipIf(fido2Missing)('fido2-net-lib', () => {
  it.each(found)('%s, %s: %s', async (options, response, format, type, doubt, model) => {
    const { attestation, id } = await register(options, response)
    expect([attestation.format, attestation.type, attestation.doubt]).toEqual([format, type, doubt])
    expect([attestation.trusted, attestation.hardware]).toEqual([doubt === null, doubt === null])
    expect(attestation.metadata?.description ?? null).toBe(model)
    expect(hex(id)).toBe(hex(decodeBase64url(fido2<{ rawId: string }>(response).rawId)!))
  })

  it('json2 was made for other options than those beside it', async () => {
    expect(await codeOf(register('options2', 'json2'))).toBe('webauthn.challenge')
  })

  it('Apple: the id beside the signed one is another’s; with its own it is trusted on the days that its certificate lives', async () => {
    const [options, response] = ['attestationAppleOptions', 'attestationAppleResponse']
    expect(await refusalOf(register(options, response))).toEqual({ code: 'webauthn.malformed', reason: 'id' })
    const object = fido2<{ response: { attestationObject: string } }>(response).response.attestationObject
    const { authData } = readAttestationObject(decodeBase64url(object)!)
    const id = Buffer.from(authData.subarray(55, 55 + authData[54]!)).toString('base64url')
    const now = Date.UTC(2020, 9, 7, 12)
    const { attestation } = await register(options, response, { now, id })
    expect(attestation).toMatchObject({ format: 'apple', type: 'certified', trusted: true, hardware: true, doubt: null })
    expect((await register(options, response, { id })).attestation.doubt).toBe('expired')
    const other = await register(options, response, { now, id, trust: { anchors: { apple: androidAnchors } } })
    expect(other.attestation.doubt).toBe('chain.anchor')
  })

  it('a TPM over SHA-1 is refused with its credential, which nobody could trust; its statement verifies where the host asks for that', async () => {
    const [options, response] = ['attestationTPMSHA1Options', 'attestationTPMSHA1Response']
    expect((await refusalOf(register(options, response)))?.code).toBe('webauthn.algorithm')
    const body = fido2<{ response: { attestationObject: string; clientDataJSON: string } }>(response).response
    const { attStmt, authData: raw } = readAttestationObject(decodeBase64url(body.attestationObject)!)
    const keyAt = 55 + raw[54]!
    const [n, e] = [-1, -2].map((k) =>
      Buffer.from((readCbor(raw.subarray(keyAt)) as Map<number, Uint8Array>).get(k)!).toString('base64url'),
    )
    const key = { alg: -257, verifyAlg: 'RS256', jwk: { kty: 'RSA', n: n!, e: e! } } as const
    const authData = { raw, key, aaguid: raw.subarray(37, 53) } as never
    const clientDataHash = await crypto.digest('SHA-256', decodeBase64url(body.clientDataJSON)!)
    const options1 = { crypto, tpmVendors: 'any', unstated: 'refuse' } as const
    const statement = { attStmt, authData, clientDataHash, verifier: { verify: () => false } }
    expect(await tpm(statement, { ...options1, sha1: true })).toMatchObject({ type: 'certified', doubt: null })
    expect((await refusalOf(tpm(statement, { ...options1, sha1: false })))?.code).toBe('webauthn.attestation_invalid')
    const turned = { ...statement, clientDataHash: clientDataHash.map((byte, i) => (i === 0 ? byte ^ 1 : byte)) }
    expect((await refusalOf(tpm(turned, { ...options1, sha1: true })))?.code).toBe('webauthn.attestation_invalid')
    const stmt = new Map(attStmt as ReadonlyMap<string, Uint8Array>)
    stmt.set(
      'sig',
      stmt.get('sig')!.map((byte, i) => (i === 9 ? byte ^ 1 : byte)),
    )
    expect((await refusalOf(tpm({ ...statement, attStmt: stmt }, { ...options1, sha1: true })))?.reason).toBe('signature')
  })

  it('the makers that the metadata does not know are trusted once the host names them', async () => {
    const [options, response] = ['attestationOptionsPacked', 'attestationResultsPacked']
    const { attestation } = await register(options, response)
    const root = attestation.chain.at(-1)!
    expect((await register(options, response, { trust: { anchors: { packed: [root] } } })).attestation.trusted).toBe(true)
    const late = await register(options, response, { now: Date.UTC(2034, 0, 1), trust: { anchors: { packed: [root] } } })
    expect(late.attestation.doubt).toBe('expired')
  })

  it('assertionNone passes every step but the last: another key made it, and OpenSSL says the same', async () => {
    const credential = await register('attestationNoneOptions', 'attestationNoneResponse')
    const { challenge, rpId } = fido2<{ challenge: string; rpId: string }>('assertionNoneOptions')
    const body = fido2<AuthenticationResponseJSON>('assertionNoneResponse')
    const origins = ['https://localhost:44329']
    const expected = { challenge: decodeBase64url(challenge)!, rpId, origins, userVerification: 'discouraged' } as const
    expect(await codeOf(verifyAuthentication(body, credential, expected, { crypto }))).toBe('webauthn.signature')
    const { clientDataJSON, authenticatorData, signature } = body.response
    const hash = createHash('sha256').update(Buffer.from(clientDataJSON, 'base64url')).digest()
    const key = createPublicKey({ key: readCoseKey(credential.publicKey).jwk as never, format: 'jwk' })
    const signed = Buffer.concat([Buffer.from(authenticatorData, 'base64url'), hash])
    expect(verify('sha256', signed, key, Buffer.from(signature, 'base64url'))).toBe(false)
  })

  it('an attestation object is read with its keys in any order, one inside authData is not', async () => {
    const bytes = decodeBase64url(
      fido2<{ response: { attestationObject: string } }>('attestationResultsPacked').response.attestationObject,
    )!
    expect(codeOfSync(() => readCbor(bytes))).toBe('cbor.malformed')
    const { fmt, attStmt, authData } = readAttestationObject(bytes)
    expect(readAttestationObject(writeCbor(new Map(Object.entries({ fmt, attStmt, authData }))))).toEqual({
      fmt,
      attStmt,
      authData,
    })
  })

  it('the old metadata authority’s chain verifies while its signer does', async () => {
    const [signer, ca, root] = ['mdsSigning', 'mdsCA', 'mdsRoot'].map((name) => parseCertificate(netLibCertificate(name)))
    const judged = (now: number, chain = [signer!, ca!]) => refusalOf(verifyChain(chain, { anchors: [root!], now, crypto }))
    expect(await judged(Date.UTC(2017, 0, 1))).toBe(null)
    expect((await judged(Date.UTC(2019, 0, 1)))?.reason).toBe('expired')
    expect((await judged(Date.UTC(2017, 0, 1), [signer!]))?.reason).toBe('chain.anchor')
  })
})

function codeOfSync(call: () => unknown): string | null {
  try {
    call()
    return null
  } catch (error) {
    return (error as { code: string }).code
  }
}
