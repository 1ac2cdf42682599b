/**
 * T(label, f₁…fₙ): the one injective encoding under every hash, MAC, signature and AAD of the suite.
 *
 * `lp(x)` = u16 big-endian length ‖ x; `T` = lp(label) ‖ u8(n) ‖ lp(f₁) ‖ … ‖ lp(fₙ). It starts with byte 00, a JWS signing input
 * with 65 ("e"), so a signature over one can never pass for the other.
 */
import { concat, u8, u16, utf8 } from './bytes.js'

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
  return concat(lp(label), u8(fields.length), ...fields.map(lp))
}
