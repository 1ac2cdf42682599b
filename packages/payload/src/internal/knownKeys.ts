/** The keys that a client seals to: fetched once for all who wait, believed by the rules, kept until they expire. */
import type { SealedFetchOptions } from '../client.js'
import type { AeadId, KemId } from '../hpke.js'
import type { SessionOffer } from '../keys.js'
import type { KeyConfig } from '../ohttp.js'
import { loaded, unlessAborted } from './waiting.js'

/** Where and how to seal now. */
export interface Target {
  readonly gateway: string
  readonly config: KeyConfig
  /** The configuration's own bytes (RFC 9458 §3.1). */
  readonly configBytes: Uint8Array
  readonly aead: AeadId
  /** What sessions are offered. */
  readonly session: SessionOffer | null
}

export interface KnownKeys {
  current(signal: AbortSignal): Promise<Target>
  /** Fetches again; a failure leaves what was there. */
  refresh(signal: AbortSignal): Promise<void>
  /** Fetches in the background when `seq` is above the one known. */
  newer(seq: number): void
  forget(): void
}

export interface Known {
  readonly text: string
  readonly seq: number
  /** Milliseconds. */
  readonly expiresAt: number
  readonly target: Target
}

export interface KnownKeysOptions extends Pick<SealedFetchOptions, 'origin' | 'seen' | 'runtime'> {
  /** `null` trusts TLS alone and the literal list. */
  readonly roots: Exclude<SealedFetchOptions['roots'], symbol> | null
  /** Those that are taken. */
  readonly kems: readonly KemId[]
  /** In order of preference. */
  readonly aeads: readonly AeadId[]
}

export function knownKeys(o: KnownKeysOptions): KnownKeys {
  const { clock } = o.runtime
  let known: Known | null = null
  let pending: Promise<Known> | null = null

  async function load(): Promise<Known> {
    const { discover } = await loaded(import('./discovery.js'))
    known = await discover(o, known)
    return known
  }

  function single(): Promise<Known> {
    pending ??= load().finally(() => {
      pending = null
    })
    return pending
  }

  return {
    async current(signal) {
      if (known !== null && clock() < known.expiresAt) return known.target
      return (await unlessAborted(single(), signal)).target
    },
    async refresh(signal) {
      // The old document stays until its own end; what fails now fails then.
      await unlessAborted(single(), signal).catch(() => signal.throwIfAborted())
    },
    newer(seq) {
      if (known !== null && Number.isSafeInteger(seq) && seq > known.seq) single().catch(() => undefined)
    },
    forget() {
      known = null
    },
  }
}
