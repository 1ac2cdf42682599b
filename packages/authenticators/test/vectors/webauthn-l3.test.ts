/** Every test vector of WebAuthn Level 3 §16.1, both ways, on every crypto port. */
import { appleAnchors } from '@postern/authenticators/webauthn/anchors'
import type { AttestationTrust } from '@postern/authenticators/webauthn/attestation'
import { verifyAuthentication } from '@postern/authenticators/webauthn/authentication'
import { verifyRegistration } from '@postern/authenticators/webauthn/registration'
import { hex } from '@postern/core/bytes'
import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { createCrypto as createNode } from '@postern/core/crypto/node'
import { createCrypto as createWeb } from '@postern/core/crypto/web'
import { describe, expect, it } from 'vitest'
import {
  assertionOf,
  caseOf,
  codeOf,
  crypto,
  expectedOf,
  missing,
  now,
  registrationOf,
  w3c,
  w3cRoot,
} from '../webauthnVectors.js'

const anchors = [w3cRoot!]
const trust: AttestationTrust = {
  anchors: { packed: anchors, tpm: anchors, apple: anchors, 'android-key': anchors, 'fido-u2f': anchors },
  tpmVendors: 'any',
  unstated: 'report',
}
/** What each statement says, and what stands against trusting it. */
const says: Readonly<Record<string, readonly [string, string, string | null]>> = {
  'none-es256': ['none', 'none', 'none'],
  'packed-self-es256': ['packed', 'self', 'self'],
  'none-es256-crossOrigin': ['none', 'none', 'none'],
  'none-es256-topOrigin': ['none', 'none', 'none'],
  'none-es256-long-credential-id': ['none', 'none', 'none'],
  'packed-es256': ['packed', 'certified', null],
  'packed-es384': ['packed', 'certified', null],
  'packed-es512': ['packed', 'certified', null],
  'packed-rs256': ['packed', 'certified', null],
  'packed-eddsa': ['packed', 'certified', null],
  'packed-ed448': ['packed', 'certified', null],
  'tpm-es256': ['tpm', 'certified', null],
  // Its lists are empty and its levels software: an emulator's, not a phone's.
  'android-key-es256': ['android-key', 'certified', 'android.software'],
  'apple-es256': ['apple', 'certified', null],
  'fido-u2f-es256': ['fido-u2f', 'certified', null],
}

describe.skipIf(missing).each([createNode(), createWeb(), createNoble()])('W3C Level 3 §16.1 on $name', (port) => {
  it('has fifteen pairs', () => expect(w3c.cases.map((c) => c.id)).toEqual(Object.keys(says)))

  it.each(w3c.cases)('$id registers, and signs in', async (c) => {
    const { registration: r, authentication: a } = c
    const credential = await verifyRegistration(registrationOf(c), expectedOf(c, 'registration'), { crypto: port, now, trust })
    const { format, type, doubt, trusted } = credential.attestation
    expect([format, type, doubt]).toEqual(says[c.id])
    expect(trusted).toBe(doubt === null)
    expect([hex(credential.id), hex(credential.aaguid)]).toEqual([r['credential_id'], r['aaguid']])
    expect(credential.transports).toEqual(['internal', 'usb'])
    const assertion = await verifyAuthentication(assertionOf(c), credential, expectedOf(c, 'authentication'), { crypto: port })
    const flags = Number.parseInt(a['authenticatorData']!.slice(64, 66), 16)
    expect(assertion).toMatchObject({
      regressed: false,
      counter: 0,
      userVerified: (flags & 4) !== 0,
      backedUp: (flags & 16) !== 0,
      backupChanged: ((flags & 16) !== 0) !== credential.backedUp,
    })
  })
})

describe.skipIf(missing)('W3C Level 3 §16.1, judged by what was asked', () => {
  const register = (id: string, change: object = {}, o: AttestationTrust = trust) =>
    codeOf(
      verifyRegistration(
        registrationOf(caseOf(id)),
        { ...expectedOf(caseOf(id), 'registration'), ...change },
        { crypto, now, trust: o },
      ),
    )

  it('each certified one is untrusted under another authority, and past its dates', async () => {
    for (const [id, [format, type]] of Object.entries(says)) {
      if (type !== 'certified') continue
      const others = { ...trust, anchors: { [format]: appleAnchors } }
      expect([id, await register(id, { trusted: true }, others)]).toEqual([id, 'webauthn.attestation_untrusted'])
      expect([id, await register(id, {}, others)]).toEqual([id, 'ok'])
      expect([id, await register(id, { trusted: true }, { ...trust, anchors: {} })]).toEqual([
        id,
        'webauthn.attestation_untrusted',
      ])
    }
    for (const id of ['none-es256', 'packed-self-es256', 'android-key-es256'])
      expect(await register(id, { trusted: true })).toBe('webauthn.attestation_untrusted')
    const late = { crypto, now: Date.UTC(3025, 0, 1), trust }
    const c = caseOf('packed-es256')
    const asked = { ...expectedOf(c, 'registration'), trusted: true }
    expect(await codeOf(verifyRegistration(registrationOf(c), asked, late))).toBe('webauthn.attestation_untrusted')
  })

  it('an Android key that says nothing of itself, and a TPM of an unknown maker, are refused by default', async () => {
    const { unstated: _, ...strict } = trust
    expect(await register('android-key-es256', {}, strict)).toBe('webauthn.attestation_invalid')
    const { tpmVendors: __, ...listed } = trust
    expect(await register('tpm-es256', {}, listed)).toBe('webauthn.attestation_invalid')
    expect(await register('tpm-es256', {}, { ...trust, tpmVendors: new Set(['id:00000000']) })).toBe('ok')
  })

  it('A09 a frame in a stranger’s page is refused, one in a page that is listed is not', async () => {
    const framed = ['none-es256-crossOrigin', 'none-es256-topOrigin'] as const
    expect(await register(framed[0], { crossOrigin: false })).toBe('webauthn.cross_origin')
    expect(await register(framed[0], { topOrigins: [] })).toBe('ok')
    expect(await register(framed[1], { crossOrigin: false })).toBe('ok')
    for (const topOrigins of [[], ['https://example.net'], ['https://example.com.evil.example'], ['https://example.com/']])
      expect(await register(framed[1], { topOrigins })).toBe('webauthn.cross_origin')
  })

  it('an algorithm that was not offered is refused', async () => {
    expect(await register('packed-ed448', { algorithms: [-7, -8, -257] })).toBe('webauthn.algorithm')
    expect(await register('packed-ed448', { algorithms: [-53] })).toBe('ok')
  })
})
