/** txn/v1: a client asks. One pending a user and client, held back after refusals, ten an hour. */
import { decodeBase32 } from '@postern/core/base32'
import { fromUtf8, hex, utf8 } from '@postern/core/bytes'
import type { Op, Rec } from '@postern/store'
import type { EventDraft, Refusal } from '../authenticator.js'
import { decodeTransaction } from '../transaction/encoding.js'
import { matchNumber } from '../transaction/number.js'
import { asksKey, asksMs, holdKey, maxAsks, readHold } from './fatigue.js'
import { refusal, refuse } from './refusal.js'
import {
  type Asked,
  again,
  encodeAsk,
  kept,
  type Place,
  type Plan,
  type Read,
  type TransactionAsk,
  type TransactionPorts,
} from './transactionPlan.js'
import {
  decodeRecord,
  decodeWaiting,
  encodeRecord,
  encodeWaiting,
  openKey,
  type TransactionRecord,
  transactionKey,
  type WaitingRecord,
  waitingKey,
} from './transactionRecord.js'

/** A transaction that waits. `number` is for the eyes of whoever began it; `null` where none is asked. */
export interface Created {
  /** 32 hex digits: all that a push carries. */
  readonly id: string
  readonly transaction: Uint8Array
  /** ms */
  readonly expiresAt: number
  readonly number: string | null
}

/** A client asks this user. */
export async function create(
  place: Place,
  ask: TransactionAsk,
  read: Read,
  ports: TransactionPorts,
): Promise<Plan<Created> | Refusal> {
  const { replace = false } = ask
  const id = ports.random(16)
  const asked = encodeAsk(place, ask, id, ports)
  const open = await openKey(ports.crypto, 'ask', asked.client)
  const [hold, standing] = await read([holdKey, open])
  const now = ports.clock()
  if (readHold(hold ?? null, now).until > now) throw refuse('transaction.cooling_down', 'hold')
  if (standing && !replace) throw refuse('transaction.pending', 'open')
  const replaced = await replacing(standing ?? null, read, ports)
  const ops: readonly Op[] = [
    { op: 'check', key: holdKey, rev: hold?.rev ?? null },
    ...pendingOps(asked, hex(id), 'ask', { key: open, rev: standing?.rev ?? null }, ports),
    { op: 'add', key: asksKey, by: 1, max: maxAsks, expiresAt: now + asksMs },
    ...replaced,
  ]
  const event = created(hex(id), asked.client, replaced.length > 0 ? { replaced: true } : {})
  return {
    ok: true,
    ops,
    event,
    reply: () => answer(place, asked, id, ports),
    lost(at, current) {
      const key = ops[at]?.key ?? 'caller'
      if (key === asksKey) return refusal('transaction.cooling_down', 'asks')
      return key === open && current !== null && !replace ? refusal('transaction.pending', 'opened meanwhile') : again(key)
    },
  }
}

/** Encodes a transaction whose user is not known yet; `place.part` is the picture's, and the id stands behind `dg:`. */
export async function wait(place: Place, ask: TransactionAsk, ports: TransactionPorts): Promise<Plan<Created>> {
  const id = idOf(place)
  const asked = encodeAsk(place, ask, id, ports)
  const value = encodeWaiting({ bytes: asked.bytes, claim: null })
  return {
    ok: true,
    ops: [{ op: 'put', key: waitingKey, value, rev: null, expiresAt: asked.expiresAt }],
    event: created(hex(id), asked.client, { qr: true }),
    reply: () => answer(place, asked, id, ports),
    lost: () => refusal('transaction.pending', 'picture taken'),
  }
}

/**
 * A claimed transaction moves to its user's partition under the same id. It takes `openqr/<client>` and neither `hold` nor `asks`: who knows
 * a user's name can fill or provoke the others, and must not close the way that the user opens himself.
 */
