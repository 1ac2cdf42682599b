/** PIN suites by number. The client's key stretching is named by the same number. */
import { curve25519Sha512 } from '../opaque/curve25519.js'
import { type OpaqueSuite, ristretto255Sha512 } from '../opaque/suite.js'
import type { PinSuite } from '../pin/messages.js'

export const opaqueSuites: Readonly<Record<PinSuite, OpaqueSuite>> = {
  '0001': ristretto255Sha512,
  '0002': ristretto255Sha512,
  '0003': curve25519Sha512,
}

/** Message sizes that all suites share; anything else is refused before it is parsed. */
export const pinSizes = { request: 32, response: 64, record: 192, ke1: 96, ke2: 320, ke3: 64 } as const
