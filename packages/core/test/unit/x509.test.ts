/// <reference types="node" />
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { concat, fromHex, hex } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { createCrypto as createNoble } from '@postern/core/crypto/noble'
import { createCrypto as createWeb } from '@postern/core/crypto/web'
import {
  type Certificate,
  chainMemory,
  extendedUsages,
  isSignedBy,
  parseCertificate,
  publicKeyOf,
  verifyChain,
} from '@postern/core/x509'
import { alternativeNames, readName } from '@postern/core/x509Names'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { codeOf, refusalOf } from '../support.js'

const ROOTS = '/etc/ssl/certs/ca-certificates.crt'
const required = process.env.POSTERN_REQUIRE === 'all'
const crypto = createCrypto()
const NOW = Date.UTC(2026, 0, 1)

function hasOpenssl(): boolean {
  try {
    return execFileSync('openssl', ['version'], { encoding: 'utf8' }).startsWith('OpenSSL 3')
  } catch {
    return false
  }
}

const fromPem = (pem: string): Uint8Array[] =>
  [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END/g)].map(([, text]) =>
    Uint8Array.from(Buffer.from(text!, 'base64')),
  )

describe.skipIf(!existsSync(ROOTS) && !required)('the roots that this machine trusts', () => {
  it('are read as node:crypto reads them, and each that signed itself in an algorithm of ours verifies', async () => {
    const all = fromPem(readFileSync(ROOTS, 'utf8'))
    expect(all.length).toBeGreaterThan(50)
    let verified = 0
    for (const der of all) {
      const theirs = new X509Certificate(der)
      const ours = parseCertificate(der)
      expect(BigInt(`0x${hex(ours.serial)}`)).toBe(BigInt(`0x${theirs.serialNumber}`))
      expect([ours.notBefore, ours.notAfter]).toEqual([Date.parse(theirs.validFrom), Date.parse(theirs.validTo)])
      const { kty, crv, x, y, n, e } = theirs.publicKey.export({ format: 'jwk' })
      expect(publicKeyOf(ours.spki)).toEqual(JSON.parse(JSON.stringify({ kty, crv, x, y, n, e })))
      const names = readName(ours.subject).flat()
      const common = names.find(({ type }) => type === '2.5.4.3')?.text
      if (common !== undefined) expect(theirs.subject).toContain(`CN=${common}`)
      if ((await refusalOf(isSignedBy(ours, ours.spki, crypto))) !== null) continue
      // The port wants e from 65537 up; some authorities took a smaller one.
      const usable = kty !== 'RSA' || e === 'AQAB'
      expect([theirs.subject, await isSignedBy(ours, ours.spki, crypto)]).toEqual([theirs.subject, usable])
      verified += usable ? 1 : 0
    }
    expect(verified).toBeGreaterThan(30)
  })
})

