/** The session of a sealed fetch: which is in use, when the next is due, and one opening at a time for all who wait. */
import { PosternError } from '@postern/core/errors'
import type { Clock, Random } from '@postern/core/runtime'
import type { CallSession } from './outgoing.js'

/** A session in use. */
export interface InUse {
  readonly session: CallSession
  /** What to add to the clock, as it was when the session opened. */
  readonly offset: number
}

/** Ends with one of the three. */
export interface Offer {
  /** @param opened - `null` where the server granted none */
  done(opened: (InUse & { readonly authorization: string | null }) | null): void
  /** No answer that opens: the next opening waits a moment. */
  failed(): void
  /** Nobody was asked: given up here, or refused before it came to that. */
  dropped(): void
}

export interface SessionHolder {
  /** The session to call in, `null` when there is none. */
  current(): InUse | null
  /** Whether the next call should open another inside this one. */
  readonly renewalDue: boolean
  /** Whether openings are given up for now: the server granted none. */
  readonly refused: boolean
  /** Opens a session with a call that does nothing else, once for all who wait. @throws PosternError `payload.transport` while backing off */
  opening(open: (offer: Offer) => Promise<void>): Promise<void>
  /** The right to offer a share with a call that is sent anyway; `null` while another does. Nobody waits for such a call: it may take long. */
  ride(): Offer | null
  /** Tells of the token that a call was made with: a session bound to another is renewed. */
  used(session: CallSession, authorization: string | null): void
  /** The server does not hold it any more. */
  lost(session: CallSession): void
  close(): void
}

/** Share of its life and calls after which a session is renewed. */
const DUE = 0.9
/** A session this close to its end is not called in any more: the call may arrive later. */
const MARGIN_MS = 30_000
const REFUSED_MS = 60_000
const FIRST_PAUSE_MS = 500
const MAX_PAUSE_MS = 60_000

export function sessionHolder({ clock, random }: { readonly clock: Clock; readonly random: Random }): SessionHolder {
  let held: (InUse & { readonly openedAt: number; readonly authorization: string | null }) | null = null
  let flight: Promise<void> | null = null
  let riding = false
  let changed = false
  let refusedUntil = 0
  let notBefore = 0
  let failures = 0
  let closed = false

  function current(): InUse | null {
    if (held === null) return null
    const { session, openedAt } = held
    const age = clock() - openedAt
    if (age >= 0 && age < session.lifeMs - Math.min(MARGIN_MS, session.lifeMs / 2) && session.used < session.max) return held
    drop()
    return null
  }

  function drop(): void {
    held?.session.close()
    held = null
    changed = false
  }

  /** Exponential, with jitter, so that a thousand apps do not come back at once. */
  function backOff(): void {
    const [high, low] = random(2)
    const jitter = ((high! << 8) | low!) / 65_536
    notBefore = clock() + Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++) * (0.5 + jitter / 2)
  }

  function offer(over: () => void): Offer {
    return {
      done(opened) {
        if (opened === null) refusedUntil = clock() + REFUSED_MS
        else {
          // Calls under way keep the old one, which the server closes by itself.
          held = { ...opened, openedAt: clock() }
          changed = false
          if (closed) drop()
        }
        failures = 0
        over()
      },
      failed() {
        backOff()
        over()
      },
      dropped: over,
    }
  }

  return {
    current,
    get renewalDue() {
      if (held === null || riding || flight !== null || clock() < Math.max(refusedUntil, notBefore)) return false
      const { session, openedAt } = held
      return changed || session.used >= DUE * session.max || clock() - openedAt >= DUE * session.lifeMs
    },
    get refused() {
      return clock() < refusedUntil
    },
    async opening(open) {
      if (flight !== null) return flight
      if (clock() < notBefore) throw new PosternError('payload.transport', { reason: 'no session could be opened a moment ago' })
      flight = open(offer(() => undefined)).finally(() => {
        flight = null
      })
      return flight
    },
    ride() {
      if (riding || flight !== null) return null
      riding = true
      return offer(() => {
        riding = false
      })
    },
    used(session, authorization) {
      if (held?.session === session && session.caller !== null && authorization !== held.authorization) changed = true
    },
    lost(session) {
      if (held?.session === session) drop()
    },
    close() {
      closed = true
      drop()
    },
  }
}
