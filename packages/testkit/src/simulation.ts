/** Clock, randomness, events and network under one seed: a failing run is repeated by its number. */
export { type Faults, type Handler, type NetworkOptions, type SimNetwork, simNetwork } from './internal/simulation/network.js'
export { type SimPorts, type SimPortsOptions, simPorts } from './internal/simulation/ports.js'
export { type SimClock, seededRandom, simClock } from './internal/simulation/time.js'
