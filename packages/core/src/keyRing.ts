/**
 * The keys of one tenant, by the clock: a document that says when each key is published, signs, retires and goes, so that all nodes
 * switch at one instant and none at the moment it happens to read. Three rings: *signing*; *long* for what lives long (refresh
 * tokens, registrations); *short* for handles of half an hour at most, whose keys are gone soon after.
 */
import { decodeBase64url, encodeBase64url } from './base64url.js'
import { concat, fromUtf8, hex, utf8 } from './bytes.js'
import type { CryptoPort, HmacKey, SignAlg, Signer } from './cryptoPort.js'
import { PosternError } from './errors.js'
import { hkdfExpand } from './hkdf.js'
import { IV_BYTES, openEnvelope, sealEnvelope, TAG_BYTES } from './internal/envelope.js'
import { MAX_KEYS, readKeyRingDocument } from './internal/keyRingDocument.js'
import { NEVER, ringOf, succeed } from './internal/schedule.js'
import { type JsonValue, parseJson } from './json.js'
import { publicJwk, thumbprint } from './jwk.js'
import type { Clock, Random } from './runtime.js'
import { tuple } from './tuple.js'

/**
 * When a key changes state, in milliseconds since the epoch. It may be seen, verified with and opened with in [publishAt, dropAt), and
 * is the one that signs or seals in [activateAt, retireAt).
 */
export interface Schedule {
  readonly publishAt: number
  readonly activateAt: number
  readonly retireAt: number
  readonly dropAt: number
}

/** Keys as they stand at an instant. */
export interface Ring<K> {
  /** The key that signs or seals now. @throws PosternError `keys.none_active` */
  active(now: number): K
  /** Next, active and retired keys, in the order of their activation. */
  published(now: number): readonly K[]
  /** A published key by its id, or `null`. */
  find(kid: string, now: number): K | null
}

/** A signing key; `kid` is its RFC 7638 thumbprint. */
export interface SigningKey extends Schedule {
  readonly kid: string
  readonly signer: Signer
}

/** A sealing key; `kid` is 8 lower-case hexadecimal digits, `secret` 32 bytes. */
export interface SealKey extends Schedule {
  readonly kid: string
  readonly secret: Uint8Array
}

/** An opened key ring. Immutable: a request that holds one sees the same keys from start to end. */
export interface KeyRing {
  readonly signing: Ring<SigningKey>
  readonly long: Ring<SealKey>
  readonly short: Ring<SealKey>
  /** 32 bytes for one labelled purpose, derived from the tenant's root, which is never rotated: naming keys, nonce keys, OPAQUE seeds. */
  secret(label: string): Promise<Uint8Array>
}

/** A signing key in the document. Without `d` it is remote: its signer is handed in at opening. */
export interface SigningEntry extends Schedule {
  readonly kid: string
  readonly alg: SignAlg
  readonly jwk: JsonWebKey
}

/** A sealing key in the document; `secret` is base64url. */
export interface SealEntry extends Schedule {
  readonly kid: string
  readonly secret: string
}

/** The keys of a tenant as plain JSON. Secret: at rest only as {@link sealKeyRingDocument} gives it. */
export interface KeyRingDocument {
  readonly v: 1
  readonly root: string
  readonly signing: readonly SigningEntry[]
  readonly long: readonly SealEntry[]
  readonly short: readonly SealEntry[]
}

export type RingKind = 'signing' | 'long' | 'short'

/** What making and turning keys needs. */
export interface KeyRingPorts {
  readonly clock: Clock
  readonly random: Random
  readonly crypto: CryptoPort
}

/** What may be chosen about a new signing key. */
export interface NewKey {
  /** Algorithm of a key made here, default that of the key before it (ES256 for the first, and after a remote one of another kind). */
  readonly alg?: 'ES256' | 'Ed25519'
  /** A key held elsewhere (hardware, KMS) instead of one made here. */
  readonly remote?: Signer
}

/** What may be chosen about a rotation. */
export interface RotateOptions extends NewKey {
  /** From publication to activation, milliseconds; at least and by default {@link LEAD_MS}. */
  readonly leadMs?: number
  /** From retirement to the end, milliseconds: the longest life of what the key signed or sealed, plus skew. Default {@link RETAIN_MS}. */
  readonly retainMs?: number
}

