/** This issuer's own access tokens, read back: by the gate or by their seal, then against the store. */
import { fromUtf8, utf8 } from '@postern/core/bytes'
import { isPosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { readJws, verifyJws } from '@postern/core/jws'
import type { Rec } from '@postern/store'
import type { Client } from '../clients.js'
import type { IssuerContext } from '../issuer.js'
import { accessTokenRules, numericDate, textClaim } from '../jose.js'
import type { Guard } from '../login.js'
import { epochKeys } from './epochs.js'
import { decodeFamily, type Family, familyKey, isLiveFamily } from './family.js'
import { type Kit, kitOf } from './kit.js'
import { isOpaque, openOpaque } from './opaque.js'
import { openTokenHandle, type TokenContent, type TokenHandle } from './tokenHandle.js'

export interface OwnToken {
  /** As the token's holder sees them. */
  readonly claims: JsonObject
  /** The host's subject, which `sub` is not for a pairwise client. */
  readonly subject: string
  readonly clientId: string
  readonly scope: readonly string[]
  readonly jkt: string | null
  readonly x5t: string | null
  /** Seconds. */
  readonly exp: number
  readonly handle: TokenHandle
  /** The key under which the token alone is revoked. */
  readonly revokedKey: string
  /** Of the key that signed it; `null` for an opaque one. */
  readonly kid: string | null
}

/**
 * A token of ours that has not expired, or `null` for every way of being none. One that was read before is not opened again: what it says does
 * not change, and of what it is worth nothing is kept.
 */
export async function readOwnToken(text: string, context: IssuerContext): Promise<OwnToken | null> {
  const kit = kitOf(context)
  const known = kit.tokens.get(text)
  const token = known ?? (await read(text, kit, context))
  if (token === null) return null
  if (known === undefined) kit.tokens.set(text, token)
  const now = context.runtime.clock()
  const vouched = token.kid === null || (await kit.ownKey(token.kid, now)) !== null //                   T47
  return vouched && token.exp * 1000 > now ? token : null
}

async function read(text: string, kit: Kit, context: IssuerContext): Promise<OwnToken | null> {
  try {
    const content = isOpaque(text) ? await openOpaque(kit, text) : await readSigned(text, kit, context)
    if (content === null || content.claims.iss !== context.issuer) return null
    const { claims, handle, kid } = content
    const cnf = (claims.cnf ?? {}) as { readonly jkt?: string; readonly 'x5t#S256'?: string }
    return {
      claims,
      subject: handle.subject ?? textClaim(claims, 'sub', 255),
      clientId: textClaim(claims, 'client_id', 64),
      scope: typeof claims.scope === 'string' && claims.scope !== '' ? claims.scope.split(' ') : [],
      jkt: cnf.jkt ?? null,
      x5t: cnf['x5t#S256'] ?? null,
      exp: numericDate(claims.exp, 'exp'),
      handle,
      revokedKey: `at/${handle.id}`,
      kid,
    }
  } catch (error) {
    if (isPosternError(error, 'jws.refused')) return null
    throw error
  }
}

async function readSigned(text: string, kit: Kit, { runtime }: IssuerContext): Promise<TokenContent | null> {
  const jws = readJws(text, accessTokenRules(undefined, kit.tokenHeaders))
  const { kid } = jws
  const key = kid === null ? null : await kit.ownKey(kid, runtime.clock())
  if (key === null) return null
  const claims = await verifyJws(runtime.crypto, jws, key)
  const handle = await openTokenHandle(kit, textClaim(claims, 'jti', 2048))
  return handle === null ? null : { claims, handle, kid }
}

/** Whether a token is for an audience of this client, which is one that has proved itself: a public client's name is no proof. */
export function mayIntrospect({ kind, auth, introspects = [] }: Client, { claims }: OwnToken): boolean {
  return (kind === 'instance' || auth.method !== 'none') && introspects.some((audience) => audience === claims.aud)
}

/** What stands behind a live token. */
export interface Standing {
  /** The epochs as they were read: a commit that checks them is ordered with every revocation. */
  readonly epochs: readonly Guard[]
  readonly family: { readonly record: () => Family; readonly rev: string } | null
  /** The records of the keys asked for besides. */
  readonly beside: readonly (Rec | null)[]
}

/** What stands behind a token, or `null` when something has revoked it. One read: its marks, its epochs, its family, and the keys asked for besides. */
export async function standingOf(
  token: OwnToken,
  context: IssuerContext,
  beside: readonly string[] = [],
): Promise<Standing | null> {
  const { runtime, tenant } = context
  const { handle, claims, revokedKey } = token
  const marks = [revokedKey, ...(handle.exchanged?.marks ?? [])]
  const keys = await epochsOf(token, context)
  const family = handle.family === null ? [] : [familyKey(handle.family.id)]
  const recs = await runtime.store.read({ tenant, id: handle.part }, [...marks, ...keys, ...family, ...beside], {
    now: runtime.clock(),
  })
  if (marks.some((_, i) => recs[i] !== null)) return null
  const found = recs.slice(marks.length)
  const epochs = keys.map((key, i): Guard => ({ key, rev: found[i]?.rev ?? null }))
  if (handle.revs !== null) {
    if (handle.revs.length !== epochs.length || epochs.some(({ rev }, i) => rev !== handle.revs![i])) return null
  } else if (found[0] && Number(fromUtf8(found[0].value)) >= (claims.iat as number) * 1000) {
    return null
  }
  const rest = found.slice(keys.length + family.length)
  if (handle.family === null) return { epochs, family: null, beside: rest }
  const rec = found[keys.length] ?? null
  if (rec === null) return handle.family.row ? null : { epochs, family: null, beside: rest }
  if (!isLiveFamily(rec.value)) return null
  return { epochs, family: { record: () => decodeFamily(rec.value)!, rev: rec.rev }, beside: rest }
}

/** Whether nothing has revoked it: one read. */
export async function isActive(token: OwnToken, context: IssuerContext): Promise<boolean> {
  return (await standingOf(token, context)) !== null
}

/** A client's own token hangs on its partition's epoch alone; every other on those of the grant it comes from. */
async function epochsOf({ handle, subject, clientId, claims }: OwnToken, context: IssuerContext): Promise<readonly string[]> {
  const { places } = kitOf(context)
  if (handle.revs === null || handle.family === null) return [places.epoch]
  return epochKeys(places, {
    subject,
    clientId: handle.exchanged?.grantee ?? clientId,
    clientKind: handle.part.startsWith('dev:') ? 'instance' : 'shared',
    sid: handle.session ? (claims.sid as string) : null,
    // The handle says itself whether the session counts.
    scope: [],
  })
}

/** The value of a mark. */
export const REVOKED_TOKEN: Uint8Array = /* @__PURE__ */ utf8('revoked')
