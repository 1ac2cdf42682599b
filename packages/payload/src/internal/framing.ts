/** What the two lengths of messages and both their directions have in common. @see RFC 9292 §3.3, §3.5 */
import { type FieldLine, tooLarge } from './fieldRules.js'
import { malformed } from './reader.js'

export const KNOWN_REQUEST = 0
export const KNOWN_RESPONSE = 1
export const INDETERMINATE_REQUEST = 2
export const INDETERMINATE_RESPONSE = 3
const MAX_INFORMATIONAL = 8

/** Of a final response. */
export function checkStatus(status: number): void {
  if (!Number.isInteger(status) || status < 200 || status > 599) throw malformed('status')
}

/** Whether a status is of an informational response, the `skipped`-th of its message. */
export function isInformational(status: number, skipped: number): boolean {
  if (status < 100 || status > 199) return false
  if (skipped > MAX_INFORMATIONAL) throw tooLarge('informational responses')
  return true
}

/** What `content-length` says. */
export function lengthIn(fields: readonly FieldLine[]): string | undefined {
  return fields.find(([name]) => name === 'content-length')?.[1]
}

/** A reply to HEAD names a length and has no content (RFC 9110 §8.6). */
export function lengthOf({ length }: Uint8Array): { contentLength?: number } {
  return length === 0 ? {} : { contentLength: length }
}

/** Largest message of known length, in bytes with its padding. */
export const MAX_BYTES: number = 64 * 1024 * 1024
