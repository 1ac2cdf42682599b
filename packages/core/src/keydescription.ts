/**
 * What Android's keystore says of a key, in an extension of the certificate that it issues for it. Read here; judged by those who ask.
 * Schemas 1 to 4 (Keymaster) and 100 to 500 (KeyMint) differ in the tags they know: a tag that nobody asks for is stepped over by its length.
 * @see https://source.android.com/docs/security/features/keystore/attestation#schema
 */
import { type Der, derBoolean, derInteger, derItems, derOctets, derSequence, isDer, readDer } from './der.js'
import { PosternError } from './errors.js'
import type { Certificate } from './x509.js'

/** Where something is enforced, or an attestation is made. */
export type SecurityLevel = 'software' | 'tee' | 'strongbox'

/** The extension as it is written. Bytes are views; numbers are those of KeyMint. */
export interface KeyDescription {
  readonly attestationVersion: number
  /** Who signed the attestation. */
  readonly attestationLevel: SecurityLevel
  readonly keymintVersion: number
  /** Where the key is kept. */
  readonly keymintLevel: SecurityLevel
  readonly challenge: Uint8Array
  readonly uniqueId: Uint8Array
  /** What the operating system says. */
  readonly software: AuthorizationList
  /** What the secure hardware says. */
  readonly hardware: AuthorizationList
}

/** Properties of a key that one side vouches for; what it does not say, or was not asked for, is `undefined`. */
export interface AuthorizationList {
  /** 2 signs, 3 verifies. */
  readonly purpose?: readonly number[]
  readonly algorithm?: number
  readonly keySize?: number
  readonly digest?: readonly number[]
  readonly padding?: readonly number[]
  readonly curve?: number
  readonly mlDsaVariant?: number
  readonly rsaPublicExponent?: number
  readonly noAuthRequired?: true
  readonly userAuthType?: number
  readonly authTimeout?: number
  readonly allowWhileOnBody?: true
  readonly trustedUserPresenceRequired?: true
  readonly trustedConfirmationRequired?: true
  readonly unlockedDeviceRequired?: true
  /** Any app may use the key. */
  readonly allApplications?: true
  /** Ms since the epoch. */
  readonly creationDateTime?: number
  /** 0 generated, 1 derived, 2 imported, 4 securely imported. */
  readonly origin?: number
  readonly rollbackResistant?: true
  readonly rootOfTrust?: RootOfTrust
  readonly osVersion?: number
  /** `yyyymm`, or `yyyymmdd` for the next two. */
  readonly osPatchLevel?: number
  readonly vendorPatchLevel?: number
  readonly bootPatchLevel?: number
  /** An AttestationApplicationId, DER. */
  readonly applicationId?: Uint8Array
  readonly brand?: Uint8Array
  readonly device?: Uint8Array
  readonly product?: Uint8Array
  readonly serial?: Uint8Array
  readonly imei?: Uint8Array
  readonly secondImei?: Uint8Array
  readonly meid?: Uint8Array
  readonly manufacturer?: Uint8Array
  readonly model?: Uint8Array
  readonly moduleHash?: Uint8Array
  /** Whether the tags stand in ascending order, as the schema has them; some phones do not sort. */
  readonly ordered: boolean
}

/** What the phone was booted from. */
export interface RootOfTrust {
  readonly verifiedBootKey: Uint8Array
  readonly locked: boolean
  readonly bootState: 'verified' | 'self-signed' | 'unverified' | 'failed'
  /** From schema 3 on. */
  readonly verifiedBootHash: Uint8Array | null
}

/** OID of the extension. */
export const keyDescriptionOid = '1.3.6.1.4.1.11129.2.1.17'

const LEVELS: readonly SecurityLevel[] = ['software', 'tee', 'strongbox']
const BOOT_STATES = ['verified', 'self-signed', 'unverified', 'failed'] as const

const integer = (value: Der): number => derInteger(value)
const octets = (value: Der): Uint8Array => derOctets(value)
const integers = (value: Der): readonly number[] => {
  if (!isDer(value, 'set')) throw refuse('set')
  return derItems(value).map((one) => derInteger(one))
}
const flag = (value: Der): true => {
  if (!isDer(value, 'null') || value.content.length > 0) throw refuse('null')
  return true
}

/** Tags to read: the member that each is, and how its value is read. Others are stepped over. */
export type KeyTags = ReadonlyMap<number, readonly [Known, (value: Der) => unknown]>
type Known = Exclude<keyof AuthorizationList, 'ordered'>

