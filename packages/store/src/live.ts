/** Records in time, and the names of their versions. */
import { encodeBase64url } from '@postern/core/base64url'
import type { Random } from '@postern/core/runtime'
import type { Rec } from './contract.js'

/** The record, or `null` when it is expired at `now`: expired means absent, whether or not it is physically gone. */
export function live(rec: Rec | null, now: number): Rec | null {
  return rec !== null && rec.expiresAt !== 0 && rec.expiresAt <= now ? null : rec
}

/** A fresh version name: 96 random bits as 16 base64url characters. */
export function newRev(random: Random): string {
  return encodeBase64url(random(12))
}
