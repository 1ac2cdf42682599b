/**
 * The one store: a commit is all-or-nothing inside one partition, conditional, answers in one round trip and returns what stood in the way.
 * There is no find-then-consume to get wrong, because there is no way to write it.
 */
import type { Ports } from '@postern/core/runtime'

/** One shard, hash slot, row lock or durable object. `tenant`: `[a-z0-9-]{1,63}`; `id`: `[A-Za-z0-9._:~-]{1,128}`. */
export interface Part {
  readonly tenant: string
  readonly id: string
}

/** A record as it stands. `n` counts, `rev` names this very version, `expiresAt` is in ms and 0 for never. */
export interface Rec {
  readonly key: string
  readonly value: Uint8Array
  readonly n: number
  readonly rev: string
  readonly expiresAt: number
}

/**
 * One step of a commit. All conditions are judged against the state before the commit, then all steps apply.
 * Keys: `[a-z0-9._/~-]{1,200}`, distinct within a commit; values ≤ 65,536 bytes.
 */
export type Op =
  /** The record is live with that `rev`; `null`: it is absent or expired. */
  | { readonly op: 'check'; readonly key: string; readonly rev: string | null }
  /** Sets the value, `n = 0`; with `rev` only when {@link Op} `check` would hold. */
  | {
      readonly op: 'put'
      readonly key: string
      readonly value: Uint8Array
      readonly rev?: string | null
      readonly expiresAt?: number
    }
  | { readonly op: 'del'; readonly key: string; readonly rev?: string }
  /** A bounded counter: fails when `by > 0` and `n + by > max`, or `by < 0` and `n + by < 0`. Its expiry is fixed at creation. */
  | { readonly op: 'add'; readonly key: string; readonly by: number; readonly max: number; readonly expiresAt?: number }

/** What became of a commit: the records as they are after it, one an op, or the first op that failed and what is there. */
export type Commit =
  | { readonly ok: true; readonly recs: readonly (Rec | null)[] }
  | { readonly ok: false; readonly at: number; readonly current: Rec | null }

/** What a store survives. `may-lose`: acknowledged writes may be forgotten at failover. */
export interface Guarantees {
  readonly durable: 'none' | 'process' | 'power'
  readonly failover: 'none' | 'may-lose' | 'lossless'
}

export interface Store {
  /** Live records by key, `null` where absent or expired; linearizable; ≤ 64 keys. */
  read(part: Part, keys: readonly string[], o: { readonly now: number }): Promise<readonly (Rec | null)[]>
  /**
   * 1 to 16 ops, all or nothing. `rev` (16 base64url characters) is the caller's, so that an unknown outcome can be settled.
   * @throws PosternError `store.invalid` `store.overloaded` `store.unavailable` (not applied, now and later) `store.closed`
   * @throws OutcomeUnknown when it may or may not have been applied
   */
  commit(part: Part, ops: readonly Op[], o: { readonly now: number; readonly rev: string }): Promise<Commit>
  /** Live records whose key starts with `prefix`, ascending by key bytes, `after` exclusive, `limit` 1–1000. */
  list(
    part: Part,
    prefix: string,
    o: { readonly now: number; readonly after?: string; readonly limit: number },
  ): Promise<readonly Rec[]>
  /** Every live `e/…` record of every partition, by key, then partition; `after` exclusive, within one sweep. */
  outbox?(o: {
    readonly now: number
    readonly after?: string
    readonly limit: number
  }): Promise<readonly (Rec & { readonly part: Part })[]>
  /** Removes what expired before `now` minus the grace, until the budget (ms) is used up; returns how many records went. */
  sweep?(now: number, budgetMs: number): Promise<number>
  /** The database's clock, for readiness alone. */
  time?(): Promise<number>
  readonly guarantees: Guarantees
  close(): Promise<void>
}

/** What a host supplies, once: the ports of `core` and a store. */
export interface Runtime extends Ports {
  readonly store: Store
}
