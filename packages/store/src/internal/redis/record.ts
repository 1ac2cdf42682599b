/** A record as one string of Redis, `"<expiresAt> <n> <rev> "` and the value, so that reading needs no script; and where it lies. */
import { PosternError } from '@postern/core/errors'
import type { Kept } from '../judge.js'
import { NEVER } from '../validate.js'

const HEADER = /^(-?\d{1,16}) (\d{1,16}) ([A-Za-z0-9_-]{16}) /
/** A sign, two numbers of 16 digits, a rev of 16 and three blanks. */
const MAX_HEADER_BYTES = 52

/** `{tenant:id}key`: what stands in braces decides the slot, so that a partition is one. */
export function keyOf(place: string, key: string): string {
  return `{${place}}${key}`
}

/** The sorted set of a partition's keys; no key has a `!`. */
export function indexOf(place: string): string {
  return `{${place}}!`
}

/** What stands before the value. For never, {@link NEVER}: a number like any other, to compare in a script. */
export function headOf(expiresAt: number, n: number, rev: string): string {
  return `${expiresAt} ${n} ${rev} `
}

/** The record with bytes of its own: a client's reply may share memory with its neighbours. @throws PosternError `store.corrupt` */
export function decodeRecord(key: string, reply: unknown): Kept {
  const bytes = reply instanceof Uint8Array ? reply : new Uint8Array(0)
  const header = HEADER.exec(String.fromCharCode(...bytes.subarray(0, MAX_HEADER_BYTES)))
  if (header === null) throw new PosternError('store.corrupt')
  const [all, expiresAt, n, rev] = header
  return { key, value: new Uint8Array(bytes.subarray(all.length)), n: Number(n), rev: rev!, expiresAt: Number(expiresAt) }
}

/** How long the server keeps a record, in ms from the arrival of the commit; empty: for ever. */
export function lifeOf(expiresAt: number, now: number, graceMs: number): string {
  return expiresAt === NEVER ? '' : String(expiresAt - now + graceMs)
}
