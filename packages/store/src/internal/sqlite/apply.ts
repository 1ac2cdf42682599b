/** One commit inside an open transaction. Conditions come before writes, so that a losing commit has written nothing. */
import type { Commit, Rec } from '../../contract.js'
import { after, holds, type Kept, told } from '../judge.js'
import type { CheckedOp } from '../validate.js'
import { keptOf, type Row, type Statements } from './schema.js'

export interface Queued {
  readonly place: string
  readonly ops: readonly CheckedOp[]
  readonly now: number
  readonly rev: string
}

/**
 * Judges and applies; the answer may be given only once the transaction is committed.
 *
 * One op need not be looked up, since its statement is its condition: it goes first among the writes, and when it writes nothing, nothing is
 * written. The others are judged over what stands there, as in memory; those that ask nothing are not even read.
 */
export function apply(sql: Statements, { place, ops, now, rev }: Queued): Commit {
  const own = selfJudging(ops)
  const currents: (Kept | null)[] = []
  for (let i = 0; i < ops.length; i++) {
    const op = ops[i]!
    const current = i === own || asksNothing(op) ? null : getKept(sql, place, op.key, now)
    if (i !== own && !holds(op, current))
      return lost(sql, place, ops, now, own < i ? own : -1) ?? { ok: false, at: i, current: told(current) }
    currents.push(current)
  }
  const recs: (Rec | null)[] = []
  const first = own < 0 ? null : write(sql, place, ops[own] as WriteOp, now, rev)
  if (first === undefined) return lost(sql, place, ops, now, own)!
  for (let i = 0; i < ops.length; i++) {
    const op = ops[i]!
    const rec = i === own ? first : after(op, currents[i]!, rev)
    recs.push(told(rec))
    if (i === own || op.op === 'check') continue
    if (rec === null) sql.del.run(place, op.key)
    else sql.put.run(place, op.key, blob(rec.value), rec.rev, rec.n, rec.expiresAt)
  }
  return { ok: true, recs }
}

type WriteOp = Exclude<CheckedOp, { readonly op: 'check' }>

/** The op that its own statement judges; one over a record that should be there, if any, since looking that up is dear. -1 for none. */
function selfJudging(ops: readonly CheckedOp[]): number {
  let own = -1
  for (let i = 0; i < ops.length; i++) {
    const op = ops[i]!
    if (op.op === 'add' || ((op.op === 'put' || op.op === 'del') && typeof op.rev === 'string')) return i
    if (own < 0 && op.op !== 'check') own = i
    else if (op.op === 'put' && op.rev === null) own = i
  }
  return own
}

function asksNothing(op: CheckedOp): boolean {
  return (op.op === 'put' || op.op === 'del') && op.rev === undefined
}

/** The answer when the op at `at` does not hold over what stands there; `null` when it does, or there is no such op. */
function lost(sql: Statements, place: string, ops: readonly CheckedOp[], now: number, at: number): Commit | null {
  if (at < 0) return null
  const op = ops[at]!
  const current = getKept(sql, place, op.key, now)
  return holds(op, current) ? null : { ok: false, at, current: told(current) }
}

/** The record after the op, `null` after a del, `undefined` when the condition did not hold. */
function write(sql: Statements, place: string, op: WriteOp, now: number, rev: string): Kept | null | undefined {
  const { key } = op
  if (op.op === 'del') {
    if (op.rev === undefined) sql.del.run(place, key)
    else if (Number(sql.delIf.run(place, key, op.rev, now).changes) === 0) return undefined
    return null
  }
  if (op.op === 'put') {
    const { value, expiresAt } = op
    const bound = blob(value)
    if (op.rev === undefined) sql.put.run(place, key, bound, rev, 0, expiresAt)
    else {
      const { changes } =
        op.rev === null
          ? sql.create.run(place, key, bound, rev, expiresAt, now)
          : sql.swap.run(bound, rev, expiresAt, place, key, op.rev, now)
      if (Number(changes) === 0) return undefined
    }
    return { key, value, n: 0, rev, expiresAt }
  }
  const { by, max, expiresAt } = op
  if (by > 0 && by > max) return undefined
  const row =
    by > 0
      ? sql.add.get(place, key, NOTHING, rev, by, expiresAt, now, now, now, now, max - by)
      : sql.takeBack.get(by, rev, place, key, now, -by)
  return row ? keptOf(row as Row) : undefined
}

/** Empty, but with an address: the `node:sqlite` of Node 22 binds a null pointer as NULL, which the column refuses. */
const NOTHING = /* @__PURE__ */ new Uint8Array(new ArrayBuffer(1), 1)

/** The value as it is bound. */
export function blob(value: Uint8Array): Uint8Array {
  return value.length === 0 ? NOTHING : value
}

function getKept(sql: Statements, place: string, key: string, now: number): Kept | null {
  const row = sql.get.get(place, key, now)
  return row ? keptOf(row as Row) : null
}
