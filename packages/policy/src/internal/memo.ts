/**
 * Decisions remembered by all that they follow from: the bits that a request selects, which facts it lacks, and what its session can do.
 * Bounded, because requests choose the pattern: when it is full it starts anew.
 */
import { firstOf } from './bits.js'
import { signatureOf } from './session.js'
import { ABSENT, isUnsure, NOT_APPLICABLE, type Slots } from './slots.js'
import type { Tables } from './tables.js'

export interface Memo {
  root: Node
  size: number
  /** The same policy under lower ceilings. */
  capped: Map<number, unknown>
}

/** A place in the pattern; `value` is what was remembered there. */
export interface Node {
  readonly next: Map<number, Node>
  value: unknown
}

const maxNodes = 8192

export function newMemo(): Memo {
  return { root: { next: new Map(), value: undefined }, size: 0, capped: new Map() }
}

/** The place of a request that was matched into the scratch of `t`; `null` where the pattern alone does not decide. */
export function placeOf(t: Tables, f: Slots, forked: boolean): Node | null {
  const { must, may } = t.scratch
  if (f.invalid.length > 0) return null
  let node = t.memo.root
  if (t.words === 1) node = step(t.memo, node, must[0]! | 0)
  else for (let w = 0; w < must.length; w++) if (must[w] !== 0) node = step(t.memo, node, w * 2 ** 32 + must[w]!)
  if (forked) {
    const lacking = lackingOf(t, f)
    if (lacking < 0) return null
    node = step(t.memo, node, -1 - lacking)
    for (let w = 0; w < may.length; w++) if (may[w] !== 0) node = step(t.memo, node, w * 2 ** 32 + may[w]!)
  }
  if (firstOf(forked ? may : must, t.require, null) < 0) return node
  // With rules about the session itself the bits do not tell whether a step-up could help.
  const session = t.maskable < t.attributes.length ? -1 : signatureOf(t.session, f)
  return session < 0 ? null : step(t.memo, node, -(2 ** 31) - session)
}

/** Which attributes are absent, as bits; -1 where that does not say it all. */
function lackingOf({ attributes }: Tables, { values }: Slots): number {
  if (attributes.length > 30) return -1
  let bits = 0
  for (let i = 0; i < attributes.length; i++) {
    const value = values[attributes[i]!.slot]!
    if (value === ABSENT) bits |= 1 << i
    else if (isUnsure(value) && value !== NOT_APPLICABLE) return -1
  }
  return bits
}

function step(memo: Memo, node: Node, key: number): Node {
  const known = node.next.get(key)
  if (known !== undefined) return known
  if (memo.size >= maxNodes) {
    memo.size = 0
    memo.root = { next: new Map(), value: undefined }
  }
  memo.size++
  const fresh: Node = { next: new Map(), value: undefined }
  node.next.set(key, fresh)
  return fresh
}

/** Remembers a value for whoever asks next; frozen, because they all get the same one. */
export function remember<T>(place: Node | null, value: T): T {
  if (place !== null) place.value = frozen(value)
  return value
}

function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values(value)) frozen(inner)
  return Object.freeze(value)
}
