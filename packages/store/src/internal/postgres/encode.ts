/** A batch as the arguments of the function for many ops, and its rows as answers. */
import { joined } from '@postern/core/bytes'
import type { Commit, Rec } from '../../contract.js'
import { after, told } from '../judge.js'
import type { CheckedOp } from '../validate.js'
import { keptOf, type Row } from './rows.js'
import { OPS } from './schema.js'

/** A commit that was checked and copied. */
export interface Queued {
  readonly place: string
  readonly ops: readonly CheckedOp[]
  readonly now: number
  readonly rev: string
  readonly bytes: number
}

/** An op and the commit it is of. */
interface Slot {
  readonly commit: number
  readonly at: number
}

export interface Encoded {
  readonly values: readonly unknown[]
  /** By the number the function knows an op by, less one. */
  readonly slots: readonly Slot[]
}

/** Ops by wave: an op on a key that an earlier commit of the batch has, too, comes in a later wave, and its commit with it. */
export function encodeBatch(batch: readonly Queued[]): Encoded {
  const waves: Slot[][] = []
  const lastWave = new Map<string, number>()
  batch.forEach(({ place, ops }, commit) => {
    let wave = 0
    if (batch.length > 1) {
      for (const { key } of ops) wave = Math.max(wave, lastWave.get(`${place} ${key}`) ?? 0)
      for (const { key } of ops) lastWave.set(`${place} ${key}`, wave + 1)
    }
    const slots = (waves[wave] ??= [])
    for (let at = 0; at < ops.length; at++) slots.push({ commit, at })
  })
  const slots = waves.flat()
  let end = 0
  const ends = waves.map((wave) => (end += wave.length))

  const columns = { c: '', o: '', p: '', k: '', e: '', r: '', t: '', a: '', m: '', x: '' }
  const values: Uint8Array[] = []
  let bytes = 0
  for (const { commit, at } of slots) {
    const { place, ops, now, rev } = batch[commit]!
    const op = ops[at]!
    columns.c += `,${commit}`
    columns.o += `,${OPS[op.op]}`
    // Quoted, since a key may be called `null`; no alphabet has a quote or a backslash.
    columns.p += `,"${place}"`
    columns.k += `,"${op.key}"`
    columns.e += `,${op.op === 'add' || op.rev === undefined ? 'null' : `"${op.rev ?? ''}"`}`
    columns.r += `,${rev}`
    columns.t += `,${now}`
    columns.a += `,${op.op === 'add' ? op.by : bytes + 1}`
    columns.m += `,${op.op === 'add' ? op.max : op.op === 'put' ? op.value.length : 0}`
    columns.x += `,${op.op === 'add' || op.op === 'put' ? op.expiresAt : 0}`
    if (op.op === 'put') {
      values.push(op.value)
      bytes += op.value.length
    }
  }
  return {
    values: [`{${ends}}`, ...Object.values(columns).map((column) => `{${column.slice(1)}}`), joined(values)],
    slots,
  }
}

/** One answer a commit, in their order. */
export function decodeBatch(batch: readonly Queued[], { slots }: Encoded, rows: readonly Row[]): readonly Commit[] {
  const failures: (Commit | undefined)[] = []
  const shown: (Rec | null)[][] = batch.map(() => [])
  for (const row of rows) {
    const { commit, at } = slots[Number(row['i']) - 1]!
    const rec = told(keptOf(row, batch[commit]!.ops[at]!.key))
    if (Number(row['held']) === 1) shown[commit]![at] = rec
    else failures[commit] = { ok: false, at, current: rec }
  }
  // What was put or removed is known here; of checks and adds the function shows what stands.
  const recOf = (op: CheckedOp, rev: string, seen: Rec | null | undefined): Rec | null =>
    op.op === 'put' || op.op === 'del' ? told(after(op, null, rev)) : (seen ?? null)
  return batch.map(({ ops, rev }, i) => failures[i] ?? { ok: true, recs: ops.map((op, at) => recOf(op, rev, shown[i]![at])) })
}
