/** Drafts that passed the checks, by the hash of their canonical bytes, until they are published or a month has gone by. */
import { decodeBase64url } from '@postern/core/base64url'
import { concat, hex } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { PosternEvent } from '@postern/core/events'
import { newRev, type Op, type Runtime } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import { partition } from '../partition.js'

export interface Drafts {
  /** Keeps a draft; the event is part of the last commit. */
  save(version: string, bytes: Uint8Array, event: PosternEvent): Promise<void>
  load(version: string): Promise<Uint8Array | null>
}

const CHUNK_BYTES = 60_000
const KEPT_MS = 30 * 86_400_000

export function createDrafts({ runtime, tenant }: { runtime: Runtime; tenant: string }): Drafts {
  const { store, clock, random } = runtime
  const part = partition.policies(tenant)
  return {
    async save(version, bytes, event) {
      const now = clock()
      const prefix = prefixOf(version)
      for (let at = 0, n = 0; at < bytes.length; at += CHUNK_BYTES, n++) {
        const key = prefix + String(n).padStart(4, '0')
        const chunk: Op = { op: 'put', key, value: bytes.subarray(at, at + CHUNK_BYTES), expiresAt: now + KEPT_MS }
        const last = at + CHUNK_BYTES >= bytes.length
        await store.commit(part, last ? [chunk, eventOp(event)] : [chunk], { now, rev: newRev(random) })
      }
    },
    async load(version) {
      const chunks = await store.list(part, prefixOf(version), { now: clock(), limit: 1000 })
      return chunks.length === 0 ? null : concat(...chunks.map(({ value }) => value))
    },
  }
}

function prefixOf(version: string): string {
  const digest = version.startsWith('sha256:') ? decodeBase64url(version.slice(7)) : null
  if (digest === null || digest.length !== 32) throw new PosternError('policy.version_unknown')
  return `draft/${hex(digest)}/`
}
