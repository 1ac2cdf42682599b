/** A PIN policy, member by member. */
import { canonicalJson } from '@postern/core/canonicalJson'
import { isPosternError, PosternError } from '@postern/core/errors'
import { type JsonValue, parseJson } from '@postern/core/json'
import type { PinPolicy } from '../pin/policy.js'
import { choice, integer, invalid, list, object, record, text, under } from './read.js'

const members = [
  'format',
  'id',
  'length',
  'maxRun',
  'maxSame',
  'sequences',
  'patterns',
  'years',
  'dates',
  'keypad',
  'userData',
  'blocklists',
  'attempts',
  'cycles',
]
const patterns = ['ABAB', 'AABB', 'ABBA', 'ABCABC'] as const
const dates = ['DDMM', 'MMDD', 'DDMMYY', 'MMDDYY', 'YYYY'] as const

export function readPinPolicy(input: string | Uint8Array | JsonValue | PinPolicy): PinPolicy {
  try {
    const bytes = typeof input === 'string' || input instanceof Uint8Array ? input : canonicalJson(input as JsonValue)
    return read(parseJson(bytes, { maxBytes: 1024 * 1024, maxDepth: 8, maxMembers: 200_000 }))
  } catch (cause) {
    if (isPosternError(cause, 'policy.document_invalid', 'policy.too_large', 'json.malformed', 'json.too_large'))
      throw new PosternError('pin.policy_invalid', { publicMessage: cause.publicMessage, reason: cause.reason ?? '', cause })
    throw cause
  }
}

function read(value: JsonValue): PinPolicy {
  const p = object(value, '', members)
  if (p['format'] !== 1) throw invalid('/format', 'must be 1')
  text(p['id'], '/id', 128)
  const length = object(p['length'], '/length', ['min', 'max'])
  const min = integer(length['min'], '/length/min', 4, 32)
  integer(length['max'], '/length/max', min, 32)
  for (const name of ['maxRun', 'maxSame']) if (p[name] !== null) integer(p[name], `/${name}`, 1, 32)
  if (p['sequences'] !== null) {
    const { steps, wrap } = object(p['sequences'], '/sequences', ['steps', 'wrap'])
    if (steps !== 'any')
      list(steps, '/sequences/steps', 18).forEach((step, i) => {
        if (integer(step, under('/sequences/steps', i), -9, 9) === 0)
          throw invalid(under('/sequences/steps', i), 'must not be 0: that is a run')
      })
    boolean(wrap, '/sequences/wrap')
  }
  list(p['patterns'], '/patterns', patterns.length).forEach((entry, i) => {
    choice(entry, under('/patterns', i), patterns)
  })
  list(p['dates'], '/dates', dates.length).forEach((entry, i) => {
    choice(entry, under('/dates', i), dates)
  })
  const years = object(p['years'], '/years', ['from', 'to'])
  integer(years['to'], '/years/to', integer(years['from'], '/years/from', 0, 9999), 9999)
  boolean(p['keypad'], '/keypad')
  boolean(p['userData'], '/userData')
  for (const [size, listed] of Object.entries(record(p['blocklists'], '/blocklists'))) {
    const at = under('/blocklists', size)
    if (!/^(?:[4-9]|[12]\d|3[0-2])$/.test(size)) throw invalid(at, 'must be a length from 4 to 32')
    if (Array.isArray(listed)) pins(listed, at, Number(size))
    else reference(listed, at)
  }
  integer(p['attempts'], '/attempts', 1, 100)
  integer(p['cycles'], '/cycles', 1, 1000)
  return p as unknown as PinPolicy
}

function pins(value: JsonValue, at: string, length: number): void {
  list(value, at, 100_000).forEach((pin, i) => {
    if (typeof pin !== 'string' || pin.length !== length || !/^[0-9]+$/.test(pin))
      throw invalid(under(at, i), `must be ${length} digits`)
  })
}

function reference(value: JsonValue, at: string): void {
  const { ref, count, hash } = object(value, at, ['ref', 'count', 'hash'])
  text(ref, `${at}/ref`, 2048)
  integer(count, `${at}/count`, 1, 1_000_000)
  if (!/^sha256:[A-Za-z0-9_-]{43}$/.test(text(hash, `${at}/hash`)))
    throw invalid(`${at}/hash`, 'must be sha256: and 43 characters')
}

function boolean(value: JsonValue | undefined, at: string): void {
  if (typeof value !== 'boolean') throw invalid(at, 'must be true or false')
}
