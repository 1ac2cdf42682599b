/** Count-min: how often a key was seen, never too low, in constant memory. Cell-wise addition merges two of the same shape. */
import { PosternError } from '@postern/core/errors'

/** Four rows by default; cells saturate. The array is the caller's: `add` changes it in place. */
export interface CountMin {
  readonly rows: number
  /** A power of two. */
  readonly width: number
  readonly cells: Uint32Array
}

/** An empty sketch. No conservative update, so that merging nodes equals one node. */
export function countMin(width = 2048, rows = 4): CountMin {
  if (!Number.isInteger(width) || width < 16 || (width & (width - 1)) !== 0)
    throw new RangeError('width is a power of two, at least 16')
  return { rows, width, cells: new Uint32Array(rows * width) }
}

/** Counts a key of two 32-bit words (a keyed hash) `by` more times. */
export function addCount(s: CountMin, hi: number, lo: number, by = 1): void {
  for (let row = 0; row < s.rows; row++) {
    const at = cell(s, row, hi, lo)
    s.cells[at] = Math.min(0xffffffff, s.cells[at]! + by)
  }
}

/** The least of the key's cells: at least the truth, at most a little more. */
export function readCount(s: CountMin, hi: number, lo: number): number {
  let least = 0xffffffff
  for (let row = 0; row < s.rows; row++) least = Math.min(least, s.cells[cell(s, row, hi, lo)]!)
  return least
}

/** @throws PosternError `anomaly.merge_incompatible` when the shapes differ */
export function mergeCounts(a: CountMin, b: CountMin): CountMin {
  if (a.rows !== b.rows || a.width !== b.width) throw new PosternError('anomaly.merge_incompatible')
  return { rows: a.rows, width: a.width, cells: a.cells.map((n, i) => Math.min(0xffffffff, n + b.cells[i]!)) }
}

function cell(s: CountMin, row: number, hi: number, lo: number): number {
  return row * s.width + ((hi + Math.imul(row, lo | 1)) & (s.width - 1))
}
