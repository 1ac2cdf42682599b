/** Commits as Redis takes them, and Redis's replies as their answers. */
import { PosternError } from '@postern/core/errors'
import type { Commit } from '../../contract.js'
import { type Kept, told } from '../judge.js'
import { type CheckedOp, NEVER } from '../validate.js'
import { type CommitRequest, packed, packedBytes } from './pack.js'
import type { RedisPort } from './ports.js'
import { decodeRecord, indexOf, keyOf } from './record.js'
import { commitScript } from './script.js'

export interface CommitOptions {
  readonly index: boolean
  readonly graceMs: number
  /** Sends commits once and as text, so that what is asked about them on their connection right after is about all of them. */
  readonly once: boolean
  /** All partitions are in one server, so that one script may run commits of several. */
  readonly oneServer: boolean
  /** Told how many names that will expire went into an index that stays for ever. */
  readonly named: (place: string, names: number) => void
}

export interface Commits {
  /** What goes out together, in the order given. */
  batchesOf(commits: readonly CommitRequest[]): readonly (readonly CommitRequest[])[]
  send(batch: readonly CommitRequest[]): Promise<unknown>
  /** What the reply to a batch means for the commit at `i`. @throws PosternError `store.corrupt` */
  answer(commit: CommitRequest, reply: unknown, i: number): Commit
}

/** A script runs alone in the server: about 0.3 ms for so many. */
const MAX_RECORDS = 64
const MAX_BYTES = 262_144

const ADDED_FOR_EVER = -1
const CORRUPT = -2

export function commitsOver(port: RedisPort, { index, graceMs, once, oneServer, named }: CommitOptions): Commits {
  return {
    batchesOf(commits) {
      if (!oneServer) return commits.map((commit) => [commit])
      const batches: CommitRequest[][] = []
      let [records, bytes] = [MAX_RECORDS, 0]
      for (const commit of commits) {
        records += commit.ops.length
        bytes += packedBytes(commit)
        if (records > MAX_RECORDS || bytes > MAX_BYTES) {
          batches.push([])
          records = commit.ops.length
          bytes = packedBytes(commit)
        }
        batches.at(-1)!.push(commit)
      }
      return batches
    },

    send(batch) {
      const keys: string[] = []
      for (const { place, ops } of batch) for (const { key } of ops) keys.push(keyOf(place, key))
      const records = keys.length
      const numbers = new Map<string, number>()
      if (index) for (const { place } of batch) if (!numbers.has(place)) numbers.set(place, keys.push(indexOf(place)) - records)
      const args = [packed(batch, (place) => numbers.get(place) ?? 0, graceMs), String(records)]
      return port.eval(once ? '' : commitScript.sha, commitScript.text, keys, args)
    },

    answer({ place, ops, rev }, reply, i) {
      const said = (reply as readonly unknown[])[i]
      const found = Array.isArray(said) ? (said as readonly unknown[]) : [said]
      const code = Number(found[0])
      if (code > 0) return { ok: false, at: code - 1, current: told(recordOf(ops[code - 1]!.key, found[1])) }
      if (code === CORRUPT) throw new PosternError('store.corrupt')
      if (code === ADDED_FOR_EVER) named(place, ops.filter(willExpire).length)
      else if (code !== 0) throw new Error('no answer of the script')
      let next = 1
      const after = (op: CheckedOp): Kept | null => {
        if (op.op === 'del') return null
        if (op.op === 'put') return { key: op.key, value: op.value, n: 0, rev, expiresAt: op.expiresAt }
        return recordOf(op.key, found[next++])
      }
      return { ok: true, recs: ops.map((op) => told(after(op))) }
    },
  }
}

function willExpire(op: CheckedOp): boolean {
  return (op.op === 'put' || op.op === 'add') && op.expiresAt !== NEVER
}

/** @throws PosternError `store.corrupt` */
function recordOf(key: string, reply: unknown): Kept | null {
  return reply === null ? null : decodeRecord(key, reply)
}
