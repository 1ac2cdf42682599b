/** Keys of another server's issuer, fetched by age: never inside a request that waits for its verdict (T23, T24). */
import { concat } from '@postern/core/bytes'
import type { CryptoPort, SignAlg, VerifyKey } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
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

const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])$/

/**
 * Keys fetched from `url`: https (http on a loopback host alone), no redirect, ≤ 64 KiB, ≤ 32 keys. `find` answers from what is there, and
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
  const { protocol, hostname } = URL.canParse(url) ? new URL(url) : { protocol: '', hostname: '' }
  if (protocol !== 'https:' && !(protocol === 'http:' && LOOPBACK.test(hostname)))
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
      // A redirect is no 200 and so refused: Workers have no `error`.
      const reply = await fetch(url, { redirect: 'manual', headers: { accept: 'application/json' } })
      if (reply.status !== 200) return
      keys = (await readSet(await boundedBytes(reply), crypto)) ?? keys
    },
  }
}

/** The body, read no further than it may be long. */
async function boundedBytes(reply: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = (reply.body as ReadableStream<Uint8Array> | null)?.getReader()
  for (let next = await reader?.read(); next !== undefined && !next.done; next = await reader?.read()) {
    length += next.value.length
    if (length > MAX_BYTES) {
      await reader?.cancel()
      throw new PosternError('json.too_large', { reason: 'remoteKeys' })
    }
    chunks.push(next.value)
  }
  return concat(...chunks)
}

/** @returns `null` for JSON that is no key set (RFC 7517 §5) */
async function readSet(text: Uint8Array, crypto: CryptoPort): Promise<ReadonlyMap<string, VerifyKey> | null> {
  const set = parseJson(text, { maxBytes: MAX_BYTES }) as JsonObject | null
  if (!Array.isArray(set?.keys)) return null
  const prepared = new Map<string, VerifyKey>()
  for (const jwk of (set.keys as readonly (JsonObject | null)[]).slice(0, MAX_KEYS)) {
    const { kid, alg, use } = jwk ?? {}
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
