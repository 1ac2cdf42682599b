/** What the app draws: the client asks, a screen answers. Each prompt gets a signal that is aborted when its question is void. */
import type { ShownRow } from '@postern/authenticators/transaction/client'
import type { JsonValue } from '@postern/core/json'
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
  readonly purpose: 'login' | 'change' | 'confirm'
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

/** What an authenticator is asked for. */
export type AnswerPurpose = 'login' | 'enrol' | 'confirm'

/** A code to be typed: of an authenticator app (`otp`), or one that was sent (`code`). */
export interface CodeQuestion {
  readonly type: 'otp' | 'code'
  readonly purpose: AnswerPurpose
  readonly digits: number
  /** What an OCRA token is to be given first. */
  readonly question?: string
  /** Why it is asked again, and how many tries are left where the server said so. */
  readonly reason?: 'wrong'
  readonly attemptsLeft?: number
}

/** The code; `{ resend: true }` for another message; `null` to go back. */
export type CodeInput = string | { readonly resend: true } | null

/** A secret for an authenticator app, shown once. */
export interface SecretQuestion {
  /** Base32, for typing. */
  readonly secret: string
  /** `otpauth:` URI, for a picture or a link; absent for OCRA. */
  readonly uri?: string
  readonly digits: number
  readonly reason?: 'wrong'
}

/** What a host's own authenticator says. */
export interface CustomQuestion {
  /** `custom:<name>` */
  readonly type: string
  readonly purpose: AnswerPurpose
  /** It did not take the answer before. */
  readonly again: boolean
  /** Its own words, whatever they mean to the app. */
  readonly reply: JsonValue
  readonly attemptsLeft?: number
}

/** Options for the browser or the system, as `navigator.credentials` takes them in JSON. */
export interface PasskeyQuestion {
  readonly purpose: AnswerPurpose
  readonly publicKey: JsonValue
}

/** What is to be confirmed: these rows, all of them, in this order. */
export interface ConfirmQuestion {
  readonly rows: readonly ShownRow[]
  /** Whether the two digits that are shown where it began are to be typed for a yes. */
  readonly asksNumber: boolean
  /** Ms. */
  readonly expiresAt: number
  readonly reason?: 'wrong-number'
  readonly attemptsLeft?: number
}

/** `report`: the user never began this. `null`: not now. */
export type ConfirmInput =
  | { readonly decision: 'approve'; readonly number?: string }
  | { readonly decision: 'deny' | 'report' }
  | null

/** Without a prompt for it, an authenticator is not offered. */
export interface Prompts {
  pin(question: PinQuestion, signal: AbortSignal): Promise<PinInput>
  /** Asked until the PIN policy passes. */
  newPin(question: NewPinQuestion, signal: AbortSignal): Promise<PinInput>
  /** Which of several; the id, or `null` to go back. Without it the first choice is taken: the user's preferred one. */
  choose?(choices: readonly Choice[], signal: AbortSignal): Promise<string | null>
  /** A code; `null` to go back. */
  code?(question: CodeQuestion, signal: AbortSignal): Promise<CodeInput>
  /** Shows the secret, and takes the first code made with it; `null` to go back. */
  newSecret?(question: SecretQuestion, signal: AbortSignal): Promise<string | null>
  /** Hands the options on, and gives back what came of it in JSON; `null` when the user went back. */
  passkey?(question: PasskeyQuestion, signal: AbortSignal): Promise<JsonValue | null>
  /** The answer, any JSON; `undefined` to go back. */
  custom?(question: CustomQuestion, signal: AbortSignal): Promise<JsonValue | undefined>
  confirm?(question: ConfirmQuestion, signal: AbortSignal): Promise<ConfirmInput>
  /** The sentence that the system shows with its biometric dialog. */
  readonly biometric?: string
}
