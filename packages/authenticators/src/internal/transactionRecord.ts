/** The records of txn/v1: `tx/<id>` with the encoded bytes and, once decided, what proves it; `tx` where a picture waits for its user. */
import { concat, hex, toUnsigned, u8, u16, u64, utf8 } from '@postern/core/bytes'
import { type CborValue, readCborItem } from '@postern/core/cbor'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import { lp } from '@postern/core/tuple'
import type { Transaction } from '../transaction/encoding.js'
import type { Evidence } from '../transaction/evidence.js'
import { type ByteReader, byteReader } from './reader.js'

const STATES = ['pending', 'approved', 'denied', 'reported', 'cancelled', 'redeemed'] as const
const CAUSES = ['user', 'mismatch', 'client', 'replaced'] as const
const NOTHING = new Uint8Array(0)
const OPENINGS = ['ask', 'scan'] as const

/** Expiry is no state: it is judged from key 11. */
export type TransactionState = (typeof STATES)[number]

/** Why a transaction is not pending any more. */
export interface Ending {
  readonly cause: (typeof CAUSES)[number]
  /** ms */
  readonly at: number
  /** RFC 8176; empty but for an approval. */
  readonly amr: readonly string[]
  /** `null` where nobody signed: cancelled, or denied for three wrong numbers. */
  readonly evidence: Omit<Evidence, 'transaction'> | null
}

export interface TransactionRecord {
  readonly state: TransactionState
  /** Asked by the client, or opened by the user's own scan. */
  readonly opened: (typeof OPENINGS)[number]
  readonly bytes: Uint8Array
  /** `null` while pending. */
  readonly ending: Ending | null
}

/** A transaction in the partition of a picture: unclaimed, or claimed for a device, an enrolment and a user's partition. */
export interface WaitingRecord {
  readonly bytes: Uint8Array
  readonly claim: { readonly device: string; readonly enrolment: string; readonly part: string } | null
}

/** What the server needs of a transaction that it encoded itself. */
export interface Stored extends Pick<Transaction, 'issuer' | 'client' | 'app' | 'id' | 'created' | 'match'> {
  /** ms */
  readonly expiresAt: number
}

/** Keys 1, 3, 4, 5, 10, 11, 13: what {@link Stored} is made of. */
const NEEDED: ReadonlySet<number> = /* @__PURE__ */ new Set([1, 3, 4, 5, 10, 11, 13])

/**
 * Reads own bytes, whose content was judged when they were encoded; whoever gets them from elsewhere uses `decodeTransaction`. What is shown
 * is stepped over: decoding text is the dearest part of a decision but for the signature.
 * @throws PosternError `store.corrupt`
 */
export function readStored(bytes: Uint8Array): Stored {
  const m: CborValue[] = []
  let at = 1
  for (let left = bytes[0]! & 0x1f; left > 0; left--) {
    const key = bytes[at++]!
    if (!NEEDED.has(key)) at = endOf(bytes, at)
    else {
      const { value, end } = readCborItem(bytes, at)
      m[key] = value
      at = end
    }
  }
  const [issuer, client, app] = [m[1], m[3], m[4]] as [string, string, string]
  const [created, expires, match] = [m[10], m[11], m[13]] as [number, number, 0 | 1]
  return { issuer, client, app, id: m[5] as Uint8Array, created, expiresAt: expires * 1000, match }
}

/** Where an item ends that `encodeTransaction` wrote: an integer, bytes, text, or an array of these. */
function endOf(bytes: Uint8Array, start: number): number {
  if (start >= bytes.length) throw new PosternError('store.corrupt', { reason: 'transaction' })
  const [major, info] = [bytes[start]! >> 5, bytes[start]! & 0x1f]
  const width = info < 24 ? 0 : 1 << (info - 24)
  const head = start + 1 + width
  const n = width === 0 ? info : toUnsigned(bytes.subarray(start + 1, head))
  if (major < 4) return major < 2 ? head : head + n
  let at = head
  for (let left = n; left > 0; left--) at = endOf(bytes, at)
  return at
}

export const waitingKey = 'tx'

/** The key of a transaction; `id` is 32 lower-case hex digits. */
export const transactionKey = (id: string): string => `tx/${id}`
/** The key of its number tries. */
export const numberKey = (id: string): string => `num/${id}`

