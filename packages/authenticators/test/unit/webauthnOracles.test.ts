/// <reference types="node" />
/** WebAuthn beside implementations that nobody here wrote: SimpleWebAuthn, libfido2, python-fido2, and a TPM. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash, createPublicKey } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readAttestationObject } from '@postern/authenticators/webauthn/attestation'
import { verifyAuthentication } from '@postern/authenticators/webauthn/authentication'
import { type NewCredential, verifyRegistration } from '@postern/authenticators/webauthn/registration'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import { readCoseKey } from '@postern/core/cose'
import { SettingsService, verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  anchorOf,
  attestApple,
  attestPacked,
  attestU2f,
  authority,
  basic,
  der,
  type Holder,
  issue,
  name,
  oid,
  seq,
} from '../attesters.js'
import { type Attest, attestNone, attestSelf, cbor, flag, origin, type Passkey, passkey, rpId } from '../passkey.js'
import {
  allAlgs,
  assertionOf,
  caseOf,
  codeOf,
  expectedOf,
  missing,
  now,
  registrationOf,
  w3c,
  w3cRoot,
} from '../webauthnVectors.js'
import { crypto, random } from '../world.js'

const required = process.env['POSTERN_REQUIRE'] === 'all'
const has = (program: string, ...args: string[]): boolean => spawnSync(program, args, { stdio: 'ignore' }).error === undefined
const base64 = (text: string): string => Buffer.from(text, 'base64url').toString('base64')
const trust = (anchor = w3cRoot) => {
  const anchors = anchor === null ? [] : [anchor]
  return {
    anchors: { packed: anchors, tpm: anchors, apple: anchors, 'android-key': anchors, 'fido-u2f': anchors },
    tpmVendors: 'any',
    unstated: 'report',
  } as const
}
const said = async (promise: Promise<{ verified: boolean }>): Promise<boolean> => {
  try {
    return (await promise).verified
  } catch {
    return false
  }
}

describe.skipIf(missing)('SimpleWebAuthn on the pairs of the specification', () => {
  /** What it refuses of what the specification gives as right, and why. */
  const registrations: Readonly<Record<string, string>> = {
    'tpm-es256': 'the maker id:00000000 is not in its list, which cannot be replaced',
    'android-key-es256': 'both authorization lists are empty',
    'fido-u2f-es256': 'an AAGUID that is not zero',
  }
  const assertions: Readonly<Record<string, string>> = {
    ...registrations,
    'packed-ed448': 'it registers the key and cannot verify with it',
  }

  beforeAll(() => {
    for (const identifier of ['apple', 'android-key'] as const)
      SettingsService.setRootCertificates({ identifier, certificates: [Buffer.from(w3cRoot!.der)] })
  })

  it.each(w3c.cases)('$id: it registers and verifies what we do, but for what is named', async (c) => {
    const [r, a] = [registrationOf(c), assertionOf(c)]
    const asked = {
      expectedOrigin: w3c.origin,
      expectedRPID: w3c.rpId,
      expectedTopOrigin: w3c.topOrigin,
      requireUserVerification: false,
    }
    const theirs = await said(
      verifyRegistrationResponse({
        response: r as never,
        expectedChallenge: challengeIn(r.response.clientDataJSON),
        supportedAlgorithmIDs: [...allAlgs],
        ...asked,
      }),
    )
    const credential = await verifyRegistration(r, expectedOf(c, 'registration'), { crypto, now, trust: trust() })
    expect([c.id, theirs]).toEqual([c.id, registrations[c.id] === undefined])
    const known = { id: credential.id, publicKey: credential.publicKey, counter: credential.counter }
    const verified = await said(
      verifyAuthenticationResponse({
        response: a as never,
        expectedChallenge: challengeIn(a.response.clientDataJSON),
        credential: { ...known, id: encodeBase64url(known.id) } as never,
        ...asked,
      }),
    )
    await verifyAuthentication(a, credential, expectedOf(c, 'authentication'), { crypto })
    // Its assertions of the three that it did not register do verify, given the key.
    expect([c.id, verified]).toEqual([c.id, assertions[c.id] === undefined || registrations[c.id] !== undefined])
  })

  it('bent answers are refused by both', async () => {
    const p = passkey()
    const r = p.create(optionsFor('webauthn'))
    const credential = await verifyRegistration(r, expected, { crypto, now })
    const bends = [
      {},
      { flags: flag.uv },
      { flags: flag.up | flag.bs },
      { rpId: 'evil.example' },
      { from: 'https://evil.example' },
      { clientData: { type: 'webauthn.create' } },
      { clientData: { challenge: 'AAAA' } },
      { counter: 0 },
      { response: { signature: 'AAAA' } },
      { authData: (b: Uint8Array) => b.slice(1) },
    ]
    for (const bend of bends) {
      const a = p.get({ challenge: b64(challenge), rpId } as never, bend)
      const stored = { ...credential, counter: 1 }
      if (bend.counter === undefined) p.counter = 5
      const ours = await codeOf(verifyAuthentication(a, stored, expected, { crypto }))
      const theirs = await said(
        verifyAuthenticationResponse({
          response: a as never,
          expectedChallenge: b64(challenge),
          expectedOrigin: origin,
          expectedRPID: rpId,
          requireUserVerification: false,
          credential: { id: r.id, publicKey: credential.publicKey as never, counter: 1 },
        }),
      )
      expect([bend, ours === 'ok']).toEqual([bend, theirs])
    }
  })
})

