/** What a host's function returned, read once and strictly; and what an app sent, as JSON of its own. */
import { utf8 } from '@postern/core/bytes'
import { type JsonValue, parseJson } from '@postern/core/json'
import type { CustomResult } from '../custom.js'

const MAX_JSON_BYTES = 16_384
const MAX_STATE_BYTES = 4096
const MAX_DATA_BYTES = 16_384

const MEMBERS: Readonly<Record<CustomResult['outcome'], readonly string[]>> = {
  continue: ['outcome', 'reply', 'state'],
  done: ['outcome', 'amr', 'data', 'reply'],
  retry: ['outcome', 'reply'],
  fatal: ['outcome', 'reply', 'remove'],
}

/** One result, every member checked and copied. */
export type ReadResult =
  | { readonly outcome: 'continue'; readonly reply: JsonValue; readonly state: Uint8Array | null }
  | { readonly outcome: 'done'; readonly amr: readonly string[]; readonly data: Uint8Array | null; readonly reply: JsonValue }
  | { readonly outcome: 'retry'; readonly reply: JsonValue }
  | { readonly outcome: 'fatal'; readonly reply: JsonValue; readonly remove: boolean }

/** The result, or `null` for anything outside the union, too long, or claiming more than was declared. */
export function readResult(raw: unknown, declared: readonly string[]): ReadResult | null {
  try {
    if (typeof raw !== 'object' || raw === null) return null
    const { outcome, ...members } = raw as Record<string, unknown>
    if (typeof outcome !== 'string' || !Object.hasOwn(MEMBERS, outcome)) return null
    const known = MEMBERS[outcome as CustomResult['outcome']]
    if (Object.keys(members).some((name) => !known.includes(name))) return null
    const reply = members['reply'] === undefined ? null : readJson(members['reply'])
    if (reply === undefined || (outcome === 'continue' && members['reply'] === undefined)) return null
    return byOutcome(outcome as CustomResult['outcome'], members, reply, declared)
  } catch {
    return null // a getter or toJSON of the host's threw
  }
}

function byOutcome(
  outcome: CustomResult['outcome'],
  members: Readonly<Record<string, unknown>>,
  reply: JsonValue,
  declared: readonly string[],
): ReadResult | null {
  if (outcome === 'retry') return { outcome, reply }
  if (outcome === 'fatal') {
    const { remove = false } = members
    return typeof remove === 'boolean' ? { outcome, reply, remove } : null
  }
  if (outcome === 'continue') {
    const state = readBytes(members['state'], MAX_STATE_BYTES)
    return state === undefined ? null : { outcome, reply, state }
  }
  const data = readBytes(members['data'], MAX_DATA_BYTES)
  const amr: readonly unknown[] | null =
    members['amr'] === undefined ? declared : Array.isArray(members['amr']) ? [...members['amr']] : null
  if (data === undefined || amr === null) return null
  return amr.every((value): value is string => declared.includes(value as string))
    ? { outcome, amr: [...new Set(amr)], data, reply }
    : null
}

/** JSON of at most 16 KiB as a value of our own, or `undefined`. */
export function readJson(value: unknown): JsonValue | undefined {
  try {
    const text = JSON.stringify(value)
    return text === undefined || utf8(text).length > MAX_JSON_BYTES ? undefined : parseJson(text)
  } catch {
    return undefined
  }
}

/** A copy, `null` for none, or `undefined` for what is no bytes or too long. */
function readBytes(value: unknown, max: number): Uint8Array | null | undefined {
  if (value === undefined) return null
  // The copy's length: a subclass may say another of its own.
  const copy = value instanceof Uint8Array ? new Uint8Array(value) : null
  return copy !== null && copy.length <= max ? copy : undefined
}
