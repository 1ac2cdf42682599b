/** Records as bytes: a schema byte, then JSON. A record newer than this program is refused, never guessed at. */
import { concat, fromUtf8, u8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'

const SCHEMA = 1

/** The bytes of a record. */
export function encodeRecord(value: object): Uint8Array {
  return concat(u8(SCHEMA), utf8(JSON.stringify(value)))
}

/**
 * The record of bytes that this program (or one like it) wrote.
 * @throws PosternError `store.schema_unknown` | `store.corrupt`
 */
export function decodeRecord<T>(bytes: Uint8Array): T {
  if (bytes.length === 0) throw new PosternError('store.corrupt')
  if (bytes[0]! > SCHEMA) throw new PosternError('store.schema_unknown')
  const text = fromUtf8(bytes.subarray(1))
  if (bytes[0] !== SCHEMA || text === null) throw new PosternError('store.corrupt')
  try {
    return JSON.parse(text) as T
  } catch (cause) {
    throw new PosternError('store.corrupt', { cause })
  }
}
