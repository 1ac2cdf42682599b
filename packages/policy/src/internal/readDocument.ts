/** The shape of a policy document, member by member. Nothing unknown passes; what a condition means is judged with the schema in hand. */
import { isPosternError, PosternError } from '@postern/core/errors'
import { type JsonObject, type JsonValue, parseJson } from '@postern/core/json'
import type { FallbackCause, PolicyDocument } from '../document.js'
import { choice, integer, invalid, list, object, record, text, tooLarge, under } from './read.js'
import { reasons } from './reasons.js'

const causes: readonly FallbackCause[] = [
  'not-enrolled',
  'locked',
  'unavailable',
  'cancelled',
  'failed',
  'os-lockout',
  'key-invalidated',
  'user-choice',
]
const effects = ['allow', 'require', 'deny'] as const
const maxBytes = 4 * 1024 * 1024
const maxRules = 10_000
const maxConditions = 64
const maxValues = 4096
const maxBoxes = 64
const ID = /^[a-zA-Z0-9][a-zA-Z0-9._:-]{0,127}$/
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/

export function readDocument(bytes: string | Uint8Array): PolicyDocument {
  let value: JsonValue
  try {
    value = parseJson(bytes, { maxBytes, maxDepth: 16, maxMembers: 1_000_000 })
  } catch (cause) {
    if (isPosternError(cause, 'json.too_large')) throw new PosternError('policy.too_large', { cause })
    throw new PosternError('policy.document_invalid', { reason: '', cause })
  }
  const members = ['format', 'id', 'parent', 'schema', 'zone', 'acr', 'fallback', 'rules', 'invariants', 'fixtures']
  const doc = object(value, '', members)
  integers(doc, '')
  if (doc['format'] !== 1) throw invalid('/format', 'must be 1')
  identifier(doc['id'], '/id')
  if (doc['parent'] !== null) text(doc['parent'], '/parent')
  text(doc['schema'], '/schema')
  zone(doc['zone'], '/zone')
  levels(object(doc['acr'], '/acr', ['levels'])['levels'], '/acr/levels')
  edges(doc['fallback'], '/fallback')
  const rules = list(doc['rules'], '/rules', maxRules)
  const seen = new Set<string>()
  rules.forEach((entry, i) => {
    const id = rule(entry, under('/rules', i))
    if (seen.has(id)) throw invalid(`/rules/${i}/id`, `is used by another rule: ${id}`)
    seen.add(id)
  })
  list(doc['invariants'], '/invariants', maxRules).forEach((entry, i) => {
    const at = under('/invariants', i)
    const found = object(entry, at, ['never', 'when'])
    choice(found['never'], `${at}/never`, ['allow'])
    box(found['when'], `${at}/when`)
  })
  list(doc['fixtures'], '/fixtures', maxRules).forEach((entry, i) => {
    fixture(entry, under('/fixtures', i))
  })
  return doc as unknown as PolicyDocument
}

function rule(value: JsonValue, at: string): string {
  const effect = choice(record(value, at)['effect'], `${at}/effect`, effects)
  const required = [
    'id',
    'mode',
    'effect',
    ...(effect === 'allow' ? [] : ['reason']),
    ...(effect === 'require' ? ['require'] : []),
  ]
  const found = object(value, at, required, ['when', 'anyOf', 'from', 'until', 'attach', 'message', 'messageUnknown'])
  const id = identifier(found['id'], `${at}/id`)
  choice(found['mode'], `${at}/mode`, ['enforce', 'shadow', 'off'])
  if (effect !== 'allow') choice(found['reason'], `${at}/reason`, reasons)
  let conditions = found['when'] === undefined ? 0 : box(found['when'], `${at}/when`)
  if (found['anyOf'] !== undefined) {
    const boxes = list(found['anyOf'], `${at}/anyOf`, maxBoxes)
    if (boxes.length === 0) throw invalid(`${at}/anyOf`, 'must not be empty')
    boxes.forEach((entry, i) => {
      conditions += box(entry, under(`${at}/anyOf`, i))
    })
  }
  if (conditions > maxConditions) throw tooLarge(`more than ${maxConditions} conditions in the rule ${id}`)
  for (const bound of ['from', 'until'] as const)
    if (found[bound] !== undefined && !isInstant(text(found[bound], `${at}/${bound}`)))
      throw invalid(`${at}/${bound}`, 'must be an instant such as 2026-01-31T09:00:00Z')
  for (const key of ['message', 'messageUnknown']) if (found[key] !== undefined) text(found[key], `${at}/${key}`)
  if (found['attach'] !== undefined)
    list(found['attach'], `${at}/attach`, 16).forEach((entry, i) => {
      const here = under(`${at}/attach`, i)
      const type = choice(record(entry, here)['type'], `${here}/type`, ['change-pin', 'notification'])
      if (type === 'notification') text(object(entry, here, ['type', 'id'])['id'], `${here}/id`)
      else object(entry, here, ['type'])
    })
  if (effect === 'require') requirement(found['require'], `${at}/require`)
  return id
}

