/** Text that a person decides by: one spelling, nothing hidden in it, nothing that turns it round. */
import { utf8 } from '@postern/core/bytes'

/** C0, C1, bidi controls, line and paragraph separators, lone surrogates; U+200B, U+2060, U+FEFF. First and last of each range. */
const HIDDEN: readonly (readonly [number, number])[] = [
  [0x00, 0x1f],
  [0x7f, 0x9f],
  [0x61c, 0x61c],
  [0x200b, 0x200b],
  [0x200e, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x2060],
  [0x2066, 0x2069],
  [0xd800, 0xdfff],
  [0xfeff, 0xfeff],
]

/** Whether a value is text of 1 to `maxBytes` bytes of UTF-8, in NFC, without what cannot be seen. */
export function isDisplayText(value: unknown, maxBytes: number): value is string {
  if (typeof value !== 'string' || value.length === 0 || value.length > maxBytes) return false
  let plain = true
  for (const character of value) {
    const code = character.codePointAt(0)!
    if (code > 0x1f && code < 0x7f) continue
    if (HIDDEN.some(([first, last]) => code >= first && code <= last)) return false
    plain = false
  }
  return plain || (utf8(value).length <= maxBytes && value.normalize('NFC') === value)
}