describe.skipIf(!hasOpenssl() && !required)('chains that openssl makes', () => {
  let folder = ''
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
  const load = (name: string): Certificate => parseCertificate(fromPem(readFileSync(join(folder, `${name}.pem`), 'utf8'))[0]!)
  const key = (name: string, ...algorithm: string[]): void => openssl('genpkey', ...algorithm, '-out', `${name}.key`)
  const P256 = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']

  /** A certificate `name`, signed by `by`, with these extension lines. */
  function issue(name: string, by: string, extensions: string, ...more: string[]): Certificate {
    if (!existsSync(join(folder, `${name}.key`))) key(name, ...P256)
    writeFileSync(join(folder, `${name}.ext`), extensions)
    openssl('req', '-new', '-key', `${name}.key`, '-subj', `/C=NO/O=Bank/CN=${name}`, '-out', `${name}.csr`)
    const signer = by === name ? ['-signkey', `${name}.key`] : ['-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial']
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      ...signer,
      // An authority outlives what it signs, however long openssl takes.
      '-days',
      extensions.includes('CA:TRUE') ? '3650' : '3600',
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.pem`,
      ...more,
    )
    return load(name)
  }
  const CA = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign'
  const LEAF =
    'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\nsubjectAltName=DNS:a.example.com,URI:spiffe://bank/a,IP:10.0.0.1,IP:2001:db8::1,email:a@example.com'
  let root: Certificate
  let middle: Certificate
  let leaf: Certificate
  const judged = (chain: readonly Certificate[], o: { anchors?: readonly Certificate[]; now?: number } = {}) =>
    refusalOf(verifyChain(chain, { anchors: o.anchors ?? [root], now: o.now ?? Date.now(), crypto }))
  const why = async (...args: Parameters<typeof judged>): Promise<string | null> => (await judged(...args))?.reason ?? null

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'postern-x509-'))
    root = issue('root', 'root', CA)
    middle = issue('middle', 'root', 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign')
    leaf = issue('leaf', 'middle', LEAF)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('lead to their anchor, with its certificate or without, and not to another', async () => {
    expect(await judged([leaf, middle])).toBeNull()
    expect(await judged([leaf, middle, root])).toBeNull()
    expect(await judged([leaf], { anchors: [middle] })).toBeNull()
    expect(await judged([root])).toBeNull()
    expect(await why([leaf])).toBe('chain.anchor')
    expect(await why([leaf, root])).toBe('chain.anchor')
    expect(await why([leaf, middle, root], { anchors: [] })).toBe('chain.anchor')
    const other = issue('other', 'other', CA)
    expect(await why([other])).toBe('chain.anchor')
    // The name of the anchor under another key.
    expect(await why([leaf, middle], { anchors: [{ ...other, subject: root.subject }] })).toBe('chain.anchor')
    // Its key under another name.
    expect(await why([leaf, middle], { anchors: [{ ...root, subject: other.subject }] })).toBe('chain.anchor')
    expect(await why([leaf, { ...middle, spki: other.spki }])).toBe('chain.signature')
    expect(await why([])).toBe('chain.length')
    expect(await why(Array.from({ length: 9 }, () => leaf))).toBe('chain.length')
  })

  it('hold only while each of them does', async () => {
    expect(await why([leaf, middle], { now: leaf.notAfter + 1 })).toBe('expired')
    expect(await why([leaf, middle], { now: leaf.notBefore - 1 })).toBe('expired')
    expect(await judged([leaf, middle], { now: leaf.notAfter })).toBeNull()
    expect(await why([leaf, { ...middle, notAfter: NOW }])).toBe('expired')
  })

  it('are made by authorities alone', async () => {
    expect(await why([issue('below-leaf', 'leaf', LEAF), leaf, middle])).toBe('issuer.ca')
    const sub = issue('sub', 'middle', CA)
    expect(await why([issue('below', 'sub', LEAF), sub, middle])).toBe('issuer.path')
    issue('mute', 'root', 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign')
    expect(await why([issue('below-mute', 'mute', LEAF), load('mute')])).toBe('issuer.usage')
    issue('narrow', 'root', `${CA}\nnameConstraints=permitted;DNS:example.com`)
    expect(await why([issue('below-narrow', 'narrow', LEAF), load('narrow')])).toBe('issuer.names')
    issue('old', 'root', '')
    expect(await why([issue('below-old', 'old', LEAF), load('old')])).toBe('issuer.ca')
  })

  it('refuse a critical extension that nobody here understands', async () => {
    expect(await why([issue('odd', 'root', `${LEAF}\n1.2.3.4=critical,DER:0500`)])).toBe('extension.critical')
    expect(await judged([issue('mild', 'root', `${LEAF}\n1.2.3.4=DER:0500`)])).toBeNull()
  })

  it.each([
    ['P-256', P256, []],
    ['P-384', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'], ['-sha384']],
    ['P-521', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'], ['-sha512']],
    ['RSA', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], []],
    [
      'PSS',
      ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
      ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:32'],
    ],
    ['Ed25519', ['-algorithm', 'ED25519'], []],
    ['P-384 with SHA-256', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'], ['-sha256']],
    ['P-256 with SHA-512', P256, ['-sha512']],
    ['P-521 with SHA-384', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'], ['-sha384']],
    ['RSA with SHA-384', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], ['-sha384']],
    ['RSA with SHA-512', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072'], ['-sha512']],
  ])('verify by %s, on every port, and one changed bit ends it', async (name, algorithm, more) => {
    key(`self${name}`, ...algorithm)
    const own = issue(`self${name}`, `self${name}`, CA, ...more)
    for (const port of [crypto, createNoble(), createWeb()]) {
      expect(await isSignedBy(own, own.spki, port)).toBe(true)
      const tbs = own.tbs.slice()
      tbs[40]! ^= 1
      expect(await isSignedBy({ ...own, tbs }, own.spki, port)).toBe(false)
      expect(await isSignedBy(own, root.spki, port)).toBe(false)
    }
  })

  it('refuse what the crypto port has no name for', async () => {
    key('sha1', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048')
    const old = issue('sha1', 'sha1', CA, '-sha1')
    expect(await refusalOf(isSignedBy(old, old.spki, crypto))).toEqual({ code: 'x509.refused', reason: 'signature.algorithm' })
    key('weak', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024')
    const weak = issue('weak', 'weak', CA)
    expect(await isSignedBy(weak, weak.spki, crypto)).toBe(false)
  })

  it('cost an issuer that is remembered no second signature, and hold no longer than it does', async () => {
    const remember = chainMemory()
    let verified = 0
    const verify: typeof crypto.verify = (...args) => {
      verified++
      return crypto.verify(...args)
    }
    const counting = { ...crypto, verify }
    // Certificates are still to be issued: they hold in a minute.
    const rules = { anchors: [root], now: Date.now() + 60_000, crypto: counting, remember }
    await verifyChain([leaf, middle], rules)
    expect(verified).toBe(2)
    await verifyChain([issue('second', 'middle', LEAF), middle], rules)
    expect(verified).toBe(3)
    const late = verifyChain([leaf, { ...middle, notAfter: NOW }], rules)
    expect(await refusalOf(late)).toEqual({ code: 'x509.refused', reason: 'expired' })
    // Remembered under the key that signed it, under no other.
    const other = issue('other2', 'other2', CA)
    const foreign = () => verifyChain([leaf, middle], { ...rules, anchors: [{ subject: root.subject, spki: other.spki }] })
    for (const _ of ['once', 'and again'])
      expect(await refusalOf(foreign())).toEqual({ code: 'x509.refused', reason: 'chain.anchor' })
    for (let i = 0; i < 300; i++)
      await refusalOf(verifyChain([leaf, { ...middle, der: concat(middle.der, Uint8Array.of(i >> 8, i)) }], rules))
    expect(remember.links.size).toBe(256)
  })

  it('names are read whole', () => {
    expect(readName(leaf.subject).map((step) => step.map(({ type, text }) => `${type}=${text}`))).toEqual([
      ['2.5.4.6=NO'],
      ['2.5.4.10=Bank'],
      ['2.5.4.3=leaf'],
    ])
    expect(alternativeNames(leaf)).toEqual({
      dns: ['a.example.com'],
      uri: ['spiffe://bank/a'],
      email: ['a@example.com'],
      ip: [Uint8Array.of(10, 0, 0, 1), fromHex('20010db8000000000000000000000001')!],
    })
    expect(alternativeNames(root)).toEqual({ dns: [], uri: [], email: [], ip: [] })
    expect([extendedUsages(leaf), extendedUsages(root)]).toEqual([['1.3.6.1.5.5.7.3.2'], null])
  })

  it('any byte changed in a certificate is refused or leaves a signature that is wrong', async () => {
    let accepted = 0
    for (let at = 0; at < leaf.der.length; at++) {
      const der = leaf.der.slice()
      der[at]! ^= 1
      let changed: Certificate
      try {
        changed = parseCertificate(der)
        accepted += (await isSignedBy(changed, middle.spki, crypto)) ? 1 : 0
      } catch (error) {
        expect(
          codeOf(() => {
            throw error
          }),
        ).toMatch(/^(?:x509\.refused|der\.malformed)$/)
      }
    }
    expect(accepted).toBe(0)
  })

  it('a signature algorithm that is said in two ways is none (RFC 5280 §4.1.1.2)', () => {
    const der = leaf.der.slice()
    // Of the outer identifier alone: ecdsa-with-SHA256 becomes ecdsa-with-SHA384.
    der[hex(der).lastIndexOf(hex(leaf.algorithm)) / 2 + leaf.algorithm.length - 1]! ^= 1
    expect(codeOf(() => parseCertificate(der))).toBe('x509.refused')
  })

  it('what stands behind a certificate, and a cut one, are refused', () => {
    expect(codeOf(() => parseCertificate(concat(leaf.der, Uint8Array.of(0))))).toBe('der.malformed')
    for (let length = 0; length < leaf.der.length; length += 7)
      expect(codeOf(() => parseCertificate(leaf.der.subarray(0, length)))).toBe('der.malformed')
  })
})
