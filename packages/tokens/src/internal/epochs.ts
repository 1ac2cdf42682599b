/** Epochs: records whose `rev` a grant was made under. Revoking bumps one; nothing is enumerated. */
import { utf8 } from '@postern/core/bytes'
import type { Op, Part, Rec } from '@postern/store'
import type { IssuerContext } from '../issuer.js'
import type { Guard } from '../login.js'
import type { Places } from '../places.js'

type PutOp = Extract<Op, { readonly op: 'put' }>

/** The epochs a grant depends on: instance and user on it; or user, client of the user, and the session unless the grant outlives it. */
export async function epochKeys(
  places: Places,
  g: {
    readonly subject: string
    readonly clientId: string
    readonly clientKind: 'instance' | 'shared'
    readonly sid: string | null
    readonly scope: readonly string[]
  },
): Promise<readonly string[]> {
  if (g.clientKind === 'instance') return [places.epoch, await places.userEpoch(g.subject)]
  const keys = [places.epoch, await places.clientEpoch(g.clientId)]
  return g.sid === null || g.scope.includes('offline_access') ? keys : [...keys, places.sessionEpoch(g.sid)]
}

/** The guards of these keys as they stand now; what the caller brought along is not read. */
export async function readGuards(
  part: Part,
  keys: readonly string[],
  brought: readonly Guard[],
  { runtime }: IssuerContext,
): Promise<readonly Guard[]> {
  const known = new Map(brought.map((guard) => [guard.key, guard]))
  const missing = keys.filter((key) => !known.has(key))
  const recs = missing.length === 0 ? [] : await runtime.store.read(part, missing, { now: runtime.clock() })
  const read = new Map(missing.map((key, i) => [key, { key, rev: recs[i]?.rev ?? null }]))
  return keys.map((key) => known.get(key) ?? read.get(key)!)
}

/**
 * Bumps an epoch, conditional on the rev just read: an unconditional write could land late and bring an old rev, and its families, back.
 * Losing the race means another bump came between, which is success.
 */
export async function bumpOp(part: Part, key: string, { runtime }: IssuerContext): Promise<PutOp> {
  const now = runtime.clock()
  const [rec] = await runtime.store.read(part, [key], { now })
  return bumped(key, rec ?? null, now)
}

/** The op that moves an epoch on from what stands there. Its value is the moment, or a status of the user. */
export function bumped(key: string, rec: Rec | null, now: number, status?: string): PutOp {
  return { op: 'put', key, value: utf8(status ?? String(now)), rev: rec?.rev ?? null }
}
