/** One stored row: JSON with sorted keys, at most 65,536 bytes. Members are sketches in base64url, never names. */
import { decodeCardinality, encodeCardinality, estimated } from '@postern/anomaly/sketches/cardinality'
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { type Cell, type Cells, folded } from './cells.js'

export interface Row {
  readonly seq: number
  readonly cells: Cells
}

const MAX_BYTES = 65_536

export function encodeRow(row: Row): Uint8Array {
  const bytes = text(row.seq, row.cells)
  if (bytes.length <= MAX_BYTES) return bytes
  const small = text(row.seq, withoutMembers(folded(row.cells)))
  if (small.length > MAX_BYTES) throw new PosternError('insight.rollup_invalid', { reason: 'size' })
  return small
}

/** @throws PosternError `insight.rollup_invalid` */
export function decodeRow(bytes: Uint8Array): Row {
  try {
    const { v, seq, cells } = JSON.parse(fromUtf8(bytes) ?? '') as {
      v: number
      seq: number
      cells: readonly [string, number, string?][]
    }
    if (v !== 1 || !Number.isSafeInteger(seq)) throw new Error('version')
    return {
      seq,
      cells: new Map(
        cells.map(([key, n, members]) => [
          key,
          { n, members: members === undefined ? null : decodeCardinality(decodeBase64url(members)!) },
        ]),
      ),
    }
  } catch (cause) {
    throw new PosternError('insight.rollup_invalid', { cause })
  }
}

function text(seq: number, cells: Cells): Uint8Array {
  const sorted = [...cells].sort((a, b) => (a[0] < b[0] ? -1 : 1))
  return utf8(
    JSON.stringify({
      v: 1,
      seq,
      cells: sorted.map(([key, cell]) => [
        key,
        cell.n,
        ...(cell.members === null ? [] : [encodeBase64url(encodeCardinality(cell.members))]),
      ]),
    }),
  )
}

/** Too many cells with members for one row: the counts stay exact, the members of the eight largest cells become estimates, the others' are dropped. */
function withoutMembers(cells: Cells): Cells {
  const largest = new Set(
    [...cells]
      .sort((a, b) => b[1].n - a[1].n || (a[0] < b[0] ? -1 : 1))
      .slice(0, 8)
      .map(([key]) => key),
  )
  return new Map(
    [...cells].map(([key, cell]): [string, Cell] => [
      key,
      { n: cell.n, members: largest.has(key) && cell.members !== null ? estimated(cell.members) : null },
    ]),
  )
}
