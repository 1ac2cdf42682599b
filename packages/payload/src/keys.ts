/**
 * The server's KEM keys by the clock, and the signed document by which an app learns them: one object that no cache and no rotation
 * can tear apart, signed by a root that the app carries.
 * @see RFC 9458 §3, RFC 9540
 */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import type { CryptoPort, SignAlg, Signer } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { thumbprint } from '@postern/core/jwk'
import { readJws, signJws, verifyJws } from '@postern/core/jws'
import type { Schedule } from '@postern/core/keyRing'
import type { Clock, Random } from '@postern/core/runtime'
import { type AeadId, type KemId, type KemPrivateKey, kemPrivateKey } from './hpke.js'
import { kemOf, SECRET_BYTES } from './internal/kem/kem.js'
import { readKemRing } from './internal/kemRingDocument.js'
import { readPayload, toPayload } from './internal/keyDocument.js'
import type { KeyConfig } from './ohttp.js'

/**
 * A KEM key in the ring document. Listed in key documents in [activateAt, retireAt), known to all nodes from `publishAt`, accepted until
 * `dropAt`; `secret` is base64url of 32 bytes.
 */
export interface KemEntry extends Schedule {
  readonly keyId: number
  readonly kem: KemId
  readonly secret: string
}

/** The KEM keys of a tenant as plain JSON. Secret: seal it before it is stored. */
export interface KemRingDocument {
  readonly v: 1
  /** AEADs that every key is offered with, in order of preference. */
  readonly aeads: readonly AeadId[]
  readonly keys: readonly KemEntry[]
}

/** A key as a server uses it. */
export interface KemKey extends Schedule {
  readonly config: KeyConfig
  readonly privateKey: KemPrivateKey
}

/** An opened ring. Immutable. */
export interface KemRing {
  /** What a key document lists at `now`. */
  offered(now: number): readonly KemKey[]
  /** The one key of an id that is accepted at `now`, offered or not; `null` otherwise. Never a search. */
  find(keyId: number, now: number): KemKey | null
}

/** What making and turning keys needs. */
export interface KemRingPorts {
  readonly clock: Clock
  readonly random: Random
  readonly crypto: CryptoPort
}

export interface CreateKemRingOptions {
  /** @defaultValue 0x0020 (X25519) */
  readonly kem?: KemId
  /** @defaultValue AES-256-GCM, ChaCha20-Poly1305, AES-128-GCM */
  readonly aeads?: readonly AeadId[]
}

export interface RotateKemRingOptions {
  /** KEM of the successor, default that of the key before it. */
  readonly kem?: KemId
  /** From now until the successor is offered, milliseconds: every node must have read the ring by then. Default and least 300,000. */
  readonly leadMs?: number
}

/** What a key document says; times in seconds since the epoch. */
export interface KeyDocument {
  readonly origin: string
  /** Absolute URL that takes sealed requests. */
  readonly gateway: string
  /** Grows with every signing. */
  readonly seq: number
  readonly iat: number
  /** At most a day after `iat`. */
  readonly exp: number
  readonly keys: readonly KeyConfig[]
  /** What sessions the server offers; `null` for none. */
  readonly session: SessionOffer | null
}

/** KEMs and AEADs of sessions, and the largest chunk in bytes. */
export interface SessionOffer {
  readonly kems: readonly number[]
  readonly aeads: readonly number[]
  readonly chunk: number
}

/** What a client demands of a key document. */
export interface KeyDocumentRules {
  /** Public keys that may sign: one in use, one offline. */
  readonly roots: readonly [JsonWebKey, ...JsonWebKey[]]
  readonly origin: string
  /** Milliseconds since the epoch. */
  readonly now: number
  /** The highest `seq` ever taken, with the document's text where it is at hand: neither a lower one nor another document of the same is taken. */
  readonly seen?: { readonly seq: number; readonly text?: string }
}

/** Every code that {@link verifyKeyDocument} refuses with. */
export type VerifyKeyDocumentCode = 'payload.keys_untrusted' | 'payload.keys_rolled_back' | 'payload.keys_expired'

/** Longest life of a key document, seconds. */
export const DOCUMENT_LIFE_S = 86_400
/** How long a retired key is accepted, milliseconds: the life of the last document that named it, and five minutes. */
export const RETAIN_MS: number = (DOCUMENT_LIFE_S + 300) * 1000
/** From making a key to offering it, milliseconds. */
export const LEAD_MS = 300_000
const NEVER: number = Number.MAX_SAFE_INTEGER
/** How far two clocks may be apart. */
const SKEW_MS = 60_000
const CLIENT_SKEW_S = 300
const TYP = 'postern-keys+jwt'
const ALGS: readonly SignAlg[] = ['ES256', 'EdDSA', 'Ed25519']

/** A document with one key, offered at once on every node. */
export async function createKemRing(ports: KemRingPorts, options: CreateKemRingOptions = {}): Promise<KemRingDocument> {
  const { kem = 0x0020, aeads = [0x0002, 0x0003, 0x0001] } = options
  const start = Math.max(0, ports.clock() - SKEW_MS)
  const times = { publishAt: start, activateAt: start, retireAt: NEVER, dropAt: NEVER }
  return { v: 1, aeads: [...aeads], keys: [await newEntry(ports, kem, 1, times)] }
}

/**
 * The document with a successor of its newest key. That one retires when the successor is offered, and is accepted until every document
 * that named it is over, so a rotation refuses no request. Keys that are gone are left out. Write it conditionally on the revision
 * read, so that two operators make one rotation.
 * @throws PosternError `keys.invalid` for a lead below five minutes, a document that does not hold together, or no free key id
 */
