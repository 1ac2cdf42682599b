/// <reference types="node" />
/** The published vectors of WebAuthn as the JSON that a browser would send. */
import { existsSync, readFileSync } from 'node:fs'
import { type Metadata, verifyMds } from '@postern/authenticators/webauthn/mds'
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@postern/authenticators/webauthn/messages'
import type { RegistrationExpected } from '@postern/authenticators/webauthn/registration'
import { encodeBase64url } from '@postern/core/base64url'
import { fromHex } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import { type Certificate, parseCertificate } from '@postern/core/x509'
import { vectorsAt } from './vectorsAt.js'

export const crypto: CryptoPort = createCrypto()
/** Every algorithm of the table. */
export const allAlgs: readonly number[] = [-7, -8, -9, -19, -35, -36, -37, -48, -49, -50, -51, -52, -53, -257, -258, -259]

const l3 = vectorsAt('auth/webauthn-l3/vectors.json')
/** Skipped visibly where the vectors are absent and nobody demands them. */
export const missing: boolean = !existsSync(l3) && process.env['POSTERN_REQUIRE'] !== 'all'

export interface L3Case {
  readonly id: string
  readonly registration: Readonly<Record<string, string>>
  readonly authentication: Readonly<Record<string, string>>
}
interface L3File {
  readonly rpId: string
  readonly origin: string
  readonly topOrigin: string
  readonly cases: readonly L3Case[]
  readonly attestationRoot: Readonly<Record<string, string>>
}

export const w3c: L3File = missing
  ? { rpId: '', origin: '', topOrigin: '', cases: [], attestationRoot: {} }
  : JSON.parse(readFileSync(l3, 'utf8'))
export const bytes = (text: string | undefined): Uint8Array => fromHex(text ?? '')!
const text = (hex: string | undefined): string => encodeBase64url(bytes(hex))

/** The root that all certificates of the W3C vectors lead to. */
export const w3cRoot: Certificate | null = missing ? null : parseCertificate(bytes(w3c.attestationRoot['attestation_ca_cert']))
/** Inside the validity of all of them. */
export const now: number = Date.UTC(2026, 0, 1)

export function registrationOf({ registration: r }: L3Case): RegistrationResponseJSON {
  const id = text(r['credential_id'])
  const response = {
    clientDataJSON: text(r['clientDataJSON']),
    attestationObject: text(r['attestationObject']),
    transports: ['usb', 'internal'],
  }
  return { id, rawId: id, type: 'public-key', response, clientExtensionResults: {} }
}

export function assertionOf({ registration, authentication: a }: L3Case, userHandle?: string): AuthenticationResponseJSON {
  const id = text(registration['credential_id'])
  const response = {
    clientDataJSON: text(a['clientDataJSON']),
    authenticatorData: text(a['authenticatorData']),
    signature: text(a['signature']),
    ...(userHandle !== undefined && { userHandle }),
  }
  return { id, rawId: id, type: 'public-key', response, clientExtensionResults: {} }
}

/** What the options of a case asked for; the loosest that accepts it. */
export function expectedOf(c: L3Case, half: 'registration' | 'authentication'): RegistrationExpected {
  return {
    challenge: bytes(c[half]['challenge']),
    rpId: w3c.rpId,
    origins: [w3c.origin],
    topOrigins: [w3c.topOrigin],
    crossOrigin: true,
    userVerification: 'preferred',
    algorithms: allAlgs,
  }
}

export const caseOf = (id: string): L3Case => w3c.cases.find((c) => c.id === id)!

/** The code that a promise is refused with, `ok` where it is not. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'ok'
  } catch (error) {
    if (error instanceof PosternError) return error.code
    throw error
  }
}

/** Code and reason that a promise is refused with. */
export async function refusalOf(promise: Promise<unknown>): Promise<{ code: string; reason: string | null } | null> {
  try {
    await promise
    return null
  } catch (error) {
    if (error instanceof PosternError) return { code: error.code, reason: error.reason }
    throw error
  }
}

const netLib = vectorsAt('auth/fido2-net-lib/Tests/Fido2.Tests/TestFiles')
const mds = vectorsAt('auth/mds3')
const unrequired = process.env['POSTERN_REQUIRE'] !== 'all'
export const fido2Missing: boolean = !(existsSync(netLib) && existsSync(mds)) && unrequired
export const mdsMissing: boolean = !existsSync(mds) && unrequired

/** A JSON file of fido2-net-lib. */
export function fido2<T>(name: string): T {
  return JSON.parse(readFileSync(`${netLib}/${name}.json`, 'utf8').replace(/^\uFEFF/, '')) as T
}

/** A certificate of fido2-net-lib, DER or PEM. */
export function netLibCertificate(name: string): Uint8Array {
  const file = readFileSync(`${netLib}/${name}.cer`)
  if (file[0] === 0x30) return new Uint8Array(file)
  return Uint8Array.from(Buffer.from(file.toString('latin1').replace(/-----[^-]+-----/g, ''), 'base64'))
}

export function globalSign(): Certificate {
  return parseCertificate(new Uint8Array(readFileSync(`${mds}/globalsign-root-r3.crt`)))
}

export function mdsBlob(): string {
  return readFileSync(`${mds}/mds3-blob.jwt`, 'utf8')
}

let verified: Promise<Metadata> | undefined
/** The metadata of November 2021. */
export function metadata2021(): Promise<Metadata> {
  verified ??= verifyMds(mdsBlob(), [globalSign()], Date.UTC(2021, 10, 1), { crypto })
  return verified
}
