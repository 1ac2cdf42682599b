/**
 * The gate between a draft and the head. Versions are immutable and named by their hash; the head moves by compare-and-set, so that two
 * publishers, or a publisher and a rollback, leave exactly one head, each edited from what it replaced.
 */
import type { CryptoPort } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonValue } from '@postern/core/json'
import type { Clock } from '@postern/core/runtime'
import type { FindingKind, InstalledClass } from './analyse.js'
import { type Compiled, compile } from './compile.js'
import { type DiffReport, diff } from './diff.js'
import { type Box, hashDocument, type PolicyDocument, parseDocument } from './document.js'
import { type FixtureReport, runFixtures } from './fixtures.js'
import { analysed, defaultSteps, failing, lockedOut, waive } from './internal/gate.js'
import { type DecisionRecord, type Impact, replay } from './replay.js'
import { hashSchema, type Schema, type SchemaSpec } from './schema.js'

/** Which version of a policy is in force. */
export interface Head {
  readonly version: string
}
/** Somebody's word that a finding is as it should be; kept in the entry. */
export interface Waiver {
  /** Of the finding, as reported. */
  readonly fingerprint: string
  readonly by: string
  readonly why: string
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
  /** Those that something was found for. */
  readonly waivers: readonly Waiver[]
  /** Canonical document. */
  readonly bytes: Uint8Array
}
/** Where versions live. `save` is one commit: bytes, entry, event, and the head if it still is `expect` (`null`: there is none yet). */
export interface PolicyRepository {
  head(id: string): Promise<Head | null>
  load(version: string): Promise<Uint8Array | null>
  save(entry: Entry, expect: string | null): Promise<'saved' | 'conflict'>
}
/** What a check may look at beyond the draft. */
export interface CheckContext<S extends SchemaSpec = SchemaSpec> {
  readonly schema: Schema<S>
  readonly crypto: CryptoPort
  /** Where versions live: for the difference from the draft's parent, and for the replay. */
  readonly repository?: PolicyRepository
  /** Bound of each search, default 100,000 steps. */
  readonly steps?: number
  /** How many devices there are of each kind, for lock-outs. */
  readonly installed?: readonly InstalledClass[]
  /** Decisions to ask the draft again; needs `repository`. */
  readonly records?: AsyncIterable<DecisionRecord> | Iterable<DecisionRecord>
  readonly waivers?: readonly Waiver[]
}
export interface PublishContext<S extends SchemaSpec = SchemaSpec> extends CheckContext<S> {
  readonly repository: PolicyRepository
  readonly clock: Clock
  /** Who publishes, for the entry. */
  readonly by: string
  /** Asked last, with the whole report: a second person, a change board. What it does not approve is refused. */
  readonly approve?: (report: GateReport) => boolean | Promise<boolean>
}
/** What the gate found. */
export interface Finding {
  readonly kind: 'invalid' | 'schema' | 'fixture' | FindingKind
  readonly severity: 'error' | 'warning' | 'note'
  /** JSON pointer into the document. */
  readonly at: string
  readonly text: string
  /** A concrete request that shows it. */
  readonly witness?: Readonly<Record<string, JsonValue>>
  /** What a waiver names; `null` for what cannot be waived: nothing was compiled. */
  readonly fingerprint: string | null
  readonly waived: Waiver | null
  /** Of analysis: see its `Finding`. */
  readonly undecided?: boolean
  readonly rules?: readonly string[]
  readonly box?: Box | null
  readonly devices?: number | null
}
export interface GateReport {
  readonly ok: boolean
  readonly version: string | null
  /** What keeps the draft from being published, unless it is waived: errors, and for a rollback those it would lock out. */
  readonly findings: readonly Finding[]
  /** What else analysis says: warnings and notes. */
  readonly notices: readonly Finding[]
  readonly fixtures: FixtureReport['results']
  /** Rules and boundaries that the document's examples leave untested. */
  readonly coverage: Pick<FixtureReport, 'unmatched' | 'boundaries'>
  /** What changes against the parent, or of a rollback against the head; `null` where that cannot be had. */
  readonly diff: DiffReport | null
  /** What the records would have got; `null` without records. */
  readonly impact: Impact | null
}
export interface Published<S extends SchemaSpec = SchemaSpec> {
  readonly version: string
  readonly previous: string | null
  readonly compiled: Compiled<S>
}
export type Draft = string | Uint8Array | JsonValue | PolicyDocument

/** Everything that would keep a draft from being published, all at once; writes nothing. */
export async function check<S extends SchemaSpec>(draft: Draft, ctx: CheckContext<S>): Promise<GateReport> {
  return (await gate(draft, ctx, (all) => all.filter(isError))).report
}

/**
 * Checks a draft and makes it the head. Its `parent` must be the head it was edited from: of two publishers one wins.
 * @throws PosternError `policy.publish_refused` (the report in `cause`) | `policy.head_conflict` (the {@link Head} to edit from in `cause`)
 */
export async function publish<S extends SchemaSpec>(draft: Draft, context: PublishContext<S>): Promise<Published<S>> {
  const ctx = owned(context)
  const { report, passed } = await gate(draft, ctx, (all) => all.filter(isError))
  if (passed === null) throw refused(report)
  return enact(passed, report, 'publish', passed.compiled.document.parent, ctx)
}

/**
 * Points the head back at an earlier version, after today's schema, its examples, its invariants, and: it locks nobody out whom the head lets in.
 * @throws PosternError `policy.version_unknown` | `policy.hash_mismatch` | `policy.publish_refused` | `policy.head_conflict`
 */
