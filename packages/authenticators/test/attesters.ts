/// <reference types="node" />
/** Those who attest: certificates and statements as their formats want them, each part open to be bent. Writes its own DER. */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { utf8 } from '@postern/core/bytes'
import { parseCertificate, type TrustAnchor } from '@postern/core/x509'
import type { Attest } from './passkey.js'

/** One DER element; a string is its UTF-8. */
export function der(tag: number | readonly number[], ...parts: readonly (Uint8Array | string)[]): Uint8Array {
  const content = Buffer.concat(parts.map((part) => (typeof part === 'string' ? utf8(part) : part)))
  const { length } = content
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Uint8Array.from([...(typeof tag === 'number' ? [tag] : tag), ...head, ...content])
}

export const seq = (...parts: readonly Uint8Array[]): Uint8Array => der(0x30, ...parts)
export const int = (value: number): Uint8Array => {
  const bytes = []
  for (let left = value; left > 0 || bytes.length === 0; left = Math.floor(left / 256)) bytes.unshift(left % 256)
  return der(2, Uint8Array.from(bytes[0]! >= 0x80 ? [0, ...bytes] : bytes))
}
export const octets = (bytes: Uint8Array): Uint8Array => der(4, bytes)

export function oid(text: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const arc = (n: number): number[] => {
    const out = [n % 128]
    for (let left = Math.floor(n / 128); left > 0; left = Math.floor(left / 128)) out.unshift(128 + (left % 128))
    return out
  }
  return der(6, Uint8Array.from([40 * first + second, ...rest].flatMap(arc)))
}

/** Attributes by OID, in order. */
export const name = (attributes: Readonly<Record<string, string>>): Uint8Array =>
  seq(...Object.entries(attributes).map(([type, text]) => der(0x31, seq(oid(type), der(12, text)))))

export const attester = { '2.5.4.6': 'NO', '2.5.4.10': 'Maker', '2.5.4.11': 'Authenticator Attestation', '2.5.4.3': 'Model' }

export interface Extension {
  readonly oid: string
  readonly critical?: boolean
  readonly value: Uint8Array
}
export const basic = (ca: boolean): Extension => ({
  oid: '2.5.29.19',
  critical: true,
  value: seq(...(ca ? [der(1, Uint8Array.of(255))] : [])),
})
export const model = (aaguid: Uint8Array, critical = false): Extension => ({
  oid: '1.3.6.1.4.1.45724.1.1.4',
  critical,
  value: octets(aaguid),
})

export interface Holder {
  readonly key: KeyObject
  readonly der: Uint8Array
  readonly subject: Uint8Array
  readonly spki: Uint8Array
}

const time = (ms: number): Uint8Array => der(24, `${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`)

/** A certificate and its key, ES256 throughout; signed by `by`, by itself where that is `null`. */
export function issue(
  by: Holder | null,
  o: {
    readonly subject?: Readonly<Record<string, string>>
    readonly extensions?: readonly Extension[]
    readonly notBefore?: number
    readonly notAfter?: number
    readonly key?: { readonly privateKey: KeyObject; readonly publicKey: KeyObject }
    readonly version?: number
  } = {},
): Holder {
  const { privateKey, publicKey } = o.key ?? generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const subject = name(o.subject ?? attester)
  const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }))
  const alg = seq(oid('1.2.840.10045.4.3.2'))
  const extensions = (o.extensions ?? [basic(false)]).map((e) =>
    seq(oid(e.oid), ...(e.critical === true ? [der(1, Uint8Array.of(255))] : []), octets(e.value)),
  )
  const tbs = seq(
    ...(o.version === 1 ? [] : [der(0xa0, int(2))]),
    int(1 + Math.floor(Math.random() * 2 ** 30)),
    alg,
    by?.subject ?? subject,
    seq(time(o.notBefore ?? Date.UTC(2020, 0, 1)), time(o.notAfter ?? Date.UTC(2040, 0, 1))),
    subject,
    spki,
    ...(o.version === 1 || extensions.length === 0 ? [] : [der(0xa3, seq(...extensions))]),
  )
  const signature = new Uint8Array(sign('sha256', tbs, by?.key ?? privateKey))
  return { key: privateKey, der: seq(tbs, alg, der(3, Uint8Array.of(0), signature)), subject, spki }
}

export const authority = (by: Holder | null = null, o: Parameters<typeof issue>[1] = {}): Holder =>
  issue(by, { subject: { '2.5.4.3': `Authority ${Math.random()}` }, extensions: [basic(true)], ...o })

export const anchorOf = (holder: Holder): TrustAnchor => parseCertificate(holder.der)

