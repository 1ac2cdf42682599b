/**
 * What happens, as data: one discriminated union for the whole suite. An event is written in the same commit as the change it tells of.
 * No secret, token, PIN or payload ever enters one; a person appears as the host's subject id alone.
 */
import { fromUtf8, utf8 } from './bytes.js'

/** Every event type, by room. Types are published: added to, never renamed. */
export const eventTypes = [
  // platform: app instances, users, logins
  'device.registered',
  'device.updated',
  'device.refused',
  'device.removed',
  'user.registered',
  'user.registration_failed',
  'user.deregistered',
  'user.changed',
  'login.started',
  'login.succeeded',
  'login.failed',
  'login.refused',
  'login.fallback',
  'stepup.required',
  'call.allowed',
  'call.refused',
  // tokens
  'code.issued',
  'code.redeemed',
  'code.replayed',
  'token.issued',
  'token.refreshed',
  'token.refused',
  'refresh.reused',
  'token.revoked',
  'client.registered',
  'client.updated',
  'client.removed',
  'proof.refused',
  'token.exchanged',
  'permission.used',
  'device_code.decided',
  'user_code.failed',
  'user_code.surge',
  'ciba.requested',
  'ciba.decided',
  'callback.delivered',
  'callback.failed',
  'session.ended',
  'keys.rotated',
  'keys.epoch_raised',
  // authenticators
  'authenticator.enrolled',
  'authenticator.changed',
  'authenticator.removed',
  'authenticator.locked',
  'authenticator.unlocked',
  'pin.attempted',
  'pin.succeeded',
  'pin.failed',
  'key.succeeded',
  'key.failed',
  'webauthn.succeeded',
  'webauthn.failed',
  'otp.sent',
  'otp.attempted',
  'otp.succeeded',
  'otp.failed',
  'custom.attempted',
  'custom.succeeded',
  'custom.failed',
  'transaction.created',
  'transaction.decided',
  'transaction.expired',
  'transaction.failed',
  'transaction.cancelled',
  'transaction.redeemed',
  'transaction.claimed',
  // attestation, payload, policy, anomaly, insight, operators
  'evidence.refused',
  'payload.refused',
  'payload.replayed',
  'payload.opened',
  'payload.session_closed',
  'policy.published',
  'policy.rolled_back',
  'policy.decided',
  'anomaly.signal',
  'alert.fired',
  'admin.changed',
] as const

export type EventType = (typeof eventTypes)[number]

interface EventBase {
  /** Lower-case ULID: sorts by time. */
  readonly id: string
  /** Milliseconds since the epoch, by the platform's clock. */
  readonly at: number
  readonly tenant: string
  readonly outcome: 'success' | 'failure' | 'refused'
  readonly subject?: string
  /** Device id, which is the `client_id` of the app instance. */
  readonly device?: string
  readonly client?: string
  readonly app?: string
  readonly appVersion?: string
  readonly platform?: string
  readonly osVersion?: string
  readonly authenticator?: string
  readonly ip?: string
  /** A code: why, in the words of the registry or of policy. The true reason may stand here, never in an answer. */
  readonly reason?: string
  /** Risk score 0–100 with the reasons that sum to it. */
  readonly risk?: {
    readonly score: number
    readonly band: 'low' | 'raised' | 'high'
    readonly reasons: readonly { readonly code: string; readonly units: number }[]
  }
  /** Ties all events of one flow together. */
  readonly transaction?: string
  readonly operator?: string
  /** Further facts, flat and few. */
  readonly detail?: Readonly<Record<string, string | number | boolean>>
}

/** One event; narrow it by `type`. */
export type PosternEvent = { readonly [T in EventType]: EventBase & { readonly type: T } }[EventType]

/** Receives events after their commit, at least once each: idempotent by `id`. */
export type EventSink = (events: readonly PosternEvent[]) => void | Promise<void>

/** The bytes of an event as they stand in the outbox. */
export function encodeEvent(event: PosternEvent): Uint8Array {
  return utf8(JSON.stringify(event))
}

/** The event of outbox bytes, or `null` when they are none. */
export function decodeEvent(bytes: Uint8Array): PosternEvent | null {
  const text = fromUtf8(bytes)
  if (text === null) return null
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return null
    const { id, at, tenant, type } = value as Record<string, unknown>
    const known =
      typeof id === 'string' &&
      typeof at === 'number' &&
      typeof tenant === 'string' &&
      (eventTypes as readonly unknown[]).includes(type)
    return known ? (value as PosternEvent) : null
  } catch {
    return null
  }
}
