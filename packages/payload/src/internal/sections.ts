/** Field sections of messages that are here whole. @see RFC 9292 §3.6 */
import { checkGrowth, type FieldLine } from './fieldRules.js'
import { malformed, type Reader, readerOf } from './reader.js'

/** The lines of a known-length section, its length left out. */
export function readSection(bytes: Uint8Array): readonly FieldLine[] {
  const source = readerOf(bytes)
  return readLines(source, () => source.ended)
}

/** The lines of an indeterminate-length section, up to and with the zero that ends it. */
export function readOpenSection(source: Reader): readonly FieldLine[] {
  return readLines(source, null)
}

function readLines(source: Reader, ended: (() => boolean) | null): readonly FieldLine[] {
  const lines: FieldLine[] = []
  for (let size = 0; ended === null || !ended(); ) {
    const nameLength = source.varint()
    if (nameLength === 0) {
      if (ended === null) break
      throw malformed('field name')
    }
    checkGrowth(lines.length + 1, (size += nameLength))
    const name = source.latin1(nameLength)
    const valueLength = source.varint()
    checkGrowth(lines.length + 1, (size += valueLength))
    lines.push([name, source.latin1(valueLength)])
  }
  return lines
}
