/** What an environment supplies so that a store can be killed, failed over, stalled or cut off: the suites themselves know of no process and no wire. */
import type { Store } from '@postern/store'

/** A store and the means to lose the answer of its next commit, before or after it took effect. */
export interface Cuttable {
  readonly store: Store
  cut(when: 'before' | 'after'): void
}

/** A store behind a link that ends in the middle of an exchange; the proxy of this package is such a link. */
export interface ExchangeRig {
  readonly store: Store
  readonly link: {
    /** Bytes that went to the server (`up`) and came from it (`down`) so far. */
    passed(): { readonly up: number; readonly down: number }
    /** Ends every connection once so many more bytes of one direction went through. */
    cutAfter(direction: 'up' | 'down', bytes: number): void
    cut(): void
  }
  close(): Promise<void>
}

/** Something that holds data through its own sudden death: a server, or a process with a file. */
export interface CrashRig {
  /** Opens a store over the data. The kit closes it. */
  store(): Promise<Store>
  /** SIGKILL of what holds the data, or of what commits it; resolves when it is dead. */
  kill(): Promise<void>
  /** Brings it back over the same data. */
  restart(): Promise<void>
  close(): Promise<void>
}

/** A primary and what takes over from it. */
export interface FailoverRig {
  readonly store: Store
  /** Kills the primary, promotes the standby and opens a store over it. The kit closes both stores. */
  fail(): Promise<Store>
  /** The link is so slow that a store without synchronous replication must lose something; when none is lost, the rig is blind. */
  readonly mustLose?: boolean
  close(): Promise<void>
}

/** A store of one connection and a short queue, over a server that can be made to stand still. */
export interface PressureRig {
  readonly store: Store
  /** The most commits that may wait or be under way at once: the queue and what one connection takes. */
  readonly holds: number
  stall(): Promise<void>
  resume(): Promise<void>
  close(): Promise<void>
}
