/** Every port of a simulated process under one seed. */
import { createCrypto } from '@postern/core/crypto'
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { PosternEvent } from '@postern/core/events'
import type { Ports } from '@postern/core/runtime'
import { type NetworkOptions, type SimNetwork, simNetwork } from './network.js'
import { type SimClock, seededRandom, simClock } from './time.js'

/** Ports of a simulated process, and what a test looks at. */
export interface SimPorts extends Ports {
  readonly time: SimClock
  /** Every event the sink has received, in order. */
  readonly collected: PosternEvent[]
  readonly network: SimNetwork
}

export interface SimPortsOptions extends NetworkOptions {
  readonly seed: number
  /** @defaultValue `createCrypto()`; its keys and nonces come from the platform unless it is given */
  readonly crypto?: CryptoPort
  /** Milliseconds since the epoch. @defaultValue that of `simClock` */
  readonly start?: number
}

/** Every port of a process under one seed: clock, random bytes, an event collector and a network without a wire. */
export function simPorts(o: SimPortsOptions): SimPorts {
  const { seed, crypto = createCrypto(), start } = o
  const time = simClock(start)
  const collected: PosternEvent[] = []
  const network = simNetwork(o)
  return {
    clock: time.clock,
    random: seededRandom(seed),
    crypto,
    events: (events) => void collected.push(...events),
    fetch: network.fetch,
    time,
    collected,
    network,
  }
}
