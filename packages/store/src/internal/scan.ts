/** What a walk over all records is given and gives back, whichever driver walks. */
import { PosternError } from '@postern/core/errors'
import type { Part, Rec } from '../contract.js'
import { MAX_VALUE_BYTES } from './validate.js'

/** The bytes to put in place of a record's value, or `null` to leave it. */
export type Visit = (rec: Rec & { readonly part: Part }) => Uint8Array | null | Promise<Uint8Array | null>

export interface Scanned {
  /** Records that were visited. */
  readonly seen: number
  /** Values that were replaced; one whose record changed in the meantime was not. */
  readonly rewritten: number
  /** Where to go on; `null` once the end was reached. */
  readonly after: string | null
}

/** @throws PosternError `store.invalid` unless a visitor may give this */
export function checkedRewrite(value: Uint8Array): Uint8Array {
  if (value instanceof Uint8Array && value.length <= MAX_VALUE_BYTES) return value
  throw new PosternError('store.invalid', {
    publicMessage: `A new value is a Uint8Array of at most ${MAX_VALUE_BYTES} bytes, or null.`,
  })
}