const challenge = random(32)
const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
const challengeIn = (clientDataJSON: string): string => JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString()).challenge
const optionsFor = (id: string) =>
  ({ rp: { id: rpId, name: '' }, user: { id, name: '', displayName: '' }, challenge: b64(challenge) }) as never
const expected = { challenge, rpId, origins: [origin], userVerification: 'preferred', algorithms: [-7] } as const

const libfido2 = has('fido2-assert', '-h') && has('fido2-cred', '-h')
describe.skipIf((!libfido2 || missing) && !required)('libfido2', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'postern-fido2-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const sha256 = async (text: string) => Buffer.from(await crypto.digest('SHA-256', decodeBase64url(text)!)).toString('base64')
  const run = (program: string, args: readonly string[], lines: readonly string[]) =>
    spawnSync(program, args, { input: `${lines.join('\n')}\n` }).status === 0

  /** `fido2-assert -V` takes authenticator data as a CBOR byte string. */
  async function verifies(id: string, type: string, bend: (text: string) => string = (text) => text): Promise<boolean> {
    const c = caseOf(id)
    const credential = await verifyRegistration(registrationOf(c), expectedOf(c, 'registration'), { crypto, now, trust: trust() })
    const { response } = assertionOf(c)
    const key = join(folder, `${id}.pem`)
    const { jwk } = readCoseKey(credential.publicKey)
    writeFileSync(key, createPublicKey({ key: jwk as never, format: 'jwk' }).export({ format: 'pem', type: 'spki' }))
    const authData = Buffer.from(cbor(decodeBase64url(response.authenticatorData)!)).toString('base64')
    return run(
      'fido2-assert',
      ['-V', '-p', key, type],
      [await sha256(response.clientDataJSON), w3c.rpId, authData, base64(bend(response.signature))],
    )
  }

  it.each([
    ['none-es256', 'es256'],
    ['packed-es384', 'es384'],
    ['packed-eddsa', 'eddsa'],
    ['fido-u2f-es256', 'es256'],
  ])('verifies the assertion of %s that we verify, and not one that was bent', async (id, type) => {
    expect(await verifies(id, type)).toBe(true)
    const bent = (text: string) => encodeBase64url(decodeBase64url(text)!.map((byte, i) => (i === 20 ? byte ^ 1 : byte)))
    expect(await verifies(id, type, bent)).toBe(false)
  })

  it('verifies statements that we verify', async () => {
    for (const id of ['packed-es256', 'packed-es384', 'packed-self-es256', 'fido-u2f-es256']) {
      const c = caseOf(id)
      const { response } = registrationOf(c)
      const { fmt, attStmt, authData } = readAttestationObject(decodeBase64url(response.attestationObject)!)
      const stmt = attStmt as ReadonlyMap<string, Uint8Array | readonly Uint8Array[]>
      const x5c = stmt.get('x5c') as readonly Uint8Array[] | undefined
      const lines = [
        await sha256(response.clientDataJSON),
        w3c.rpId,
        fmt,
        Buffer.from(cbor(authData)).toString('base64'),
        base64(registrationOf(c).id),
        Buffer.from(stmt.get('sig') as Uint8Array).toString('base64'),
        ...(x5c === undefined ? [] : [Buffer.from(x5c[0]!).toString('base64')]),
      ]
      const type = id === 'packed-es384' ? 'es384' : 'es256'
      expect([id, run('fido2-cred', ['-V', type], lines)]).toEqual([id, true])
      lines[5] = Buffer.from((stmt.get('sig') as Uint8Array).map((byte, i) => (i === 20 ? byte ^ 1 : byte))).toString('base64')
      expect([id, run('fido2-cred', ['-V', type], lines)]).toEqual([id, false])
    }
  })
})

