/**
 * The record `enr/<id>` (`wa/<id>` for passkeys): one a user and authenticator on a device. It is pending until confirmed, and only a confirmed one logs in.
 * Removed ones stay as tombstones, so that their own app learns it.
 */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { concat, hex, u8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { type JsonObject, parseJson } from '@postern/core/json'
import type { Random } from '@postern/core/runtime'
import type { Op } from '@postern/store'
import type { KeyLevel } from './authenticator.js'

/** Why an enrolment is locked or removed. */
export type EnrolmentCause = 'attempts' | 'failures' | 'operator' | 'user' | 'device' | 'os-lockout' | 'key-invalidated' | 'host'

/** One enrolment. */
export interface Enrolment {
  /** `pin`, `device-key`, `biometric`, … */
  readonly type: string
  readonly status: 'pending' | 'active' | 'locked' | 'removed'
  readonly cause: EnrolmentCause | null
  /** PIN generation; 0 where unused. */
  readonly generation: number
  /** PIN suite, or the parameters of an OTP secret; empty where unused. */
  readonly suite: string
  /** ms */
  readonly createdAt: number
  /** Last success, ms; 0 for none yet. */
  readonly usedAt: number
  /** Restore epoch of the last success (store design, restore); empty before the first restore. */
  readonly epoch: string
  /** Id of the user's partition. */
  readonly owner: string
  /** The key of a `device-key` or `biometric` enrolment: public members alone. */
  readonly key: JsonWebKey | null
  /** Level of that key, of the device key where there is none. */
  readonly keyLevel: KeyLevel
  /** The caller's own bytes. */
  readonly data: Uint8Array
  /** Of a passkey or security key. */
  readonly credential?: CredentialRecord
}

/** What is kept of a passkey or security key; bytes are base64url. */
export interface CredentialRecord {
  readonly id: string
  /** The COSE key as it is encoded. */
  readonly publicKey: string
  readonly counter: number
  readonly backupEligible: boolean
  readonly backedUp: boolean
  /** 32 lower-case hexadecimal digits; zeros where it is `attested` and its model is not. */
  readonly aaguid: string
  readonly transports: readonly string[]
  /** Whether it can be found without a list; `null` where it does not say. */
  readonly discoverable: boolean | null
  readonly format: string
  /** Whether somebody trusted vouched for it when it was made. */
  readonly attested: boolean
}

/** A record as it was read. */
export interface Enrolled {
  readonly id: string
  readonly rev: string
  readonly value: Enrolment
}

const SCHEMA = 1
const ID = /^[0-9a-f]{32}$/

/** A fresh enrolment id: 16 random bytes as 32 lower-case hex digits. */
export function newEnrolmentId(random: Random): string {
  return hex(random(16))
}

/** Whether a text can be an enrolment id; anything else must not reach a store key. */
export function isEnrolmentId(text: unknown): text is string {
  return typeof text === 'string' && ID.test(text)
}

/** The key of the record in its partition. @param type - of the enrolment; a passkey's has a place of its own */
export function enrolmentKey(id: string, type?: string): string {
  return `${type === 'webauthn' ? 'wa' : 'enr'}/${id}`
}

/** The stored bytes: a schema byte, then JSON. */
export function encodeEnrolment(e: Enrolment): Uint8Array {
  return concat(u8(SCHEMA), utf8(JSON.stringify({ ...e, data: encodeBase64url(e.data) })))
}

/**
 * The enrolment of stored bytes.
 * @throws PosternError `store.schema_unknown` for a newer schema | `store.corrupt`
 */
export function decodeEnrolment(bytes: Uint8Array): Enrolment {
  if (bytes.length === 0) throw new PosternError('store.corrupt', { reason: 'empty enrolment' })
  if (bytes[0] !== SCHEMA) throw new PosternError('store.schema_unknown', { reason: `enrolment schema ${bytes[0]}` })
  const json = parseJson(bytes.subarray(1)) as JsonObject
  const data = typeof json['data'] === 'string' ? decodeBase64url(json['data']) : null
  if (data === null || typeof json['type'] !== 'string' || typeof json['status'] !== 'string')
    throw new PosternError('store.corrupt')
  return { ...(json as unknown as Enrolment), data }
}

/** Writes a new enrolment, pending: it expires with its claim unless {@link planConfirm} follows. Loses when the id exists. */
export function planEnrol(id: string, value: Enrolment, until: number): Op {
  return {
    op: 'put',
    key: enrolmentKey(id, value.type),
    value: encodeEnrolment({ ...value, status: 'pending' }),
    rev: null,
    expiresAt: until,
  }
}

/**
 * Confirms a pending enrolment, after its device was activated in the user's partition. One that was removed or locked meanwhile stays so.
 * @throws PosternError `authenticator.removed` | `authenticator.locked`
 */
export function planConfirm(e: Enrolled): Op {
  const { status } = e.value
  if (status === 'removed' || status === 'locked') throw new PosternError(`authenticator.${status}`)
  return rewrite(e, { status: 'active' })
}

/** Rewrites the caller's own bytes. */
export function planData(e: Enrolled, data: Uint8Array): Op {
  return rewrite(e, { data })
}

/**
 * Locks an enrolment until an operator unlocks it or the user enrols again.
 * @throws PosternError `authenticator.removed` for a tombstone | `enrolment.expired` for one that was never confirmed: it expires, or is removed
 */
export function planLock(e: Enrolled, cause: EnrolmentCause): Op {
  checkConfirmed(e)
  return rewrite(e, { status: 'locked', cause })
}

/**
 * Unlocks, whatever the type and the cause: `enr/<id>` active and the counters gone. An operator's act, to be audited in the same commit: event
 * `authenticator.unlocked`.
 * @param counter - the record that counts its tries, the first that `authenticator.watches(id)` names; it keeps its value and counts anew.
 * `null` where the type counts none, or none was taken
 * @param epoch - the tenant's restore epoch, if it has one: without it a PIN that was locked by its one try after a restore has no other
 * @throws PosternError `authenticator.removed` for a tombstone, whose secrets are gone | `enrolment.expired` for one that was never confirmed
 */
export function planUnlock(
  e: Enrolled,
  counter: { readonly key?: string; readonly value: Uint8Array; readonly rev: string } | null,
  epoch: string = e.value.epoch,
): readonly Op[] {
  checkConfirmed(e)
  const unlocked = rewrite(e, { status: 'active', cause: null, epoch })
  if (counter === null) return [unlocked]
  const { key = `pin/${e.id}`, value, rev } = counter
  const failed: readonly Op[] = key === `pin/${e.id}` ? [{ op: 'del', key: `${key}/failed` }] : []
  return [unlocked, { op: 'put', key, value, rev }, ...failed]
}

/**
 * Leaves a tombstone and deletes what the authenticator keeps: pass `authenticator.remove(id)` as `owned`.
 * Removal starts at the user's partition (`releaseDevice`), so that every approval sees it.
 */
export function planRemove(e: Enrolled, cause: EnrolmentCause, owned: readonly Op[] = []): readonly Op[] {
  return [rewrite(e, { status: 'removed', cause }), ...owned]
}

function checkConfirmed({ value: { status } }: Enrolled): void {
  if (status === 'removed') throw new PosternError('authenticator.removed')
  if (status === 'pending') throw new PosternError('enrolment.expired')
}

function rewrite(e: Enrolled, change: Partial<Enrolment>): Op {
  return { op: 'put', key: enrolmentKey(e.id, e.value.type), value: encodeEnrolment({ ...e.value, ...change }), rev: e.rev }
}
