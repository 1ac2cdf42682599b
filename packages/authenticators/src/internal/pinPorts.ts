/** What the ladders of pin/v1 work with. */
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import type { Clock, Random } from '@postern/core/runtime'
import type { Sealer } from '@postern/core/sealed'
import type { PinKeys } from '../pin/keys.js'
import type { PinSuite } from '../pin/messages.js'
import type { KeyCache } from './deviceSignature.js'
import type { OpaqueServerEngine } from './pinEngine.js'
import { refuse } from './refusal.js'

export interface PinPorts {
  readonly clock: Clock
  readonly random: Random
  readonly crypto: CryptoPort
  readonly seal: Sealer
  readonly devices: KeyCache
  readonly suites: readonly PinSuite[]
  readonly keys: (suite: PinSuite, version?: string) => Now<PinKeys | null>
  readonly engine: (suite: PinSuite) => OpaqueServerEngine
  /** N */
  readonly maxAttempts: number
  readonly onExhausted: 'remove' | 'lock'
  /** F */
  readonly maxFailures: number
  /** ms */
  readonly failureMs: number
  readonly epoch: () => string
}

/** Keys of records in the device's partition. */
export const pinKey = (enrolment: string): string => `pin/${enrolment}`
export const nextKey = (enrolment: string): string => `pin/${enrolment}/next`
export const failedKey = (enrolment: string): string => `pin/${enrolment}/failed`

/**
 * The suite of a new PIN: the first on offer that the app can do. One that names none takes the first.
 * @throws `pin.refused` for what is no list of names | `pin.suite_unsupported`
 */
export function suiteFor({ suites }: PinPorts, known: unknown): PinSuite {
  if (known === undefined) return suites[0]!
  if (!Array.isArray(known) || known.length > 16) throw refuse('pin.refused', 'suites')
  const names: readonly unknown[] = [...known]
  const found = suites.find((suite) => names.includes(suite))
  if (found === undefined) throw refuse('pin.suite_unsupported', 'no suite in common')
  return found
}

/** Keys of a version. @throws `pin.suite_unsupported` when the version is retired or the suite is not on offer */
export async function keysFor(ports: PinPorts, suite: PinSuite, version?: string): Promise<PinKeys> {
  const keys = await ports.keys(suite, version)
  if (keys === null) throw refuse('pin.suite_unsupported', 'key version')
  return keys
}
