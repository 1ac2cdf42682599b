/**
 * The facts that rules may speak of: their types, who may change them, which are secret, who vouches for them, and where they apply.
 * A schema is data, plus functions of the host for derived facts; a rule that names anything else is refused before it is loaded.
 */
import { encodeBase64url } from '@postern/core/base64url'
import { canonicalJson } from '@postern/core/canonicalJson'
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { JsonObject } from '@postern/core/json'
import type { Box } from './document.js'
import { checkSchema } from './internal/checkSchema.js'
import { planOf } from './internal/slots.js'

/** Who can change a fact: the user (a remedy may propose it), the operator, or nobody. */
export type Mutability = 'user' | 'operator' | 'fixed'

/** `verified`: the server's own records, clock and keys, or evidence the attestation lattice accepts. `declared`: an app or request says so. */
export type Provenance = 'verified' | 'declared'

/** What every fact may say of itself. */
export interface FactTraits {
  /** Default `fixed`. */
  readonly mutability?: Mutability
  /** Never in an explanation for users. Default `false`. */
  readonly secret?: boolean
  /** Default `declared`. */
  readonly provenance?: Provenance
  /** `encode` throws without it; only for a closed enum. */
  readonly mandatory?: true
  /**
   * Where the fact exists: any of these boxes over facts without a scope. Outside them it is *not applicable*: matched by no condition,
   * negated ones included. Where the scope is unknown, absence is missing.
   */
  readonly scope?: readonly Box[]
  /** What it costs a user to change it, against the others: remedies come cheapest first. 1 to 1000, default 1. */
  readonly weight?: number
  /** How a decision record keeps it: as it was, as the class that rules tell apart, or not at all. Default `class` for a secret fact, else `value`. */
  readonly record?: 'value' | 'class' | 'none'
  /** Computed by the host's function instead of being sent. */
  readonly derive?: Derivation
}

/** A derived fact: `compute` gets the valid values of `from`; it is missing when one of them is. The hash covers `revision`, not the code. */
export interface Derivation {
  readonly revision: number
  readonly from: readonly string[]
  readonly compute: (inputs: Readonly<Record<string, FactValue>>) => unknown
}

export type FactValue = string | number | boolean | readonly string[]

/** One of a closed list. */
export interface EnumSpec extends FactTraits {
  readonly type: 'enum'
  readonly values: readonly string[]
}
/** A closed list from least to most, values of one rank grouped; takes `lt lte gt gte`. */
export interface OrderedSpec extends FactTraits {
  readonly type: 'ordered'
  readonly ranks: readonly (string | readonly string[])[]
}
/** Any string; those no rule mentions form one class. */
export interface OpenSpec extends FactTraits {
  readonly type: 'open'
}
/** An integer, by default any safe one; outside `min`…`max` it is invalid, hence missing. */
export interface IntSpec extends FactTraits {
  readonly type: 'int'
  readonly min?: number
  readonly max?: number
}
/** A dotted version of at most four parts; pre-releases only where allowed. */
export interface VersionSpec extends FactTraits {
  readonly type: 'version'
  readonly prerelease?: boolean
}
export interface BoolSpec extends FactTraits {
  readonly type: 'bool'
}
/** A set of strings; with `members` a closed one, where `custom:*` stands for every member with that prefix. */
export interface SetSpec extends FactTraits {
  readonly type: 'set'
  readonly members?: readonly string[]
}
export type FactSpec = EnumSpec | OrderedSpec | OpenSpec | IntSpec | VersionSpec | BoolSpec | SetSpec

/** A schema as data: facts by name, and boxes that cannot occur. */
export interface SchemaSpec {
  readonly id: string
  readonly facts: Readonly<Record<string, FactSpec>>
  readonly constraints?: readonly Box[]
}

/** A checked schema. `names` is the slot order of {@link Facts}: sorted, so that nothing depends on how the spec was written. */
export interface Schema<S extends SchemaSpec = SchemaSpec> {
  readonly spec: S
  readonly names: readonly string[]
  readonly index: ReadonlyMap<string, number>
  /** Prepared for `encode`; opaque. */
  readonly plan: unknown
}

type Flat<T> = T extends readonly (infer U)[] ? U : T
type Member<M> = M extends `${infer P}*` ? `${P}${string}` : M

/** The TypeScript type of one fact's value. */
export type ValueOf<F> = F extends { type: 'enum'; values: readonly (infer V)[] }
  ? V
  : F extends { type: 'ordered'; ranks: readonly (infer R)[] }
    ? Flat<R>
    : F extends { type: 'set' }
      ? F extends { members: readonly (infer M)[] }
        ? readonly Member<M>[]
        : readonly string[]
      : F extends { type: 'int' }
        ? number
        : F extends { type: 'bool' }
          ? boolean
          : string

type Sent<S extends SchemaSpec> = {
  [K in keyof S['facts']]: S['facts'][K] extends { derive: Derivation } ? never : K
}[keyof S['facts']]
type Mandatory<S extends SchemaSpec> = {
  [K in keyof S['facts']]: S['facts'][K] extends { mandatory: true } ? K : never
}[keyof S['facts']]

/** What a host passes in: each fact by name with its own type, the mandatory ones required, derived ones excluded; `undefined` is absent. */
export type FactInput<S extends SchemaSpec> = {
  readonly [K in Exclude<Sent<S>, Mandatory<S>>]?: ValueOf<S['facts'][K]> | undefined
} & { readonly [K in Mandatory<S>]: ValueOf<S['facts'][K]> }

/**
 * Checks a schema and gives it its slot order.
 * @throws PosternError `policy.document_invalid` for a spec that contradicts itself (pointer in the message)
 */
export function defineSchema<const S extends SchemaSpec>(spec: S): Schema<S> {
  const names = Object.keys(spec.facts).sort()
  const schema: Schema<S> = { spec, names, index: new Map(names.map((name, slot) => [name, slot])), plan: null }
  checkSchema(schema)
  return { ...schema, plan: planOf(schema) }
}

/** `sha256:` + base64url of the RFC 8785 form of the schema's data: what a document's `schema` member must say. */
export async function hashSchema(schema: Schema, crypto: CryptoPort): Promise<string> {
  const data = JSON.parse(JSON.stringify(schema.spec)) as JsonObject // drops `compute`: a function stands in the hash by name and revision
  return `sha256:${encodeBase64url(await crypto.digest('SHA-256', canonicalJson(data)))}`
}
