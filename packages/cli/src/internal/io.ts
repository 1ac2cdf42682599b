/** What a command may touch, so that it runs the same under a test. */
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { Clock, Random } from '@postern/core/runtime'
import type { Store } from '@postern/store'
import type { Reporter } from './output.js'

export interface Io {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly read: (path: string) => Promise<Uint8Array>
  /** Writes a new file that its owner alone may read; throws when there is one already. */
  readonly create: (path: string, bytes: Uint8Array) => Promise<void>
  /** Opens a store by URL: `sqlite:<file>` or `postgres://…`. Without it, commands on one are bad usage. Throws what is no store, or has no driver. */
  readonly open?: (url: string) => Promise<OpenedStore>
  readonly ports: { readonly clock: Clock; readonly random: Random; readonly crypto: CryptoPort }
}

/** A database, before anything is done to it. */
export interface OpenedStore {
  /** Brings its tables to what this program needs. @returns what was done, in words */
  migrate(): Promise<string>
  /** The store; of one that was never migrated there may be none. */
  store(): Promise<Store>
  close(): Promise<void>
}

/** Runs with what was typed after its name; `false`: it ran, and what it checked did not pass. */
export type Command = (argv: readonly string[], io: Io, out: Reporter) => Promise<boolean>
