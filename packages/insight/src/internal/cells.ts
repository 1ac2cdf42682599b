/** Cells of one family: label values → count and, where the family is unique, different members. Merging is addition and union. */
import { addMembers, type Cardinality, mergeCardinality, noMembers } from '@postern/anomaly/sketches/cardinality'

export interface Cell {
  readonly n: number
  readonly members: Cardinality | null
}

/** Keyed by the label values joined with `|`. */
export type Cells = ReadonlyMap<string, Cell>

/** More would be folded into `other`. */
export const maxCells = 4096
/** Values of one label that stand for themselves when a row grows too long; the largest stay. */
export const openValues = 64

export function addCell(cells: Map<string, Cell>, labels: readonly string[], by: number, hash: string | null): void {
  let key = labels.join('|')
  if (!cells.has(key) && cells.size >= maxCells) key = labels.map(() => 'other').join('|')
  const old = cells.get(key)
  const members = hash === null ? (old?.members ?? null) : addMembers(old?.members ?? noMembers, [hash])
  cells.set(key, { n: (old?.n ?? 0) + by, members })
}

export function mergeCells(a: Cells, b: Cells): Map<string, Cell> {
  const out = new Map(a)
  for (const [key, cell] of b) out.set(key, mergeCell(out.get(key), cell))
  return out
}

export function mergeCell(a: Cell | undefined, b: Cell): Cell {
  if (a === undefined) return b
  const members = a.members === null ? b.members : b.members === null ? a.members : mergeCardinality(a.members, b.members)
  return { n: a.n + b.n, members }
}

/** Folds the last label's values beyond the largest 64 into `other`, ties by name; sums over labels do not change. */
export function folded(cells: Cells): Cells {
  const totals = new Map<string, number>()
  for (const [key, cell] of cells) totals.set(last(key), (totals.get(last(key)) ?? 0) + cell.n)
  if (totals.size <= openValues) return cells
  const kept = new Set(
    [...totals]
      .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
      .slice(0, openValues - 1)
      .map(([value]) => value),
  )
  const out = new Map<string, Cell>()
  for (const [key, cell] of cells) {
    const to = kept.has(last(key)) ? key : `${key.slice(0, key.length - last(key).length)}other`
    out.set(to, mergeCell(out.get(to), cell))
  }
  return out
}

function last(key: string): string {
  return key.slice(key.lastIndexOf('|') + 1)
}