/** How far two nodes' clocks may be apart. */
const SKEW_MS = 60_000

/** Key-set `max-age` of 300 s, 60 s until every node has read the document, and 60 s between the clocks of two nodes. */
export const LEAD_MS: number = 300_000 + 60_000 + SKEW_MS

/** How long a retired key stays: a day for signatures, 400 days for refresh families, an hour for handles. */
export const RETAIN_MS: Readonly<Record<RingKind, number>> = { signing: 86_400_000, long: 400 * 86_400_000, short: 3_600_000 }

const SEALED_VERSION = 1
const MASTER_KEY_BYTES = 32

/** A document with one key in each ring, active at once on every node. */
export async function createKeyRingDocument({
  clock,
  random,
  crypto,
  ...choice
}: KeyRingPorts & NewKey): Promise<KeyRingDocument> {
  const ports = { clock, random, crypto }
  // A node whose clock is behind must not find the first key in its future.
  const start = Math.max(0, clock() - SKEW_MS)
  const times = { publishAt: start, activateAt: start, retireAt: NEVER, dropAt: NEVER }
  return {
    v: 1,
    root: encodeBase64url(random(32)),
    signing: [await newSigningEntry(times, choice, ports)],
    long: [newSealEntry(times, [], random)],
    short: [newSealEntry(times, [], random)],
  }
}

/**
 * The key ring of a document.
 * @param o.remote - signers of the keys that the document holds without private part, by `kid`
 * @throws PosternError `keys.invalid` for a document that does not hold together, a `kid` that is not its key's thumbprint, a missing signer
 */
export async function openKeyRing(
  doc: KeyRingDocument,
  crypto: CryptoPort,
  { remote }: { remote?: ReadonlyMap<string, Signer> } = {},
): Promise<KeyRing> {
  const { signing, long, short, root } = readKeyRingDocument(doc as unknown as JsonValue)
  const prk = decodeBase64url(root)!
  const keys = await Promise.all(signing.map((entry) => openSigningKey(entry, crypto, remote)))
  return {
    signing: ringOf(keys),
    long: ringOf(long.map(openSealKey)),
    short: ringOf(short.map(openSealKey)),
    secret: (label) => hkdfExpand(crypto, 'SHA-256', prk, tuple('postern:secret/v1', label), 32),
  }
}

/**
 * The document with one more key in a ring: published now, active after the lead time, when the key before it retires.
 * Keys that are gone are left out. Write it conditionally on the revision read, so that two operators make one rotation.
 * @throws PosternError `keys.invalid` for a lead time below {@link LEAD_MS}, or a ring that is full
 */
export async function rotateKeyRing(
  doc: KeyRingDocument,
  kind: RingKind,
  ports: KeyRingPorts,
  options: RotateOptions = {},
): Promise<KeyRingDocument> {
  const { leadMs = LEAD_MS, retainMs = RETAIN_MS[kind] } = options
  if (!(leadMs >= LEAD_MS && retainMs >= 0)) throw invalid(`lead time ${leadMs} ms is below ${LEAD_MS}, or retention is negative`)
  const now = ports.clock()
  const kept = pruneKeyRing(readKeyRingDocument(doc as unknown as JsonValue), now)
  if (kept[kind].length >= MAX_KEYS) throw invalid(`the ring already holds ${MAX_KEYS} keys`)
  // Never before a key that is already announced, though another node's clock wrote that one.
  const activateAt = Math.max(now + leadMs, kept[kind].at(-1)!.activateAt + 1)
  const times = { publishAt: now, activateAt, retireAt: NEVER, dropAt: NEVER }
  if (kind !== 'signing') return { ...kept, [kind]: succeed(kept[kind], newSealEntry(times, kept[kind], ports.random), retainMs) }
  const last = kept.signing.at(-1)!.alg
  const { alg = last === 'Ed25519' ? last : 'ES256', remote } = options
  const entry = await newSigningEntry(times, { alg, ...(remote !== undefined && { remote }) }, ports)
  if (kept.signing.some(({ kid }) => kid === entry.kid)) throw invalid('the key is in the ring already')
  return { ...kept, signing: succeed(kept.signing, entry, retainMs) }
}

