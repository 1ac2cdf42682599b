/** Attempts: a bounded counter that is raised before anything is verified. A crash costs the user one try and gives an attacker none. */
import type { Op, Rec } from '@postern/store'

/** Takes one of `max` attempts; the commit is lost when none is left. The record keeps its value and gets this commit's `rev`. */
export function takeAttempt(key: string, max: number, expiresAt?: number): Op {
  return expiresAt === undefined ? { op: 'add', key, by: 1, max } : { op: 'add', key, by: 1, max, expiresAt }
}

/** Gives the attempts back after a success: the same value, counted anew; only while the record stands at `rev`. */
export function resetAttempts(key: string, value: Uint8Array, rev: string): Op {
  return { op: 'put', key, value, rev }
}

/** How many of `max` are left in a record as read; an absent one has spent none. */
export function attemptsLeft(rec: Pick<Rec, 'n'> | null, max: number): number {
  return Math.max(0, max - (rec?.n ?? 0))
}
