/**
 * The record `devices` of a user's partition: one record for all, so that the limit is counted inside one conditional write and parallel
 * enrolments cannot exceed it. A claim past its end is void and takes no place.
 */
import { concat, u8, utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import { parseJson } from '@postern/core/json'
import type { Op, Rec } from '@postern/store'

/** The key of the record. */
export const devicesKey = 'devices'
/** No limit may be greater: approvals re-check the record, so it stays small. */
export const maxDevices = 32
/** How long a claim holds a place: 2 minutes, in ms. */
export const claimMs = 120_000

/** One device of a user. */
export interface DeviceEntry {
  /** Device id, the `client_id`. */
  readonly id: string
  readonly status: 'pending' | 'active' | 'locked'
  /** End of a pending claim, ms; 0 otherwise. */
  readonly until: number
}

/** A rewrite of the record, or why there is none. */
export type DeviceChange =
  | { readonly ok: true; readonly op: Op; readonly devices: readonly DeviceEntry[]; readonly until: number }
  | { readonly ok: false; readonly code: 'device.limit' | 'device.removed' | 'enrolment.expired' }

const SCHEMA = 1

/** The live devices of a record as read; void claims are left out. @throws PosternError `store.schema_unknown` | `store.corrupt` */
export function readDevices(current: Pick<Rec, 'value'> | null, now: number): readonly DeviceEntry[] {
  if (current === null) return []
  if (current.value[0] !== SCHEMA) throw new PosternError('store.schema_unknown', { reason: 'devices' })
  const list = parseJson(current.value.subarray(1))
  if (!Array.isArray(list)) throw new PosternError('store.corrupt', { reason: 'devices' })
  return (list as unknown as DeviceEntry[]).filter((d) => d.status !== 'pending' || d.until > now)
}

/**
 * Claims a place for a device. One that has its place keeps it; a pending one gets a new end.
 * The caller adds its own checks (the user, the epoch that the login saw) to the same commit, and reads again when `rev` was overtaken.
 */
export function claimDevice(
  current: Pick<Rec, 'value' | 'rev'> | null,
  o: { readonly device: string; readonly now: number; readonly limit: number; readonly ms?: number },
): DeviceChange {
  const { device, now, limit, ms = claimMs } = o
  const devices = readDevices(current, now)
  const mine = devices.find((d) => d.id === device)
  if (mine?.status === 'locked') return { ok: false, code: 'device.removed' }
  const others = devices.filter((d) => d.id !== device)
  if (mine === undefined && others.length >= Math.min(limit, maxDevices)) return { ok: false, code: 'device.limit' }
  const until = now + ms
  const entry: DeviceEntry = mine?.status === 'active' ? mine : { id: device, status: 'pending', until }
  return rewritten(current, [...others, entry], until)
}

/** Makes a claimed device active; a claim past its end is `enrolment.expired`. */
export function activateDevice(
  current: Pick<Rec, 'value' | 'rev'> | null,
  o: { readonly device: string; readonly now: number },
): DeviceChange {
  const devices = readDevices(current, o.now)
  const mine = devices.find((d) => d.id === o.device)
  if (mine === undefined) return { ok: false, code: 'enrolment.expired' }
  if (mine.status === 'locked') return { ok: false, code: 'device.removed' }
  return rewritten(current, [...devices.filter((d) => d.id !== o.device), { id: o.device, status: 'active', until: 0 }], 0)
}

/** Locks a device, or unlocks it; every approval checks this record. */
export function lockDevice(
  current: Pick<Rec, 'value' | 'rev'> | null,
  o: { readonly device: string; readonly now: number; readonly locked: boolean },
): DeviceChange {
  const devices = readDevices(current, o.now)
  if (!devices.some((d) => d.id === o.device && d.status !== 'pending')) return { ok: false, code: 'device.removed' }
  const status = o.locked ? 'locked' : 'active'
  return rewritten(
    current,
    devices.map((d) => (d.id === o.device ? { ...d, status } : d)),
    0,
  )
}

/** Takes a device out, at once and for all flows. */
export function releaseDevice(
  current: Pick<Rec, 'value' | 'rev'> | null,
  o: { readonly device: string; readonly now: number },
): DeviceChange {
  const devices = readDevices(current, o.now)
  return rewritten(
    current,
    devices.filter((d) => d.id !== o.device),
    0,
  )
}

function rewritten(current: Pick<Rec, 'rev'> | null, devices: readonly DeviceEntry[], until: number): DeviceChange {
  const value = concat(u8(SCHEMA), utf8(JSON.stringify(devices)))
  return { ok: true, op: { op: 'put', key: devicesKey, value, rev: current?.rev ?? null }, devices, until }
}
