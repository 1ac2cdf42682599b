/**
 * A transaction of txn/v1 as bytes: what the phone shows and signs. A deterministic CBOR map with integer keys, ≤ 16 KiB; one content has one
 * encoding, so that between screen and signature nothing is encoded again.
 */
import { type CborMap, type CborValue, isCborMap, readCbor, writeCbor } from '@postern/core/cbor'
import { isPosternError, PosternError } from '@postern/core/errors'
import { isDisplayText } from '../internal/displayText.js'

/** One line of what is asked, in the client's own words: label ≤ 64 bytes, value ≤ 512. */
export interface DisplayRow {
  readonly label: string
  readonly value: string
}

/** What is to be confirmed. Text is NFC, without control and bidi characters and without U+200B, U+2060, U+FEFF; lengths are of UTF-8. */
export interface Transaction {
  /** 1 to 256 bytes, as `tenant`, `client` and `app`. */
  readonly issuer: string
  readonly tenant: string
  /** Who asks. */
  readonly client: string
  /** The app that may decide. */
  readonly app: string
  /** 16 bytes. */
  readonly id: Uint8Array
  /** `[a-z0-9.-]{1,64}` */
  readonly kind: string
  /** 1 to 16 rows. */
  readonly display: readonly DisplayRow[]
  /** `value` as `(0|[1-9]\d{0,14})(\.\d{1,4})?`, `currency` by ISO 4217. */
  readonly amount?: { readonly value: string; readonly currency: string }
  /** ≤ 128 bytes. */
  readonly payee?: string
  /** Seconds. */
  readonly created: number
  /** Seconds; 1 to 3,600 after `created`. */
  readonly expires: number
  /** 32 bytes. */
  readonly nonce: Uint8Array
  /** 1: the number shown where it began is to be typed. */
  readonly match: 0 | 1
  /** Where it was started, ≤ 128 bytes. */
  readonly origin?: string
  /** SHA-256 of attached data. */
  readonly data?: Uint8Array
}

const MAX_BYTES = 16_384
const MAX_NAME_BYTES = 256
const MAX_LIFE_SEC = 3600
const AMOUNT = /^(0|[1-9]\d{0,14})(\.\d{1,4})?$/

/**
 * The bytes of a transaction.
 * @throws PosternError `transaction.invalid`
 */
export function encodeTransaction(t: Transaction): Uint8Array {
  const members = membersOf(t)
  read(members)
  return writeCbor(members)
}

/**
 * The transaction of bytes, strictly: any other encoding of the same content is refused.
 * @throws PosternError `transaction.invalid`
 */
export function decodeTransaction(bytes: Uint8Array): Transaction {
  if (bytes.length > MAX_BYTES) throw invalid('more than 16 KiB')
  let value: CborValue
  try {
    value = readCbor(bytes)
  } catch (cause) {
    if (isPosternError(cause, 'cbor.malformed')) throw invalid(cause.reason ?? 'CBOR')
    throw cause
  }
  if (!isCborMap(value)) throw invalid('not a map')
  return read(value)
}

/** The map of a transaction's members, each read once; what is no transaction leaves a hole for {@link read} to find. */
function membersOf(t: Transaction): CborMap {
  const { issuer, tenant, client, app, id, kind, display, amount, payee, created, expires, nonce, match, origin, data } = t
  const rows = Array.isArray(display) ? display.map((row: DisplayRow) => [row?.label, row?.value]) : null
  const optional: [number, CborValue | undefined][] = [
    [8, amount === undefined ? undefined : [amount?.value, amount?.currency]],
    [9, payee],
    [14, origin],
    [15, copied(data)],
  ]
  return new Map<number, CborValue>([
    [0, 1],
    [1, issuer],
    [2, tenant],
    [3, client],
    [4, app],
    [5, copied(id)],
    [6, kind],
    [7, rows],
    [10, created],
    [11, expires],
    [12, copied(nonce)],
    [13, match],
    ...(optional.filter(([, value]) => value !== undefined) as [number, CborValue][]),
  ])
}

function copied<T>(bytes: T): T {
  return bytes instanceof Uint8Array ? (bytes.slice() as T & Uint8Array) : bytes
}

/** The members in the order of their keys, then the keys themselves. */
function read(m: CborMap): Transaction {
  if (m.get(0) !== 1) throw invalid('version')
  const optional = <T>(key: number, reader: (key: number) => T): T | undefined => (m.has(key) ? reader(key) : undefined)
  const text = (maxBytes: number) => (key: number) => {
    const value = m.get(key)
    if (!isDisplayText(value, maxBytes)) throw invalid(`the text of key ${key}`)
    return value
  }
  const bytes = (length: number) => (key: number) => {
    const value = m.get(key)
    if (!(value instanceof Uint8Array) || value.length !== length) throw invalid(`the bytes of key ${key}`)
    return value.slice()
  }
  const seconds = (key: number) => {
    const value = m.get(key)
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw invalid(`the seconds of key ${key}`)
    return value
  }
  const name = text(MAX_NAME_BYTES)
  const amount = optional(8, () => readAmount(m.get(8)))
  const payee = optional(9, text(128))
  const origin = optional(14, text(128))
  const data = optional(15, bytes(32))
  const transaction: Transaction = {
    issuer: name(1),
    tenant: name(2),
    client: name(3),
    app: name(4),
    id: bytes(16)(5),
    kind: text(64)(6),
    display: readRows(m.get(7)),
    ...(amount && { amount }),
    ...(payee !== undefined && { payee }),
    created: seconds(10),
    expires: seconds(11),
    nonce: bytes(32)(12),
    match: readMatch(m.get(13)),
    ...(origin !== undefined && { origin }),
    ...(data && { data }),
  }
  if (!/^[a-z0-9.-]+$/.test(transaction.kind)) throw invalid('kind')
  const life = transaction.expires - transaction.created
  if (life < 1 || life > MAX_LIFE_SEC) throw invalid('a life that is not 1 to 3,600 seconds')
  for (const key of m.keys()) if (typeof key !== 'number' || key < 0 || key > 15) throw invalid('a key that has no meaning')
  return transaction
}

function readRows(value: CborValue | undefined): readonly DisplayRow[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > 16) throw invalid('not 1 to 16 rows')
  return value.map((row: CborValue) => {
    const [label, text] = pair(row)
    if (!isDisplayText(label, 64) || !isDisplayText(text, 512)) throw invalid('the text of a row')
    return { label, value: text }
  })
}

function readAmount(row: CborValue | undefined): { readonly value: string; readonly currency: string } {
  const [value, currency] = pair(row)
  if (typeof value !== 'string' || !AMOUNT.test(value)) throw invalid('amount')
  if (typeof currency !== 'string' || !/^[A-Z]{3}$/.test(currency)) throw invalid('currency')
  return { value, currency }
}

function readMatch(value: CborValue | undefined): 0 | 1 {
  if (value !== 0 && value !== 1) throw invalid('match')
  return value
}

function pair(row: CborValue | undefined): readonly CborValue[] {
  if (!Array.isArray(row) || row.length !== 2) throw invalid('not a pair')
  return row
}

function invalid(reason: string): PosternError<'transaction.invalid'> {
  return new PosternError('transaction.invalid', { reason })
}
