/** The policy in force: versions in the store, the head by one conditional write, and the compiled head that every decision uses. */

import { decodeBase64url } from '@postern/core/base64url'
import { concat, hex } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { EventSink, PosternEvent } from '@postern/core/events'
import { readByAge } from '@postern/core/readByAge'
import type { Compiled } from '@postern/policy/compile'
import type { MobileSpec } from '@postern/policy/mobile'
import { type Entry, openPolicy, type PolicyRepository } from '@postern/policy/publish'
import type { Schema } from '@postern/policy/schema'
import { newRev, type Op, type Part, type Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { Journal } from './journal.js'
import { partition } from './partition.js'
import { decodeRecord, encodeRecord } from './record.js'

export type Policy = Compiled<MobileSpec>

export interface Policies {
  /** The compiled head, at most a second old; a publication of this node shows at once. @throws PosternError `policy.version_unknown` when nothing was published */
  current(): Promise<Policy>
  /** The version at the head, read now; `null` before the first publication. */
  head(id: string): Promise<{ readonly version: string; readonly rev: string } | null>
  entries(id: string): Promise<readonly Omit<Entry, 'bytes'>[]>
  repository(shipped: (part: Part, events: readonly PosternEvent[]) => Promise<void>): PolicyRepository
}

const MAX_AGE_MS = 1_000
const CHUNK_BYTES = 60_000

export function createPolicies(o: {
  runtime: Runtime
  tenant: string
  id: string
  schema: Schema<MobileSpec>
  journal: Journal
  sink?: EventSink
}): Policies {
  const { runtime, tenant, schema, journal } = o
  const { store, clock, random, crypto } = runtime
  const part = partition.policies(tenant)

  async function head(id: string): Promise<{ version: string; rev: string } | null> {
    const [rec] = await store.read(part, [`head/${id}`], { now: clock() })
    return rec ? { version: decodeRecord<{ version: string }>(rec.value).version, rev: rec.rev } : null
  }

  async function load(version: string): Promise<Uint8Array | null> {
    const prefix = `v/${nameOf(version)}/`
    const chunks = await store.list(part, prefix, { now: clock(), limit: 1000 })
    return chunks.length === 0 ? null : concat(...chunks.map(({ value }) => value))
  }

  async function opened(held: Policy | null): Promise<Policy> {
    const at = await head(o.id)
    if (at === null) throw new PosternError('policy.version_unknown')
    if (held?.version === at.version) return held
    const bytes = await load(at.version)
    if (bytes === null) throw new PosternError('policy.version_unknown')
    return openPolicy(schema, { version: at.version, bytes }, crypto)
  }

  const inForce = readByAge(opened, { clock, maxAgeMs: MAX_AGE_MS })
  return {
    head,
    current: inForce.current,
    async entries(id) {
      const recs = await store.list(part, `entry/${id}/`, { now: clock(), limit: 1000 })
      return recs.map(({ value }) => decodeRecord<Omit<Entry, 'bytes'>>(value))
    },
    repository: (shipped) => ({
      head: async (id) => {
        const found = await head(id)
        return found === null ? null : { version: found.version }
      },
      load,
      async save(entry, expect) {
        const now = clock()
        const { bytes, ...kept } = entry
        for (let at = 0, n = 0; at < bytes.length; at += CHUNK_BYTES, n++) {
          const key = `v/${nameOf(entry.version)}/${String(n).padStart(4, '0')}`
          await store.commit(part, [{ op: 'put', key, value: bytes.subarray(at, at + CHUNK_BYTES) }], {
            now,
            rev: newRev(random),
          })
        }
        const before = await head(entry.id)
        if ((before?.version ?? null) !== expect) return 'conflict'
        const event = journal.event({
          type: entry.kind === 'publish' ? 'policy.published' : 'policy.rolled_back',
          outcome: 'success',
          operator: entry.by,
          detail: { policy: entry.id, version: entry.version },
        })
        const ops: Op[] = [
          { op: 'put', key: `head/${entry.id}`, value: encodeRecord({ version: entry.version }), rev: before?.rev ?? null },
          { op: 'put', key: `entry/${entry.id}/${event.id}`, value: encodeRecord(kept), rev: null },
          eventOp(event),
        ]
        const commit = await store.commit(part, ops, { now, rev: newRev(random) })
        inForce.forget()
        if (!commit.ok) return 'conflict'
        await shipped(part, [event])
        return 'saved'
      },
    }),
  }
}

/** A version id as a store key takes it. */
function nameOf(version: string): string {
  const bytes = version.startsWith('sha256:') ? decodeBase64url(version.slice(7)) : null
  if (bytes === null || bytes.length !== 32) throw new PosternError('policy.version_unknown')
  return hex(bytes)
}
