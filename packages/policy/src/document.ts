/**
 * The policy document: rules as fields, not as expressions. A rule is a box, a conjunction of value sets, one per fact.
 * Parsing is strict and closed; the version id is the hash of the RFC 8785 form, so neither member order nor white space matters.
 */
import { encodeBase64url } from '@postern/core/base64url'
import { canonicalJson } from '@postern/core/canonicalJson'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonValue } from '@postern/core/json'
import { invalid } from './internal/read.js'
import { readDocument } from './internal/readDocument.js'

import type { Reason } from './internal/reasons.js'

export { type Reason, reasons } from './internal/reasons.js'

export type Effect = 'allow' | 'require' | 'deny'
export type Scalar = string | number | boolean
/** Bounds of an `int`, `version` or `ordered` fact. */
export interface Range {
  readonly lt?: number | string
  readonly lte?: number | string
  readonly gt?: number | string
  readonly gte?: number | string
}
/** Members of a `set` fact; several operators in one condition are a conjunction. */
export interface Membership {
  readonly has?: string
  readonly hasAny?: readonly string[]
  readonly hasAll?: readonly string[]
  readonly hasNone?: readonly string[]
}
/** A value set of one fact: a value, one of several, `in`, `not`, bounds, a union of ranges, members of a set. */
export type Condition =
  | Scalar
  | readonly Scalar[]
  | { readonly in: readonly Scalar[] }
  | { readonly not: Scalar | readonly Scalar[] }
  | { readonly ranges: readonly Range[] }
  | Range
  | Membership
/** A conjunction of conditions, by fact name. */
export type Box = Readonly<Record<string, Condition>>

/** Known to the server, or named by the client. A named cause cannot be checked: for security its edge is one more alternative. */
export type FallbackCause =
  | 'not-enrolled'
  | 'locked'
  | 'unavailable'
  | 'cancelled'
  | 'failed'
  | 'os-lockout'
  | 'key-invalidated'
  | 'user-choice'
/** `from` may be replaced by any one of `to`, on any of these causes. Edges do not chain. */
export interface Edge {
  readonly from: string
  readonly to: readonly string[]
  readonly on: readonly FallbackCause[]
}
/** Authenticator sets to levels: `{ "pin": 2, "pin+device-key": 3 }`; 0 is none. */
export type AcrLevels = Readonly<Record<string, number>>

/** Advice that travels with an outcome. */
export type Advice = { readonly type: 'change-pin' } | { readonly type: 'notification'; readonly id: string }

/** What a require rule demands; absent members demand nothing. `fallback`: the document's edges (default), none, or these. */
export interface RequireSpec {
  readonly acr?: number
  readonly maxAgeSec?: number
  readonly anyOf?: readonly (readonly string[])[]
  readonly fallback?: 'all' | 'none' | readonly Edge[]
}

interface RuleCommon {
  readonly id: string
  readonly mode: 'enforce' | 'shadow' | 'off'
  readonly when?: Box
  /** Together with `when`: any of these boxes, at most 64. */
  readonly anyOf?: readonly Box[]
  /** RFC 3339 in UTC, inclusive; compiled to a bound of `time.at`. */
  readonly from?: string
  /** RFC 3339 in UTC, exclusive. */
  readonly until?: string
  readonly attach?: readonly Advice[]
  /** Key of the app's words. */
  readonly message?: string
  /** Used instead when the rule fired because a fact was missing. */
  readonly messageUnknown?: string
}
export interface AllowRule extends RuleCommon {
  readonly effect: 'allow'
}
export interface DenyRule extends RuleCommon {
  readonly effect: 'deny'
  readonly reason: Reason
}
export interface RequireRule extends RuleCommon {
  readonly effect: 'require'
  readonly reason: Reason
  readonly require: RequireSpec
}
export type Rule = AllowRule | DenyRule | RequireRule