/** Whether a text can be a transaction's id; anything else must not reach a store key. */
export function isTransactionId(text: unknown): text is string {
  return typeof text === 'string' && /^[0-9a-f]{32}$/.test(text)
}

/**
 * `open/<client>` or, for what the user scanned, `openqr/<client>`: the one that is pending. A client whose name fits no store key stands by
 * its hash, behind a `~` that no other begins with.
 */
export async function openKey(crypto: CryptoPort, opened: TransactionRecord['opened'], client: string): Promise<string> {
  const fits = /^[a-z0-9._-][a-z0-9._~-]{0,127}$/.test(client)
  const name = fits ? client : `~${hex(await crypto.digest('SHA-256', utf8(client))).slice(0, 32)}`
  return opened === 'ask' ? `open/${name}` : `openqr/${name}`
}

/**
 * `u8 1 ‖ u8 state ‖ u8 opened ‖ lp(bytes)`, then `u8 cause ‖ u64 at ‖ lp(amr)`, then `lp(statement) ‖ lp(signed) ‖ lp(signature) ‖ lp(jkt)`;
 * `signed` is empty where it is the statement.
 */
export function encodeRecord({ state, opened, bytes, ending }: TransactionRecord): Uint8Array {
  const head = [Uint8Array.of(1, STATES.indexOf(state), OPENINGS.indexOf(opened)), ...sized(bytes)]
  if (ending === null) return concat(...head)
  const { cause, at, amr, evidence } = ending
  const end = [u8(CAUSES.indexOf(cause)), u64(at), ...sized(utf8(amr.join(' ')))]
  if (evidence === null) return concat(...head, ...end)
  const { statement, signed, signature, jkt } = evidence
  return concat(...head, ...end, ...sized(statement, signed === statement ? NOTHING : signed, signature, utf8(jkt)))
}

/** lp of each field in parts: what is written at every decision is copied once. */
function sized(...fields: readonly Uint8Array[]): readonly Uint8Array[] {
  return fields.flatMap((field) => [u16(field.length), field])
}

/** @throws PosternError `store.schema_unknown` | `store.corrupt` */
export function decodeRecord(value: Uint8Array): TransactionRecord {
  return reading(value, (r) => {
    const state = named(STATES, r.unsigned(1))
    const opened = named(OPENINGS, r.unsigned(1))
    const bytes = r.lp()
    return { state, opened, bytes, ending: state === 'pending' ? null : readEnding(r) }
  })
}

/** `u8 1 ‖ lp(bytes)`, then, once claimed, `lp(D) ‖ lp(E) ‖ lp(part)`. */
export function encodeWaiting({ bytes, claim }: WaitingRecord): Uint8Array {
  const head = concat(u8(1), lp(bytes))
  return claim === null ? head : concat(head, lp(claim.device), lp(claim.enrolment), lp(claim.part))
}

/** @throws PosternError `store.schema_unknown` | `store.corrupt` */
export function decodeWaiting(value: Uint8Array): WaitingRecord {
  return reading(value, (r) => {
    const bytes = r.lp()
    if (value.length === 3 + bytes.length) return { bytes, claim: null }
    return { bytes, claim: { device: r.text(), enrolment: r.text(), part: r.text() } }
  })
}

function readEnding(r: ByteReader): Ending {
  const cause = named(CAUSES, r.unsigned(1))
  const at = r.unsigned(8)
  const amr = r.text().split(' ').filter(Boolean)
  if (cause !== 'user') return { cause, at, amr, evidence: null }
  const [statement, signed, signature, jkt] = [r.lp(), r.lp(), r.lp(), r.text()]
  return { cause, at, amr, evidence: { statement, signed: signed.length === 0 ? statement : signed, signature, jkt } }
}

function reading<T>(value: Uint8Array, read: (r: ByteReader) => T): T {
  if (value.length > 0 && value[0] !== 1) throw new PosternError('store.schema_unknown', { reason: 'transaction' })
  const r = byteReader(value)
  try {
    r.unsigned(1)
    const record = read(r)
    r.end()
    return record
  } catch (cause) {
    throw cause instanceof RangeError ? new PosternError('store.corrupt', { reason: 'transaction', cause }) : cause
  }
}

function named<T>(names: readonly T[], at: number): T {
  if (names[at] === undefined) throw new RangeError('unknown number')
  return names[at]
}
