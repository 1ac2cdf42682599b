/**
 * Codes that the host delivers, by SMS, mail or voice. The code itself is in the message alone: the store keeps its HMAC, which fits one
 * user, purpose and transaction. Five messages an hour, three tries each.
 */
import type { HmacKey } from '@postern/core/cryptoPort'
import type { Sealer } from '@postern/core/sealed'
import type { Runtime } from '@postern/store'
import type { Authenticator, Purpose, Refusal, Step } from './authenticator.js'
import type { CodePorts } from './internal/codePorts.js'
import { sendCode } from './internal/codeSend.js'
import { acceptCode, tryCode } from './internal/codeTry.js'
import type { Timer } from './internal/deadline.js'
import { within } from './internal/limits.js'
import { has } from './internal/members.js'
import { refuse, refusing } from './internal/refusal.js'
import type { SecretSource } from './pin/keys.js'

export type { Timer } from './internal/deadline.js'

/** What the host's delivery gets. */
export interface CodeMessage {
  /** Decimal digits. For the message alone: neither log nor keep it. */
  readonly code: string
  /** ms */
  readonly expiresAt: number
  readonly tenant: string
  readonly app: string
  readonly purpose: Purpose
  readonly enrolment: string
  /** Id of the user's partition. */
  readonly owner: string
  /** The caller's own bytes of the enrolment, of the claim while it is being made. */
  readonly data: Uint8Array
  /** What the code confirms, or `null`. */
  readonly bind: Uint8Array | null
  /** Aborted at the deadline. */
  readonly signal: AbortSignal
}

export interface SentCodeOptions {
  /** Sends the message. What it throws is told to the app as `otp.undelivered`; the message counts all the same. */
  readonly deliver: (message: CodeMessage) => Promise<void>
  /** What the verdict says: `sms`, or `otp` for all else. @defaultValue 'sms' */
  readonly amr?: 'sms' | 'otp'
  /** @defaultValue 6 */
  readonly digits?: 6 | 7 | 8
  /** How long a code is good, 1–15 minutes, in ms. @defaultValue 300,000 */
  readonly lifeMs?: number
  /** Messages an hour for one user, 1–20. @defaultValue 5 */
  readonly maxSent?: number
  /** Tries of one code, 1–5. @defaultValue 3 */
  readonly maxTries?: number
  /** How long delivery may take, 100–60,000 ms. @defaultValue 10,000 */
  readonly deadlineMs?: number
  readonly timer: Timer
  /** The tenant's key ring, for the key of the HMAC. */
  readonly secrets: SecretSource
  readonly seal: Sealer
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto'>
}

/**
 * The authenticator `code`.
 *
 * Answers, in order: `begin` `null` sends a code (again: another one), `begin` `{code}` tries it, `finish` `null` takes it; at enrolment
 * the same, and what is enrolled is that the code arrived. An enrolment that is not there is answered alike, and nothing is sent.
 *
 * Both sending and trying ask for a device that proved its key or for a factor before this one (`proven`).
 * @throws RangeError for a limit out of its range
 */
export function createSentCode(o: SentCodeOptions): Authenticator {
  const ports = portsOf(o)
  return {
    type: 'code',
    amr: [ports.amr],
    begin: (c, input) =>
      refusing(async (): Promise<Step | Refusal> => {
        if (has(input, 'code')) return tryCode(c, input, ports)
        if (input !== null && input !== undefined) throw refuse('otp.refused', 'message')
        return sendCode(c, ports)
      }),
    finish: (c, input) => refusing(() => acceptCode(c, input, ports)),
    remove: () => [],
    watches: () => [],
    locked: () => false,
  }
}

function portsOf(o: SentCodeOptions): CodePorts {
  const { deliver, timer, secrets, seal, runtime } = o
  const { amr = 'sms', digits = 6, lifeMs = 300_000, maxSent = 5, maxTries = 3, deadlineMs = 10_000 } = o
  within('lifeMs', lifeMs, 60_000, 900_000)
  within('maxSent', maxSent, 1, 20)
  within('maxTries', maxTries, 1, 5)
  within('deadlineMs', deadlineMs, 100, 60_000)
  let known: HmacKey | null = null
  const key = async () => (known ??= await runtime.crypto.hmacKey('SHA-256', await secrets.secret('postern:code/v1')))
  return { deliver, timer, seal, runtime, amr, digits, lifeMs, maxSent, maxTries, deadlineMs, key }
}
