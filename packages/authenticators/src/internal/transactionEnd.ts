/** txn/v1 on the client's side: what became of a transaction, its single use, its withdrawal. */
import { fromUtf8 } from '@postern/core/bytes'
import type { Op, Rec } from '@postern/store'
import type { Refusal } from '../authenticator.js'
import { devicesKey } from '../devices.js'
import { decodeStatement, type Evidence } from '../transaction/evidence.js'
import { refusal, refuse } from './refusal.js'
import { keptAs } from './transactionCreate.js'
import { decided, isActive } from './transactionDecide.js'
import { again, type Place, type Plan, type Read, type TransactionPorts } from './transactionPlan.js'
import {
  decodeRecord,
  encodeRecord,
  isTransactionId,
  openKey,
  readStored,
  type TransactionRecord,
  type TransactionState,
  transactionKey,
} from './transactionRecord.js'

/** Which transaction, and who asks about it: the client that created it. */
export interface Asking {
  readonly id: string
  readonly client: string
}

/** A transaction as its client sees it. `expired` is judged from key 11 and stands in no record. */
export interface View {
  readonly state: TransactionState | 'expired'
  /** ms */
  readonly expiresAt: number
  readonly cause: 'user' | 'mismatch' | 'client' | 'replaced' | null
}

/** What an approval is worth, once. */
export interface Redeemed {
  readonly device: string
  readonly enrolment: string
  readonly type: string
  readonly amr: readonly string[]
  /** When it was approved, ms. */
  readonly at: number
  readonly evidence: Evidence
}

/** A transaction as its user's side sees it. */
export interface Standing {
  readonly transaction: Uint8Array
  readonly state: TransactionState
}

export async function view(asking: Asking, read: Read, ports: TransactionPorts): Promise<View> {
  const { record, expiresAt } = await found(asking, read)
  const expired = record.state === 'pending' && expiresAt <= ports.clock()
  return { state: expired ? 'expired' : record.state, expiresAt, cause: record.ending?.cause ?? null }
}

/** A transaction of this user as it stands, whoever asked for it. */
export async function standing(id: string, read: Read): Promise<Standing> {
  const { record } = await recordOf(id, read)
  return { transaction: record.bytes, state: record.state }
}

/** The approval's one use, with the caller's own ops (a token's) in the same commit; the device is still the user's, the user still there. */
export async function redeem(
  o: Asking & { readonly user: { readonly rev: string } },
  read: Read,
  ports: TransactionPorts,
): Promise<Plan<Redeemed> | Refusal> {
  const { tx, record, more: devices } = await found(o, read, devicesKey)
  if (record.state === 'pending') throw refuse('transaction.pending', 'undecided')
  const evidence = record.ending?.evidence ?? null
  const statement = evidence === null ? null : decodeStatement(evidence.statement)
  if (record.state !== 'approved' || evidence === null || statement === null) return decided(record.state)
  const { device, enrolment, type } = statement
  const by = { device: { id: device } }
  if (!isActive(devices, by, ports)) throw refuse('device.removed', 'devices')
  const { amr, at } = record.ending!
  const ops: readonly Op[] = [
    { op: 'put', key: tx.key, value: encodeRecord({ ...record, state: 'redeemed' }), rev: tx.rev, ...keptAs(tx) },
    { op: 'check', key: 'u', rev: o.user.rev },
    { op: 'check', key: devicesKey, rev: devices!.rev },
  ]
  return {
    ok: true,
    ops,
    event: { type: 'transaction.redeemed', outcome: 'success', transaction: o.id, client: o.client },
    reply: () => ({ device, enrolment, type, amr, at, evidence: { transaction: record.bytes, ...evidence } }),
    lost(index, current) {
      if (index === 0) return ended(current)
      if (index === 2 && !isActive(current, by, ports)) return refusal('device.removed', 'devices')
      return current === null ? refusal('device.removed', 'user gone') : again(ops[index]?.key ?? 'caller')
    },
  }
}

/** The client takes it back; it still counts as asked. */
export async function cancel(asking: Asking, read: Read, ports: TransactionPorts): Promise<Plan<View> | Refusal> {
  const { tx, record, expiresAt } = await found(asking, read)
  if (record.state !== 'pending') return decided(record.state)
  const now = ports.clock()
  if (expiresAt <= now) throw refuse('transaction.expired', 'key 11')
  const ending = { cause: 'client', at: now, amr: [], evidence: null } as const
  const open = await openKey(ports.crypto, record.opened, asking.client)
  return {
    ok: true,
    ops: [
      { op: 'put', key: tx.key, value: encodeRecord({ ...record, state: 'cancelled', ending }), rev: tx.rev, ...keptAs(tx) },
      { op: 'del', key: open, rev: tx.rev },
    ],
    event: { type: 'transaction.cancelled', outcome: 'success', transaction: asking.id, client: asking.client },
    reply: () => ({ state: 'cancelled', expiresAt, cause: 'client' }),
    lost: (at, current) => (at === 0 ? ended(current) : refusal('transaction.expired', 'open')),
  }
}

/** What waits for this user in this app, oldest first. */
export async function pending(
  place: Place,
  app: string,
  o: { readonly read: Read; readonly list: (prefix: string, limit: number) => Promise<readonly Rec[]> },
  ports: TransactionPorts,
): Promise<readonly { readonly id: string; readonly transaction: Uint8Array; readonly expiresAt: number }[]> {
  // `open/…` and `openqr/…`: a user's history grows, what waits does not.
  const open = await o.list('open', MOST_PENDING)
  const ids = open.map((rec) => fromUtf8(rec.value)).filter(isTransactionId)
  const records = ids.length === 0 ? [] : await o.read(ids.map(transactionKey))
  const waiting = records.flatMap((rec, i) => {
    const record = rec === null ? null : decodeRecord(rec.value)
    if (record?.state !== 'pending') return []
    const t = readStored(record.bytes)
    const mine = t.app === app && t.issuer === place.issuer && t.expiresAt > ports.clock()
    return mine ? [{ id: ids[i]!, transaction: record.bytes, expiresAt: t.expiresAt, created: t.created }] : []
  })
  return waiting.sort((a, b) => a.created - b.created).map(({ created: _, ...shown }) => shown)
}

/** As many keys as one read takes. */
const MOST_PENDING = 64

async function found(
  { id, client }: Asking,
  read: Read,
  beside?: string,
): Promise<{ readonly tx: Rec; readonly record: TransactionRecord; readonly expiresAt: number; readonly more: Rec | null }> {
  const { tx, record, more } = await recordOf(id, read, beside)
  const transaction = readStored(record.bytes)
  if (transaction.client !== client) throw refuse('transaction.unknown', 'of another client')
  return { tx, record, expiresAt: transaction.expiresAt, more }
}

async function recordOf(
  id: string,
  read: Read,
  beside?: string,
): Promise<{ readonly tx: Rec; readonly record: TransactionRecord; readonly more: Rec | null }> {
  if (!isTransactionId(id)) throw refuse('transaction.unknown', 'id')
  const [tx, more] = await read(beside === undefined ? [transactionKey(id)] : [transactionKey(id), beside])
  if (!tx) throw refuse('transaction.unknown', 'id')
  return { tx, record: decodeRecord(tx.value), more: more ?? null }
}

function ended(current: Rec | null): Refusal {
  return current === null ? refusal('transaction.unknown', 'gone') : decided(decodeRecord(current.value).state)
}
