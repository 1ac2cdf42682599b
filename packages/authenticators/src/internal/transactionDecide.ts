/** txn/v1: the user's answer. Each number is a try in the commit that settles it; one terminal state, however many decide. */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { equal, utf8 } from '@postern/core/bytes'
import type { Op, Rec } from '@postern/store'
import { attemptsLeft, takeAttempt } from '../attempts.js'
import type { EventDraft, Refusal } from '../authenticator.js'
import { devicesKey, readDevices } from '../devices.js'
import {
  bindOf,
  type Decision,
  type Evidence,
  encodeStatement,
  type Statement,
  transactionHash,
} from '../transaction/evidence.js'
import { matchNumber } from '../transaction/number.js'
import { asksKey, holdKey, planHold } from './fatigue.js'
import { refusal, refuse } from './refusal.js'
import { keptAs } from './transactionCreate.js'
import { again, type Plan, type Read, type TransactionPorts } from './transactionPlan.js'
import { type Decider, proofOf } from './transactionProof.js'
import {
  decodeRecord,
  encodeRecord,
  isTransactionId,
  numberKey,
  openKey,
  readStored,
  type Stored,
  type TransactionRecord,
  type TransactionState,
  transactionKey,
} from './transactionRecord.js'

/** Numbers that are looked at. */
export const maxNumbers = 3

/** A decision that stands. */
export interface Decided {
  readonly id: string
  readonly state: 'approved' | 'denied' | 'reported'
  readonly type: string
  readonly enrolment: string
  /** RFC 8176; empty but for an approval. */
  readonly amr: readonly string[]
  readonly evidence: Evidence
}

const STATE_OF = { approve: 'approved', deny: 'denied', report: 'reported' } as const satisfies Record<Decision, TransactionState>

interface Answer extends Omit<Statement, 'hash'> {
  readonly id: string
  /** txHash as it came, base64url. */
  readonly shown: string
}

/** What an authenticator's own ceremony is bound to: the answer that is going to follow, of which `signature` is not looked at. */
export async function bindFor(d: Decider, input: unknown, read: Read, ports: TransactionPorts): Promise<Uint8Array> {
  const { answer } = readAnswer(input, d)
  const [tx] = await read([transactionKey(answer.id)])
  const { hash } = await stored(d, answer, tx ?? null, ports)
  return bindOf(ports.crypto, encodeStatement({ ...answer, hash }))
}

export async function decide(d: Decider, input: unknown, read: Read, ports: TransactionPorts): Promise<Plan<Decided> | Refusal> {
  const { answer, signature } = readAnswer(input, d) // members, words, sizes
  const key = transactionKey(answer.id)
  const [tx, devices, hold] = await read([key, devicesKey, holdKey])
  const { record, transaction, hash } = await stored(d, answer, tx ?? null, ports) // the hash of the stored bytes
  if (!isActive(devices ?? null, d, ports)) throw refuse('device.removed', 'devices')
  const statement = encodeStatement({ ...answer, hash })
  const proof = await proofOf(d, answer, statement, signature, ports)
  if (record.state !== 'pending') return decided(record.state)
  const right = await numberFits(d, answer, transaction, ports)
  if (transaction.expiresAt <= ports.clock()) throw refuse('transaction.expired', 'key 11')

  const now = ports.clock()
  const open = await openKey(ports.crypto, record.opened, transaction.client)
  const about = { transaction: answer.id, client: transaction.client }
  const end = (state: TransactionState, cause: 'user' | 'mismatch'): readonly Op[] => {
    const ending = { cause, at: now, ...(cause === 'user' ? proof : { amr: [], evidence: null }) }
    return [
      { op: 'put', key, value: encodeRecord({ ...record, state, ending }), rev: tx!.rev, ...keptAs(tx!) },
      { op: 'del', key: open, rev: tx!.rev },
    ]
  }
  const refused = (report: boolean): Op => planHold(hold ?? null, now, report)
  const attempt: Op = takeAttempt(numberKey(answer.id), maxNumbers, transaction.expiresAt)
  const checkDevices: Op = { op: 'check', key: devicesKey, rev: devices!.rev }
  if (!right) return wrong()

  const state = STATE_OF[answer.decision]
  const ops: readonly Op[] =
    answer.decision === 'approve'
      ? [
          { op: 'check', key: 'u', rev: d.user.rev },
          checkDevices,
          ...end(state, 'user'),
          ...(transaction.match === 1 ? [attempt] : []),
          // A scan was no prompt: it forgives none.
          ...(record.opened === 'ask' ? [{ op: 'del', key: asksKey } as const] : []),
        ]
      : [checkDevices, ...end(state, 'user'), refused(answer.decision === 'report')]
  const event: EventDraft = {
    type: 'transaction.decided',
    outcome: answer.decision === 'approve' ? 'success' : 'refused',
    ...about,
    ...(answer.enrolment !== '' && { authenticator: answer.enrolment }),
    reason: state,
    detail: { type: answer.type },
  }
  const { type, enrolment, id } = answer
  const evidence = { transaction: record.bytes, ...proof.evidence }
  return { ok: true, ops, event, reply: () => ({ id, state, type, enrolment, amr: proof.amr, evidence }), lost: lost(ops) }

  /** A wrong number: counted, and at the third the end. */
  function wrong(): Plan<Decided> {
    const tried: readonly Op[] = [{ op: 'check', key, rev: tx!.rev }, attempt]
    return {
      ok: true,
      ops: tried,
      event: { type: 'transaction.failed', outcome: 'failure', ...about, reason: 'number' },
      reply([, count]) {
        const left = attemptsLeft(count ?? null, maxNumbers)
        return left === 0 ? exhausted('transaction.mismatch') : refusal('transaction.mismatch', 'number', { attemptsLeft: left })
      },
      lost: lost(tried),
    }
  }

  /** The third number was wrong: one winner by the revision of the transaction. */
  function exhausted(code: 'transaction.mismatch' | 'transaction.decided'): Refusal {
    const ops = [...end('denied', 'mismatch'), refused(false)]
    return refusal(code, 'three numbers', {
      ops,
      event: { type: 'transaction.decided', outcome: 'refused', ...about, reason: 'mismatch' },
      attemptsLeft: 0,
      next: 'removed',
      lost(at, current) {
        const next = lost(ops)(at, current)
        // Somebody else wrote the end: what this one is told stays what its number was.
        return !next.ok && next.code === 'transaction.decided' && code === 'transaction.mismatch'
          ? refusal(code, 'three numbers', { attemptsLeft: 0, next: 'removed' })
          : (next as Refusal)
      },
    })
  }

  function lost(plan: readonly Op[]): (at: number, current: Rec | null) => Refusal {
    return (at, current) => {
      switch (plan[at]?.key) {
        case key: {
          if (current === null) return refusal('transaction.unknown', 'gone')
          const { state: now } = decodeRecord(current.value)
          return now === 'pending' ? again('transaction') : decided(now)
        }
        case open:
          // It stands as long as the transaction is neither decided nor expired, and conditions are judged in order.
          return refusal('transaction.expired', 'open')
        case devicesKey:
          return isActive(current, d, ports) ? again('devices') : refusal('device.removed', 'devices')
        case 'u':
          return current === null ? refusal('device.removed', 'user gone') : again('u')
        case numberKey(answer.id):
          return exhausted('transaction.decided')
        default:
          return again(plan[at]?.key ?? 'caller')
      }
    }
  }
}

