/**
 * What operators set: apps, their versions, rules for operating systems. One partition, one record each; every write also puts `head`, whose
 * rev is the stamp by which every node knows whether its copy is the newest.
 */
import { PosternError } from '@postern/core/errors'
import { readByAge } from '@postern/core/readByAge'
import type { Clock, Random } from '@postern/core/runtime'
import { type Commit, newRev, type Op, type Part, type Store } from '@postern/store'
import { decodeRecord, encodeRecord } from './record.js'

export type VersionStatus = 'enabled' | 'login-only' | 'disabled'

export interface AppRecord {
  readonly id: string
  readonly name: string
  /** Whether new instances may register. */
  readonly registration: 'open' | 'closed'
}

export interface VersionRecord {
  readonly status: VersionStatus
  /** What the app must be signed with: certificate SHA-256 in hex, or `team.bundle`; an app whose signature is not among them is refused. */
  readonly signatures: readonly string[]
  /** Whether calls of this version must be sealed. */
  readonly sealed: boolean
}

export interface OsRule {
  /** The least version allowed, inclusive. */
  readonly min: string | null
  readonly blocked: readonly string[]
}

/** One generation of the configuration, as a node holds it. */
export interface Config {
  readonly stamp: string | null
  readonly apps: ReadonlyMap<string, AppRecord>
  /** By `app/platform/version`. */
  readonly versions: ReadonlyMap<string, VersionRecord>
  readonly os: ReadonlyMap<string, OsRule>
  /** The rev of each record by its key: the ETag. */
  readonly revs: ReadonlyMap<string, string>
}

export interface ConfigStore {
  /** The configuration, at most `maxAgeMs` old; a write of this node shows at once. */
  current(): Promise<Config>
  /**
   * Writes or, with `null`, removes one record.
   * @param rev - the rev it was read at, `null` to create
   * @param also - ops for the same commit, such as the event
   */
  write(key: string, value: object | null, rev: string | null, also: readonly Op[]): Promise<Commit>
}

/** Keys of configuration records. */
export const configKey = {
  app: (app: string): string => `app/${app}`,
  version: (app: string, platform: string, version: string): string => `ver/${app}/${platform}/${version}`,
  os: (platform: string): string => `os/${platform}`,
}

const MAX_AGE_MS = 1_000
const MAX_ROUNDS = 8

export function createConfigStore(o: { store: Store; tenant: string; clock: Clock; random: Random }): ConfigStore {
  const { store, clock, random } = o
  const part: Part = { tenant: o.tenant, id: 'cfg' }

  async function stampNow(): Promise<string | null> {
    const [head] = await store.read(part, ['head'], { now: clock() })
    return head?.rev ?? null
  }

  async function load(held: Config | null): Promise<Config> {
    let stamp = await stampNow()
    if (held !== null && held.stamp === stamp) return held
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const records = await listed()
      const after = await stampNow()
      // Somebody wrote while it was read: of two generations it is neither.
      if (after === stamp) return { stamp, ...records }
      stamp = after
    }
    throw new PosternError('store.overloaded')
  }

  async function listed(): Promise<Omit<Config, 'stamp'>> {
    const now = clock()
    const apps = new Map<string, AppRecord>()
    const versions = new Map<string, VersionRecord>()
    const os = new Map<string, OsRule>()
    const revs = new Map<string, string>()
    let after: string | undefined
    for (;;) {
      const page = await store.list(part, '', { now, limit: 1000, ...(after === undefined ? {} : { after }) })
      for (const { key, value, rev } of page) {
        revs.set(key, rev)
        if (key.startsWith('app/')) apps.set(key.slice(4), decodeRecord(value))
        else if (key.startsWith('ver/')) versions.set(key.slice(4), decodeRecord(value))
        else if (key.startsWith('os/')) os.set(key.slice(3), decodeRecord(value))
      }
      if (page.length < 1000) return { apps, versions, os, revs }
      after = page.at(-1)!.key
    }
  }

  const kept = readByAge(load, { clock, maxAgeMs: MAX_AGE_MS })
  return {
    current: kept.current,
    async write(key, value, rev, also) {
      const now = clock()
      const change: Op =
        value === null
          ? { op: 'del', key, ...(rev === null ? {} : { rev }) }
          : { op: 'put', key, value: encodeRecord(value), rev }
      const commit = await store.commit(part, [change, { op: 'put', key: 'head', value: new Uint8Array(0) }, ...also], {
        now,
        rev: newRev(random),
      })
      kept.forget()
      return commit
    },
  }
}
