/**
 * The gate before every signature: a compact JWS reaches a verifier only when it is written the one canonical way, says nothing that
 * is not asked of it, and names an algorithm and a type that this use expects.
 * @see RFC 7515, RFC 7519, RFC 8725 §3
 */
import { decodeBase64url, encodeBase64url, encodeTextBase64url } from './base64url.js'
import { equal, utf8 } from './bytes.js'
import type { CryptoPort, HmacKey, SignAlg, Signer, VerifyAlg, VerifyKey } from './cryptoPort.js'
import { PosternError } from './errors.js'
import { isLater } from './internal/now.js'
import { type JsonObject, type JsonValue, parseJson } from './json.js'
import { publicJwk } from './jwk.js'

/** What one use of JWS takes; everything else is refused. */
export interface JwsRules {
  /** Signature algorithms of this use. `none` and MACs cannot be named. */
  readonly algs: readonly SignAlg[]
  /** Accepted `typ` values, exactly as written; `undefined` accepts a header without one. */
  readonly typ: readonly (string | undefined)[]
  /** Whether the header carries the key (proofs): then it must, otherwise it must not. Default false. */
  readonly jwk?: boolean
  /** Bytes of the whole text, default 16,384. */
  readonly maxBytes?: number
  /** Headers that rules of the same `typ` and `jwk` have let pass before, by their text: a sender writes the same one again and again. */
  readonly known?: KnownHeaders
}

/** A bounded memo of headers, for one set of rules; a `Map` is one without bounds. */
export interface KnownHeaders {
  get(text: string): KnownHeader | undefined
  set(text: string, header: KnownHeader): unknown
}

/** What a header says. */
export interface KnownHeader {
  readonly header: JsonObject
  readonly alg: SignAlg
  readonly kid: string | null
  readonly jwk: JsonWebKey | null
}

/** A JWS that passed the gate. Nothing in it is true before {@link verifyJws}. */
export interface Jws extends MacJws {
  readonly alg: SignAlg
  /** The required public members of the header's key. */
  readonly jwk: JsonWebKey | null
}

/** A JWS with an HS256 MAC that passed the gate. Nothing in it is true before {@link verifyMacJws}. */
export interface MacJws {
  readonly header: JsonObject
  readonly kid: string | null
  readonly payload: Uint8Array
  /** The JWS signing input (RFC 7515 §5.1). */
  readonly signed: Uint8Array
  readonly signature: Uint8Array
}

/** The `typ` and key names that {@link signJws} writes. */
export interface JwsHeader {
  readonly typ: string
  readonly kid?: string
  readonly jwk?: JsonWebKey
}

/** The payload of a JWS; a member that is `undefined` is left out. */
export interface Claims {
  readonly [name: string]: JsonValue | undefined
}

const MAX_HEADER_BYTES = 2048
const MAC_BYTES = 32
const KID = /^[A-Za-z0-9._~-]{1,128}$/
// All that would make a reader fetch, inflate, trust or understand something (jku x5u x5c x5t zip crit b64 …) is in no list.
const HEADER_MEMBERS: ReadonlySet<string> = /* @__PURE__ */ new Set(['alg', 'typ', 'kid', 'cty', 'jwk'])
const KEY_MEMBERS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'kty',
  'crv',
  'x',
  'y',
  'n',
  'e',
  'alg',
  'kid',
  'use',
  'key_ops',
  'ext',
])

/** What follows from an algorithm: the signature's least and most bytes, the type and curve of its key. */
const ALGS: Readonly<Record<SignAlg, { min: number; max: number; kty: string; crv?: string }>> = {
  ES256: { min: 64, max: 64, kty: 'EC', crv: 'P-256' },
  ES384: { min: 96, max: 96, kty: 'EC', crv: 'P-384' },
  ES512: { min: 132, max: 132, kty: 'EC', crv: 'P-521' },
  EdDSA: { min: 64, max: 64, kty: 'OKP', crv: 'Ed25519' },
  Ed25519: { min: 64, max: 64, kty: 'OKP', crv: 'Ed25519' },
  RS256: { min: 256, max: 512, kty: 'RSA' },
  PS256: { min: 256, max: 512, kty: 'RSA' },
}

