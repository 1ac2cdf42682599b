/** A decision record, member by member: it comes out of a store, and whoever wrote there could write anything. */
import { PosternError } from '@postern/core/errors'
import type { DecisionRecord, RecordedFact } from '../../replay.js'

/** @throws PosternError `policy.record_invalid` with the number of the record and the member */
export function readRecord(value: unknown, at: number): DecisionRecord {
  const { format, policy, schema, at: instant, outcome, matched, facts } = object(value, at, 'record')
  const text = (one: unknown, name: string): string => (typeof one === 'string' ? one : fail(at, name))
  if (format !== 1) fail(at, 'format')
  if (!Number.isSafeInteger(instant)) fail(at, 'at')
  if (outcome !== 'allow' && outcome !== 'require' && outcome !== 'deny') return fail(at, 'outcome')
  if (!Array.isArray(matched)) return fail(at, 'matched')
  return {
    format: 1,
    policy: text(policy, 'policy'),
    schema: text(schema, 'schema'),
    at: instant as number,
    outcome,
    matched: matched.map((id) => text(id, 'matched')),
    facts: Object.fromEntries(Object.entries(object(facts, at, 'facts')).map(([name, kept]) => [name, readFact(kept, at, name)])),
  }
}

function readFact(value: unknown, at: number, name: string): RecordedFact {
  const { doubt, ...rest } = object(value, at, name)
  const [[kind, kept] = [], ...more] = Object.entries(rest)
  if (more.length > 0 || (doubt !== undefined && doubt !== true)) return fail(at, name)
  const uncertain = doubt === true ? ({ doubt } as const) : {}
  switch (kind) {
    case 'value':
      if (['string', 'number', 'boolean'].includes(typeof kept)) return { value: kept as string, ...uncertain }
      if (!Array.isArray(kept)) return fail(at, name)
      return { value: kept.map((member) => (typeof member === 'string' ? member : fail(at, name))), ...uncertain }
    case 'class':
      return Number.isSafeInteger(kept) && (kept as number) >= 0 ? { class: kept as number, ...uncertain } : fail(at, name)
    case 'members': {
      const members = Object.entries(object(kept, at, name)).map(([m, is]) => [m, typeof is === 'boolean' ? is : fail(at, name)])
      return { members: Object.fromEntries(members) as Record<string, boolean>, ...uncertain }
    }
    case 'none':
      if (kept === 'outside' && doubt) return fail(at, name)
      return kept === 'absent' || kept === 'invalid' || kept === 'outside' || kept === 'hidden'
        ? { none: kept, ...uncertain }
        : fail(at, name)
    default:
      return fail(at, name)
  }
}

function object(value: unknown, at: number, name: string): Readonly<Record<string, unknown>> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return fail(at, name)
  return value as Readonly<Record<string, unknown>>
}

export function invalidRecord(at: number, name: string): PosternError<'policy.record_invalid'> {
  return new PosternError('policy.record_invalid', {
    publicMessage: `The decision record number ${at}, counted from 0, is not valid at ${name}.`,
    reason: `${at}: ${name}`,
  })
}

function fail(at: number, name: string): never {
  throw invalidRecord(at, name)
}
