/// <reference types="node" />
import { generateKeyPairSync } from 'node:crypto'
import type { AttestationTrust, CertifiedFormat } from '@postern/authenticators/webauthn/attestation'
import type { Metadata } from '@postern/authenticators/webauthn/mds'
import { type NewCredential, verifyRegistration } from '@postern/authenticators/webauthn/registration'
import { parseCertificate } from '@postern/core/x509'
import { describe, expect, it } from 'vitest'
import {
  anchorOf,
  attestAndroid,
  attestApple,
  attestCompound,
  attester,
  attestPacked,
  attestU2f,
  authority,
  basic,
  der,
  type Holder,
  int,
  issue,
  model,
  originTag,
  purpose,
  rootOfTrust,
  soundHardware,
  tag,
} from '../attesters.js'
import { type Attest, attestNone, attestSelf, flag, origin, passkey, rpId } from '../passkey.js'
import { codeOf, now, refusalOf } from '../webauthnVectors.js'
import { crypto, random } from '../world.js'

const challenge = random(32)
const root = authority()
const leafOf = (by: Holder = root, o: Parameters<typeof issue>[1] = {}) => issue(by, o)
const zeros = new Uint8Array(16)

/** Registers with this attestation, every format's authority being `root` unless told otherwise. */
function register(
  attest: Attest,
  o: { trust?: AttestationTrust; now?: number; aaguid?: Uint8Array; trusted?: boolean; flags?: number } = {},
): Promise<NewCredential> {
  const options = {
    rp: { id: rpId, name: '' },
    user: { id: 'AQ', name: '', displayName: '' },
    challenge: Buffer.from(challenge).toString('base64url'),
  } as never
  const authData = (bytes: Uint8Array) => {
    bytes.set(o.aaguid ?? zeros, 37)
    return bytes
  }
  const answer = passkey().create(options, { attest, authData, flags: o.flags ?? flag.up })
  const expected = {
    challenge,
    rpId,
    origins: [origin],
    userVerification: 'preferred' as const,
    algorithms: [-7],
    trusted: o.trusted ?? false,
  }
  const formats: readonly CertifiedFormat[] = ['packed', 'tpm', 'android-key', 'apple', 'fido-u2f']
  const anchors = Object.fromEntries(formats.map((fmt) => [fmt, [anchorOf(root)]]))
  return verifyRegistration(answer, expected, { crypto, now: o.now ?? now, trust: { anchors, ...o.trust } })
}
const doubtOf = async (...args: Parameters<typeof register>) => (await register(...args)).attestation.doubt
const invalid = async (...args: Parameters<typeof register>) => {
  const refusal = await refusalOf(register(...args))
  return refusal?.code === 'webauthn.attestation_invalid' ? refusal.reason : `not refused so, but ${refusal?.code}`
}

describe('A14 chains of attestation', () => {
  const middle = authority(root)
  const leaf = leafOf(middle)

  it('lead to an anchor, with the root in x5c or without, or from the leaf alone', async () => {
    for (const attest of [
      attestPacked(leafOf()),
      attestPacked(leafOf(), [root]),
      attestPacked(leaf, [middle]),
      attestPacked(leaf, [middle, root]),
    ])
      expect((await register(attest, { trusted: true })).attestation).toMatchObject({
        trusted: true,
        hardware: true,
        doubt: null,
      })
    const pinned = { anchors: { packed: [anchorOf(middle)] } }
    expect(await doubtOf(attestPacked(leaf), { trust: pinned })).toBe(null)
  })

  it('of a certificate that signs itself, of an unknown root, with a link missing or out of order, are untrusted', async () => {
    const alone = issue(null)
    const stranger = authority()
    for (const [attest, doubt] of [
      [attestPacked(alone), 'chain.anchor'],
      [attestPacked(leafOf(stranger), [stranger]), 'chain.anchor'],
      [attestPacked(leaf), 'chain.anchor'],
      [attestPacked(leaf, [root, middle]), 'chain.anchor'],
      // A root of the same name under another key.
      [attestPacked(leafOf({ ...stranger, subject: root.subject })), 'chain.anchor'],
    ] as const) {
      expect(await doubtOf(attest)).toBe(doubt)
      expect(await codeOf(register(attest, { trusted: true }))).toBe('webauthn.attestation_untrusted')
    }
  })

  it('past the dates of any of them are untrusted', async () => {
    const old = authority(root, { notAfter: Date.UTC(2025, 0, 1) })
    for (const attest of [
      attestPacked(leafOf(root, { notAfter: now - 1000 })),
      attestPacked(leafOf(root, { notBefore: now + 1000 })),
      attestPacked(leafOf(old), [old]),
    ])
      expect(await doubtOf(attest)).toBe('expired')
  })

  it('with a leaf as authority, or an authority without the right, are untrusted', async () => {
    const plain = leafOf()
    expect(await doubtOf(attestPacked(leafOf(plain), [plain]))).toBe('issuer.ca')
    const bare = authority(root, { extensions: [] })
    expect(await doubtOf(attestPacked(leafOf(bare), [bare]))).toBe('issuer.ca')
    const mute = authority(root, {
      extensions: [basic(true), { oid: '2.5.29.15', critical: true, value: der(3, Uint8Array.of(1, 2)) }],
    })
    expect(await doubtOf(attestPacked(leafOf(mute), [mute]))).toBe('issuer.usage')
    const odd = leafOf(root, { extensions: [basic(false), { oid: '1.2.3.4', critical: true, value: int(1) }] })
    expect(await doubtOf(attestPacked(odd))).toBe('extension.critical')
  })
})

