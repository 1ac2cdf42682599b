/** pin/v1 on the server: a PIN that the server never sees, whose attempts are counted before KE2 leaves. */
import type { Now } from '@postern/core/cryptoPort'
import type { Sealer } from '@postern/core/sealed'
import type { Runtime } from '@postern/store'
import type { Authenticator } from '../authenticator.js'
import type { PinKeys } from './keys.js'
import type { PinSuite } from './messages.js'

/** How PINs are kept and counted. */
export interface PinOptions {
  /** Suites on offer; the first is for new PINs. @defaultValue ['0001'] */
  readonly suites?: readonly PinSuite[]
  /** Keys by version; without one the version for new PINs. Keep the result: a key pair is derived once. */
  readonly keys: (suite: PinSuite, version?: string) => Now<PinKeys | null>
  /** N: tries between two successes, 1–10. @defaultValue 3 */
  readonly maxAttempts?: number
  /** What the last try that went wrong does. @defaultValue 'remove' */
  readonly onExhausted?: 'remove' | 'lock'
  /** F: failures in one window that lock, 5–100. @defaultValue 20 */
  readonly maxFailures?: number
  /** The window, in days, from its first failure. @defaultValue 30 */
  readonly failureDays?: number
  /** The tenant's restore epoch: enrolments of another one have a single try left. @defaultValue '' */
  readonly epoch?: () => string
  readonly seal: Sealer
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto'>
}

/**
 * The PIN authenticator.
 *
 * `begin` in order: enrol: `null`, `{request}` · login, step-up, confirm, remove: `null`, `{ke1}` · change: `null`, `{ke1}`, `{ke3}`,
 * `{request}`, `{record}`, `{ke1}` (of the new PIN). `finish`: enrol `{record}`, otherwise `{ke3}`, or `{wrong}` when the client saw it.
 * @throws RangeError for a limit out of its range
 */
export function createPin(o: PinOptions): Authenticator {
  void o
  throw new Error('not yet')
}
