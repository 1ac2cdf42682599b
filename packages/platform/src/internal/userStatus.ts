/** A user's status on an instance: the copy in `ep/u/<h(sub)>`, which stands beside everything that a login commits (platform.md §3.1). */
import { fromUtf8 } from '@postern/core/bytes'
import type { Rec } from '@postern/store'

export type UserStatus = 'active' | 'blocked' | 'pending' | 'deregistered'

/**
 * The status that a record of `ep/u/…` says. Nothing written, or a bare epoch (the moment of a revocation), is `active`;
 * bytes that nobody knows are `blocked`.
 */
export function statusOf(rec: Pick<Rec, 'value'> | null): UserStatus {
  if (rec === null || rec.value.length === 0) return 'active'
  const text = fromUtf8(rec.value) ?? ''
  if (/^[0-9]{1,16}$/.test(text)) return 'active'
  return isUserStatus(text) ? text : 'blocked'
}

export function isUserStatus(text: unknown): text is UserStatus {
  return text === 'active' || text === 'blocked' || text === 'pending' || text === 'deregistered'
}
