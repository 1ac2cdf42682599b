/** One commit inside an open transaction. Conditions come before writes, so that a losing commit has written nothing. */
import type { Commit } from '../../contract.js'
import { answerOf, holds, judge, type Kept, told } from '../judge.js'
import type { CheckedOp } from '../validate.js'
import { keptOf, type Row, type Statements } from './schema.js'

export interface Queued {
  readonly place: string
  readonly ops: readonly CheckedOp[]
  readonly now: number
  readonly rev: string
}

/** Judges and applies; the answer may be given only once the transaction is committed. */
export function apply(sql: Statements, commit: Queued): Commit {
  const { ops } = commit
  return ops.length === 1 ? applyOne(sql, commit, ops[0]!) : applyAll(sql, commit)
}

/** One op is one conditional statement, and a read when it fails. */
function applyOne(sql: Statements, { place, now, rev }: Queued, op: CheckedOp): Commit {
  const written = op.op === 'check' ? undefined : write(sql, place, op, now, rev)
  if (written !== undefined) return { ok: true, recs: [told(written)] }
  const current = getKept(sql, place, op.key, now)
  if (op.op === 'check' && holds(op, current)) return { ok: true, recs: [told(current)] }
  return { ok: false, at: 0, current: told(current) }
}

/** Several ops are judged over what stands there, as in memory, and then written. */
function applyAll(sql: Statements, { place, ops, now, rev }: Queued): Commit {
  const judged = judge(
    ops,
    ops.map(({ key }) => getKept(sql, place, key, now)),
    rev,
  )
  if (!judged.ok) return answerOf(judged, told)
  ops.forEach(({ op, key }, i) => {
    const rec = judged.recs[i]!
    if (op === 'check') return
    if (rec === null) sql.del.run(place, key)
    else sql.put.run(place, key, blob(rec.value), rec.rev, rec.n, rec.expiresAt)
  })
  return answerOf(judged, told)
}

type WriteOp = Exclude<CheckedOp, { readonly op: 'check' }>

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
