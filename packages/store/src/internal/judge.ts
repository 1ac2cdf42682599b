/** The conditions and the effects of ops over records, for every driver that judges in this process. */
import type { Rec } from '../contract.js'
import { type CheckedOp, copyOf, NEVER } from './validate.js'

/** A record as drivers keep it: `expiresAt` is a time or {@link NEVER}. */
export type Kept = Rec

/** The record when it is live at `now`, else `null`. */
export function liveKept(kept: Kept | undefined | null, now: number): Kept | null {
  return kept !== undefined && kept !== null && kept.expiresAt > now ? kept : null
}

/** Whether the op's condition holds over the live record at its key. */
export function holds(op: CheckedOp, current: Kept | null): boolean {
  if (op.op === 'add') {
    const n = (current?.n ?? 0) + op.by
    return op.by > 0 ? n <= op.max : n >= 0
  }
  return op.rev === undefined || (op.rev === null ? current === null : current?.rev === op.rev)
}

/** The record after the op; `null` when there is none. */
export function after(op: CheckedOp, current: Kept | null, rev: string): Kept | null {
  if (op.op === 'check') return current
  if (op.op === 'del') return null
  if (op.op === 'put') return { key: op.key, value: op.value, n: 0, rev, expiresAt: op.expiresAt }
  if (current === null) return { key: op.key, value: new Uint8Array(0), n: op.by, rev, expiresAt: op.expiresAt }
  return { ...current, n: current.n + op.by, rev }
}

/** The record as callers see it: 0 for never. The bytes are handed over, so they must be kept nowhere else. */
export function told(kept: Kept): Rec
export function told(kept: Kept | null): Rec | null
export function told(kept: Kept | null): Rec | null {
  return kept === null ? null : recOf(kept, kept.value)
}

/** The record as callers see it, with bytes of their own. */
export function shown(kept: Kept): Rec
export function shown(kept: Kept | null): Rec | null
export function shown(kept: Kept | null): Rec | null {
  return kept === null ? null : recOf(kept, copyOf(kept.value))
}

function recOf({ key, n, rev, expiresAt }: Kept, value: Uint8Array): Rec {
  return { key, value, n, rev, expiresAt: expiresAt === NEVER ? 0 : expiresAt }
}