/** Debian's python, which has python3-fido2; another one on the path may not. */
const python = ['/usr/bin/python3', 'python3'].find(
  (one) => spawnSync(one, ['-c', 'import fido2.attestation'], { stdio: 'ignore' }).status === 0,
)
describe.skipIf(python === undefined && !required)('python-fido2', () => {
  const script = `
import sys, json
from base64 import b64decode
from fido2 import cbor
from fido2.attestation import Attestation
from fido2.ctap2 import AuthenticatorData
out = []
for fmt, stmt, auth, cdh in json.load(sys.stdin):
    try:
        Attestation.for_type(fmt)().verify(cbor.decode(b64decode(stmt)), AuthenticatorData(b64decode(auth)), b64decode(cdh))
        out.append(True)
    except Exception as e:
        out.append(False)
print(json.dumps(out))
`
  it('judges statements as we do: those made here, those of the specification, and bent ones', async () => {
    const root = authority()
    const leaf = issue(root)
    const attests: readonly Attest[] = [attestNone, attestSelf, attestPacked(leaf), attestU2f(leaf), attestApple(root)]
    const bends = [(a: Uint8Array) => a, (a: Uint8Array) => a.map((byte, i) => (i === 36 ? byte ^ 1 : byte))]
    const judged: { readonly statement: readonly string[]; readonly ours: boolean }[] = []
    for (const attest of attests)
      for (const bend of bends) {
        const p = passkey({ flags: flag.up })
        // Signed first, bent afterwards.
        const answer = p.create(optionsFor('AQ'), { attest })
        const { fmt, attStmt, authData } = readAttestationObject(decodeBase64url(answer.response.attestationObject)!)
        const bent = bend(authData)
        const attestationObject = encodeBase64url(
          cbor(
            new Map<string, unknown>([
              ['fmt', fmt],
              ['attStmt', attStmt],
              ['authData', bent],
            ]),
          ),
        )
        const response = { ...answer.response, attestationObject }
        const code = await codeOf(
          verifyRegistration({ ...answer, response }, expected, {
            crypto,
            now,
            trust: { anchors: { packed: [anchorOf(root)] } },
          }),
        )
        judged.push({ statement: await statementOf(fmt, attStmt, bent, answer.response.clientDataJSON), ours: code === 'ok' })
      }
    if (!missing)
      for (const id of ['packed-es256', 'packed-es512', 'packed-rs256', 'packed-eddsa', 'fido-u2f-es256', 'apple-es256']) {
        const { response } = registrationOf(caseOf(id))
        const { fmt, attStmt, authData } = readAttestationObject(decodeBase64url(response.attestationObject)!)
        judged.push({ statement: await statementOf(fmt, attStmt, authData, response.clientDataJSON), ours: true })
      }
    const answer = execFileSync(python!, ['-c', script], {
      input: JSON.stringify(judged.map(({ statement }) => statement)),
      encoding: 'utf8',
    })
    const theirs = JSON.parse(answer) as boolean[]
    // The counter is outside what "none" and U2F vouch for.
    expect(theirs).toEqual(judged.map(({ ours }) => ours))
    expect(judged.map(({ ours }) => ours).slice(0, 10)).toEqual([true, true, true, false, true, false, true, true, true, false])
  })
})