describe('A14 packed', () => {
  it('wants a certificate of version 3 that is no authority, for attestation, and names its maker', async () => {
    const without = (type: string) => Object.fromEntries(Object.entries(attester).filter(([name]) => name !== type))
    for (const [bent, reason] of [
      [{ extensions: [basic(true)] }, 'certificate.ca'],
      [{ extensions: [] }, 'certificate.ca'],
      [{ version: 1 }, 'certificate.ca'],
      [{ subject: { ...attester, '2.5.4.11': 'Attestation' } }, 'packed.subject'],
      [{ subject: without('2.5.4.11') }, 'packed.subject'],
      [{ subject: { ...attester, '2.5.4.6': 'Norway' } }, 'packed.subject'],
      [{ subject: without('2.5.4.10') }, 'packed.subject'],
      [{ subject: without('2.5.4.3') }, 'packed.subject'],
    ] as const)
      expect(await invalid(attestPacked(leafOf(root, bent)))).toBe(reason)
  })

  it('wants the model of its certificate, where that names one', async () => {
    const aaguid = random(16)
    const named = (value: Uint8Array, critical = false) =>
      attestPacked(leafOf(root, { extensions: [basic(false), model(value, critical)] }))
    expect(await doubtOf(named(aaguid), { aaguid })).toBe(null)
    expect(await invalid(named(random(16)), { aaguid })).toBe('certificate.model')
    expect(await invalid(named(aaguid, true), { aaguid })).toBe('certificate.model')
  })

  it('wants the signature of the certificate’s key by its algorithm; x5c and self are not each other', async () => {
    const leaf = leafOf()
    expect(await invalid((i) => ({ fmt: 'packed', attStmt: { ...(attestSelf(i).attStmt as object), x5c: [leaf.der] } }))).toBe(
      'signature',
    )
    expect(await invalid(attestPacked(leaf, [], { x5c: undefined }))).not.toBe(null)
    expect(await invalid((i) => ({ fmt: 'packed', attStmt: { ...(attestPacked(leaf)(i).attStmt as object), alg: -257 } }))).toBe(
      'alg',
    )
    expect(await invalid((i) => ({ fmt: 'packed', attStmt: { ...(attestSelf(i).attStmt as object), alg: -9 } }))).toBe(
      'packed.self',
    )
    expect(await invalid((i) => ({ ...attestSelf({ ...i, clientDataHash: random(32) }) }))).toBe('packed.self')
    expect((await register(attestSelf)).attestation).toMatchObject({
      type: 'self',
      trusted: false,
      hardware: false,
      doubt: 'self',
    })
  })

  it('wants its members and no others, 1 to 8 certificates, all of them sound', async () => {
    const leaf = leafOf()
    const bent = (change: object) => (i: Parameters<Attest>[0]) => ({
      fmt: 'packed',
      attStmt: { ...(attestPacked(leaf)(i).attStmt as object), ...change },
    })
    for (const change of [
      { more: 1 },
      { sig: 'x' },
      { alg: '-7' },
      { x5c: [] },
      { x5c: leaf.der },
      { x5c: ['x'] },
      { x5c: [new Uint8Array(3)] },
      { x5c: Array(9).fill(leaf.der) },
      { x5c: [leaf.der.slice(0, -1)] },
    ])
      expect(await codeOf(register(bent(change)))).toBe('webauthn.attestation_invalid')
    for (const attStmt of [{}, [], 'x', 1, null, new Uint8Array(0)])
      expect(await codeOf(register(() => ({ fmt: 'packed', attStmt })))).toBe('webauthn.attestation_invalid')
  })
})

