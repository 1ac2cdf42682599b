/** Who must hear of a session's end: one record for each client that redeemed a grant in it, in the user's partition. */
import { fromUtf8, utf8 } from '@postern/core/bytes'
import type { Op, Rec } from '@postern/store'
import type { Client } from '../clients.js'
import type { Grant } from './family.js'
import type { Kit } from './kit.js'

/** Where the listeners of a session stand. */
export function listenersOf(sid: string): string {
  return `lo/${sid}/`
}

/** What a redemption writes, so that the client hears of the session's end: nothing for most. */
export async function listenerOps(
  { id, kind, backchannelLogoutUri }: Client,
  { sid }: Grant,
  expiresAt: number,
  { places }: Kit,
): Promise<readonly Op[]> {
  if (backchannelLogoutUri === undefined || kind !== 'shared' || sid === null) return []
  const key = listenersOf(sid) + (await places.name('client', id))
  return [{ op: 'put', key, value: utf8(id), expiresAt }]
}

/** The client of a record. */
export function listenerIn({ value }: Rec): string {
  return fromUtf8(value) ?? ''
}
