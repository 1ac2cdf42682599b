/**
 * Encrypted tokens (RFC 7516), nested around signed ones: request objects to this issuer, ID tokens, responses and introspection to a client.
 * The only file that loads jose, which is called for nothing that this gate has not read before.
 */
import { decodeBase64url } from '@postern/core/base64url'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import type { Now } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import { type JsonObject, type JsonValue, parseJson } from '@postern/core/json'
import { publicJwk } from '@postern/core/jwk'
import { compactDecrypt } from 'jose/jwe/compact/decrypt'
import { CompactEncrypt } from 'jose/jwe/compact/encrypt'
import { importJWK } from 'jose/key/import'
import type { Client } from './clients.js'

/** How the content key gets there. PBES2 and RSA1_5 cannot be named. */
export type JweAlg = 'dir' | 'ECDH-ES' | 'ECDH-ES+A256KW' | 'RSA-OAEP-256'
export type JweEnc = 'A128GCM' | 'A256GCM'

/** What a client registered for one kind of token (`…_encrypted_response_alg` and `…_enc`). */
export interface EncryptedAs {
  readonly alg: JweAlg
  readonly enc: JweEnc
}

/** Encryption of an issuer, as `IssuerContext.jwe` takes it. */
export interface Jwe {
  /** Public halves of the issuer's decryption keys, for its key set (`use: enc`). */
  readonly publicKeys: readonly JsonWebKey[]
  /** What may be encrypted to this issuer with. */
  readonly decryptAlgs: readonly JweAlg[]
  /** What this issuer encrypts to clients with. */
  readonly encryptAlgs: readonly JweAlg[]
  readonly encs: readonly JweEnc[]
  /** The signed token in an encrypted one; exactly one level. Nothing is said of its signature. @throws PosternError `jwe.refused` */
  decrypt(text: string, client: Client): Promise<string>
  /** @param jwks - the client's keys. @throws PosternError `tokens.config` when none of them fits */
  encrypt(jws: string, client: Client, as: EncryptedAs, jwks: readonly JsonWebKey[]): Promise<string>
}

export interface JweOptions {
  /** Private keys for what is encrypted to this issuer: EC (ECDH-ES) or RSA of 2048 bits or more (RSA-OAEP-256), each with a `kid` and, to be held to one, an `alg`. */
  readonly keys?: readonly (JsonWebKey & { readonly kid: string })[]
  /** The symmetric key shared with a client, for `dir`: 16 bytes for A128GCM, 32 for A256GCM. No more than 2^32 tokens may ever be made under one. */
  readonly sharedKey?: (client: Client) => Now<Uint8Array | null>
}

const MAX_CHARACTERS = 24_576
const MAX_HEADER_BYTES = 2048
const IV_BYTES = 12
const TAG_BYTES = 16
const KID = /^[A-Za-z0-9._~-]{1,128}$/
const ENCS: readonly JweEnc[] = ['A128GCM', 'A256GCM']
const KEY_BYTES: Readonly<Record<JweEnc, number>> = { A128GCM: 16, A256GCM: 32 }
// Whatever inflates, fetches, iterates or must be understood (zip jku x5u x5c p2c p2s crit apu apv) is in no list.
const MEMBERS = ['alg', 'enc', 'kid', 'typ', 'cty', 'epk']
const EPK_MEMBERS = ['kty', 'crv', 'x', 'y']

/** Encryption with these keys. */
export function jwe({ keys = [], sharedKey }: JweOptions = {}): Jwe {
  const prepared = new Map<string, ReturnType<typeof importJWK>>()
  const direct: readonly JweAlg[] = sharedKey === undefined ? [] : ['dir']
  const decryptAlgs = [...new Set([...direct, ...keys.flatMap(algsOf)])]

  /** Of the issuer's keys the one meant: by `kid`, or the only one that fits. */
  async function ownKey({ alg, kid, epk }: Header): ReturnType<typeof importJWK> {
    const fitting = keys.filter((one) => algsOf(one).includes(alg) && (kid === null || one.kid === kid))
    const [key] = fitting
    if (key === undefined || fitting.length > 1) throw refuse('kid')
    if (epk !== null && (epk.kty !== key.kty || epk.crv !== key.crv)) throw refuse('epk')
    const name = `${alg} ${key.kid}`
    const found = prepared.get(name) ?? importJWK({ ...key } as Parameters<typeof importJWK>[0], alg)
    prepared.set(name, found)
    return found
  }
  async function shared(client: Client, enc: JweEnc): Promise<Uint8Array> {
    const key = (await sharedKey?.(client)) ?? null
    if (key === null || key.length !== KEY_BYTES[enc]) throw refuse('shared key')
    return key
  }

  return {
    publicKeys: keys.map((key) => ({
      ...publicJwk(key),
      kid: key.kid,
      use: 'enc',
      ...(key.alg !== undefined && { alg: key.alg }),
    })),
    decryptAlgs,
    encryptAlgs: [...direct, 'ECDH-ES', 'ECDH-ES+A256KW', 'RSA-OAEP-256'],
    encs: ENCS,
    async decrypt(text, client) {
      const header = readHeader(text, decryptAlgs)
      const key = header.alg === 'dir' ? await shared(client, header.enc) : await ownKey(header)
      const options = {
        keyManagementAlgorithms: [header.alg],
        contentEncryptionAlgorithms: [header.enc],
        maxDecompressedLength: 0,
      }
      const { plaintext } = await compactDecrypt(text, key, options).catch((cause: unknown) => {
        throw refuse('content', cause)
      })
      const jws = fromUtf8(plaintext)
      if (jws === null || jws.split('.', 4).length !== 3) throw refuse('nested') //                     a JWS, one level (RFC 7519 §5.2)
      return jws
    },
    async encrypt(jws, client, { alg, enc }, jwks) {
      const jwk = jwks.find((one) => algsOf(one).includes(alg) && (one.use === 'enc' || one.alg === alg))
      if (alg !== 'dir' && jwk === undefined)
        throw new PosternError('tokens.config', { publicMessage: `The client registered ${alg} and has no key for it.` })
      const { kid } = (jwk ?? {}) as { kid?: string }
      const key =
        alg === 'dir'
          ? await shared(client, enc)
          : await importJWK({ ...publicJwk(jwk!) } as Parameters<typeof importJWK>[0], alg)
      return new CompactEncrypt(utf8(jws))
        .setProtectedHeader({ alg, enc, cty: 'JWT', ...(kid !== undefined && { kid }) })
        .encrypt(key)
    },
  }
}

