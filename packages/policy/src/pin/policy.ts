import type { JsonValue } from '@postern/core/json'

/** The rules a verdict can name: closed, and carried inside the suite's `pin.rejected`. */
export type PinRule = 'length' | 'run' | 'same_digits' | 'sequence' | 'pattern' | 'date' | 'keypad' | 'user_data' | 'blocked'

/** A PIN policy as data: signed into the device bundle, run on the phone (the server never sees a PIN). */
export interface PinPolicy {
  readonly format: 1
  readonly id: string
  /** 4 to 32. */
  readonly length: { readonly min: number; readonly max: number }
  /** Most adjacent equal digits, `null` = any. */
  readonly maxRun: number | null
  /** Most occurrences of one digit anywhere, `null` = any. */
  readonly maxSame: number | null
  /** Refuse a PIN that is one arithmetic sequence of such a step; `wrap`: 9 is followed by 0. */
  readonly sequences: { readonly steps: 'any' | readonly number[]; readonly wrap: boolean } | null
  readonly patterns: readonly ('ABAB' | 'AABB' | 'ABBA' | 'ABCABC')[]
  /** Years that `YYYY` means, inclusive. */
  readonly years: { readonly from: number; readonly to: number }
  readonly dates: readonly ('DDMM' | 'MMDD' | 'DDMMYY' | 'MMDDYY' | 'YYYY')[]
  /** Refuse a straight line or a square on the phone keypad. */
  readonly keypad: boolean
  readonly userData: boolean
  /** Refused PINs, per length. */
  readonly blocklists: Readonly<Record<string, readonly string[]>>
  /** Wrong entries until the PIN locks. */
  readonly attempts: number
  /** How often an operator may unlock it. */
  readonly cycles: number
}
/** What is known about the user on the phone: digits that must not be in the PIN (birthday, telephone, account number). */
export interface PinContext {
  readonly userData?: readonly string[]
}
export interface PinVerdict {
  readonly ok: boolean
  /** Every rule broken, in the order of {@link PinRule}. */
  readonly violations: readonly PinRule[]
}
/** Sensible rules for a bank: five digits, no runs above two, no sequences, years, or well-known PINs. */
export declare const defaultPinPolicy: PinPolicy
/** @throws PosternError `pin.policy_invalid` with a JSON pointer in `reason` */
export declare function parsePinPolicy(input: string | Uint8Array | JsonValue | PinPolicy): PinPolicy
/** All violations at once. `pin` is ASCII digits. @throws PosternError `pin.not_digits` */
export declare function checkPin(p: PinPolicy, pin: Uint8Array, ctx?: PinContext): PinVerdict
