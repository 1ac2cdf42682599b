/** What every suite is given, and what it gives back. */
import type { Part, Store } from '@postern/store'
import { seededRandom } from '../simulation/time.js'

/** What a driver may lack, or what cannot be done to it. Leaving one out is said aloud by `skip`. */
export type Capability = 'list' | 'outbox' | 'sweep' | 'outcome' | 'exchange' | 'crash' | 'failover' | 'pressure'

/** What the kit tells the maker of a store or a rig. */
export interface KitContext {
  /** The grace that expired records must be kept for; drivers default to it. */
  readonly graceMs: number
  /** Numbers the stores of one kit, those of rigs below zero: a name for a file, a schema or a database. */
  readonly count: number
}

export interface Case {
  readonly name: string
  run(): Promise<void>
  /** A suite whose rig was not given and which is not in `skip` either: for the runner to skip. `run` does nothing. */
  readonly leftOut?: true
}

export interface Kit {
  /** Runs `body` over a fresh, empty store and closes it. */
  over(body: (store: Store) => Promise<void>): Promise<void>
  /** A rig with a context of its own. */
  rig<T>(open: (context: KitContext) => Promise<T>): Promise<T>
  /** A version name that was not used before. */
  rev(): string
  sleep(ms: number): Promise<void>
  /** Whether the driver has `list`. */
  readonly lists: boolean
  readonly seed: number
  readonly scale: number
  readonly graceMs: number
}

export type Suite = (kit: Kit) => readonly Case[]

export const NOW = 1_767_225_600_000
export const PART: Part = { tenant: 'bank', id: 'u:1' }

export interface KitOptions {
  readonly make: (context: KitContext) => Promise<Store>
  readonly seed: number
  readonly scale: number
  readonly lists: boolean
  readonly sleep: (ms: number) => Promise<void>
}

export function kitOf({ make, seed, scale, lists, sleep }: KitOptions): Kit {
  const random = seededRandom(seed)
  const graceMs = 60_000
  let stores = 0
  let rigs = 0
  return {
    seed,
    scale,
    lists,
    graceMs,
    sleep,
    async over(body) {
      const store = await make({ graceMs, count: ++stores })
      try {
        await body(store)
      } finally {
        await store.close()
      }
    },
    rig: (open) => open({ graceMs, count: -++rigs }),
    rev: () => Array.from(random(16), (byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef'[byte & 31]).join(''),
  }
}

/** Bytes of a short text. */
export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}
