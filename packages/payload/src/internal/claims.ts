/** Whether a call is the first of its copies and in time: what must be remembered of it until no copy can open. */
import { u8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { Clock } from '@postern/core/runtime'
import { tuple } from '@postern/core/tuple'
import type { ReplayGuard, ReplayVerdict } from '../replay.js'
import type { SessionKeeper } from '../session.js'
import type { Opened } from './inbound.js'

export interface Claims {
  /** In one step. */
  claim(opened: Opened, date: number | null): Promise<ReplayVerdict | 'closed'>
  /** To be asked after the claim. @param date - of the inner message, ms; `null` for none */
  isFresh(opened: Opened, date: number | null): boolean
}

/** Least life of a marker, so that a re-send within 30 s meets it. */
const MIN_MARKER_MS = 60_000
/** Markers that outlive the window, a minute and node: nobody may fill the store with one unproved message each. */
const MAX_LONG_MARKERS = 60
const DEFAULT_WINDOW_MS = 120_000

export function claimsOf(o: {
  readonly clock: Clock
  readonly crypto: CryptoPort
  readonly origin: string
  readonly guard: ReplayGuard | null
  readonly sessions: SessionKeeper | undefined
}): Claims {
  const { clock, crypto, origin, guard, sessions } = o
  const spendLongMarker = perMinute(MAX_LONG_MARKERS)

  async function claim(opened: Opened, date: number | null): Promise<ReplayVerdict | 'closed'> {
    const now = clock()
    if (opened.format === 'session') {
      const { session, counter } = opened
      const windowMs = sessions!.windowMs
      const until = windowMs === null ? 0 : markerEnd(date ?? now, windowMs, session.expiresAt, session.binding !== null)
      return until === null ? 'unknown' : sessions!.claim(session, counter, until)
    }
    if (guard === null) return 'first'
    const { key, exchange } = opened
    const expiresAt = markerEnd(date ?? now, guard.windowMs, key.dropAt, false)
    if (expiresAt === null) return 'unknown'
    const name = await crypto.digest('SHA-256', tuple('postern:replay/v1', origin, u8(exchange.keyId), exchange.enc))
    return guard.claim({ name, expiresAt })
  }

  /** @param dropAt - when its key or session is over (ms) @returns `null` where a stranger asks for too many long ones */
  function markerEnd(date: number, windowMs: number, dropAt: number, known: boolean): number | null {
    const now = clock()
    const end = Math.max(Math.min(date + windowMs, dropAt), now + MIN_MARKER_MS) + 1000
    return end > now + 2 * windowMs + 1000 && !known && !spendLongMarker(now) ? null : end
  }

  function isFresh(opened: Opened, date: number | null): boolean {
    const windowMs = opened.format === 'session' ? sessions!.windowMs : (guard?.windowMs ?? DEFAULT_WINDOW_MS)
    // Its window lives and dies with its secret: no copy can be older than the session.
    if (windowMs === null) return true
    // And the key: markers end with it, which may have ended since it opened this.
    const endsAt = opened.format === 'session' ? opened.session.expiresAt : opened.key.dropAt
    const apartMs = date === null ? Number.POSITIVE_INFINITY : Math.abs(date - clock())
    return apartMs <= windowMs && clock() < endsAt
  }

  return { claim, isFresh }
}

/** Whether one more may pass: `most` a minute. */
export function perMinute(most: number): (now: number) => boolean {
  let minute = 0
  let spent = 0
  return (now) => {
    const current = Math.floor(now / 60_000)
    if (current !== minute) {
      minute = current
      spent = 0
    }
    return ++spent <= most
  }
}