async function statementOf(
  fmt: string,
  attStmt: unknown,
  authData: Uint8Array,
  clientDataJSON: string,
): Promise<readonly string[]> {
  const hash = await crypto.digest('SHA-256', decodeBase64url(clientDataJSON)!)
  return [fmt, ...[cbor(attStmt), authData, hash].map((bytes) => Buffer.from(bytes).toString('base64'))]
}

const tools = ['swtpm', 'tpm2_createprimary', 'tpm2_evictcontrol', 'tpm2_readpublic', 'tpm2_send'].every((one) =>
  has(one, '--version'),
)
describe.skipIf(!tools && !required)('A14 a TPM', () => {
  let folder = ''
  let stop = (): void => undefined
  const tpm = (program: string, ...args: readonly string[]): void => {
    const env = { ...process.env, TPM2TOOLS_TCTI: `swtpm:path=${folder}/s` }
    const { status, stderr } = spawnSync(program, args, { cwd: folder, env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${program}: ${stderr}`)
  }
  const AK = 0x81000001
  const root = authority()

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'postern-tpm-'))
    const server = [`type=unixio,path=${folder}/s`, `type=unixio,path=${folder}/s.ctrl`]
    const child = spawn(
      'swtpm',
      [
        'socket',
        '--tpm2',
        '--tpmstate',
        `dir=${folder}`,
        '--server',
        server[0]!,
        '--ctrl',
        server[1]!,
        '--flags',
        'not-need-init,startup-clear',
      ],
      { stdio: 'ignore' },
    )
    stop = () => void child.kill()
    for (let i = 0; i < 100 && !existsSync(`${folder}/s.ctrl`); i++) await new Promise((done) => setTimeout(done, 50))
    persist(AK, 'ecc256:ecdsa-sha256:null', '|restricted')
  })
  afterAll(() => {
    stop()
    rmSync(folder, { recursive: true, force: true })
  })

  function persist(handle: number, kind: string, more = ''): void {
    tpm(
      'tpm2_createprimary',
      '-Q',
      '-C',
      'o',
      '-g',
      'sha256',
      '-G',
      kind,
      '-a',
      `fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign${more}`,
      '-c',
      'o.ctx',
    )
    tpm('tpm2_evictcontrol', '-Q', '-C', 'o', '-c', 'o.ctx', `0x${handle.toString(16)}`)
    tpm('tpm2_flushcontext', '-t')
  }

  /** TPM2_Certify by hand: Debian's tool has no option for the qualifying data. */
  function certify(handle: number, qualifying: Uint8Array): { certInfo: Uint8Array; signature: Buffer } {
    const u = (width: number, n: number) => Buffer.from(n.toString(16).padStart(2 * width, '0'), 'hex')
    const password = Buffer.from('400000090000000000', 'hex')
    const body = [
      u(4, 0x148),
      u(4, handle),
      u(4, AK),
      u(4, 18),
      password,
      password,
      u(2, qualifying.length),
      qualifying,
      u(2, 0x10),
    ]
    const rest = Buffer.concat(body)
    writeFileSync(join(folder, 'command'), Buffer.concat([u(2, 0x8002), u(4, 6 + rest.length), rest]))
    for (let i = 0; ; i++) {
      tpm('sh', '-c', 'tpm2_send < command > response')
      const response = readFileSync(join(folder, 'response'))
      const code = response.readUInt32BE(6)
      // TPM_RC_RETRY: it asks to be asked again.
      if (code === 0x922 && i < 10) continue
      expect(code).toBe(0)
      const length = response.readUInt16BE(14)
      return { certInfo: new Uint8Array(response.subarray(16, 16 + length)), signature: response.subarray(16 + length) }
    }
  }

  /** TPMT_SIGNATURE of ECDSA to the DER that WebAuthn's `sig` has. */
  function ecdsa(signature: Buffer): Uint8Array {
    const at = 6 + signature.readUInt16BE(4)
    const positive = (bytes: Buffer): Uint8Array => {
      const digits = bytes.subarray(bytes.findIndex((byte) => byte !== 0))
      return der(2, Uint8Array.from(digits[0]! >= 0x80 ? [0, ...digits] : digits))
    }
    return seq(positive(signature.subarray(6, at)), positive(signature.subarray(at + 2, at + 2 + signature.readUInt16BE(at))))
  }

  function aik(
    maker: string,
    o: {
      usage?: string
      subject?: Readonly<Record<string, string>>
      extensions?: readonly { oid: string; value: Uint8Array }[]
    } = {},
  ): Holder {
    tpm('tpm2_readpublic', '-Q', '-c', `0x${AK.toString(16)}`, '-f', 'pem', '-o', 'ak.pem')
    const publicKey = createPublicKey(readFileSync(join(folder, 'ak.pem')))
    const chip = name({ '2.23.133.2.1': maker, '2.23.133.2.2': 'swtpm', '2.23.133.2.3': 'id:20191023' })
    const extensions = o.extensions ?? [
      basic(false),
      { oid: '2.5.29.17', critical: true, value: seq(der(0xa4, chip)) },
      { oid: '2.5.29.37', value: seq(oid(o.usage ?? '2.23.133.8.3')) },
    ]
    return issue(root, { subject: o.subject ?? {}, key: { privateKey: root.key, publicKey }, extensions })
  }

  /** A registration of a key that the TPM made and certifies. */
  function register(
    handle: number,
    leaf: Holder,
    bend: (stmt: Record<string, unknown>) => Record<string, unknown> = (stmt) => stmt,
  ): Promise<NewCredential> {
    tpm('tpm2_readpublic', '-Q', '-c', `0x${handle.toString(16)}`, '-f', 'tss', '-o', 'key.pub')
    tpm('tpm2_readpublic', '-Q', '-c', `0x${handle.toString(16)}`, '-f', 'pem', '-o', 'key.pem')
    const pubArea = new Uint8Array(readFileSync(join(folder, 'key.pub')).subarray(2))
    const jwk = createPublicKey(readFileSync(join(folder, 'key.pem'))).export({ format: 'jwk' })
    const at = (member: 'x' | 'y' | 'n' | 'e') => new Uint8Array(Buffer.from(jwk[member]!, 'base64url'))
    const key =
      jwk.kty === 'EC'
        ? new Map<number, unknown>([
            [1, 2],
            [3, -7],
            [-1, 1],
            [-2, at('x')],
            [-3, at('y')],
          ])
        : new Map<number, unknown>([
            [1, 3],
            [3, -257],
            [-1, at('n')],
            [-2, at('e')],
          ])
    const p: Passkey = passkey()
    const authData = (bytes: Uint8Array) => Uint8Array.from([...bytes.subarray(0, 87), ...cbor(key)])
    const attest: Attest = (i) => {
      const hash = createHashOf(i.authData, i.clientDataHash)
      const { certInfo, signature } = certify(handle, hash)
      return { fmt: 'tpm', attStmt: bend({ ver: '2.0', alg: -7, x5c: [leaf.der], sig: ecdsa(signature), certInfo, pubArea }) }
    }
    const answer = p.create(optionsFor('AQ'), { attest, authData })
    return verifyRegistration(
      answer,
      { ...expected, algorithms: [-7, -257] },
      { crypto, now, trust: { anchors: { tpm: [anchorOf(root)] } } },
    )
  }

  it.each([
    ['ecc256:ecdsa-sha256:null', 0x81000002],
    ['ecc256:null:null', 0x81000003],
    ['rsa2048:rsassa-sha256:null', 0x81000004],
    ['rsa2048:null:null', 0x81000005],
  ])('attests %s', async (kind, handle) => {
    persist(handle, kind)
    const { attestation } = await register(handle, aik('id:49424D00'))
    expect(attestation).toMatchObject({ format: 'tpm', type: 'certified', trusted: true, doubt: null })
  })

  it('of an unknown maker, by a certificate of another use or form, or over anything else, is refused', async () => {
    const handle = 0x81000006
    persist(handle, 'ecc256:ecdsa-sha256:null')
    const reason = async (...args: Parameters<typeof register>) => {
      try {
        await register(...args)
        return null
      } catch (error) {
        return (error as { reason: string }).reason
      }
    }
    const good = aik('id:49424D00')
    expect(await reason(handle, good)).toBe(null)
    expect(await reason(handle, aik('id:49424d00'))).toBe(null)
    expect(await reason(handle, aik('id:00000000'))).toBe('aik.maker')
    expect(await reason(handle, aik('49424D00'))).toBe('aik.maker')
    expect(await reason(handle, aik('id:49424D00', { usage: '2.23.133.8.1' }))).toBe('aik.usage')
    expect(await reason(handle, aik('id:49424D00', { subject: { '2.5.4.3': 'x' } }))).toBe('aik.subject')
    expect(
      await reason(handle, aik('', { extensions: [basic(false), { oid: '2.5.29.37', value: seq(oid('2.23.133.8.3')) }] })),
    ).toBe('aik.chip')
    expect(await reason(AK, good)).toBe(null)
    const turned = (member: string, at: number) => (stmt: Record<string, unknown>) => ({
      ...stmt,
      [member]: (stmt[member] as Uint8Array).map((byte, i) => (i === at ? byte ^ 1 : byte)),
    })
    expect(await reason(handle, good, turned('certInfo', 0))).toMatch(/tpm\.structure/)
    expect(await reason(handle, good, turned('certInfo', 5))).toMatch(/tpm\.structure/)
    expect(await reason(handle, good, turned('certInfo', 60))).toMatch(/tpm\.(extraData|structure)/)
    expect(await reason(handle, good, turned('pubArea', 5))).toBe('tpm.name')
    expect(await reason(handle, good, turned('pubArea', 30))).toBe('tpm.key')
    expect(await reason(handle, good, turned('sig', 20))).toBe('signature')
    expect(await reason(handle, good, (stmt) => ({ ...stmt, ver: '1.2' }))).toBe('tpm.version')
    expect(await reason(handle, good, (stmt) => ({ ...stmt, alg: -257 }))).toBe('tpm.hash')
    expect(await reason(handle, good, (stmt) => ({ ...stmt, alg: -65_535 }))).toBe('tpm.hash')
    expect(await reason(handle, good, (stmt) => ({ ...stmt, certInfo: utf8('x') }))).toMatch(/tpm\.structure/)
    expect(
      await reason(handle, good, (stmt) => ({ ...stmt, pubArea: Uint8Array.from([...(stmt['pubArea'] as Uint8Array), 0]) })),
    ).toMatch(/tpm\.structure/)
  })
})

function createHashOf(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(createHash('sha256').update(Buffer.concat(parts)).digest())
}
