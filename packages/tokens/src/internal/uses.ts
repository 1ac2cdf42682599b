/** Permissions that a grant may use so many times: which they are in a token, and where their counters stand (F68). */
import type { JsonObject } from '@postern/core/json'
import type { IssuerConfig } from '../config.js'
import type { OwnToken } from './accessToken.js'
import type { Kit } from './kit.js'

/** The limited permissions of a token: scopes and types of `authorization_details`, with how often each may be used. */
export function limitedUses({ scope, claims }: OwnToken, { limitedUse }: IssuerConfig): readonly (readonly [string, number])[] {
  if (limitedUse === undefined) return []
  const details = (claims.authorization_details ?? []) as readonly JsonObject[]
  const names = new Set([...scope, ...details.map(({ type }) => type as string)])
  return Object.entries(limitedUse).filter(([name]) => names.has(name))
}

/** One counter for the whole grant: neither a refresh nor an exchange begins a new one. Without a grant, one for the token and all exchanged for it. */
export async function useKey({ handle, revokedKey }: OwnToken, permission: string, { places }: Kit): Promise<string> {
  return `use/${await places.name('use', JSON.stringify([handle.family?.id ?? handle.exchanged?.marks.at(-1) ?? revokedKey, permission]))}`
}