describe('A14 apple', () => {
  it('is trusted by its nonce and key alone', async () => {
    expect((await register(attestApple(root), { trusted: true })).attestation).toMatchObject({
      format: 'apple',
      trusted: true,
      hardware: true,
    })
    expect(await invalid(attestApple(root, { nonce: () => random(32) }))).toBe('apple.nonce')
    expect(await invalid(attestApple(root, { nonce: (n) => n.slice(1) }))).toBe('apple.nonce')
    const other = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey
    expect(await invalid(attestApple(root, { key: other }))).toBe('apple.key')
    expect(await invalid(() => ({ fmt: 'apple', attStmt: { x5c: [leafOf().der] } }))).toBe('apple.nonce')
  })
})

describe('A14 android-key', () => {
  const doubt = (o: Parameters<typeof attestAndroid>[1]) => doubtOf(attestAndroid(root, o))
  const refused = (o: Parameters<typeof attestAndroid>[1]) => invalid(attestAndroid(root, o))

  it('is trusted when hardware states origin, purpose and a phone that boots what it should', async () => {
    expect((await register(attestAndroid(root), { trusted: true })).attestation).toMatchObject({
      format: 'android-key',
      trusted: true,
      hardware: true,
    })
    expect(await doubt({ level: 2 })).toBe(null)
    expect(await doubt({ hardware: [purpose(2, 3), originTag(0), rootOfTrust(true, 0)] })).toBe(null)
  })

  it('without its challenge, its description, or for another key, is invalid', async () => {
    expect(await refused({ challenge: random(32) })).toBe('android.challenge')
    expect(await refused({ without: true })).toBe('android.description')
    expect(await refused({ key: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey })).toBe('android.key')
  })

  it('in software, with an unlocked or unverified boot, or with the root of trust only claimed by the system, is untrusted', async () => {
    expect(await doubt({ level: 0 })).toBe('android.software')
    expect(await doubt({ level: 0, keymintLevel: 1 })).toBe('android.software')
    expect(await doubt({ level: 1, keymintLevel: 0 })).toBe('android.software')
    expect(await doubt({ hardware: [purpose(2), originTag(0), rootOfTrust(false, 0)] })).toBe('android.boot')
    for (const state of [1, 2, 3])
      expect(await doubt({ hardware: [purpose(2), originTag(0), rootOfTrust(true, state)] })).toBe('android.boot')
    expect(await doubt({ hardware: [purpose(2), originTag(0)], software: [rootOfTrust(true, 0)] })).toBe('android.root')
    expect(await doubt({ hardware: [rootOfTrust(true, 0)], software: [purpose(2), originTag(0)] })).toBe('android.root')
  })

  it('for every app, imported, or for more than signing, is invalid on either side', async () => {
    const everyApp = tag(600, der(5))
    for (const bad of [[everyApp], [originTag(2)], [originTag(1)], [purpose(3)], [purpose(2, 0)], [purpose()]]) {
      expect(await refused({ software: bad })).toMatch(/^android\./)
      const tags = bad[0]![0] === 0xa1 ? [...bad, originTag(0), rootOfTrust(true, 0)] : [purpose(2), ...bad, rootOfTrust(true, 0)]
      expect(await refused({ hardware: tags })).toMatch(/^android\./)
    }
  })

  it('that states nothing is refused, or reported where the host asks for that and never trusted', async () => {
    expect(await refused({ hardware: [] })).toBe('android.unstated')
    expect(await refused({ hardware: [purpose(2)] })).toBe('android.unstated')
    expect(
      await doubtOf(attestAndroid(root, { hardware: [] }), {
        trust: { anchors: { 'android-key': [anchorOf(root)] }, unstated: 'report' },
      }),
    ).toBe('android.root')
    expect(await invalid(attestAndroid(root, { hardware: [originTag(2)] }), { trust: { unstated: 'report' } })).toBe(
      'android.origin',
    )
  })

  it('whose chain an attested key has lengthened, or whose description is malformed, is invalid', async () => {
    const above = parseCertificate((await captured(attestAndroid(root)))[0]!)
    expect(await refused({ extra: [above.der, root.der] })).toBe('android.chain')
    expect(await refused({ hardware: [...soundHardware, originTag(0)] })).toMatch(/keydescription\.refused/)
    expect(await refused({ hardware: [purpose(2), tag(702, int(0), int(0))] })).toMatch(/keydescription\.refused/)
    expect(await refused({ level: 3 })).toMatch(/keydescription\.refused/)
  })
})

