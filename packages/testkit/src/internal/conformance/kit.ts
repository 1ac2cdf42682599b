/** What every suite is given, and what it gives back. */
import type { Part, Store } from '@postern/store'
import { seededRandom } from '../simulation/time.js'

/** What a driver may lack. Leaving one out is said aloud by `skip`. */
export type Capability = 'list' | 'outbox' | 'sweep'

/** What the kit tells the maker of a store. */
export interface KitContext {
  /** The grace that expired records must be kept for; drivers default to it. */
  readonly graceMs: number
  /** Numbers the stores of one kit: a name for a file, a schema or a database. */
  readonly count: number
}

export interface Case {
  readonly name: string
  run(): Promise<void>
}

export interface Kit {
  /** Runs `body` over a fresh, empty store and closes it. */
  over(body: (store: Store) => Promise<void>): Promise<void>
  /** A version name that was not used before. */
  rev(): string
  readonly seed: number
  readonly scale: number
  readonly graceMs: number
}

export type Suite = (kit: Kit) => readonly Case[]

export const NOW = 1_767_225_600_000
export const PART: Part = { tenant: 'bank', id: 'u:1' }

export function kitOf(make: (context: KitContext) => Promise<Store>, seed: number, scale: number): Kit {
  const random = seededRandom(seed)
  const graceMs = 60_000
  let count = 0
  return {
    seed,
    scale,
    graceMs,
    async over(body) {
      const store = await make({ graceMs, count: ++count })
      try {
        await body(store)
      } finally {
        await store.close()
      }
    },
    rev: () => Array.from(random(16), (byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef'[byte & 31]).join(''),
  }
}

/** Bytes of a short text. */
export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}
