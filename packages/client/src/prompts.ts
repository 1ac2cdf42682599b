/** What the app draws: the client asks, a screen answers. Each prompt gets a signal that is aborted when its question is void. */
import type { PinPolicy, PinRule } from '@postern/policy/pin/policy'

/** One way to log in, as the user may see it. */
export interface Choice {
  /** Enrolment id. */
  readonly id: string
  readonly type: string
  readonly preferred: boolean
}

export interface PinQuestion {
  /** What the PIN is asked for; `change`: the old one. */
  readonly purpose: 'login' | 'change'
  /** Tries left after the one that just failed, where the server said so. */
  readonly attemptsLeft?: number
  /** Why it is asked again, or `fallback`: another authenticator could not be used. */
  readonly reason?: 'wrong' | 'fallback'
}

export interface NewPinQuestion {
  readonly policy: PinPolicy
  /** Rules that the PIN given before breaks. */
  readonly violations?: readonly PinRule[]
}

/** ASCII digits, as text or bytes; bytes are wiped after use. `null`: the user went back, and the operation ends `client.cancelled`. */
export type PinInput = string | Uint8Array | null

export interface Prompts {
  pin(question: PinQuestion, signal: AbortSignal): Promise<PinInput>
  /** Asked until the PIN policy passes. */
  newPin(question: NewPinQuestion, signal: AbortSignal): Promise<PinInput>
  /** Which of several; the id, or `null` to go back. Without it the first choice is taken: the user's preferred one. */
  choose?(choices: readonly Choice[], signal: AbortSignal): Promise<string | null>
  /** The sentence that the system shows with its biometric dialog. */
  readonly biometric?: string
}
