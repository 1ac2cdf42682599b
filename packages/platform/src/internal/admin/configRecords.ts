/** Records of the configuration as resources: read exactly, written against the rev that was read, told in the same commit. */
import { PosternError } from '@postern/core/errors'
import type { JsonObject } from '@postern/core/json'
import type { Rec, Store } from '@postern/store'
import { eventOp } from '@postern/store/outbox'
import type { ConfigStore } from '../config.js'
import { readJson } from '../http.js'
import type { Journal } from '../journal.js'
import { partition } from '../partition.js'
import { decodeRecord } from '../record.js'
import type { Answer, Call } from './call.js'
import { expectedRev, stale } from './precondition.js'

export interface ConfigRecords {
  /** @throws PosternError `admin.not_found` */
  get<T>(key: string, show: (value: T) => object): Promise<Answer>
  /**
   * Replaces, or creates, one record by what the body says.
   * @param read - the new value, from the body and the value that stands
   * @param resource - what the event calls it, such as `apps/retail`
   */
  put<T extends object>(
    call: Call,
    key: string,
    o: { readonly resource: string; read: (body: JsonObject, standing: T | null) => T; show: (value: T) => object },
  ): Promise<Answer>
}

export function createConfigRecords(o: {
  store: Store
  clock: () => number
  tenant: string
  config: ConfigStore
  journal: Journal
}): ConfigRecords {
  const { store, clock, config, journal } = o
  const part = partition.config(o.tenant)

  async function standing(key: string): Promise<Rec | null> {
    const [rec] = await store.read(part, [key], { now: clock() })
    return rec ?? null
  }
  const shown = <T>(rec: Rec | null, show: (value: T) => object): Required<Pick<Answer, 'body' | 'rev'>> | null =>
    rec === null ? null : { body: show(decodeRecord<T>(rec.value)), rev: rec.rev }

  return {
    async get(key, show) {
      const found = shown(await standing(key), show)
      if (found === null) throw new PosternError('admin.not_found')
      return found
    },
    async put(call, key, { resource, read, show }) {
      const rev = expectedRev(call.request)
      const body = await readJson(call.request)
      const before = await standing(key)
      if ((before?.rev ?? null) !== rev) return stale(shown(before, show))
      const old = before === null ? null : decodeRecord<never>(before.value)
      const value = read(body, old)
      const event = journal.event({
        type: 'admin.changed',
        outcome: 'success',
        operator: call.operator.id,
        detail: { resource, change: old === null ? 'create' : 'update', fields: changed(old, value).join(',') },
      })
      const commit = await config.write(key, value, rev, [eventOp(event)])
      if (!commit.ok) return stale(shown(commit.current, show))
      await journal.shipped(part, [event], call.host)
      return { status: old === null ? 201 : 200, body: show(value), rev: commit.recs[0]!.rev }
    },
  }
}

/** Names of the members that differ; what they hold is nobody's business but the record's. */
function changed(before: object | null, after: object): readonly string[] {
  const old = (before ?? {}) as Record<string, unknown>
  const now = after as Record<string, unknown>
  return [...new Set([...Object.keys(old), ...Object.keys(now)])]
    .filter((name) => JSON.stringify(old[name]) !== JSON.stringify(now[name]))
    .sort()
}
