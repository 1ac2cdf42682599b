/** This issuer's own access tokens, read back: by the gate, then against the store. */
import { equal, fromUtf8, utf8 } from '@postern/core/bytes'
import { isPosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import { readJws, verifyJws } from '@postern/core/jws'
import type { IssuerContext } from '../issuer.js'
import { accessTokenRules, numericDate, textClaim } from '../jose.js'
import { digestOf, epochKeys } from './epochs.js'
import { decodeFamily, familyKey } from './family.js'
import { kitOf } from './kit.js'
import { openTokenHandle, type TokenHandle } from './tokenHandle.js'

export interface OwnToken {
  readonly claims: JsonObject
  readonly subject: string
  readonly clientId: string
  readonly scope: readonly string[]
  readonly jkt: string | null
  /** Seconds. */
  readonly exp: number
  readonly handle: TokenHandle
  /** The key under which the token alone is revoked. */
  readonly revokedKey: string
}

/** A token of ours that has not expired, or `null` for every way of being none. */
export async function readOwnToken(text: string, context: IssuerContext): Promise<OwnToken | null> {
  const { runtime, issuer } = context
  const kit = kitOf(context)
  try {
    const jws = readJws(text, accessTokenRules())
    const now = runtime.clock()
    const key = jws.kid === null ? null : await kit.ownKey(jws.kid, now)
    if (key === null) return null
    const claims = await verifyJws(runtime.crypto, jws, key)
    const exp = numericDate(claims.exp, 'exp')
    const jti = textClaim(claims, 'jti', 1024)
    const handle = await openTokenHandle(kit, jti)
    if (claims.iss !== issuer || exp * 1000 <= now || handle === null) return null
    return {
      claims,
      subject: textClaim(claims, 'sub', 255),
      clientId: textClaim(claims, 'client_id', 64),
      scope: typeof claims.scope === 'string' && claims.scope !== '' ? claims.scope.split(' ') : [],
      jkt: (claims.cnf as { jkt?: string } | undefined)?.jkt ?? null,
      exp,
      handle,
      revokedKey: `at/${await kit.places.name('access', jti)}`,
    }
  } catch (error) {
    if (isPosternError(error, 'jws.refused')) return null
    throw error
  }
}

/** Whether nothing has revoked it: one read of the token's own mark, its family, its epochs. */
export async function isActive(token: OwnToken, context: IssuerContext): Promise<boolean> {
  const { runtime, tenant } = context
  const { handle, subject, clientId, claims, revokedKey } = token
  const { places } = kitOf(context)
  const instance = handle.part.startsWith('dev:')
  const own = handle.digest === null || handle.family === null
  const keys = own
    ? [places.epoch]
    : await epochKeys(places, {
        subject,
        clientId,
        clientKind: instance ? 'instance' : 'shared',
        sid: handle.session ? (claims.sid as string) : null,
        // The handle says itself whether the session counts.
        scope: [],
      })
  const family = handle.family === null ? [] : [familyKey(handle.family.id)]
  const recs = await runtime.store.read({ tenant, id: handle.part }, [revokedKey, ...keys, ...family], { now: runtime.clock() })
  if (recs[0] !== null) return false
  const epochs = recs.slice(1, 1 + keys.length)
  if (handle.digest !== null) {
    const guards = keys.map((key, i) => ({ key, rev: epochs[i]?.rev ?? null }))
    if (!equal(await digestOf(runtime.crypto, guards), handle.digest)) return false
  } else if (epochs[0] && Number(fromUtf8(epochs[0].value)) >= (claims.iat as number) * 1000) {
    return false
  }
  if (handle.family === null) return true
  const rec = recs.at(-1) ?? null
  return rec === null ? !handle.family.row : decodeFamily(rec.value) !== null
}

/** The value of a mark. */
export const REVOKED_TOKEN: Uint8Array = /* @__PURE__ */ utf8('revoked')
