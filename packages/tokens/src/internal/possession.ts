/** What a refresh family is bound to besides its client: the keys that whoever presents a token of it must hold. */
import type { TokenCall } from '../grant.js'
import type { Grant } from './family.js'

type Presented = Pick<TokenCall, 'client'> & { readonly proof: { readonly jkt: string } | null } & Partial<
    Pick<TokenCall, 'x5t' | 'holder'>
  >

/**
 * A public client's family is bound to the key of its first proof (RFC 9449 §5) and to its certificate (RFC 8705 §4), an attested client's
 * to the instance that was attested; any other confidential client's to its authentication, so that it may turn its keys.
 */
export function boundTo({ client, proof, x5t, holder }: Presented): Pick<Grant, 'jkt' | 'x5t' | 'holder'> {
  const isPublic = client.auth.method === 'none'
  return {
    jkt: isPublic ? (proof?.jkt ?? null) : null,
    ...(isPublic && typeof x5t === 'string' && { x5t }),
    ...(typeof holder === 'string' && { holder }),
  }
}

/** What a caller does not hold of what a grant is bound to, or `null`. */
export function missingOf({ jkt, x5t, holder }: Grant, presented: Presented): 'key' | 'certificate' | 'instance' | null {
  if (jkt !== null && jkt !== presented.proof?.jkt) return 'key'
  if (x5t !== undefined && x5t !== presented.x5t) return 'certificate'
  return holder !== undefined && holder !== presented.holder ? 'instance' : null
}

/** Whether a stolen token of it is of no use alone. */
export function isBound({ jkt, x5t, holder }: Grant): boolean {
  return jkt !== null || x5t !== undefined || holder !== undefined
}
