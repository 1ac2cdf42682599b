/**
 * The record `c` of `ix:<h>`: who holds a credential id, for no two users may. `u8 1 ‖ u8 state ‖ lp(user partition) ‖ lp(H) ‖ u64 until`.
 * It is claimed with an expiry, then confirmed without one; a claim that expires never had an active credential behind it.
 */
import { concat, hex, u8, u64 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import { lp, tuple } from '@postern/core/tuple'
import type { Op, Part } from '@postern/store'
import { byteReader } from './reader.js'

export interface PasskeyClaim {
  /** Id of the user's partition. */
  readonly owner: string
  /** H, the credential's name there. */
  readonly name: string
  /** End of the claim, and of the pending credential, ms. */
  readonly until: number
  readonly confirmed: boolean
}

/** The key of the record. */
export const claimKey = 'c'

/** Where a credential id is claimed; once for each relying party of a tenant. */
export async function claimPart(crypto: CryptoPort, tenant: string, rpId: string, id: Uint8Array): Promise<Part> {
  return { tenant, id: `ix:${hex(await crypto.digest('SHA-256', tuple('postern:webauthn/v1:index', rpId, id)))}` }
}

/** Writes the claim over `rev`; only an unconfirmed one expires. */
export function putClaim(claim: PasskeyClaim, rev: string | null): Op {
  const value = concat(u8(1), u8(claim.confirmed ? 1 : 0), lp(claim.owner), lp(claim.name), u64(claim.until))
  const op = { op: 'put', key: claimKey, value, rev } as const
  return claim.confirmed ? op : { ...op, expiresAt: claim.until }
}

/** @throws PosternError `store.schema_unknown` | `store.corrupt` */
export function readClaim(value: Uint8Array): PasskeyClaim {
  if (value[0] !== 1) throw new PosternError('store.schema_unknown', { reason: 'claim of a passkey' })
  try {
    const r = byteReader(value.subarray(1))
    const confirmed = r.unsigned(1) === 1
    const [owner, name, until] = [r.text(), r.text(), r.unsigned(8)]
    r.end()
    return { owner, name, until, confirmed }
  } catch (cause) {
    throw new PosternError('store.corrupt', { reason: 'claim of a passkey', cause })
  }
}
