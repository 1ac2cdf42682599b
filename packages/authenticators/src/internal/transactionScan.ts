/** txn/v1: a picture is claimed once, by a device that signs for it. One refusal, one text, for every way of being wrong. */
import { equal, hex } from '@postern/core/bytes'
import type { Op, Rec } from '@postern/store'
import type { Refusal } from '../authenticator.js'
import { scanStatement } from '../transaction/evidence.js'
import { openQr } from '../transaction/qr.js'
import { signedByDevice } from './deviceSignature.js'
import { readMembers } from './members.js'
import { refusal, refuse } from './refusal.js'
import { idOf, waitingOf } from './transactionCreate.js'
import type { Place, Plan, Read, TransactionPorts } from './transactionPlan.js'
import { decodeWaiting, encodeWaiting, readStored, type WaitingRecord, waitingKey } from './transactionRecord.js'

/** Who scans: a known device (`null` for an unknown one), for the user whose partition is named. */
export interface Scanner extends Omit<Place, 'part'> {
  readonly app: string
  readonly device: { readonly id: string; readonly key: JsonWebKey } | null
  /** Id of the user's partition, `usr:<h>`, by the enrolment that the answer names. */
  readonly owner: string
}

/** A scan as it was read: the id says in which partition the transaction waits. */
export interface Scan {
  /** 16 bytes; `dg:` and their base32 is the partition. */
  readonly id: Uint8Array
  readonly enrolment: string
  readonly device: string
}

/** A transaction that a scan has claimed. */
export interface Claimed {
  readonly id: string
  readonly transaction: Uint8Array
}

/** Reads a scan and verifies it, before anything is looked up. @throws `transaction.qr_refused` */
export async function readScan(s: Scanner, input: unknown, ports: TransactionPorts): Promise<Scan> {
  const { enrolment, ...rest } = (typeof input === 'object' && input !== null ? input : {}) as { readonly enrolment?: unknown }
  const message = readMembers(rest, { payload: 37, signature: 64 })
  if (message === null || typeof enrolment !== 'string' || enrolment.length > 128)
    throw refuse('transaction.qr_refused', 'message')
  const signed = scanStatement(s.device?.id ?? '', enrolment, message.payload)
  if (!(await signedByDevice(ports.keys, s.device, s.owner, signed, message.signature)))
    throw refuse('transaction.qr_refused', 'signature')
  const id = await openQr(ports.crypto, await ports.qrKey(), message.payload, { tenant: s.tenant, now: ports.clock() })
  if (id === null) throw refuse('transaction.qr_refused', 'tag or step')
  return { id, enrolment, device: s.device!.id }
}

/** Claims in the picture's partition; `place.part` is the one that `scan.id` names. The same device gets the same answer again. */
export async function claim(
  place: Place,
  s: Scanner,
  scan: Scan,
  read: Read,
  ports: TransactionPorts,
): Promise<Plan<Claimed> | Refusal> {
  if (!equal(idOf(place), scan.id) || place.tenant !== s.tenant) throw refuse('transaction.qr_refused', 'partition')
  const mine = { device: scan.device, enrolment: scan.enrolment, part: s.owner }
  const [tx] = await read([waitingKey])
  const waiting = waitingOf(tx ?? null)
  if (waiting === null) throw refuse('transaction.qr_refused', 'unknown')
  const { app, issuer, client, expiresAt } = readStored(waiting.bytes)
  if (app !== s.app || issuer !== place.issuer) throw refuse('transaction.qr_refused', 'for another app')
  if (expiresAt <= ports.clock()) throw refuse('transaction.qr_refused', 'expired')
  const id = hex(scan.id)
  const there: Plan<Claimed> = {
    ok: true,
    ops: [],
    event: null,
    reply: () => ({ id, transaction: waiting.bytes }),
    lost: () => refusal('transaction.qr_refused', 'nothing to lose'),
  }
  if (waiting.claim !== null) {
    if (!same(waiting.claim, mine)) throw refuse('transaction.qr_refused', 'claimed')
    return there
  }
  const value = encodeWaiting({ bytes: waiting.bytes, claim: mine })
  const claims: Op = { op: 'put', key: waitingKey, value, rev: tx!.rev, expiresAt: tx!.expiresAt }
  return {
    ...there,
    ops: [claims],
    event: { type: 'transaction.claimed', outcome: 'success', transaction: id, client, authenticator: scan.enrolment },
    lost: (at, current) => (at === 0 && isMine(current, mine) ? there : refusal('transaction.qr_refused', 'claimed meanwhile')),
  }
}

function isMine(current: Rec | null, mine: NonNullable<WaitingRecord['claim']>): boolean {
  const standing = current === null ? null : decodeWaiting(current.value).claim
  return standing !== null && same(standing, mine)
}

function same(a: NonNullable<WaitingRecord['claim']>, b: NonNullable<WaitingRecord['claim']>): boolean {
  return a.device === b.device && a.enrolment === b.enrolment && a.part === b.part
}
