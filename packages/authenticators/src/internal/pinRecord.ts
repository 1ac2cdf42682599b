/** The values of `pin/E` and `pin/E/next`: `u8 1 ‖ u16 suite ‖ lp(key version) ‖ u32 g ‖ record`, in `next` followed by `lp(R₂)`. */
import { concat, u8, u16, u32 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { lp } from '@postern/core/tuple'
import type { PinSuite } from '../pin/messages.js'
import { byteReader } from './reader.js'

/** One stored PIN. */
export interface PinRecord {
  readonly suite: PinSuite
  readonly version: string
  readonly generation: number
  /** OPAQUE record, 192 bytes. */
  readonly record: Uint8Array
  /** R₂, the revision that a pending PIN waits on; `null` in `pin/E`. */
  readonly after: string | null
}

/** Suite numbers as they are stored. */
export const suiteNumbers: Readonly<Record<PinSuite, number>> = { '0001': 1, '0002': 2, '0003': 3 }

/** The suite of a number, or `null`. */
export function suiteOf(n: number): PinSuite | null {
  return n === 1 ? '0001' : n === 2 ? '0002' : n === 3 ? '0003' : null
}

/** Stored bytes. */
export function encodePinRecord(p: PinRecord): Uint8Array {
  const after = p.after === null ? [] : [lp(p.after)]
  return concat(u8(1), u16(suiteNumbers[p.suite]), lp(p.version), u32(p.generation), p.record, ...after)
}

/** @throws PosternError `store.schema_unknown` | `store.corrupt` */
export function decodePinRecord(bytes: Uint8Array, kind: 'current' | 'next' = 'current'): PinRecord {
  if (bytes.length > 0 && bytes[0] !== 1)
    throw new PosternError('store.schema_unknown', { reason: `PIN record schema ${bytes[0]}` })
  try {
    const r = byteReader(bytes)
    r.take(1)
    const suite = suiteOf(r.unsigned(2))
    const version = r.text()
    const generation = r.unsigned(4)
    const record = r.take(192)
    const after = kind === 'next' ? r.text() : null
    r.end()
    if (suite === null) throw new RangeError('suite')
    return { suite, version, generation, record, after }
  } catch (cause) {
    throw new PosternError('store.corrupt', { reason: 'PIN record', cause })
  }
}