/** What a key can be used for. */
function algsOf({ kty, crv, alg, use }: JsonWebKey): readonly JweAlg[] {
  const all: readonly JweAlg[] =
    use === 'sig'
      ? []
      : kty === 'RSA'
        ? ['RSA-OAEP-256']
        : kty === 'EC' || (kty === 'OKP' && crv === 'X25519')
          ? ['ECDH-ES', 'ECDH-ES+A256KW']
          : []
  return alg === undefined ? all : all.filter((one) => one === alg)
}

interface Header {
  readonly alg: JweAlg
  readonly enc: JweEnc
  readonly kid: string | null
  readonly epk: JsonWebKey | null
}

/** Everything that can be said of an encrypted token without opening it. @throws PosternError `jwe.refused` */
function readHeader(text: string, algs: readonly JweAlg[]): Header {
  if (text.length > MAX_CHARACTERS) throw refuse('size')
  const parts = text.split('.', 6)
  if (parts.length !== 5) throw refuse('parts')
  const [head, encryptedKey, iv, , tag] = parts.map(decodeBase64url)
  if (!head || !encryptedKey || !iv || !tag || parts.some((part) => decodeBase64url(part) === null)) throw refuse('base64url')
  if (head.length > MAX_HEADER_BYTES || iv.length !== IV_BYTES || tag.length !== TAG_BYTES) throw refuse('length')
  const header = readJson(head)
  if (Object.keys(header).some((name) => !MEMBERS.includes(name))) throw refuse('header.member')
  const alg = algs.find((known) => known === header.alg)
  const enc = ENCS.find((known) => known === header.enc)
  if (alg === undefined || enc === undefined) throw refuse('alg')
  const { kid, cty, typ } = header
  if (kid !== undefined && !(typeof kid === 'string' && KID.test(kid))) throw refuse('kid')
  if (cty !== undefined && cty !== 'JWT' && cty !== 'jwt') throw refuse('cty')
  if (typ !== undefined && typeof typ !== 'string') throw refuse('typ')
  const agreed = alg === 'ECDH-ES' || alg === 'ECDH-ES+A256KW'
  if (agreed !== (header.epk !== undefined)) throw refuse('epk')
  if (!fitsWrapped(alg, enc, encryptedKey.length)) throw refuse('key')
  return { alg, enc, kid: kid ?? null, epk: agreed ? readEpk(header.epk) : null }
}

/** RFC 7518 §4.3, §4.4, §4.6: with `dir` and `ECDH-ES` there is no encrypted key; AES-KW adds 8 bytes, RSA fills its modulus. */
function fitsWrapped(alg: JweAlg, enc: JweEnc, bytes: number): boolean {
  if (alg === 'RSA-OAEP-256') return bytes >= 256 && bytes <= 512
  return bytes === (alg === 'ECDH-ES+A256KW' ? KEY_BYTES[enc] + 8 : 0)
}

function readEpk(value: JsonValue | undefined): JsonWebKey {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('epk')
  if (Object.keys(value).some((name) => !EPK_MEMBERS.includes(name))) throw refuse('epk.member')
  try {
    return publicJwk(value as unknown as JsonWebKey)
  } catch (cause) {
    throw refuse('epk.public', cause)
  }
}

function readJson(bytes: Uint8Array): JsonObject {
  try {
    const value = parseJson(bytes, { maxDepth: 3 })
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  } catch (cause) {
    if (!isPosternError(cause)) throw cause
  }
  throw refuse('header')
}

function refuse(reason: string, cause?: unknown): PosternError<'jwe.refused'> {
  return new PosternError('jwe.refused', { reason: `jwe.${reason}`, cause })
}
