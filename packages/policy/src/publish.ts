/**
 * The gate between a draft and the head. Versions are immutable and named by their hash; the head moves by compare-and-set, so that two
 * publishers, or a publisher and a rollback, leave exactly one head, each edited from what it replaced.
 */
import type { CryptoPort } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonValue } from '@postern/core/json'
import type { Clock } from '@postern/core/runtime'
import { type Compiled, compile } from './compile.js'
import { hashDocument, type PolicyDocument, parseDocument } from './document.js'
import type { Outcome } from './evaluate.js'
import { broken, runFixtures, unsatisfiable } from './internal/gate.js'
import { hashSchema, type Schema, type SchemaSpec } from './schema.js'

/** Which version of a policy is in force. */
export interface Head {
  readonly version: string
}
/** One publication, as stored beside the head: the audit trail. */
export interface Entry {
  readonly id: string
  readonly version: string
  readonly previous: string | null
  readonly kind: 'publish' | 'rollback'
  /** Milliseconds. */
  readonly at: number
  readonly by: string
  /** Canonical document. */
  readonly bytes: Uint8Array
}
/** Where versions live. `save` is one commit: bytes, entry, event, and the head if it still is `expect` (`null`: there is none yet). */
export interface PolicyRepository {
  head(id: string): Promise<Head | null>
  load(version: string): Promise<Uint8Array | null>
  save(entry: Entry, expect: string | null): Promise<'saved' | 'conflict'>
}
export interface PublishContext<S extends SchemaSpec = SchemaSpec> {
  readonly schema: Schema<S>
  readonly crypto: CryptoPort
  readonly repository: PolicyRepository
  readonly clock: Clock
  /** Who publishes, for the entry. */
  readonly by: string
  /** Bound of each witness search, default 100,000 steps. */
  readonly steps?: number
}
/** What the gate found; `error` refuses publication. */
export interface Finding {
  readonly kind: 'invalid' | 'schema' | 'unsatisfiable' | 'fixture' | 'invariant' | 'undecided'
  readonly severity: 'error' | 'warning'
  /** JSON pointer into the document. */
  readonly at: string
  readonly text: string
  /** A concrete request that shows it. */
  readonly witness?: Readonly<Record<string, JsonValue>>
}
export interface GateReport {
  readonly ok: boolean
  readonly version: string | null
  readonly findings: readonly Finding[]
  readonly fixtures: readonly { readonly name: string; readonly ok: boolean; readonly got: Outcome }[]
}
export interface Published<S extends SchemaSpec = SchemaSpec> {
  readonly version: string
  readonly previous: string | null
  readonly compiled: Compiled<S>
}
export type Draft = string | Uint8Array | JsonValue | PolicyDocument

const defaultSteps = 100_000

/** Everything that would keep a draft from being published, all at once; writes nothing. */
export async function check<S extends SchemaSpec>(
  draft: Draft,
  ctx: Omit<PublishContext<S>, 'repository' | 'clock' | 'by'>,
): Promise<GateReport> {
  return (await gate(draft, ctx)).report
}

/**
 * Checks a draft and makes it the head. Its `parent` must be the head it was edited from: of two publishers one wins.
 * @throws PosternError `policy.publish_refused` (the report in `cause`) | `policy.head_conflict`
 */
export async function publish<S extends SchemaSpec>(draft: Draft, ctx: PublishContext<S>): Promise<Published<S>> {
  const { report, passed } = await gate(draft, ctx)
  if (!passed) throw new PosternError('policy.publish_refused', { cause: report, reason: report.findings[0]?.text ?? '' })
  return enact(passed, 'publish', passed.compiled.document.parent, ctx)
}

/**
 * Points the head back at an earlier version, after the same checks against today's schema.
 * @throws PosternError `policy.version_unknown` | `policy.hash_mismatch` | `policy.publish_refused` | `policy.head_conflict`
 */
export async function rollback<S extends SchemaSpec>(id: string, to: string, ctx: PublishContext<S>): Promise<Published<S>> {
  const head = await ctx.repository.head(id)
  const bytes = await ctx.repository.load(to)
  if (!head || !bytes) throw new PosternError('policy.version_unknown')
  if ((await hashDocument(bytes, ctx.crypto)) !== to) throw new PosternError('policy.hash_mismatch')
  const { report, passed } = await gate(bytes, ctx)
  if (!passed) throw new PosternError('policy.publish_refused', { cause: report, reason: report.findings[0]?.text ?? '' })
  if (passed.compiled.document.id !== id) throw new PosternError('policy.version_unknown')
  return enact(passed, 'rollback', head.version, ctx)
}

/**
 * Stored bytes to a policy in force: never decided with before both hashes fit.
 * @throws PosternError `policy.hash_mismatch` | `policy.schema_mismatch` | `policy.document_invalid` | `policy.too_large`
 */
export async function openPolicy<S extends SchemaSpec>(
  schema: Schema<S>,
  stored: { readonly version: string; readonly bytes: Uint8Array },
  crypto: CryptoPort,
): Promise<Compiled<S>> {
  if ((await hashDocument(stored.bytes, crypto)) !== stored.version) throw new PosternError('policy.hash_mismatch')
  const { document } = parseDocument(stored.bytes)
  if (document.schema !== (await hashSchema(schema, crypto))) throw new PosternError('policy.schema_mismatch')
  return compile(schema, document, { version: stored.version })
}

interface Passed<S extends SchemaSpec> {
  readonly bytes: Uint8Array
  readonly compiled: Compiled<S>
}

async function gate<S extends SchemaSpec>(
  draft: Draft,
  ctx: Pick<PublishContext<S>, 'schema' | 'crypto' | 'steps'>,
): Promise<{ readonly report: GateReport; readonly passed: Passed<S> | null }> {
  const refused = (finding: Finding, version: string | null): { report: GateReport; passed: null } => ({
    report: { ok: false, version, findings: [finding], fixtures: [] },
    passed: null,
  })
  let version: string | null = null
  try {
    const { document, bytes } = parseDocument(draft)
    version = await hashDocument(bytes, ctx.crypto)
    if (document.schema !== (await hashSchema(ctx.schema, ctx.crypto)))
      return refused({ kind: 'schema', severity: 'error', at: '/schema', text: 'was written for another fact schema' }, version)
    const compiled = compile(ctx.schema, document, { version })
    const fixtures = runFixtures(compiled)
    const findings = [
      ...unsatisfiable(compiled, ctx.steps ?? defaultSteps),
      ...fixtures.findings,
      ...broken(compiled, ctx.steps ?? defaultSteps),
    ]
    const ok = findings.every(({ severity }) => severity !== 'error')
    return { report: { ok, version, findings, fixtures: fixtures.results }, passed: ok ? { bytes, compiled } : null }
  } catch (error) {
    if (!isPosternError(error, 'policy.document_invalid', 'policy.too_large')) throw error
    return refused({ kind: 'invalid', severity: 'error', at: error.reason ?? '', text: error.publicMessage }, version)
  }
}

async function enact<S extends SchemaSpec>(
  { bytes, compiled }: Passed<S>,
  kind: Entry['kind'],
  previous: string | null,
  { repository, clock, by }: PublishContext<S>,
): Promise<Published<S>> {
  const { version, document } = compiled
  const saved = await repository.save({ id: document.id, version, previous, kind, at: clock(), by, bytes }, previous)
  if (saved === 'conflict') throw new PosternError('policy.head_conflict')
  return { version, previous, compiled }
}
