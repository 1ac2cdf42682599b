/** Clock, randomness, events and network under one seed: a failing run is repeated by its number. */
export { type Faults, type Handler, type NetworkOptions, type SimNetwork, simNetwork } from './network.js'
export { type SimPorts, type SimPortsOptions, simPorts } from './simPorts.js'
export { type SimClock, seededRandom, simClock } from './time.js'