export async function admit(
  place: Place,
  claimed: { readonly transaction: Uint8Array; readonly replace?: boolean },
  read: Read,
  ports: TransactionPorts,
): Promise<Plan<Created> | Refusal> {
  const { replace = false } = claimed
  const bytes = claimed.transaction.slice()
  const { id: raw, client, expires, match, issuer, tenant } = decodeTransaction(bytes)
  if (issuer !== place.issuer || tenant !== place.tenant) throw refuse('transaction.unknown', 'of another issuer')
  const asked = { bytes, client, match, expiresAt: expires * 1000 }
  if (asked.expiresAt <= ports.clock()) throw refuse('transaction.expired', 'key 11')
  const id = hex(raw)
  const open = await openKey(ports.crypto, 'scan', client)
  const [there, standing] = await read([transactionKey(id), open])
  const done: Plan<Created> = {
    ok: true,
    ops: [],
    event: null,
    reply: () => answer(place, asked, raw, ports),
    lost: () => again('nothing to lose'),
  }
  if (there) return done
  if (standing && !replace) throw refuse('transaction.pending', 'openqr')
  const ops: readonly Op[] = [
    ...pendingOps(asked, id, 'scan', { key: open, rev: standing?.rev ?? null }, ports),
    ...(await replacing(standing ?? null, read, ports)),
  ]
  return {
    ...done,
    ops,
    event: created(id, client, { qr: true }),
    // The same scan sent again: it is there.
    lost: (at) => (ops[at]?.key === transactionKey(id) ? done : again(ops[at]?.key ?? 'caller')),
  }
}

/** The id behind `dg:`, 16 bytes. @throws `transaction.invalid` */
export function idOf({ part }: Place): Uint8Array {
  const id = part.id.startsWith('dg:') ? decodeBase32(part.id.slice(3)) : null
  if (id?.length !== 16) throw refuse('transaction.invalid', 'partition')
  return id
}

/** Who waits behind a picture, or `null`. */
export function waitingOf(rec: Rec | null): WaitingRecord | null {
  return rec === null ? null : decodeWaiting(rec.value)
}

function pendingOps(
  { bytes, expiresAt }: Asked,
  id: string,
  opened: TransactionRecord['opened'],
  open: { readonly key: string; readonly rev: string | null },
  ports: TransactionPorts,
): readonly Op[] {
  const value = encodeRecord({ state: 'pending', opened, bytes, ending: null })
  return [
    { op: 'put', key: transactionKey(id), value, rev: null, ...kept(ports, expiresAt) },
    // Written in one commit with the transaction, so both have one revision: whoever ends it deletes this and no later one.
    { op: 'put', key: open.key, value: utf8(id), rev: open.rev, expiresAt },
  ]
}

/** Cancels the transaction that an `open/…` names, if it is pending. */
async function replacing(open: Rec | null, read: Read, ports: TransactionPorts): Promise<readonly Op[]> {
  if (open === null) return []
  const key = transactionKey(fromUtf8(open.value)!)
  const [old] = await read([key])
  const record = old ? decodeRecord(old.value) : null
  if (record?.state !== 'pending') return []
  const ending = { cause: 'replaced', at: ports.clock(), amr: [], evidence: null } as const
  return [{ op: 'put', key, value: encodeRecord({ ...record, state: 'cancelled', ending }), rev: old!.rev, ...keptAs(old!) }]
}

/** An end of the record as it stands, as a member of the op that rewrites it. */
export function keptAs(rec: Rec): { readonly expiresAt?: number } {
  return rec.expiresAt === 0 ? {} : { expiresAt: rec.expiresAt }
}

async function answer(
  place: Place,
  { bytes, match, expiresAt }: Asked,
  id: Uint8Array,
  ports: TransactionPorts,
): Promise<Created> {
  const number = match === 1 ? await matchNumber(ports.crypto, await ports.numberKey(), place.tenant, id) : null
  return { id: hex(id), transaction: bytes, expiresAt, number }
}

function created(transaction: string, client: string, detail: EventDraft['detail'] = {}): EventDraft {
  return { type: 'transaction.created', outcome: 'success', transaction, client, detail }
}