function requirement(value: JsonValue | undefined, at: string): void {
  const found = object(value, at, [], ['acr', 'maxAgeSec', 'anyOf', 'fallback'])
  if (found['acr'] !== undefined) integer(found['acr'], `${at}/acr`, 0, 1000)
  if (found['maxAgeSec'] !== undefined) integer(found['maxAgeSec'], `${at}/maxAgeSec`, 0)
  if (found['anyOf'] !== undefined) {
    const sets = list(found['anyOf'], `${at}/anyOf`, maxBoxes)
    if (sets.length === 0) throw invalid(`${at}/anyOf`, 'must not be empty')
    sets.forEach((entry, i) => {
      list(entry, under(`${at}/anyOf`, i), 8).forEach((kind, k) => {
        identifier(kind, under(under(`${at}/anyOf`, i), k))
      })
    })
  }
  if (typeof found['fallback'] === 'string') choice(found['fallback'], `${at}/fallback`, ['all', 'none'])
  else if (found['fallback'] !== undefined) edges(found['fallback'], `${at}/fallback`)
}

function edges(value: JsonValue | undefined, at: string): void {
  list(value, at, 256).forEach((entry, i) => {
    const here = under(at, i)
    const found = object(entry, here, ['from', 'to', 'on'])
    const from = identifier(found['from'], `${here}/from`)
    list(found['to'], `${here}/to`, 16).forEach((kind, k) => {
      if (identifier(kind, under(`${here}/to`, k)) === from)
        throw invalid(under(`${here}/to`, k), 'leads back to where it starts')
    })
    list(found['on'], `${here}/on`, causes.length).forEach((cause, k) => {
      choice(cause, under(`${here}/on`, k), causes)
    })
  })
}

function levels(value: JsonValue | undefined, at: string): void {
  const seen = new Set<string>()
  for (const [key, level] of Object.entries(record(value, at))) {
    const kinds = key.split('+')
    kinds.forEach((kind) => {
      identifier(kind, under(at, key))
    })
    if (new Set(kinds).size !== kinds.length) throw invalid(under(at, key), 'names an authenticator twice')
    const set = kinds.sort().join('+')
    if (seen.has(set)) throw invalid(under(at, key), 'is a set that has its level already')
    seen.add(set)
    integer(level, under(at, key), 0, 1000)
  }
}

function fixture(value: JsonValue, at: string): void {
  const found = object(value, at, ['name', 'facts', 'expect'])
  text(found['name'], `${at}/name`)
  record(found['facts'], `${at}/facts`)
  const expect = object(found['expect'], `${at}/expect`, ['outcome'], ['cause', 'reason'])
  choice(expect['outcome'], `${at}/expect/outcome`, effects)
  if (expect['reason'] !== undefined) choice(expect['reason'], `${at}/expect/reason`, reasons)
  if (expect['cause'] !== undefined)
    choice(expect['cause'], `${at}/expect/cause`, [
      'rule',
      'default',
      'unknown-fact',
      'no-usable-authenticator',
      'futile-step-up',
    ])
}

/** Only that a box is an object of scalars, arrays of scalars and operator objects; returns how many conditions it has. */
function box(value: JsonValue | undefined, at: string): number {
  const found = record(value, at)
  for (const [fact, condition] of Object.entries(found)) bounded(condition, under(at, fact))
  return Object.keys(found).length
}

function bounded(value: JsonValue, at: string): void {
  if (value === null) throw invalid(at, 'must not be null')
  if (typeof value !== 'object') return
  if (Array.isArray(value) && value.length > maxValues) throw tooLarge(`more than ${maxValues} values at ${at}`)
  for (const [key, inner] of Object.entries(value as JsonObject)) bounded(inner, under(at, key))
}

/** Every number of a document is a safe integer: no two readers may differ about one. */
function integers(value: JsonValue, at: string): void {
  if (typeof value === 'number') integer(value, at, -Number.MAX_SAFE_INTEGER)
  else if (value !== null && typeof value === 'object')
    for (const [key, inner] of Object.entries(value as JsonObject)) integers(inner, under(at, key))
}

function identifier(value: JsonValue | undefined, at: string): string {
  const found = text(value, at, 128)
  if (!ID.test(found)) throw invalid(at, 'must be letters, digits and . _ : -')
  return found
}

/** A day that no month has means another day, or none, as the engine pleases: what is read must be what was written. */
function isInstant(said: string): boolean {
  const at = INSTANT.test(said) ? Date.parse(said) : Number.NaN
  return !Number.isNaN(at) && new Date(at).toISOString().slice(0, 19) === said.slice(0, 19)
}

function zone(value: JsonValue | undefined, at: string): void {
  const name = text(value, at, 64)
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)*$/.test(name))
    throw invalid(at, 'must be an IANA zone such as Europe/Amsterdam')
}
