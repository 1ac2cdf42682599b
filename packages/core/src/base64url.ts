/**
 * Base64url without padding, canonical in both directions: one byte string has one text and the reverse.
 * @see RFC 4648 §5, RFC 7515 §2
 */
import { utf8 } from './bytes.js'
import { decodeByTable, encodeByTable } from './internal/base64urlTable.js'

/** Node's and Bun's own codec, five times as fast. Its decoder is lenient, so what it reads must be what it writes. */
interface NativeCodec {
  from(bytes: ArrayBufferLike, start: number, length: number): { toString(encoding: 'base64url'): string }
  from(text: string, encoding: 'base64url' | 'utf8'): Uint8Array & { toString(encoding: 'base64url'): string }
  isEncoding?(encoding: string): boolean
}
// A browser's stand-in for it may lack the encoding.
const { Buffer: codec } = globalThis as { Buffer?: NativeCodec }
const native: NativeCodec | null = codec?.isEncoding?.('base64url') === true ? codec : null

/** Text of bytes, without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  if (native === null) return encodeByTable(bytes)
  return native.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/** Text of the UTF-8 of a text, without padding. */
export function encodeTextBase64url(text: string): string {
  return native === null ? encodeByTable(utf8(text)) : native.from(text, 'utf8').toString('base64url')
}

/**
 * Bytes of canonical base64url, or `null` for padding, white space, any other character, an impossible length, or trailing bits that are not zero.
 * Lenient decoders let one token be written in several ways; nothing in the suite may depend on a text that is not unique.
 */
export function decodeBase64url(text: string): Uint8Array | null {
  if (native === null) return decodeByTable(text)
  const bytes = native.from(text, 'base64url')
  // A copy of its own: what the codec gave shares its buffer with others.
  return bytes.toString('base64url') === text ? new Uint8Array(bytes) : null
}