/** §8.2 with x5c. */
export const attestPacked =
  (leaf: Holder, chain: readonly Holder[] = [], more: Readonly<Record<string, unknown>> = {}): Attest =>
  ({ authData, clientDataHash }) => {
    const sig = new Uint8Array(sign('sha256', Buffer.concat([authData, clientDataHash]), leaf.key))
    return { fmt: 'packed', attStmt: { alg: -7, sig, x5c: [leaf, ...chain].map((one) => one.der), ...more } }
  }

/** §8.6 */
export const attestU2f =
  (leaf: Holder, more: Readonly<Record<string, unknown>> = {}): Attest =>
  ({ authData, clientDataHash, credentialId }) => {
    const point = Buffer.concat([Buffer.from([4]), authData.slice(-67, -35), authData.slice(-32)])
    const signed = Buffer.concat([Buffer.from([0]), authData.slice(0, 32), clientDataHash, credentialId, point])
    return { fmt: 'fido-u2f', attStmt: { sig: new Uint8Array(sign('sha256', signed, leaf.key)), x5c: [leaf.der], ...more } }
  }

const publicOf = (key: KeyObject): { privateKey: KeyObject; publicKey: KeyObject } => ({
  privateKey: key,
  publicKey: createPublicKey(key),
})

/** §8.8: a certificate for the credential's key, made on the spot. */
export const attestApple =
  (by: Holder, bend: { readonly nonce?: (n: Uint8Array) => Uint8Array; readonly key?: KeyObject } = {}): Attest =>
  ({ authData, clientDataHash, key }) => {
    const nonce = new Uint8Array(createHash('sha256').update(authData).update(clientDataHash).digest())
    const value = seq(der(0xa1, octets(bend.nonce?.(nonce) ?? nonce)))
    const leaf = issueFor(by, bend.key ?? key, [basic(false), { oid: '1.2.840.113635.100.8.2', value }])
    return { fmt: 'apple', attStmt: { x5c: [leaf, by.der] } }
  }

/** A certificate for a key whose private half the issuer does not need. */
function issueFor(by: Holder, key: KeyObject, extensions: readonly Extension[]): Uint8Array {
  return issue(by, { key: publicOf(key), extensions }).der
}

export interface AndroidDescription {
  readonly level?: number
  /** @defaultValue level */
  readonly keymintLevel?: number
  readonly challenge?: Uint8Array
  readonly software?: readonly Uint8Array[]
  readonly hardware?: readonly Uint8Array[]
}
/** A context tag of an authorization list. */
export const tag = (number: number, ...value: readonly Uint8Array[]): Uint8Array =>
  der(number < 31 ? 0xa0 + number : [0xbf, ...(number < 128 ? [number] : [0x80 + (number >> 7), number & 127])], ...value)
export const purpose = (...purposes: readonly number[]): Uint8Array => tag(1, der(0x31, ...purposes.map(int)))
export const originTag = (value: number): Uint8Array => tag(702, int(value))
export const rootOfTrust = (locked: boolean, state: number): Uint8Array =>
  tag(
    704,
    seq(
      octets(new Uint8Array(32)),
      der(1, Uint8Array.of(locked ? 255 : 0)),
      der(10, Uint8Array.of(state)),
      octets(new Uint8Array(32)),
    ),
  )
export const soundHardware: readonly Uint8Array[] = [purpose(2), originTag(0), rootOfTrust(true, 0)]

/** §8.4 */
export const attestAndroid =
  (
    by: Holder,
    o: AndroidDescription & { readonly key?: KeyObject; readonly extra?: readonly Uint8Array[]; readonly without?: boolean } = {},
  ): Attest =>
  ({ authData, clientDataHash, key }) => {
    const { level = 1, challenge = clientDataHash, software = [], hardware = soundHardware } = o
    const [attested, kept] = [level, o.keymintLevel ?? level].map((n) => der(10, Uint8Array.of(n))) as [Uint8Array, Uint8Array]
    const value = seq(
      int(300),
      attested,
      int(300),
      kept,
      octets(challenge),
      octets(new Uint8Array(0)),
      seq(...software),
      seq(...hardware),
    )
    const extension = { oid: '1.3.6.1.4.1.11129.2.1.17', value }
    const leaf = issueFor(by, o.key ?? key, o.without === true ? [basic(false)] : [basic(false), extension])
    const sig = new Uint8Array(sign('sha256', Buffer.concat([authData, clientDataHash]), o.key ?? key))
    return { fmt: 'android-key', attStmt: { alg: -7, sig, x5c: [leaf, ...(o.extra ?? [by.der])] } }
  }

/** §8.9 */
export const attestCompound =
  (...all: readonly Attest[]): Attest =>
  (i) => ({ fmt: 'compound', attStmt: all.map((one) => one(i)) })