export async function rollback<S extends SchemaSpec>(id: string, to: string, context: PublishContext<S>): Promise<Published<S>> {
  const ctx = owned(context)
  const head = await ctx.repository.head(id)
  const bytes = (await ctx.repository.load(to))?.slice()
  if (!head || !bytes) throw new PosternError('policy.version_unknown')
  if ((await hashDocument(bytes, ctx.crypto)) !== to) throw new PosternError('policy.hash_mismatch')
  const now = await opened(head.version, ctx)
  const { report, passed } = await gate(bytes, ctx, (all) => [...all.filter(isProvenAgain), ...lockedOut(all, now, ctx)], now)
  if (passed === null) throw refused(report)
  if (passed.compiled.document.id !== id) throw new PosternError('policy.version_unknown')
  return enact(passed, report, 'rollback', head.version, ctx)
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
  const bytes = stored.bytes.slice()
  if ((await hashDocument(bytes, crypto)) !== stored.version) throw new PosternError('policy.hash_mismatch')
  const { document } = parseDocument(bytes)
  if (document.schema !== (await hashSchema(schema, crypto))) throw new PosternError('policy.schema_mismatch')
  return compile(schema, document, { version: stored.version })
}

/** What was asked, as it was when it was asked: approval takes its time, and the entry is the audit trail. */
function owned<S extends SchemaSpec>(ctx: PublishContext<S>): PublishContext<S> {
  return { ...ctx, waivers: (ctx.waivers ?? []).map((waiver) => ({ ...waiver })) }
}

interface Passed<S extends SchemaSpec> {
  readonly bytes: Uint8Array
  readonly compiled: Compiled<S>
}

const isError = ({ severity }: Finding): boolean => severity === 'error'
/** What passed once and may not pass today; that a rule is of no use was so before, too. */
const isProvenAgain = ({ kind }: Finding): boolean => kind === 'fixture' || kind === 'invariant'

async function gate<S extends SchemaSpec>(
  draft: Draft,
  ctx: CheckContext<S>,
  blocking: (all: readonly Finding[]) => readonly Finding[],
  base?: Compiled<S> | null,
): Promise<{ readonly report: GateReport; readonly passed: Passed<S> | null }> {
  const unread = (
    kind: 'invalid' | 'schema',
    at: string,
    text: string,
    version: string | null,
  ): { report: GateReport; passed: null } => {
    const finding: Finding = { kind, severity: 'error', at, text, fingerprint: null, waived: null }
    const coverage = { unmatched: [], boundaries: [] }
    return {
      report: { ok: false, version, findings: [finding], notices: [], fixtures: [], coverage, diff: null, impact: null },
      passed: null,
    }
  }
  let version: string | null = null
  let passed: Passed<S>
  try {
    const { document, bytes } = parseDocument(draft)
    version = await hashDocument(bytes, ctx.crypto)
    if (document.schema !== (await hashSchema(ctx.schema, ctx.crypto)))
      return unread('schema', '/schema', 'was written for another fact schema', version)
    passed = { bytes, compiled: compile(ctx.schema, document, { version }) }
  } catch (error) {
    if (!isPosternError(error, 'policy.document_invalid', 'policy.too_large')) throw error
    return unread('invalid', error.reason ?? '', error.publicMessage, version)
  }
  const { results, unmatched, boundaries } = runFixtures(passed.compiled)
  const all = waive(
    [...failing(passed.compiled.document.fixtures, results), ...analysed(passed.compiled, ctx)],
    ctx.waivers ?? [],
  )
  const findings = blocking(all)
  const ok = findings.every(({ waived }) => waived !== null)
  const before = base === undefined ? await opened(passed.compiled.document.parent, ctx) : base
  const difference = before && diff(before, passed.compiled, { steps: ctx.steps ?? defaultSteps })
  const impact = ctx.records ? await replay(passed.compiled, ctx.records, { version: (id) => opened(id, ctx) }) : null
  const notices = all.filter((finding) => !findings.includes(finding))
  return {
    report: { ok, version, findings, notices, fixtures: results, coverage: { unmatched, boundaries }, diff: difference, impact },
    passed: ok ? passed : null,
  }
}

const unusable = ['policy.schema_mismatch', 'policy.document_invalid', 'policy.hash_mismatch', 'policy.too_large'] as const

/** A stored version to compare with, compiled; `null` where there is none, none that today's schema reads, or bytes that are not it. */
async function opened<S extends SchemaSpec>(version: string | null, ctx: CheckContext<S>): Promise<Compiled<S> | null> {
  const bytes = version === null ? null : await ctx.repository?.load(version)
  if (version === null || !bytes) return null
  try {
    return await openPolicy(ctx.schema, { version, bytes }, ctx.crypto)
  } catch (error) {
    if (isPosternError(error, ...unusable)) return null
    throw error
  }
}

async function enact<S extends SchemaSpec>(
  { bytes, compiled }: Passed<S>,
  report: GateReport,
  kind: Entry['kind'],
  previous: string | null,
  { repository, clock, by, approve }: PublishContext<S>,
): Promise<Published<S>> {
  const { version, document } = compiled
  if (approve && !(await approve(report))) throw refused(report, 'not approved')
  const waivers = [...new Set(report.findings.flatMap(({ waived }) => (waived === null ? [] : [waived])))]
  const saved = await repository.save({ id: document.id, version, previous, kind, at: clock(), by, waivers, bytes }, previous)
  if (saved === 'conflict') throw new PosternError('policy.head_conflict', { cause: await repository.head(document.id) })
  return { version, previous, compiled }
}

function refused(report: GateReport, reason?: string): PosternError<'policy.publish_refused'> {
  const first = report.findings.find(({ waived }) => waived === null)
  return new PosternError('policy.publish_refused', { cause: report, reason: reason ?? first?.text ?? '' })
}
