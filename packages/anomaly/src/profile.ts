/**
 * What one user's logins were like, in at most 512 bytes, opaque to whoever stores it. Keys are 32-bit keyed hashes: no address and no place
 * name is at rest. Weights are in 1/256 login, halved every 90 days (slow) and 7 days (fast), truncated so that an entry really dies.
 */
import { PosternError } from '@postern/core/errors'
import { crc32c } from './internal/crc32c.js'

/** One value that was seen at one level. */
export interface Entry {
  readonly feature: number
  readonly key: number
  readonly slow: number
  readonly fast: number
}

/** The decoded form. Within a feature the entry touched last stands first, so the last network needs no field of its own. */
export interface Profile {
  readonly configHash: number
  /** Weeks and days since the epoch, up to which the weights have been decayed. */
  readonly week: number
  readonly day: number
  /** Seconds since the epoch of the last learned login, 0 for none. */
  readonly lastAt: number
  readonly place: { readonly lat: number; readonly lon: number; readonly radiusKm: number } | null
  readonly logins: number
  readonly learnedToday: number
  readonly newToday: number
  /** Eight cells of three hours, UTC. */
  readonly hours: readonly number[]
  readonly entries: readonly Entry[]
}

export const profileVersion = 1
export const maxEntries = 48
const HEADER = 42
const ENTRY = 9
const NO_PLACE = 0xffff
const SLOW_PER_WEEK = 62097 // 2^(−7/90) in 1/65536
const FAST_PER_DAY = 59357 // 2^(−1/7) in 1/65536

/** A profile that has learned nothing. */
export function emptyProfile(configHash: number, atSeconds: number): Profile {
  const day = Math.floor(atSeconds / 86_400)
  return {
    configHash,
    week: Math.floor(day / 7),
    day,
    lastAt: 0,
    place: null,
    logins: 0,
    learnedToday: 0,
    newToday: 0,
    hours: [0, 0, 0, 0, 0, 0, 0, 0],
    entries: [],
  }
}

/** Little-endian, CRC-32C last. */
export function encodeProfile(p: Profile): Uint8Array {
  const out = new Uint8Array(HEADER + p.entries.length * ENTRY + 4)
  const view = new DataView(out.buffer)
  view.setUint8(0, profileVersion)
  view.setUint32(1, p.configHash, true)
  view.setUint16(5, p.week, true)
  view.setUint32(7, p.lastAt, true)
  view.setInt16(11, p.place === null ? 0 : grid(p.place.lat, 180), true)
  view.setInt16(13, p.place === null ? 0 : grid(p.place.lon, 360), true)
  view.setUint16(15, p.place === null ? NO_PLACE : Math.min(NO_PLACE - 1, Math.ceil(p.place.radiusKm)), true)
  view.setUint32(17, p.logins, true)
  view.setUint16(21, p.day, true)
  view.setUint8(23, p.learnedToday)
  view.setUint8(24, p.newToday)
  for (let i = 0; i < 8; i++) view.setUint16(25 + 2 * i, p.hours[i]!, true)
  view.setUint8(41, p.entries.length)
  for (let i = 0; i < p.entries.length; i++) {
    const entry = p.entries[i]!
    const at = HEADER + i * ENTRY
    view.setUint8(at, entry.feature)
    view.setUint32(at + 1, entry.key, true)
    view.setUint16(at + 5, entry.slow, true)
    view.setUint16(at + 7, entry.fast, true)
  }
  view.setUint32(out.length - 4, crc32c(out, out.length - 4), true)
  return out
}

/** @throws PosternError `anomaly.state_invalid` (length, checksum, count) | `anomaly.state_version` (written by a newer program) */
export function decodeProfile(bytes: Uint8Array): Profile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < HEADER + 4) throw new PosternError('anomaly.state_invalid', { reason: 'length' })
  if (view.getUint32(bytes.length - 4, true) !== crc32c(bytes, bytes.length - 4))
    throw new PosternError('anomaly.state_invalid', { reason: 'checksum' })
  if (view.getUint8(0) !== profileVersion) throw new PosternError('anomaly.state_version')
  const count = view.getUint8(41)
  if (count > maxEntries || bytes.length !== HEADER + count * ENTRY + 4)
    throw new PosternError('anomaly.state_invalid', { reason: 'count' })
  const radiusKm = view.getUint16(15, true)
  const hours: number[] = []
  for (let i = 0; i < 8; i++) hours.push(view.getUint16(25 + 2 * i, true))
  const entries: Entry[] = []
  for (let at = HEADER; at < bytes.length - 4; at += ENTRY)
    entries.push({
      feature: view.getUint8(at),
      key: view.getUint32(at + 1, true),
      slow: view.getUint16(at + 5, true),
      fast: view.getUint16(at + 7, true),
    })
  return {
    configHash: view.getUint32(1, true),
    week: view.getUint16(5, true),
    day: view.getUint16(21, true),
    lastAt: view.getUint32(7, true),
    place:
      radiusKm === NO_PLACE
        ? null
        : { lat: (view.getInt16(11, true) * 180) / 65536, lon: (view.getInt16(13, true) * 360) / 65536, radiusKm },
    logins: view.getUint32(17, true),
    learnedToday: view.getUint8(23),
    newToday: view.getUint8(24),
    hours,
    entries,
  }
}

/** Weights as they stand at a later time; an earlier time changes nothing. */
export function decayed(p: Profile, atSeconds: number): Profile {
  const day = Math.floor(atSeconds / 86_400)
  const week = Math.floor(day / 7)
  if (day <= p.day) return p
  const [weeks, days] = [week - p.week, day - p.day]
  const entries: Entry[] = []
  for (const { feature, key, slow: before, fast } of p.entries) {
    const slow = shrink(before, SLOW_PER_WEEK, weeks)
    if (slow > 0) entries.push({ feature, key, slow, fast: shrink(fast, FAST_PER_DAY, days) })
  }
  const hours = p.hours.map((w) => shrink(w, SLOW_PER_WEEK, weeks))
  return { ...p, day, week: Math.max(week, p.week), hours, entries, learnedToday: 0, newToday: 0 }
}

function shrink(weight: number, factor: number, steps: number): number {
  for (let i = 0; i < steps && weight > 0; i++) weight = (weight * factor) >>> 16
  return weight
}

function grid(degrees: number, circle: number): number {
  return Math.max(-32768, Math.min(32767, Math.round((degrees * 65536) / circle)))
}
