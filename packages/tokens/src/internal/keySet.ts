/** Key sets at a URL (RFC 7517 §5): fetched within bounds, never because somebody named a key that is not there. */
import { type JsonObject, parseJson } from '@postern/core/json'
import type { Clock, Fetch } from '@postern/core/runtime'
import { boundedBytes } from './boundedBytes.js'

const MAX_BYTES = 65_536
const MAX_KEYS = 32
const TIMEOUT_MS = 3000
const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])$/

/** A signal that aborts after `ms`. */
type Deadline = (ms: number) => AbortSignal

const timeout: Deadline = (ms) => AbortSignal.timeout(ms)

/** Whether keys may be fetched from it: https, or http on a loopback host. */
export function isKeySetUrl(url: string): boolean {
  const { protocol, hostname } = URL.canParse(url) ? new URL(url) : { protocol: '', hostname: '' }
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname))
}

/**
 * The keys of a set, as they are written: no redirect, 3 s, ≤ 64 KiB, ≤ 32 keys.
 * @returns `null` for an answer that is no 200 or no key set
 * @throws PosternError `json.*` for an answer that is too long or no JSON; what `fetch` throws
 */
export async function fetchKeySet(
  url: string,
  fetch: Fetch,
  deadline: Deadline = timeout,
): Promise<readonly JsonWebKey[] | null> {
  const headers = { accept: 'application/jwk-set+json, application/json' }
  // A redirect is no 200 and so refused: Workers have no `error`.
  const reply = await fetch(url, { redirect: 'manual', headers, signal: deadline(TIMEOUT_MS) })
  if (reply.status !== 200) return null
  const set = parseJson(await boundedBytes(reply, MAX_BYTES), { maxBytes: MAX_BYTES }) as JsonObject | null
  if (!Array.isArray(set?.keys)) return null
  return set.keys.slice(0, MAX_KEYS).filter((key) => typeof key === 'object' && key !== null) as JsonWebKey[]
}

/** Served without asking. */
const FRESH_MS = 600_000
/** Served while a newer one is fetched. */
const STALE_MS = 3_600_000
const RETRY_MS = 60_000

/** A set that is kept by age. */
export interface AgedKeySet {
  /**
   * Its keys. Up to an hour old they are given as they are, and after ten minutes a newer set is fetched meanwhile; without any, or with
   * older ones, this waits for a fetch, once a minute at most. None where none are to be had.
   * @param later - takes what nobody waits for
   */
  keys(later: (work: Promise<unknown>) => void): Promise<readonly JsonWebKey[]>
  /** A key was asked for that is not there: one fetch a minute, for which nobody waits. */
  missed(later: (work: Promise<unknown>) => void): void
}

/** A set at a URL that was checked before. A client that takes a key out of its set is heard within ten minutes, or an hour where it was idle. */
export function agedKeySet(
  url: string,
  { fetch, clock, deadline }: { readonly fetch: Fetch; readonly clock: Clock; readonly deadline?: Deadline | undefined },
): AgedKeySet {
  let keys: readonly JsonWebKey[] | null = null
  let fetchedAt = Number.NEGATIVE_INFINITY
  let triedAt = Number.NEGATIVE_INFINITY
  let running: Promise<void> | null = null

  async function load(): Promise<void> {
    try {
      const found = await fetchKeySet(url, fetch, deadline)
      if (found === null) return
      keys = found
      fetchedAt = triedAt
    } catch {
      // Whatever went wrong, it is the client's to mend; what was there stays, until it is too old.
    } finally {
      running = null
    }
  }
  function refresh(): Promise<void> | null {
    if (running === null && clock() - triedAt >= RETRY_MS) {
      triedAt = clock()
      running = load()
    }
    return running
  }
  const later = (take: (work: Promise<unknown>) => void): void => {
    const work = refresh()
    if (work !== null) take(work)
  }
  return {
    async keys(take) {
      const age = clock() - fetchedAt
      if (age >= STALE_MS) await refresh()
      else if (age >= FRESH_MS) later(take)
      return keys === null || clock() - fetchedAt >= STALE_MS ? [] : keys
    },
    missed: later,
  }
}
