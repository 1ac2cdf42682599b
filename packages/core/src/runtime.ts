/** The ports that a host supplies once. No package reads a clock, an environment or a global; so a whole bank runs under one seed. */
import type { CryptoPort } from './cryptoPort.js'
import type { EventSink } from './events.js'

/** Milliseconds since the epoch; non-decreasing within a process. */
export type Clock = () => number

/** `n` unpredictable bytes in a fresh array. */
export type Random = (n: number) => Uint8Array

/** The Fetch of the platform, for what leaves the process: push, back-channel, key sets, upstreams. */
export type Fetch = (input: Request | URL | string, init?: RequestInit) => Promise<Response>

/** Everything a package may ask of its host but the store, which `@postern/store` adds to make a `Runtime`. */
export interface Ports {
  readonly clock: Clock
  readonly random: Random
  readonly crypto: CryptoPort
  readonly events: EventSink
  readonly fetch: Fetch
}
