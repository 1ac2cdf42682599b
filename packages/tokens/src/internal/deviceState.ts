/** A device grant between its request and its end: the record, and the handle that the device polls with. */
import type { Part } from '@postern/store'
import type { Waiting } from './waiting.js'

/** The `grant_type` that redeems it (RFC 8628 §3.4). */
export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

/** What a device's handle holds. */
export interface DeviceCode {
  readonly id: string
  readonly jti: string
  /** Ms. */
  readonly exp: number
  readonly clientId: string
  /** The key whose proof came with the request; polls come with it, too. */
  readonly jkt: string | null
  readonly intervalSec: number
}

/** The record: what the user must be shown of the request. */
export interface DeviceGrant extends Waiting {
  readonly acrValues: readonly string[]
}

/** The key of the record in its partition; its gate is `po`, its slow-downs `sd`. */
export const DEVICE_KEY = 'dg'

/** The id of a grant, which is its partition's without the kind. */
export function deviceId({ id }: Part): string {
  return id.slice('dg:'.length)
}

/** The partition of a grant, or `null` for what is no id. */
export function devicePart(id: string, tenant: string): Part | null {
  return /^[a-z2-7]{26}$/.test(id) ? { tenant, id: `dg:${id}` } : null
}
