/** Keys of another server's issuer, fetched by age: never inside a request that waits for its verdict (T23, T24). */
import type { CryptoPort, SignAlg, VerifyKey } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import { type JsonObject, parseJson } from '@postern/core/json'
import type { KeyRing } from '@postern/core/keyRing'
import type { Clock, Fetch } from '@postern/core/runtime'
import type { IssuerKeys } from './resource.js'

const MAX_BYTES = 65_536
const MAX_KEYS = 32

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

/** Keys fetched from `url`: https, no redirect, ≤ 64 KiB, ≤ 32 keys. `find` answers from what is there. */
export function remoteKeys(o: {
  readonly url: string
  readonly fetch: Fetch
  readonly crypto: CryptoPort
  readonly clock: Clock
  /** Default 600,000. */
  readonly maxAgeMs?: number
}): RemoteKeys {
  const { url, fetch, crypto, clock, maxAgeMs = 600_000 } = o
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
      // A redirect is no 200 and so refused: Workers have no `error`.
      const reply = await fetch(url, { redirect: 'manual', headers: { accept: 'application/json' } })
      if (reply.status !== 200) return
      keys = await readSet(await reply.text(), crypto)
    },
  }
}

async function readSet(text: string, crypto: CryptoPort): Promise<ReadonlyMap<string, VerifyKey>> {
  const set = parseJson(text, { maxBytes: MAX_BYTES }) as JsonObject
  const keys = Array.isArray(set.keys) ? (set.keys as readonly JsonObject[]).slice(0, MAX_KEYS) : []
  const prepared = new Map<string, VerifyKey>()
  for (const jwk of keys) {
    const { kid, alg, use } = jwk
    if (typeof kid !== 'string' || typeof alg !== 'string' || (use !== undefined && use !== 'sig')) continue
    try {
      prepared.set(kid, await crypto.verifyKey(alg as SignAlg, jwk as unknown as JsonWebKey))
    } catch (error) {
      // A key we cannot use is none; the others still count.
      if (!isPosternError(error)) throw error
    }
  }
  return prepared
}
