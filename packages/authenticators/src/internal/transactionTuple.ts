/** T(label, f₁…fₙ) read back: evidence is judged by what stands in the signed bytes. */
import { fromUtf8 } from '@postern/core/bytes'
import { byteReader } from './reader.js'

/** The fields of a tuple with this label and so many fields, or `null`. */
export function readTuple(bytes: Uint8Array, label: string, count: number): readonly Uint8Array[] | null {
  try {
    const r = byteReader(bytes)
    if (r.text() !== label || r.unsigned(1) !== count) return null
    const fields = Array.from({ length: count }, () => r.lp())
    r.end()
    return fields
  } catch {
    return null
  }
}

/** The texts of fields, or `null` when one is not UTF-8. */
export function textsOf(fields: readonly Uint8Array[]): readonly string[] | null {
  const texts = fields.map(fromUtf8)
  return texts.includes(null) ? null : (texts as readonly string[])
}
