/** Keys of another server's issuer, fetched by age: never inside a request that waits for its verdict (T23, T24). */
import type { CryptoPort, SignAlg, VerifyKey } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { KeyRing } from '@postern/core/keyRing'
import type { Clock, Fetch } from '@postern/core/runtime'
import { fetchKeySet, isKeySetUrl } from './internal/keySet.js'
import type { IssuerKeys } from './resource.js'

/** The keys of a ring in this process. */
export function ringKeys(o: { readonly keys: KeyRing; readonly crypto: CryptoPort; readonly clock: Clock }): IssuerKeys {
  const { keys, crypto, clock } = o
  const prepared = new Map<string, VerifyKey>()
  return {
    async find(kid) {
      const found = keys.signing.find(kid, clock())
      if (found === null) return null
      const known = prepared.get(kid) ?? (await crypto.verifyKey(found.signer.alg, found.signer.publicJwk))
      prepared.set(kid, known)
      return known
    },
  }
}

/** A key set at a URL. */
export interface RemoteKeys extends IssuerKeys {
  /** Fetches the set when it is older than `maxAgeMs`, or a `kid` was missing and a minute has passed. Call it at start, and after replies (`waitUntil`). */
  refresh(): Promise<void>
}

/**
 * Keys fetched from `url`: https (http on a loopback host alone), no redirect, 3 s, ≤ 64 KiB, ≤ 32 keys. `find` answers from what is there, and
 * what is no key set changes nothing of it.
 * @throws PosternError `tokens.config` for another URL; `refresh` rejects with `json.*` for a reply that is too long or no JSON
 */
export function remoteKeys(o: {
  readonly url: string
  readonly fetch: Fetch
  readonly crypto: CryptoPort
  readonly clock: Clock
  /** Default 600,000. */
  readonly maxAgeMs?: number
}): RemoteKeys {
  const { url, fetch, crypto, clock, maxAgeMs = 600_000 } = o
  if (!isKeySetUrl(url))
    throw new PosternError('tokens.config', { publicMessage: `The key set at ${url} must be fetched over https.` })
  let keys: ReadonlyMap<string, VerifyKey> = new Map()
  let fetchedAt = Number.NEGATIVE_INFINITY
  let missed = false
  return {
    async find(kid) {
      const found = keys.get(kid) ?? null
      missed ||= found === null
      return found
    },
    async refresh() {
      const age = clock() - fetchedAt
      if (age < (missed ? 60_000 : maxAgeMs)) return
      fetchedAt = clock()
      missed = false
      const set = await fetchKeySet(url, fetch)
      if (set !== null) keys = await prepare(set, crypto)
    },
  }
}

async function prepare(set: readonly JsonWebKey[], crypto: CryptoPort): Promise<ReadonlyMap<string, VerifyKey>> {
  const prepared = new Map<string, VerifyKey>()
  for (const jwk of set) {
    const { kid, alg, use } = jwk as JsonWebKey & { kid?: unknown }
    if (typeof kid !== 'string' || typeof alg !== 'string' || (use !== undefined && use !== 'sig')) continue
    try {
      prepared.set(kid, await crypto.verifyKey(alg as SignAlg, jwk))
    } catch (error) {
      // A key we cannot use is none; the others still count.
      if (!isPosternError(error)) throw error
    }
  }
  return prepared
}
