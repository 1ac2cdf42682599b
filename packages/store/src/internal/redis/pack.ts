/** Commits as one argument of `commitScript`: what neither side has to print, to parse or to hand over piece by piece. */
import type { CheckedOp } from '../validate.js'
import { platform } from './ports.js'
import { headOf, lifeOf } from './record.js'

export interface CommitRequest {
  readonly place: string
  readonly ops: readonly CheckedOp[]
  readonly now: number
  readonly rev: string
}

const HEAD_BYTES = 11
/** What an op takes beside a value, at most. */
const MAX_OP_BYTES = 100
const LETTERS = { check: 'c', put: 'p', del: 'd', add: 'a' } as const

/** What a commit takes, at most. */
export function packedBytes({ ops }: CommitRequest): number {
  return ops.reduce((sum, op) => sum + MAX_OP_BYTES + (op.op === 'put' ? op.value.length : 0), HEAD_BYTES)
}

/**
 * A commit is `now` (f64), the number of its index (u16; 0: none), how many ops it has (u8), and the ops. An op is a letter and a
 * condition: `*` for none, `-` for absent, or `=` and a rev. Behind a put stand its life in ms, in digits (u8 of them; none: for ever),
 * and its record (u32 bytes); behind an add `by` and `max` (f64), its life, `expiresAt` (f64) and the rev. Numbers are big-endian.
 */
export function packed(commits: readonly CommitRequest[], numberOf: (place: string) => number, graceMs: number): Uint8Array {
  const size = commits.reduce((sum, commit) => sum + packedBytes(commit), 0)
  const bytes = platform.Buffer?.allocUnsafe(size) ?? new Uint8Array(size)
  const view = new DataView(bytes.buffer, bytes.byteOffset, size)
  let end = 0
  const text = (ascii: string): void => {
    for (let i = 0; i < ascii.length; i++) bytes[end++] = ascii.charCodeAt(i)
  }
  const double = (value: number): void => {
    view.setFloat64(end, value)
    end += 8
  }
  const digits = (number: string): void => {
    bytes[end++] = number.length
    text(number)
  }
  for (const { place, ops, now, rev } of commits) {
    double(now)
    view.setUint16(end, numberOf(place))
    bytes[end + 2] = ops.length
    end += 3
    for (const op of ops) {
      text(LETTERS[op.op])
      text(conditionOf(op))
      if (op.op === 'put') {
        digits(lifeOf(op.expiresAt, now, graceMs))
        const head = headOf(op.expiresAt, 0, rev)
        view.setUint32(end, head.length + op.value.length)
        end += 4
        text(head)
        bytes.set(op.value, end)
        end += op.value.length
      } else if (op.op === 'add') {
        double(op.by)
        double(op.max)
        digits(lifeOf(op.expiresAt, now, graceMs))
        double(op.expiresAt)
        text(rev)
      }
    }
  }
  return bytes.subarray(0, end)
}

function conditionOf(op: CheckedOp): string {
  if (op.op === 'add' || op.rev === undefined) return '*'
  return op.rev === null ? '-' : `=${op.rev}`
}