/** The certificates that an attestation shows. */
async function captured(attest: Attest): Promise<readonly Uint8Array[]> {
  const { attestation } = await register(attest)
  return attestation.chain.map((one) => one.der)
}

describe('A14 fido-u2f', () => {
  it('is trusted by a chain, whatever AAGUID the client wrote', async () => {
    for (const aaguid of [zeros, random(16)])
      expect((await register(attestU2f(leafOf()), { aaguid, trusted: true })).attestation).toMatchObject({
        format: 'fido-u2f',
        trusted: true,
      })
  })

  it('wants one certificate for P-256, and the signature over what U2F signs', async () => {
    const leaf = leafOf()
    expect(await invalid(attestU2f(leaf, { x5c: [leaf.der, root.der] }))).toBe('u2f.certificate')
    const p384 = leafOf(root, { key: generateKeyPairSync('ec', { namedCurve: 'secp384r1' }) })
    expect(await invalid(attestU2f(p384))).toBe('u2f.certificate')
    expect(await invalid(attestU2f(leaf, { sig: new Uint8Array(70) }))).toBe('signature')
    expect(await invalid((i) => attestU2f(leaf)({ ...i, credentialId: random(32) }))).toBe('signature')
    expect(await invalid(attestU2f(leaf, { alg: -7 }))).toBe('member')
    for (const flags of [flag.up | flag.uv, flag.up | flag.be, flag.up | flag.be | flag.bs])
      expect(await invalid(attestU2f(leaf), { flags })).toBe('u2f.flags')
  })
})

describe('A14 compound', () => {
  const leaf = leafOf()
  const stranger = leafOf(authority())

  it('verifies all, and trusts all or any of them', async () => {
    const { attestation } = await register(attestCompound(attestPacked(leaf), attestApple(root)), { trusted: true })
    expect(attestation).toMatchObject({ format: 'compound', type: 'compound', trusted: true, hardware: true })
    expect(attestation.statements.map(({ format, trusted }) => [format, trusted])).toEqual([
      ['packed', true],
      ['apple', true],
    ])
    const mixed = attestCompound(attestPacked(stranger), attestPacked(leaf))
    expect((await register(mixed)).attestation).toMatchObject({ trusted: false, hardware: false, doubt: 'chain.anchor' })
    const any = { anchors: { packed: [anchorOf(root)] }, compound: 'any' } as const
    expect((await register(mixed, { trust: any })).attestation).toMatchObject({ trusted: true, doubt: null })
    expect((await register(attestCompound(attestSelf, attestNone), { trust: any })).attestation).toMatchObject({
      trusted: false,
      doubt: 'self',
    })
    // A statement that does not verify refuses the whole, however many others do.
    const bad: Attest = (i) => attestPacked(leaf)({ ...i, clientDataHash: random(32) })
    expect(await invalid(attestCompound(attestPacked(leaf), bad), { trust: any })).toBe('signature')
  })

  it('holds 2 to 8 statements, none of them compound', async () => {
    const one = attestPacked(leaf)
    expect(await invalid(attestCompound(one))).toBe('compound.size')
    expect(await invalid(attestCompound(...Array<Attest>(9).fill(one)))).toBe('compound.size')
    expect(await invalid(attestCompound(one, attestCompound(one, one)))).toBe('compound.statement')
    expect(await invalid(attestCompound(one, (i) => ({ ...one(i), more: 1 }) as never))).toBe('compound.statement')
    expect(await codeOf(register(attestCompound(one, () => ({ fmt: 'android-safetynet', attStmt: {} }))))).toBe(
      'webauthn.format_unsupported',
    )
    expect((await register(attestCompound(...Array<Attest>(8).fill(one)))).attestation.statements).toHaveLength(8)
  })
})

