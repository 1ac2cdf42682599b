/** Sessions in the memory of the node that opened them: no trip to a store; secret and counter window live and die together. */
import { concat, equal, u16 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import type { Clock, Random } from '@postern/core/runtime'
import type { HeldSession, SessionKeeper, SessionSelection } from '../session.js'
import { andThen } from './now.js'
import { ID_BYTES } from './sessionWire.js'
import { counterWindow, type Window } from './window.js'

export interface LocalSessionsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly crypto: CryptoPort
  /** The number of this node, 0 to 65,535: the first two bytes of its session ids, by which a host may route. @defaultValue 0 */
  readonly node?: number
  /** Sessions held at once, default 100,000. Beyond it the oldest anonymous one goes, then the oldest. */
  readonly maxSessions?: number
}

interface Held {
  readonly session: HeldSession
  readonly window: Window
  /** Milliseconds; earlier than the session's own end once another was opened in its place. */
  endsAt: number
}

/** Sessions of one node. Another node answers `payload.session_unknown`. @throws PosternError `payload.config` */
export function localSessions({ clock, random, crypto, node = 0, maxSessions = 100_000 }: LocalSessionsOptions): SessionKeeper {
  if (!Number.isInteger(node) || node < 0 || node > 0xffff || maxSessions < 1)
    throw new PosternError('payload.config', { publicMessage: '`node` is 0 to 65535, and `maxSessions` at least 1.' })
  const anonymous = new Map<string, Held>()
  const bound = new Map<string, Held>()

  function held(id: Uint8Array): Held | null {
    const name = nameOf(id)
    const found = bound.get(name) ?? anonymous.get(name)
    if (found === undefined) return null
    if (clock() < found.endsAt) return found
    drop(name)
    return null
  }

  function drop(name: string): void {
    bound.delete(name)
    anonymous.delete(name)
  }

  function makeRoom(): void {
    if (anonymous.size + bound.size < maxSessions) return
    // A stranger who opens sessions without end pushes out strangers.
    const [oldest] = anonymous.size > 0 ? anonymous.keys() : bound.keys()
    drop(oldest!)
  }

  function matches({ session: { id, binding } }: Held, selection: SessionSelection): boolean {
    if ('sid' in selection) return equal(id, selection.sid)
    return 'all' in selection || binding?.jkt === selection.jkt
  }

  return {
    windowMs: null,
    newId: () => concat(u16(node), random(ID_BYTES - 2)),
    keep: ({ secret, ...session }) =>
      andThen(crypto.hmacKey('SHA-256', secret), (key) => {
        makeRoom()
        const sessions = session.binding === null ? anonymous : bound
        sessions.set(nameOf(session.id), { session: { ...session, key }, window: counterWindow(), endsAt: session.expiresAt })
      }),
    find: (id) => held(id)?.session ?? null,
    claim({ id }, counter) {
      const found = held(id)
      if (found === null) return 'closed'
      return found.window.take(counter) ? 'first' : 'replayed'
    },
    retire({ id }, at) {
      const found = held(id)
      if (found !== null) found.endsAt = Math.min(found.endsAt, at)
    },
    async forget(selection) {
      for (const sessions of [anonymous, bound])
        for (const [name, one] of sessions) if (matches(one, selection)) sessions.delete(name)
    },
    async sweep(now) {
      for (const sessions of [anonymous, bound])
        for (const [name, { endsAt }] of sessions) if (endsAt <= now) sessions.delete(name)
    },
  }
}

/** A key of a map, made in a fifth of the time that hexadecimal takes. */
function nameOf(id: Uint8Array): string {
  return String.fromCharCode.apply(null, id as unknown as number[])
}