/**
 * Reads a compact JWS through the gate. No key is looked up and nothing is fetched.
 * @throws PosternError `jws.refused`; which rung, is in its `reason`
 * @see RFC 7515 §5.2, RFC 8725 §3.1, §3.10, §3.11
 */
export function readJws(text: string, rules: JwsRules): Jws {
  const { algs, jwk: wantsKey = false, known } = rules
  const [head, payload, signature, signed] = readParts(text, rules.maxBytes)
  let said = known?.get(head)
  if (said === undefined) {
    const { header, alg, kid } = readHead(head, rules, (name) => algs.find((one) => one === name))
    if (wantsKey !== (header.jwk !== undefined)) throw refuse('jwk')
    said = { header, alg, kid, jwk: header.jwk === undefined ? null : readKey(header.jwk, alg) }
    known?.set(head, said)
  }
  const { header, alg, kid, jwk } = said
  if (!algs.includes(alg)) throw refuse('alg')
  const { min, max } = ALGS[alg]
  if (signature.length < min || signature.length > max) throw refuse('signature.length') //        RFC 7518 §3.3–3.5
  return { header, alg, kid, jwk, payload, signed, signature }
}

/**
 * Reads a compact JWS with an HS256 MAC through the same gate: the one use that MACs have, `client_secret_jwt`, so that no other can name them.
 * @throws PosternError `jws.refused`
 * @see RFC 7518 §3.2
 */
export function readMacJws(text: string, rules: Pick<JwsRules, 'typ' | 'maxBytes'>): MacJws {
  const [head, payload, signature, signed] = readParts(text, rules.maxBytes)
  const { header, kid } = readHead(head, rules, (name) => (name === 'HS256' ? name : undefined))
  if (header.jwk !== undefined) throw refuse('jwk')
  if (signature.length !== MAC_BYTES) throw refuse('signature.length')
  return { header, kid, payload, signed, signature }
}

/** The payload of a JWS whose MAC is right under a SHA-256 `key`, as strict JSON. @throws PosternError `jws.refused` */
export async function verifyMacJws(crypto: CryptoPort, jws: MacJws, key: HmacKey): Promise<JsonObject> {
  if (key.alg !== 'SHA-256') throw refuse('key.alg')
  if (!equal(await crypto.hmac(key, jws.signed), jws.signature)) throw refuse('signature')
  return readPayload(jws.payload)
}

/**
 * The payload of a JWS whose signature is right under `key`, as strict JSON.
 * The key decides the algorithm: one prepared for another is refused, whatever the header says.
 * @throws PosternError `jws.refused`
 * @see RFC 7515 §5.2, RFC 8725 §3.2
 */
export async function verifyJws(crypto: CryptoPort, jws: Jws, key: VerifyKey): Promise<JsonObject> {
  if (fullName(key.alg) !== fullName(jws.alg)) throw refuse('key.alg')
  const verified = crypto.verify(key, jws.signed, jws.signature)
  if (!(isLater(verified) ? await verified : verified)) throw refuse('signature')
  return readPayload(jws.payload)
}

/**
 * Signs a payload as compact JWS.
 * @throws PosternError `keys.invalid` when the signer answers in another form than JOSE's (a remote KMS that gives DER)
 * @see RFC 7515 §5.1
 */
export async function signJws(signer: Signer, header: JwsHeader, payload: Claims): Promise<string> {
  const text = `${headerText(signer, header)}.${encodeTextBase64url(JSON.stringify(payload))}`
  const signed = signer.sign(utf8(text))
  const signature = isLater(signed) ? await signed : signed
  const { min, max } = ALGS[signer.alg]
  if (signature.length < min || signature.length > max)
    throw new PosternError('keys.invalid', { reason: 'a signature of a length that JOSE does not have' })
  return `${text}.${encodeBase64url(signature)}`
}

/** The headers that a signer has written: a key signs few kinds of objects, each very often. */
const headers: WeakMap<Signer, Map<string, string>> = /* @__PURE__ */ new WeakMap()
const MAX_HEADERS = 16

