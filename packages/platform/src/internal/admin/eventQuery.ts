/** The questions that the event log takes, from the parameters of an address. */
import { eventTypes } from '@postern/core/events'
import type { EventQuery } from '../events/log.js'
import { invalid, limitOf } from './query.js'

/** Every parameter of `events`. */
export const eventParameters = [
  'type',
  'not_type',
  'outcome',
  'subject',
  'device',
  'app',
  'authenticator',
  'transaction',
  'from',
  'to',
  'after',
  'limit',
] as const

const ULID = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/
const DEVICE = /^[A-Za-z0-9._~-]{1,64}$/
const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/

/** Whether a text can be the id of an event; nothing else may come near a store key. */
export function isEventId(text: string): boolean {
  return ULID.test(text)
}

/** @throws PosternError `admin.invalid` */
export function eventQueryOf(query: ReadonlyMap<string, string>, otherwise: number): EventQuery {
  const has = <K extends string, T>(name: string, member: K, read: (text: string) => T): { readonly [P in K]?: T } => {
    const text = query.get(name)
    return (text === undefined ? {} : { [member]: read(text) }) as { readonly [P in K]?: T }
  }
  return {
    limit: limitOf(query, otherwise),
    ...has('type', 'types', typesOf),
    ...has('not_type', 'notTypes', typesOf),
    ...has('outcome', 'outcome', (text) => {
      if (!['success', 'failure', 'refused'].includes(text)) throw invalid('outcome is success, failure or refused.')
      return text
    }),
    ...has('subject', 'subject', whole),
    ...has('device', 'device', (text) => {
      if (!DEVICE.test(text)) throw invalid('device is a device id.')
      return text
    }),
    ...has('app', 'app', whole),
    ...has('authenticator', 'authenticator', whole),
    ...has('transaction', 'transaction', whole),
    ...has('from', 'from', instantOf),
    ...has('to', 'to', instantOf),
    ...has('after', 'after', (text) => {
      if (!isEventId(text)) throw invalid('after is the id of an event.')
      return text
    }),
  }
}

function typesOf(text: string): readonly string[] {
  const types = text.split(',')
  const unknown = types.find((type) => !(eventTypes as readonly string[]).includes(type))
  if (unknown !== undefined) throw invalid('type and not_type are event types, separated by commas.')
  return types
}

function whole(text: string): string {
  if (text === '') throw invalid('A filter is not empty.')
  return text
}

function instantOf(text: string): number {
  const at = /^\d{1,15}$/.test(text) ? Number(text) : RFC3339.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isFinite(at)) throw invalid('from and to are RFC 3339 times or milliseconds.')
  return at
}