/** What a key is for, whose it is, where it came from, and what the phone was booted from. */
export const originTags: KeyTags = /* @__PURE__ */ new Map([
  [1, ['purpose', integers]],
  [600, ['allApplications', flag]],
  [702, ['origin', integer]],
  [704, ['rootOfTrust', rootOfTrust]],
] as const)

/** Everything that {@link AuthorizationList} has. */
export const allTags: KeyTags = /* @__PURE__ */ together(originTags, [
  [2, ['algorithm', integer]],
  [3, ['keySize', integer]],
  [5, ['digest', integers]],
  [6, ['padding', integers]],
  [10, ['curve', integer]],
  [11, ['mlDsaVariant', integer]],
  [200, ['rsaPublicExponent', integer]],
  [503, ['noAuthRequired', flag]],
  [504, ['userAuthType', integer]],
  [505, ['authTimeout', integer]],
  [506, ['allowWhileOnBody', flag]],
  [507, ['trustedUserPresenceRequired', flag]],
  [508, ['trustedConfirmationRequired', flag]],
  [509, ['unlockedDeviceRequired', flag]],
  [701, ['creationDateTime', integer]],
  [703, ['rollbackResistant', flag]],
  [705, ['osVersion', integer]],
  [706, ['osPatchLevel', integer]],
  [709, ['applicationId', octets]],
  [710, ['brand', octets]],
  [711, ['device', octets]],
  [712, ['product', octets]],
  [713, ['serial', octets]],
  [714, ['imei', octets]],
  [715, ['meid', octets]],
  [716, ['manufacturer', octets]],
  [717, ['model', octets]],
  [718, ['vendorPatchLevel', integer]],
  [719, ['bootPatchLevel', integer]],
  [723, ['secondImei', octets]],
  [724, ['moduleHash', octets]],
])

/** In a function, so that who needs no more than {@link originTags} carries no more. */
function together(base: KeyTags, more: readonly (readonly [number, readonly [Known, (value: Der) => unknown]])[]): KeyTags {
  return new Map([...base, ...more])
}

/** The key description in a certificate, `null` where it has none. @throws PosternError `keydescription.refused` | `der.malformed` */
export function keyDescriptionOf({ extensions }: Certificate, tags: KeyTags): KeyDescription | null {
  const extension = extensions.get(keyDescriptionOid)
  return extension === undefined ? null : readKeyDescription(extension.value, tags)
}

/** Reads the extension's value. @throws PosternError `keydescription.refused` | `der.malformed` */
export function readKeyDescription(bytes: Uint8Array, tags: KeyTags): KeyDescription {
  const items = derSequence(readDer(bytes))
  if (items.length !== 8) throw refuse('members')
  const [version, level, keymintVersion, keymintLevel, challenge, uniqueId, software, hardware] = items
  return {
    attestationVersion: derInteger(version),
    attestationLevel: enumerated(level, LEVELS),
    keymintVersion: derInteger(keymintVersion),
    keymintLevel: enumerated(keymintLevel, LEVELS),
    challenge: derOctets(challenge),
    uniqueId: derOctets(uniqueId),
    software: authorizations(software, tags),
    hardware: authorizations(hardware, tags),
  }
}

function authorizations(list: Der | undefined, tags: KeyTags): AuthorizationList {
  const found: Record<string, unknown> = { ordered: true }
  const seen = new Set<number>()
  let last = 0
  for (const entry of derSequence(list)) {
    const { cls, tag } = entry
    if (cls !== 'context' || seen.has(tag)) throw refuse('tag')
    seen.add(tag)
    if (tag < last) found['ordered'] = false
    last = tag
    const known = tags.get(tag)
    if (known === undefined) continue
    const [value, ...more] = derItems(entry)
    if (value === undefined || more.length > 0) throw refuse('value')
    found[known[0]] = known[1](value)
  }
  return found as unknown as AuthorizationList
}

function rootOfTrust(value: Der): RootOfTrust {
  const [key, locked, state, hash, ...more] = derSequence(value)
  if (more.length > 0) throw refuse('rootOfTrust')
  return {
    verifiedBootKey: derOctets(key),
    locked: derBoolean(locked),
    bootState: enumerated(state, BOOT_STATES),
    verifiedBootHash: hash === undefined ? null : derOctets(hash),
  }
}

function enumerated<T>(value: Der | undefined, names: readonly T[]): T {
  const name = names[derInteger(value, 'enumerated')]
  if (name === undefined) throw refuse('enumerated')
  return name
}

function refuse(reason: string): PosternError<'keydescription.refused'> {
  return new PosternError('keydescription.refused', { reason })
}