describe('A14 none and the rest', () => {
  it('none says nothing, android-safetynet and unknown formats are not supported', async () => {
    expect((await register(attestNone)).attestation).toMatchObject({ type: 'none', trusted: false, hardware: false })
    expect(await invalid(() => ({ fmt: 'none', attStmt: { x: 1 } }))).toBe('member')
    for (const fmt of ['android-safetynet', 'x', '', 'constructor', '__proto__'])
      expect(await codeOf(register(() => ({ fmt, attStmt: {} })))).toBe('webauthn.format_unsupported')
  })

  it('a chain serves the format that its anchor was given for and no other', async () => {
    const trust = { anchors: { apple: [anchorOf(root)] } }
    expect(await doubtOf(attestPacked(leafOf()), { trust })).toBe('chain.anchor')
    expect(await doubtOf(attestApple(root), { trust })).toBe(null)
  })
})

describe('A14 metadata', () => {
  const aaguid = random(16)
  const leaf = leafOf()
  const known = (
    change: { roots?: readonly Holder[]; status?: readonly string[]; protection?: readonly string[] } = {},
  ): Metadata => {
    const entry = {
      description: 'Model',
      anchors: () => (change.roots ?? [root]).map((one) => parseCertificate(one.der)),
      keyProtection: change.protection ?? ['hardware'],
      reports: (change.status ?? ['FIDO_CERTIFIED_L1']).map((status) => ({ status, effective: null })),
    }
    const id = Buffer.from(aaguid).toString('hex')
    return { no: 1, nextUpdate: 0, size: 1, byAaguid: (one) => (one === id ? entry : null), byKeyId: () => null }
  }
  const judged = async (metadata: Metadata, attest = attestPacked(leaf), id = aaguid) =>
    (await register(attest, { aaguid: id, trust: { metadata, anchors: {} } })).attestation

  it('trusts a model by its own authority, and says whether its keys are in hardware', async () => {
    expect(await judged(known())).toMatchObject({ trusted: true, hardware: true, metadata: { description: 'Model' } })
    expect(await judged(known({ protection: ['software'] }))).toMatchObject({ trusted: true, hardware: false })
    expect(await judged(known(), attestPacked(leaf), random(16))).toMatchObject({ trusted: false, metadata: null })
    expect(await judged(known({ roots: [authority()] }))).toMatchObject({ trusted: false, doubt: 'chain.anchor' })
  })

  it('is that of the model which the chain leads to, not of one whose AAGUID somebody wrote into an answer', async () => {
    const byFormat = async (attest: Attest, metadata: Metadata) =>
      (await register(attest, { aaguid, trust: { metadata }, trusted: true })).attestation
    // U2F signs no AAGUID: a genuine key of the same maker, named as another of his models.
    expect(await byFormat(attestU2f(leaf), known())).toMatchObject({ trusted: true, metadata: null, model: false })
    // An app signs with its keystore what it likes; the chain is Android's and not that of the model it names.
    const other = known({ roots: [authority()] })
    expect(await byFormat(attestAndroid(root), other)).toMatchObject({ trusted: true, metadata: null, model: false })
    expect(await byFormat(attestPacked(leaf), other)).toMatchObject({ trusted: true, metadata: null, model: true })
    expect(await byFormat(attestPacked(leaf), known())).toMatchObject({ metadata: { description: 'Model' }, model: true })
    expect(await byFormat(attestAndroid(root), known())).toMatchObject({ metadata: { description: 'Model' }, model: true })
    expect(await judged(known(), attestNone)).toMatchObject({ trusted: false, metadata: null, model: false })
    const bad = known({ roots: [authority()], status: ['REVOKED'] })
    expect((await register(attestPacked(leaf), { aaguid, trust: { metadata: bad } })).attestation.doubt).toBe('REVOKED')
  })

  it('trusts an attestation certificate that is itself listed, while it lives', async () => {
    const alone = issue(null)
    expect(await judged(known({ roots: [alone] }), attestPacked(alone))).toMatchObject({ trusted: true })
    const dead = issue(null, { notAfter: Date.UTC(2021, 0, 1) })
    expect(await judged(known({ roots: [dead] }), attestPacked(dead))).toMatchObject({ trusted: false, doubt: 'expired' })
  })

  it.each([
    'REVOKED',
    'USER_VERIFICATION_BYPASS',
    'ATTESTATION_KEY_COMPROMISE',
    'USER_KEY_REMOTE_COMPROMISE',
    'USER_KEY_PHYSICAL_COMPROMISE',
  ])('a model that is reported %s is not trusted, whatever was said before or after', async (status) => {
    expect(await judged(known({ status: ['FIDO_CERTIFIED', status, 'UPDATE_AVAILABLE'] }))).toMatchObject({
      trusted: false,
      hardware: false,
      doubt: status,
    })
  })
})
