/**
 * What the contract says, written a second time and in another way: one flat list of records, searched from end to end.
 * It shares no code with any driver, so that no mistake can be in both.
 */
import type { Commit, Op, Part, Rec } from '@postern/store'

/** A record of the model, with its place. */
export interface Entry {
  readonly tenant: string
  readonly id: string
  readonly key: string
  readonly value: readonly number[]
  readonly n: number
  readonly rev: string
  readonly expiresAt: number
}

export interface Model {
  commit(part: Part, ops: readonly Op[], o: { readonly now: number; readonly rev: string }): Commit
  read(part: Part, keys: readonly string[], o: { readonly now: number }): readonly (Rec | null)[]
  list(part: Part, prefix: string, o: { readonly now: number; readonly after?: string; readonly limit: number }): readonly Rec[]
  outbox(o: { readonly now: number; readonly after?: string; readonly limit: number }): readonly (Rec & { readonly part: Part })[]
}

/** An empty store as the contract describes it. It never removes what is expired; it only does not show it. */
export function referenceModel(): Model {
  let entries: readonly Entry[] = []

  const find = (part: Part, key: string, now: number): Entry | undefined => liveEntry(entries, part, key, now)

  return {
    commit(part, ops, o) {
      const { after, answer } = commitTo(entries, part, ops, o)
      entries = after
      return answer
    },

    read: (part, keys, { now }) =>
      keys.map((key) => {
        const stands = find(part, key, now)
        return stands === undefined ? null : recOf(stands)
      }),

    list: (part, prefix, { now, after, limit }) =>
      entries
        .filter((e) => e.tenant === part.tenant && e.id === part.id && e.key.slice(0, prefix.length) === prefix)
        .filter((e) => (e.expiresAt === 0 || now < e.expiresAt) && (after === undefined || byBytes(e.key, after) > 0))
        .sort((a, b) => byBytes(a.key, b.key))
        .slice(0, limit)
        .map(recOf),

    outbox: ({ now, after, limit }) =>
      entries
        .filter((e) => e.key.slice(0, 2) === 'e/' && (e.expiresAt === 0 || now < e.expiresAt))
        .filter((e) => after === undefined || byBytes(e.key, after) > 0)
        .sort((a, b) => byBytes(a.key, b.key) || byBytes(`${a.tenant}:${a.id}`, `${b.tenant}:${b.id}`))
        .slice(0, limit)
        .map((e) => ({ ...recOf(e), part: { tenant: e.tenant, id: e.id } })),
  }
}

/** The commit as a function of the records before it: the checker of histories steps back as well as forth. */
export function commitTo(
  before: readonly Entry[],
  part: Part,
  ops: readonly Op[],
  { now, rev }: { readonly now: number; readonly rev: string },
): { readonly after: readonly Entry[]; readonly answer: Commit } {
  for (const [at, op] of ops.entries()) {
    const stands = liveEntry(before, part, op.key, now)
    if (violates(op, stands))
      return { after: before, answer: { ok: false, at, current: stands === undefined ? null : recOf(stands) } }
  }
  let after = before
  const recs: (Rec | null)[] = []
  for (const op of ops) {
    const next = outcome(part, op, liveEntry(after, part, op.key, now), rev)
    if (op.op !== 'check') {
      after = after.filter((e) => !isAt(e, part, op.key))
      if (next !== undefined) after = [...after, next]
    }
    recs.push(next === undefined ? null : recOf(next))
  }
  return { after, answer: { ok: true, recs } }
}

/** The record at a key, expired or not. */
export function entryAt(entries: readonly Entry[], part: Part, key: string): Entry | undefined {
  return entries.find((e) => isAt(e, part, key))
}

/** The record at a key that is live at `now`. */
export function liveEntry(entries: readonly Entry[], part: Part, key: string, now: number): Entry | undefined {
  return entries.find((e) => isAt(e, part, key) && (e.expiresAt === 0 || now < e.expiresAt))
}

function isAt(e: Entry, { tenant, id }: Part, key: string): boolean {
  return e.tenant === tenant && e.id === id && e.key === key
}

function violates(op: Op, stands: Entry | undefined): boolean {
  switch (op.op) {
    case 'check':
      return op.rev === null ? stands !== undefined : stands === undefined || stands.rev !== op.rev
    case 'put':
      if (op.rev === undefined) return false
      return op.rev === null ? stands !== undefined : stands === undefined || stands.rev !== op.rev
    case 'del':
      return op.rev !== undefined && (stands === undefined || stands.rev !== op.rev)
    case 'add': {
      const n = stands === undefined ? op.by : stands.n + op.by
      return op.by > 0 ? n > op.max : n < 0
    }
  }
}

function outcome({ tenant, id }: Part, op: Op, stands: Entry | undefined, rev: string): Entry | undefined {
  switch (op.op) {
    case 'check':
      return stands
    case 'put':
      return { tenant, id, key: op.key, value: [...op.value], n: 0, rev, expiresAt: op.expiresAt ?? 0 }
    case 'del':
      return undefined
    case 'add':
      if (stands !== undefined) return { ...stands, n: stands.n + op.by, rev }
      return { tenant, id, key: op.key, value: [], n: op.by, rev, expiresAt: op.expiresAt ?? 0 }
  }
}

/** The record as a store shows it. */
export function recOf({ key, value, n, rev, expiresAt }: Entry): Rec {
  return { key, value: Uint8Array.from(value), n, rev, expiresAt }
}

/** Negative, 0 or positive by the bytes of two ASCII strings. */
function byBytes(a: string, b: string): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = a.charCodeAt(i) - b.charCodeAt(i)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
