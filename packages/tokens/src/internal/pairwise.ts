/** Pairwise subject identifiers (OpenID Connect Core §8.1): clients of different sectors cannot tell that they speak of one person. */
import { PosternError } from '@postern/core/errors'
import type { Client } from '../clients.js'
import type { Kit } from './kit.js'

type Registered = Pick<Client, 'subjectType' | 'sectorIdentifier' | 'redirectUris'>

/**
 * The sector of a pairwise client: what it registered, or the one host of its redirect URIs. Nothing is fetched.
 * @returns `undefined` for a public one
 * @throws PosternError `metadata.refused` where the URIs have several hosts, or none
 */
export function sectorOf({ subjectType, sectorIdentifier, redirectUris }: Registered): string | undefined {
  if (subjectType !== 'pairwise') return undefined
  if (sectorIdentifier !== undefined) return sectorIdentifier
  const hosts = new Set(redirectUris.map((uri) => (URL.canParse(uri) ? new URL(uri).host : '')))
  const [host = ''] = hosts
  if (hosts.size !== 1 || host === '')
    throw new PosternError('metadata.refused', {
      publicMessage: 'A pairwise client needs redirect URIs of one host, or a registered sector identifier.',
    })
  return host
}

/** The `sub` that a client of this sector sees: a MAC under the tenant's naming key, which is never rotated and salts it. */
export function pairwiseSubject(kit: Kit, subject: string, sector: string): Promise<string> {
  return kit.places.name('pairwise', JSON.stringify([sector, subject]))
}

/** The `sub` that this client sees. */
export async function subjectFor(kit: Kit, subject: string, client: Registered): Promise<string> {
  const sector = sectorOf(client)
  return sector === undefined ? subject : pairwiseSubject(kit, subject, sector)
}
