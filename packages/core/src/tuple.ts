/**
 * T(label, f₁…fₙ): the one injective encoding under every hash, MAC, signature and AAD of the suite.
 *
 * `lp(x)` = u16 big-endian length ‖ x; `T` = lp(label) ‖ u8(n) ‖ lp(f₁) ‖ … ‖ lp(fₙ). It starts with byte 00, a JWS signing input
 * with 65 ("e"), so a signature over one can never pass for the other.
 */
import { concat, u8, u16, utf8 } from './bytes.js'

const MAX_FIELD = 0xffff

/**
 * Length-prefixed bytes; a string stands for its UTF-8.
 * @throws RangeError when the field is longer than 65,535 bytes
 */
export function lp(field: Uint8Array | string): Uint8Array {
  const bytes = typeof field === 'string' ? utf8(field) : field
  return concat(u16(bytes.length), bytes)
}

/**
 * The tuple encoding of a label and its fields; an absent field is written as the empty one.
 * @throws RangeError for more than 255 fields or a field of more than 65,535 bytes
 */
export function tuple(label: string, ...fields: readonly (Uint8Array | string)[]): Uint8Array {
  return onePass(label, fields) ?? concat(lp(label), u8(fields.length), ...fields.map(lp))
}

/** The same in one pass over one array, which nearly every tuple allows; `null` where a text is not ASCII or something is too long. */
function onePass(label: string, fields: readonly (Uint8Array | string)[]): Uint8Array | null {
  if (fields.length > 255 || label.length > MAX_FIELD) return null
  let length = 3 + label.length
  for (const field of fields) {
    if (field.length > MAX_FIELD) return null
    length += 2 + field.length
  }
  const out = new Uint8Array(length)
  let at = put(out, 0, label)
  if (at > 0) out[at++] = fields.length
  for (let i = 0; i < fields.length && at > 0; i++) at = put(out, at, fields[i]!)
  return at > 0 ? out : null
}

/** Writes a length and its field. @returns where the next one goes, 0 for a text that is not ASCII */
function put(out: Uint8Array, start: number, field: Uint8Array | string): number {
  const { length } = field
  const at = start + 2
  out[start] = length >>> 8
  out[start + 1] = length
  if (typeof field !== 'string') out.set(field, at)
  else {
    for (let i = 0; i < length; i++) {
      const code = field.charCodeAt(i)
      if (code > 0x7f) return 0
      out[at + i] = code
    }
  }
  return at + length
}
