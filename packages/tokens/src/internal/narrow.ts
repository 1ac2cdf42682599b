/** A host may take away; what would be more is an error of the host's, not a token. */
import type { IssuerConfig } from '../config.js'
import type { TokenKind } from '../login.js'

/** What a token gets at most. */
export interface Most {
  readonly scope: readonly string[]
  readonly lifetimeSec: number
  readonly acr: string | null
  readonly kind: TokenKind
}

/** @throws RangeError for an `acr` that is not known to be weaker, or a user's kind for what is no user's */
export function narrowed(
  most: Most,
  {
    scope,
    lifetimeSec,
    acr,
    kind,
  }: { readonly scope?: readonly string[]; readonly lifetimeSec?: number; readonly acr?: string; readonly kind?: 'implicit' },
  { acrValues }: IssuerConfig,
): Most {
  if (acr !== undefined && acr !== most.acr) {
    const to = acrValues.indexOf(acr)
    if (to < 0 || most.acr === null || to > acrValues.indexOf(most.acr))
      throw new RangeError(`acr ${acr} is not known to be weaker`)
  }
  if (kind !== undefined && most.kind === 'device') throw new RangeError('a token without a user cannot become one with')
  return {
    scope: scope === undefined ? most.scope : most.scope.filter((token) => scope.includes(token)),
    lifetimeSec: Math.floor(Math.min(most.lifetimeSec, lifetimeSec ?? most.lifetimeSec)),
    acr: acr ?? most.acr,
    kind: kind ?? most.kind,
  }
}
