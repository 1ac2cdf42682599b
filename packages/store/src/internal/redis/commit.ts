/** A commit as Redis takes it, and Redis's reply as a commit's answer. */
import type { Commit } from '../../contract.js'
import { type Kept, told } from '../judge.js'
import { type CheckedOp, NEVER } from '../validate.js'
import type { Queued } from './pipeline.js'
import type { RedisArg, RedisPort } from './ports.js'
import { decodeRecord, encodeRecord, indexOf, keyOf, lifeOf } from './record.js'
import { commitScript } from './script.js'

export interface CommitOptions {
  readonly index: boolean
  readonly graceMs: number
  /** Sends a commit once and as text, so that what is asked about it on its connection right after is about all of it. */
  readonly once: boolean
  /** Whether the server's `SET` takes `NX` and `GET` together. */
  readonly setGivesBack: boolean
  /** Told how many names that will expire went into an index that stays for ever. */
  readonly named: (place: string, names: number) => void
}

export interface CommitRequest {
  readonly place: string
  readonly ops: readonly CheckedOp[]
  readonly now: number
  readonly rev: string
}

/** How a commit goes out: one script, or, for a marker alone in a store without an index, one `SET`. */
export function commitsOver(port: RedisPort, o: CommitOptions): (request: CommitRequest) => Queued {
  const { index, graceMs, once, setGivesBack, named } = o

  const runScript = ({ place, ops, now, rev }: CommitRequest): Promise<unknown> => {
    const keys = ops.map(({ key }) => keyOf(place, key))
    if (index) keys.push(indexOf(place))
    return port.eval(once ? '' : commitScript.sha, commitScript.text, keys, argsOf(ops, now, rev, graceMs))
  }

  const scripted = (request: CommitRequest): Queued => ({
    place: request.place,
    rev: request.rev,
    send: () => runScript(request),
    answer(reply) {
      const { place, ops, rev } = request
      if (codeOf(reply) === ADDED_FOR_EVER) named(place, ops.filter(willExpire).length)
      return commitOf(reply, ops, rev)
    },
  })

  /** `SET` gives back what stood in its way. What is expired and still kept gives way in a script. */
  const marked = (request: CommitRequest, { key, value, expiresAt }: PutOp): Queued => ({
    place: request.place,
    rev: request.rev,
    send() {
      const { place, now, rev } = request
      const name = keyOf(place, key)
      const life = lifeOf(expiresAt, now, graceMs)
      const record = encodeRecord(expiresAt, 0, rev, value)
      return life === ''
        ? port.send(name, 'SET', name, record, 'NX', 'GET')
        : port.send(name, 'SET', name, record, 'NX', 'GET', 'PX', life)
    },
    answer(reply) {
      const { ops, now, rev } = request
      if (reply === null) return commitOf(0, ops, rev)
      const current = decodeRecord(key, reply)
      if (current.expiresAt > now) return { ok: false, at: 0, current: told(current) }
      return runScript(request).then((again) => commitOf(again, ops, rev))
    },
  })

  return (request) => {
    const [op] = request.ops
    const alone = setGivesBack && !index && !once && request.ops.length === 1
    return alone && op!.op === 'put' && op!.rev === null ? marked(request, op!) : scripted(request)
  }
}

type PutOp = Extract<CheckedOp, { readonly op: 'put' }>

const ADDED_FOR_EVER = -1

function willExpire(op: CheckedOp): boolean {
  return (op.op === 'put' || op.op === 'add') && op.expiresAt !== NEVER
}

/** ARGV of `commitScript`. */
function argsOf(ops: readonly CheckedOp[], now: number, rev: string, graceMs: number): readonly RedisArg[] {
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

function codeOf(reply: unknown): number {
  return Number(Array.isArray(reply) ? reply[0] : reply)
}

/** @throws PosternError `store.corrupt` */
function commitOf(reply: unknown, ops: readonly CheckedOp[], rev: string): Commit {
  const at = codeOf(reply) - 1
  const found = Array.isArray(reply) ? (reply as readonly unknown[]) : []
  if (at >= 0) return { ok: false, at, current: told(recordOf(ops[at]!.key, found[1])) }
  let next = 1
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