export async function rotateKemRing(
  document: KemRingDocument,
  ports: KemRingPorts,
  options: RotateKemRingOptions = {},
): Promise<KemRingDocument> {
  const { keys, aeads } = readKemRing(document)
  const last = keys.at(-1)!
  const { kem = last.kem, leadMs = LEAD_MS } = options
  if (!(leadMs >= LEAD_MS)) throw new PosternError('keys.invalid', { reason: `a lead below ${LEAD_MS} ms` })
  const now = ports.clock()
  const kept = keys.filter(({ dropAt }) => now - SKEW_MS < dropAt)
  const activateAt = Math.max(now + leadMs, last.activateAt + 1)
  const retired = kept.map((key) => (key === last ? { ...key, retireAt: activateAt, dropAt: activateAt + RETAIN_MS } : key))
  const times = { publishAt: now, activateAt, retireAt: NEVER, dropAt: NEVER }
  return { v: 1, aeads, keys: [...retired, await newEntry(ports, kem, nextId(kept, last.keyId), times)] }
}

/** The ring of a document. @throws PosternError `keys.invalid` */
export async function openKemRing(document: KemRingDocument, crypto: CryptoPort): Promise<KemRing> {
  const { keys, aeads } = readKemRing(document)
  const suites = aeads.map((aead) => ({ kdf: 0x0001, aead }) as const)
  const opened = await Promise.all(keys.map((entry) => openEntry(entry, crypto, suites)))
  return {
    // Newest first: whoever fetches now seals to the key that lives longest.
    offered: (now) => opened.filter(({ activateAt, retireAt }) => activateAt <= now && now < retireAt).reverse(),
    find: (keyId, now) => opened.find(({ config, dropAt }) => config.keyId === keyId && now < dropAt) ?? null,
  }
}

async function openEntry(entry: KemEntry, crypto: CryptoPort, suites: KeyConfig['suites']): Promise<KemKey> {
  const { keyId, kem, secret, publishAt, activateAt, retireAt, dropAt } = entry
  const privateKey = await kemPrivateKey(crypto, kem, decodeBase64url(secret)!)
  return { config: { keyId, kem, publicKey: privateKey.publicKey, suites }, privateKey, publishAt, activateAt, retireAt, dropAt }
}

async function newEntry({ crypto, random }: KemRingPorts, kem: KemId, keyId: number, times: Schedule): Promise<KemEntry> {
  const { secret } = await kemOf(kem).derive(crypto, random(SECRET_BYTES))
  return { keyId, kem, secret: encodeBase64url(secret), ...times }
}

function nextId(kept: readonly KemEntry[], last: number): number {
  for (let step = 1; step < 256; step++) {
    const id = (last + step) % 256
    // 0 is the session's (its own media type, but nobody should have to look twice).
    if (id !== 0 && !kept.some(({ keyId }) => keyId === id)) return id
  }
  throw new PosternError('keys.invalid', { reason: 'no key id is free' })
}

/**
 * A signed key document: compact JWS, `typ` `postern-keys+jwt`, `kid` the root's thumbprint.
 * @throws PosternError `keys.invalid` for a life above a day
 */
export async function signKeyDocument(crypto: CryptoPort, root: Signer, document: KeyDocument): Promise<string> {
  if (!(document.exp > document.iat && document.exp - document.iat <= DOCUMENT_LIFE_S))
    throw new PosternError('keys.invalid', { reason: 'a key document lives for a day at most' })
  return signJws(root, { typ: TYP, kid: await thumbprint(crypto, root.publicJwk) }, toPayload(document))
}

/**
 * What a key document says, when it is to be believed.
 * @throws PosternError `payload.keys_untrusted` (form, root, signature, origin), `payload.keys_expired`, `payload.keys_rolled_back`
 */
export async function verifyKeyDocument(crypto: CryptoPort, text: string, rules: KeyDocumentRules): Promise<KeyDocument> {
  const { roots, origin, now, seen } = rules
  const document = await believed(crypto, text, roots)
  if (document.origin !== origin) throw untrusted('origin')
  const seconds = now / 1000
  if (document.exp - document.iat > DOCUMENT_LIFE_S || document.exp <= document.iat) throw untrusted('life')
  if (seconds >= document.exp || seconds < document.iat - CLIENT_SKEW_S) throw new PosternError('payload.keys_expired')
  if (seen === undefined) return document
  if (document.seq < seen.seq) throw new PosternError('payload.keys_rolled_back', { reason: 'seq' })
  if (document.seq === seen.seq && seen.text !== undefined && seen.text !== text)
    throw new PosternError('payload.keys_rolled_back', { reason: 'another document of the same seq' })
  return document
}

async function believed(crypto: CryptoPort, text: string, roots: readonly JsonWebKey[]): Promise<KeyDocument> {
  try {
    const jws = readJws(text, { algs: ALGS, typ: [TYP] })
    const root = await rootOf(crypto, roots, jws.kid)
    if (root === null) throw untrusted('root')
    const payload: JsonObject = await verifyJws(crypto, jws, await crypto.verifyKey(jws.alg, root))
    return readPayload(payload)
  } catch (cause) {
    if (isPosternError(cause, 'jws.refused', 'crypto.invalid_key', 'json.shape'))
      throw untrusted(cause.reason ?? cause.code, cause)
    throw cause
  }
}

async function rootOf(crypto: CryptoPort, roots: readonly JsonWebKey[], kid: string | null): Promise<JsonWebKey | null> {
  for (const root of roots) if (kid === (await thumbprint(crypto, root))) return root
  return null
}

function untrusted(reason: string, cause?: unknown): PosternError<'payload.keys_untrusted'> {
  return new PosternError('payload.keys_untrusted', { reason, cause })
}
