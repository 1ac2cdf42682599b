/**
 * Records that change shape while old and new nodes run side by side. The first byte of a value is its schema; readers know the schema
 * that is written and its neighbour, so that a roll-out is two steps and each can be taken back.
 *
 * 1. Ship code that reads n − 1 and n and writes n − 1. 2. When every node runs it, let it write n. From then on each write renews its
 * record; a scan with {@link Codec.migrate} renews the rest, after which the next release may forget n − 1.
 */
import { PosternError } from '@postern/core/errors'

/** One kind of record: its values as bytes, and back. */
export interface Codec<T> {
  readonly kind: string
  /** A schema byte and what follows it. */
  encode(value: T): Uint8Array
  /**
   * @throws PosternError `store.schema_unknown` when the bytes are of a schema newer than this program; `store.corrupt` for everything else
   * that can be wrong, with no detail: empty, of a schema too old, sealed still, or not what its reader reads
   */
  decode(bytes: Uint8Array): T
  /** The bytes in the schema that is written, or `null` when they need no rewriting: what a scan's visitor returns. @throws as `decode` */
  migrate(bytes: Uint8Array): Uint8Array | null
}

export interface CodecOptions<T> {
  /** The kind's name, for the host's own logs. */
  readonly kind: string
  /** The schema that is written, 1…127: one of those that are read. */
  readonly write: number
  /** By schema, what reads the bytes behind the schema byte: one schema, or two that follow one another. It throws for what it cannot read. */
  readonly read: Readonly<Record<number, (bytes: Uint8Array) => T>>
  /** The bytes behind the schema byte. `schema` is the one that is written, for a roll-out that decides by a flag. */
  readonly encode: (value: T, schema: number) => Uint8Array
}

/** Bit 7 says that a value is sealed; whoever decodes one did not open it. */
const MAX_SCHEMA = 127

/**
 * A codec of one kind of record.
 * @throws PosternError `store.invalid` for schemas outside 1…127, more than two, two that do not follow one another, or a `write` that is not read
 *
 * @example
 * const family = recordCodec({ kind: 'fam', write: flags.family2 ? 2 : 1, read: { 1: readFirst, 2: readSecond }, encode })
 */
export function recordCodec<T>({ kind, write, read, encode }: CodecOptions<T>): Codec<T> {
  const readers = new Map(Object.entries(read).map(([schema, reader]) => [Number(schema), reader]))
  const schemas = [...readers.keys()].sort((a, b) => a - b)
  const [oldest = 0, newest = oldest] = schemas
  if (!schemas.every((schema) => Number.isInteger(schema) && schema >= 1 && schema <= MAX_SCHEMA))
    throw invalid(`its schemas are integers from 1 to ${MAX_SCHEMA}`)
  if (schemas.length < 1 || schemas.length > 2 || newest - oldest > 1)
    throw invalid('it reads one schema, or two that follow one another')
  if (!readers.has(write)) throw invalid('it writes a schema that it reads')

  const encoded = (value: T): Uint8Array => {
    const body = encode(value, write)
    const bytes = new Uint8Array(1 + body.length)
    bytes[0] = write
    bytes.set(body, 1)
    return bytes
  }

  const decode = (bytes: Uint8Array): T => {
    const [schema = 0] = bytes
    if (schema > newest && schema <= MAX_SCHEMA)
      throw new PosternError('store.schema_unknown', { reason: `${kind}, schema ${schema}` })
    const reader = readers.get(schema)
    if (reader === undefined) throw new PosternError('store.corrupt', { reason: `${kind}, schema ${schema}` })
    try {
      return reader(bytes.subarray(1))
    } catch {
      // No cause: a parser's message quotes what it could not parse.
      throw new PosternError('store.corrupt', { reason: `${kind}, schema ${schema}` })
    }
  }

  return {
    kind,
    encode: encoded,
    decode,
    migrate(bytes) {
      const value = decode(bytes)
      // What is newer than the schema written is a flipped flag taken back: it is read, and left.
      return bytes[0]! < write ? encoded(value) : null
    },
  }
}

function invalid(rule: string): PosternError<'store.invalid'> {
  return new PosternError('store.invalid', { publicMessage: `A record codec breaks a rule: ${rule}.` })
}