/** The document without the keys that are gone at `now` by every node's clock: what is deleted cannot be stolen. */
export function pruneKeyRing(doc: KeyRingDocument, now: number): KeyRingDocument {
  const stays = ({ dropAt }: Schedule): boolean => now - SKEW_MS < dropAt
  return { ...doc, signing: doc.signing.filter(stays), long: doc.long.filter(stays), short: doc.short.filter(stays) }
}

/**
 * The document sealed under a master key of the host: `ver 1 ‖ iv 24 ‖ ciphertext ‖ tag 16`.
 * @param masterKey - 32 random bytes from the host's secret store
 * @throws PosternError `keys.invalid`
 */
export async function sealKeyRingDocument(
  doc: KeyRingDocument,
  masterKey: Uint8Array,
  { crypto, random }: { crypto: CryptoPort; random: Random },
): Promise<Uint8Array> {
  const plaintext = utf8(JSON.stringify(readKeyRingDocument(doc as unknown as JsonValue)))
  const iv = random(IV_BYTES)
  return concat(
    Uint8Array.of(SEALED_VERSION),
    iv,
    await sealEnvelope(crypto, await masterOf(crypto, masterKey), iv, documentAad(), plaintext),
  )
}

/** The document of {@link sealKeyRingDocument}. @throws PosternError `keys.invalid` for another master key, a changed bit, another version */
export async function unsealKeyRingDocument(
  bytes: Uint8Array,
  masterKey: Uint8Array,
  { crypto }: { crypto: CryptoPort },
): Promise<KeyRingDocument> {
  const sealed = bytes.slice()
  const iv = sealed.subarray(1, 1 + IV_BYTES)
  const body = sealed.subarray(1 + IV_BYTES)
  const known = sealed[0] === SEALED_VERSION && body.length > TAG_BYTES
  const plaintext = known ? await openEnvelope(crypto, await masterOf(crypto, masterKey), iv, documentAad(), body) : null
  const text = plaintext === null ? null : fromUtf8(plaintext)
  if (text === null) throw invalid('the sealed document does not open')
  return readKeyRingDocument(parseJson(text, { maxBytes: 1 << 20 }))
}

async function newSigningEntry(
  times: Schedule,
  { alg = 'ES256', remote }: NewKey,
  { crypto, random }: KeyRingPorts,
): Promise<SigningEntry> {
  const jwk = remote?.publicJwk ?? (await crypto.generateKey(alg, random))
  const { d } = remote === undefined ? jwk : {}
  return {
    kid: await thumbprint(crypto, jwk),
    alg: remote?.alg ?? alg,
    jwk: { ...publicJwk(jwk), ...(d !== undefined && { d }) },
    ...times,
  }
}

function newSealEntry(times: Schedule, others: readonly SealEntry[], random: Random): SealEntry {
  let kid = hex(random(4))
  while (others.some((other) => other.kid === kid)) kid = hex(random(4))
  return { kid, secret: encodeBase64url(random(32)), ...times }
}

async function openSigningKey(
  entry: SigningEntry,
  crypto: CryptoPort,
  remote: ReadonlyMap<string, Signer> | undefined,
): Promise<SigningKey> {
  const { kid, alg, jwk, ...times } = entry
  const signer = jwk.d === undefined ? remote?.get(kid) : await crypto.signer(alg, jwk)
  if (signer === undefined) throw invalid('a remote key has no signer')
  if (signer.alg !== alg || (await thumbprint(crypto, signer.publicJwk)) !== kid)
    throw invalid('a key is not the one that its kid names')
  return { kid, signer, ...times }
}

function openSealKey({ kid, secret, ...times }: SealEntry): SealKey {
  return { kid, secret: decodeBase64url(secret)!, ...times }
}

async function masterOf(crypto: CryptoPort, masterKey: Uint8Array): Promise<HmacKey> {
  if (masterKey.length !== MASTER_KEY_BYTES)
    throw invalid(`the master key has ${masterKey.length} bytes; ${MASTER_KEY_BYTES} are needed`)
  return crypto.hmacKey('SHA-256', masterKey)
}

function documentAad(): Uint8Array {
  return tuple('postern:key-ring/v1')
}

function invalid(reason: string): PosternError<'keys.invalid'> {
  return new PosternError('keys.invalid', { reason })
}