function headerText(signer: Signer, { typ, kid, jwk }: JwsHeader): string {
  if (jwk !== undefined) return encodeHeader({ alg: signer.alg, typ, kid, jwk: publicJwk(jwk) })
  const name = `${typ} ${kid ?? ''}`
  let known = headers.get(signer)
  if (known === undefined) headers.set(signer, (known = new Map()))
  let text = known.get(name)
  if (text === undefined) {
    text = encodeHeader({ alg: signer.alg, typ, kid })
    if (known.size < MAX_HEADERS) known.set(name, text)
  }
  return text
}

function encodeHeader(members: object): string {
  return encodeTextBase64url(JSON.stringify(members))
}

/** The text of the header, payload, signature, signing input. */
function readParts(text: string, maxBytes = 16_384): readonly [string, Uint8Array, Uint8Array, Uint8Array] {
  if (typeof text !== 'string' || text.length > maxBytes) throw refuse('size')
  const parts = text.split('.', 4)
  if (parts.length !== 3) throw refuse('parts')
  const payload = decodeBase64url(parts[1]!)
  const signature = decodeBase64url(parts[2]!)
  if (!payload || !signature) throw refuse('base64url') //                                         RFC 7515 §2, canonical
  return [parts[0]!, payload, signature, utf8(text.slice(0, text.lastIndexOf('.')))]
}

/** Every rung of the header that does not depend on what kind of signature it is. */
function readHead<A>(
  text: string,
  { typ }: Pick<JwsRules, 'typ'>,
  algOf: (name: JsonValue | undefined) => A | undefined,
): { readonly header: JsonObject; readonly alg: A; readonly kid: string | null } {
  const head = decodeBase64url(text)
  if (!head) throw refuse('base64url')
  if (head.length > MAX_HEADER_BYTES) throw refuse('header.size')
  const header = readHeader(head)
  if (Object.keys(header).some((name) => !HEADER_MEMBERS.has(name))) throw refuse('header.member') // RFC 7515 §4.1.11, RFC 8725 §3.10
  const alg = algOf(header.alg) //                                                                 RFC 8725 §3.1
  if (alg === undefined) throw refuse('alg')
  if (!typ.some((known) => known === header.typ)) throw refuse('typ') //                           RFC 8725 §3.11
  if (header.cty !== undefined && !isFlat(header.cty)) throw refuse('cty')
  return { header, alg, kid: readKid(header.kid) }
}

function readPayload(bytes: Uint8Array): JsonObject {
  const payload = strictJson(bytes, 16, 'payload')
  if (!isObject(payload)) throw refuse('payload')
  return payload
}

function readHeader(bytes: Uint8Array): JsonObject {
  const header = strictJson(bytes, 3, 'header')
  if (!isObject(header)) throw refuse('header')
  return header
}

function readKid(kid: JsonValue | undefined): string | null {
  if (kid === undefined) return null
  if (typeof kid !== 'string' || !KID.test(kid)) throw refuse('kid')
  return kid
}

function readKey(value: JsonValue, alg: SignAlg): JsonWebKey {
  if (!isObject(value)) throw refuse('jwk')
  if (Object.keys(value).some((name) => !KEY_MEMBERS.has(name))) throw refuse('jwk.member') //     RFC 9449 §4.3 check 7: no private key
  if (value.kty !== ALGS[alg].kty || value.crv !== ALGS[alg].crv) throw refuse('jwk.type')
  if (value.alg !== undefined && value.alg !== alg) throw refuse('jwk.alg')
  try {
    return publicJwk(value as unknown as JsonWebKey)
  } catch (cause) {
    throw refuse('jwk.public', cause)
  }
}

// A nested token would have to be unwrapped by somebody, once or a hundred times.
function isFlat(cty: JsonValue): boolean {
  return typeof cty === 'string' && !/^(?:application\/)?(?:.*\+)?jwt$/i.test(cty)
}

function strictJson(bytes: Uint8Array, maxDepth: number, reason: string): JsonValue {
  try {
    return parseJson(bytes, { maxBytes: Number.MAX_SAFE_INTEGER, maxDepth })
  } catch (cause) {
    throw refuse(reason, cause)
  }
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fullName(alg: VerifyAlg): VerifyAlg {
  return alg === 'EdDSA' ? 'Ed25519' : alg
}

function refuse(reason: string, cause?: unknown): PosternError<'jws.refused'> {
  return new PosternError('jws.refused', { reason, cause })
}
