/** A commit as the script takes it, and the script's reply as a commit's answer. */
import type { Commit } from '../../contract.js'
import { type Kept, told } from '../judge.js'
import type { CheckedOp } from '../validate.js'
import type { RedisArg } from './ports.js'
import { decodeRecord, encodeRecord, lifeOf } from './record.js'

/** ARGV of `commitScript`. */
export function argsOf(ops: readonly CheckedOp[], now: number, rev: string, graceMs: number): RedisArg[] {
  const args: RedisArg[] = [String(now)]
  for (const op of ops) {
    if (op.op === 'check') args.push('c', op.rev ?? '-')
    else if (op.op === 'del') args.push('d', op.rev ?? '')
    else if (op.op === 'put')
      args.push('p', conditionOf(op.rev), lifeOf(op.expiresAt, now, graceMs), encodeRecord(op.expiresAt, 0, rev, op.value))
    else args.push('a', String(op.by), String(op.max), lifeOf(op.expiresAt, now, graceMs), String(op.expiresAt), rev)
  }
  return args
}

function conditionOf(rev: string | null | undefined): string {
  return rev === null ? '-' : (rev ?? '')
}

/** @throws PosternError `store.corrupt` */
export function commitOf(reply: unknown, ops: readonly CheckedOp[], rev: string): Commit {
  const [at, ...found] = Array.isArray(reply) ? (reply as readonly unknown[]) : [reply]
  const index = Number(at) - 1
  if (index >= 0) return { ok: false, at: index, current: told(recordOf(ops[index]!.key, found[0])) }
  let next = 0
  const after = (op: CheckedOp): Kept | null => {
    if (op.op === 'del') return null
    if (op.op === 'put') return { key: op.key, value: op.value, n: 0, rev, expiresAt: op.expiresAt }
    return recordOf(op.key, found[next++])
  }
  return { ok: true, recs: ops.map((op) => told(after(op))) }
}

function recordOf(key: string, reply: unknown): Kept | null {
  return reply === null ? null : decodeRecord(key, reply)
}