/** No request inside `when` may ever be allowed. */
export interface Invariant {
  readonly never: 'allow'
  readonly when: Box
}
/** A request with its expected outcome; `expect` may also pin cause and reason. */
export interface Fixture {
  readonly name: string
  readonly facts: Readonly<Record<string, JsonValue>>
  readonly expect: { readonly outcome: Effect; readonly cause?: string; readonly reason?: Reason }
}

export interface PolicyDocument {
  readonly format: 1
  readonly id: string
  /** The version this one was edited from; publishing requires it to be the head. */
  readonly parent: string | null
  /** `hashSchema` of the schema it was written for. */
  readonly schema: string
  /** IANA time zone of `time.minuteOfDay` and `time.weekday`. */
  readonly zone: string
  readonly acr: { readonly levels: AcrLevels }
  readonly fallback: readonly Edge[]
  readonly rules: readonly Rule[]
  readonly invariants: readonly Invariant[]
  readonly fixtures: readonly Fixture[]
}

/** A parsed document with its canonical bytes, which are what is stored and hashed. */
export interface ParsedDocument {
  readonly document: PolicyDocument
  readonly bytes: Uint8Array
}

/**
 * Parses strict JSON (text, bytes, or a value already parsed) into a document. Whether its facts and operators fit a schema is `compile`'s.
 * @throws PosternError `policy.document_invalid` with a JSON pointer in `reason`; `policy.too_large`
 */
export function parseDocument(input: string | Uint8Array | JsonValue | PolicyDocument): ParsedDocument {
  const text = typeof input === 'string' || input instanceof Uint8Array
  const value = readDocument(text ? input : canonical(input as JsonValue))
  return { document: value, bytes: canonical(value as unknown as JsonValue) }
}

/** How facts are called in another schema. */
export interface Migration {
  /** `hashSchema` of the schema to go to. */
  readonly schema: string
  /** The version that is migrated, which the new one is edited from. */
  readonly parent: string | null
  /** New names by old names; facts that are not named keep theirs. */
  readonly rename?: Readonly<Record<string, string>>
}

/**
 * The document for another schema: facts renamed in rules, invariants and fixtures. Nothing is guessed: whether every condition still fits is
 * judged by `compile` with the new schema, and whether it still decides the same by its fixtures.
 * @throws PosternError `policy.document_invalid` where two facts of one box would become one
 */
export function migrateDocument(doc: PolicyDocument, { schema, parent, rename = {} }: Migration): PolicyDocument {
  const renamed = <T>(box: Readonly<Record<string, T>>, at: string): Readonly<Record<string, T>> => {
    const out: Record<string, T> = {}
    for (const [name, value] of Object.entries(box)) {
      const next = Object.hasOwn(rename, name) ? rename[name]! : name
      if (Object.hasOwn(out, next)) throw invalid(`${at}/${next}`, 'would stand for two facts')
      out[next] = value
    }
    return out
  }
  return {
    ...doc,
    schema,
    parent,
    rules: doc.rules.map((rule, i) => ({
      ...rule,
      ...(rule.when ? { when: renamed(rule.when, `/rules/${i}/when`) } : {}),
      ...(rule.anyOf ? { anyOf: rule.anyOf.map((box, k) => renamed(box, `/rules/${i}/anyOf/${k}`)) } : {}),
    })),
    invariants: doc.invariants.map((one, i) => ({ ...one, when: renamed(one.when, `/invariants/${i}/when`) })),
    fixtures: doc.fixtures.map((one, i) => ({ ...one, facts: renamed(one.facts, `/fixtures/${i}/facts`) })),
  }
}

function canonical(value: JsonValue): Uint8Array {
  try {
    return canonicalJson(value)
  } catch (cause) {
    throw isPosternError(cause, 'json.too_large')
      ? new PosternError('policy.too_large', { cause })
      : new PosternError('policy.document_invalid', { reason: '', cause })
  }
}

/** The version id of canonical bytes: `sha256:` + base64url. */
export async function hashDocument(bytes: Uint8Array, crypto: CryptoPort): Promise<string> {
  return `sha256:${encodeBase64url(await crypto.digest('SHA-256', bytes))}`
}
