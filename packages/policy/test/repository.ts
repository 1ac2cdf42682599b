/** Versions in a store, as a host keeps them: bytes, entry, event and head in one commit. */
import { decodeBase64url } from '@postern/core/base64url'
import { fromUtf8, hex, utf8 } from '@postern/core/bytes'
import type { Random } from '@postern/core/runtime'
import type { Entry, PolicyRepository } from '@postern/policy/publish'
import { newRev, type Store } from '@postern/store'

const part = { tenant: 'bank', id: 'policies' }
const now = 1_800_000_000_000

export type KeptEntry = Omit<Entry, 'bytes'>
export interface StoredPolicies extends PolicyRepository {
  readonly entries: () => Promise<readonly KeptEntry[]>
  readonly events: () => Promise<readonly string[]>
}

export function storeRepository(store: Store, random: Random): StoredPolicies {
  const read = async (key: string) => (await store.read(part, [key], { now }))[0] ?? null
  const json = (value: Uint8Array): unknown => JSON.parse(fromUtf8(value)!)
  const list = (prefix: string) => store.list(part, prefix, { now, limit: 1000 })
  const place = (version: string): string => `v/${hex(decodeBase64url(version.slice(7)) ?? new Uint8Array(0))}`
  return {
    async head(id) {
      const rec = await read(`head/${id}`)
      return rec && (json(rec.value) as { version: string })
    },
    async load(version) {
      return (await read(place(version)))?.value ?? null
    },
    async save({ bytes, ...kept }, expect) {
      const head = await read(`head/${kept.id}`)
      if (((head && (json(head.value) as { version: string }).version) ?? null) !== expect) return 'conflict'
      const n = String((await list('entry/')).length).padStart(6, '0')
      const done = await store.commit(
        part,
        [
          { op: 'put', key: `head/${kept.id}`, value: utf8(JSON.stringify({ version: kept.version })), rev: head?.rev ?? null },
          { op: 'put', key: `entry/${n}`, value: utf8(JSON.stringify(kept)), rev: null },
          { op: 'put', key: `e/${n}`, value: utf8(kept.version), rev: null },
          { op: 'put', key: place(kept.version), value: bytes },
        ],
        { now, rev: newRev(random) },
      )
      return done.ok ? 'saved' : 'conflict'
    },
    entries: async () => (await list('entry/')).map(({ value }) => json(value) as KeptEntry),
    events: async () => (await list('e/')).map(({ value }) => fromUtf8(value)!),
  }
}