/** Decided already; the app learns how, since its device has proved itself. */
export function decided(state: TransactionState): Refusal {
  return refusal('transaction.decided', state, { body: { state }, next: 'removed' })
}

/** Whether the device is one of this user's, and in use. */
export function isActive(
  devices: Pick<Rec, 'value'> | null,
  d: { readonly device: { readonly id: string } },
  ports: TransactionPorts,
): boolean {
  return readDevices(devices, ports.clock()).some(({ id, status }) => id === d.device.id && status === 'active')
}

/** The transaction that the app saw, if it is the one that is stored. @throws `transaction.unknown` */
async function stored(
  d: Decider,
  answer: Answer,
  tx: Rec | null,
  ports: TransactionPorts,
): Promise<{ readonly record: TransactionRecord; readonly transaction: Stored; readonly hash: Uint8Array }> {
  if (tx === null) throw refuse('transaction.unknown', 'id')
  const record = decodeRecord(tx.value)
  const hash = await transactionHash(ports.crypto, record.bytes)
  if (encodeBase64url(hash) !== answer.shown) throw refuse('transaction.unknown', 'hash')
  const transaction = readStored(record.bytes)
  if (transaction.app !== d.app || transaction.issuer !== d.issuer) throw refuse('transaction.unknown', 'for another app')
  return { record, transaction, hash }
}

async function numberFits(d: Decider, a: Answer, t: Stored, ports: TransactionPorts): Promise<boolean> {
  const due = t.match === 1 && a.decision === 'approve'
  if (due !== (a.number !== '')) throw refuse('transaction.invalid', 'number')
  if (!due) return true
  const number = await matchNumber(ports.crypto, await ports.numberKey(), d.tenant, t.id)
  return equal(utf8(number), utf8(a.number))
}

const MEMBERS = ['id', 'hash', 'enrolment', 'type', 'decision', 'number', 'signature'] as const
const HASH = /^[A-Za-z0-9_-]{43}$/
const TYPE = /^[a-z][a-z0-9:-]{0,63}$/
const ENROLMENT = /^[A-Za-z0-9._~-]{0,128}$/

/** Each member once, in its own form. @throws `transaction.invalid` */
function readAnswer(input: unknown, d: Decider): { readonly answer: Answer; readonly signature: Uint8Array } {
  const members = (typeof input === 'object' && input !== null ? input : {}) as Readonly<Record<string, unknown>>
  const [id, shown, enrolment, type, decision, number, signed] = MEMBERS.map((name) =>
    Object.hasOwn(members, name) ? members[name] : undefined,
  )
  const signature = bytesOf(signed)
  const good =
    Object.keys(members).length === MEMBERS.length &&
    isTransactionId(id) &&
    typeof shown === 'string' &&
    HASH.test(shown) &&
    typeof enrolment === 'string' &&
    ENROLMENT.test(enrolment) &&
    typeof type === 'string' &&
    TYPE.test(type) &&
    typeof decision === 'string' &&
    Object.hasOwn(STATE_OF, decision) &&
    typeof number === 'string' &&
    /^(\d\d)?$/.test(number) &&
    (signature?.length === 64 || signature?.length === 0)
  if (!good) throw refuse('transaction.invalid', 'answer')
  const answer = { id, shown, device: d.device.id, enrolment, type, decision: decision as Decision, number }
  return { answer, signature }
}

function bytesOf(text: unknown): Uint8Array | null {
  return typeof text === 'string' && text.length <= 86 ? decodeBase64url(text) : null
}
