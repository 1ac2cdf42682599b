/** One event into the cells of every family that counts it. */
import { memberHash } from '@postern/anomaly/sketches/cardinality'
import { utf8 } from '@postern/core/bytes'
import type { PosternEvent } from '@postern/core/events'
import { type FamilyId, families } from '../families.js'
import { addCell, type Cell, type Cells } from './cells.js'

/** Not a secret: members are the host's own subject ids, and nodes must agree on the hash to merge. */
const MEMBER_KEY = /* @__PURE__ */ utf8('postern.insight1')

/** @param cellsOf - the map to change for a family: fresh, or the caller's own */
export function tally(e: PosternEvent, cellsOf: (family: FamilyId) => Map<string, Cell>): void {
  for (const family of families)
    for (const { labels, by, member } of family.counts(e))
      addCell(cellsOf(family.id), labels, by, member === undefined ? null : memberHash(MEMBER_KEY, utf8(member)))
}

/** All families of some events, each with its cells, empty ones included. */
export function recount(
  events: Iterable<PosternEvent>,
  into: Map<FamilyId, Map<string, Cell>> = new Map(),
): Map<FamilyId, Map<string, Cell>> {
  for (const { id } of families) if (!into.has(id)) into.set(id, new Map())
  for (const e of events) tally(e, (id) => into.get(id)!)
  return into
}

export type { Cell, Cells }
