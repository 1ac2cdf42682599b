/** The facts of one login, ready-made by the platform; `null` = asked for and not known. */
import type { Id, NetworkKind, Place } from './network.js'

/** One login to be judged. Non-finite, negative or out-of-range numbers count as missing; nothing here can make `score` throw. */
export interface LoginFacts {
  readonly id: Id
  /** Milliseconds since the epoch by the platform's clock, never a device's. */
  readonly at: number
  readonly subject: Id
  readonly device: Id | null
  readonly deviceAgeDays: number | null
  readonly app: string
  readonly appVersion: string | null
  /** `ios`, `android`, `web`, … */
  readonly platform: string
  /** Only the part before the first dot is looked at. */
  readonly osVersion: string | null
  readonly model: string | null
  /** 4 or 16 bytes. */
  readonly ip: Uint8Array | null
  readonly asn: number | null
  readonly kind: NetworkKind | null
  readonly place: Place | null
  readonly authenticator: string
  readonly acr: number
  /** Failed tries of this subject since its last success. */
  readonly failuresBefore: number | null
  /** Integrity of app and device: 0 none, 1 basic, 2 device, 3 strong (hardware-backed). */
  readonly integrity: number | null
  /** A step-up that this login was asked for has been passed: the login is then learned at half weight or more. Never changes the score. */
  readonly steppedUp?: boolean
  /** Declared in the configuration, at most 8. */
  readonly extra?: Readonly<Record<string, string | number | null>>
}
