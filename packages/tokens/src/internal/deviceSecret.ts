/** Device secrets (OpenID Connect Native SSO for Mobile Apps 1.0, §3.2): with one, another app of the same vendor logs the same user in. */
import { encodeBase64url } from '@postern/core/base64url'
import { utf8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { JsonObject } from '@postern/core/json'
import type { Op } from '@postern/store'
import type { IssuerContext } from '../issuer.js'
import type { Guard } from '../login.js'
import { newId } from './code.js'
import type { Grant } from './family.js'
import { sealHandle } from './handles.js'
import { kitOf } from './kit.js'
import { pairwiseSubject } from './pairwise.js'

/** What a device secret holds. It is worth something while its record, its family, the epochs of its grant, its client and its session stand. */
export interface DeviceSecret {
  readonly id: string
  /** Ms. */
  readonly exp: number
  readonly grant: Pick<
    Grant,
    'subject' | 'clientId' | 'clientKind' | 'kind' | 'acr' | 'amr' | 'authTime' | 'sid' | 'jkt' | 'x5t' | 'facts' | 'clientEpoch'
  >
  /** The `sub` of its ID tokens. */
  readonly sub: string
  readonly epochs: readonly Guard[]
  /** Of the login it was made at: revoking its refresh token ends the secret, too. */
  readonly family: { readonly id: string; readonly row: boolean }
}

/** The scope that asks for one. */
export const DEVICE_SSO = 'device_sso'
const NOTHING = new Uint8Array(0)

export function deviceSecretKey(id: string): string {
  return `ds/${id}`
}

/** What binds an ID token to a device secret. */
export async function dsHashOf(secret: string, crypto: CryptoPort): Promise<string> {
  return encodeBase64url(await crypto.digest('SHA-256', utf8(secret)))
}

/** Makes the secret of a grant that is being redeemed: the op that its commit needs, the member of its answer, and the grant that knows of it. */
export async function deviceSecret(
  grant: Grant,
  { epochs, family }: Pick<DeviceSecret, 'epochs' | 'family'>,
  now: number,
  context: IssuerContext,
): Promise<{ readonly grant: Grant; readonly ops: readonly Op[]; readonly members: JsonObject }> {
  const kit = kitOf(context)
  const { subject, sector, clientId, clientKind, kind, acr, amr, authTime, jkt, x5t, facts, clientEpoch } = grant
  const id = newId(context)
  const exp = now + context.config.lifetimes.familySec * 1000
  // An ID token of this profile names a session (§3.4.1); where the host has none, the secret is one.
  const sid = grant.sid ?? id
  const sub = sector === undefined ? subject : await pairwiseSubject(kit, subject, sector)
  const kept = {
    subject,
    clientId,
    clientKind,
    kind,
    acr,
    amr,
    authTime,
    sid,
    jkt,
    facts,
    ...(x5t !== undefined && { x5t }),
    ...(clientEpoch !== undefined && { clientEpoch }),
  }
  const text = await sealHandle(kit, 'deviceSecret', { id, exp, grant: kept, sub, epochs, family } satisfies DeviceSecret)
  return {
    grant: { ...grant, sid, dsHash: await dsHashOf(text, context.runtime.crypto) },
    ops: [{ op: 'put', key: deviceSecretKey(id), value: NOTHING, rev: null, expiresAt: exp }],
    members: { device_secret: text },
  }
}

/** What a grant with a device secret adds to its ID tokens, refreshed ones too. */
export function idClaimsOf({ dsHash }: Grant): { readonly idClaims?: JsonObject } {
  return dsHash === undefined ? {} : { idClaims: { ds_hash: dsHash } }
}
