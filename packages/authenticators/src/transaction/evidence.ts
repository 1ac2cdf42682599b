/** What a decision signs, and what is kept of it: evidence that verifies with the public key alone, years later, without the server. */
import { equal, utf8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import { publicJwk, thumbprint } from '@postern/core/jwk'
import { tuple } from '@postern/core/tuple'
import { readTuple, textsOf } from '../internal/transactionTuple.js'
import { decodeTransaction, type Transaction } from './encoding.js'

export type Decision = 'approve' | 'deny' | 'report'

/** What is signed: which transaction, by whom, how, and what the answer is. */
export interface Statement {
  /** txHash, 32 bytes. */
  readonly hash: Uint8Array
  /** D: the `client_id` of the app instance. */
  readonly device: string
  /** E: the enrolment that proves; empty for type `device`. */
  readonly enrolment: string
  /** `device` (its key alone) or the type of an authenticator. */
  readonly type: string
  readonly decision: Decision
  /** Two digits, or empty where none is asked. */
  readonly number: string
}

/** What is kept of a decision. `signed` is `statement`, or for a PIN pin/v1's m₃, inside which the statement's hash stands. */
export interface Evidence {
  readonly transaction: Uint8Array
  readonly statement: Uint8Array
  readonly signed: Uint8Array
  /** ES256, 64 bytes r‖s. */
  readonly signature: Uint8Array
  /** RFC 7638 thumbprint of the key. */
  readonly jkt: string
}

/** txHash = SHA-256(T("postern:txn/v1:transaction", bytes)). */
export async function transactionHash(crypto: CryptoPort, bytes: Uint8Array): Promise<Uint8Array> {
  return crypto.digest('SHA-256', tuple('postern:txn/v1:transaction', bytes))
}

/** STATEMENT = T("postern:txn/v1:decision", txHash, D, E, type, decision, number). */
export function encodeStatement(s: Statement): Uint8Array {
  return tuple('postern:txn/v1:decision', s.hash, s.device, s.enrolment, s.type, s.decision, s.number)
}

/** The statement of bytes, or `null` when they are none. */
export function decodeStatement(bytes: Uint8Array): Statement | null {
  const [hash, ...rest] = readTuple(bytes, 'postern:txn/v1:decision', 6) ?? []
  const texts = textsOf(rest)
  if (hash?.length !== 32 || texts === null) return null
  const [device, enrolment, type, decision, number] = texts as [string, string, string, Decision, string]
  return ['approve', 'deny', 'report'].includes(decision) ? { hash, device, enrolment, type, decision, number } : null
}

/** bind = SHA-256(STATEMENT): what an authenticator's own ceremony confirms. */
export async function bindOf(crypto: CryptoPort, statement: Uint8Array): Promise<Uint8Array> {
  return crypto.digest('SHA-256', statement)
}

/** What the device signs to claim a picture: T("postern:txn/v1:scan", D, E, payload). */
export function scanStatement(device: string, enrolment: string, payload: Uint8Array): Uint8Array {
  return tuple('postern:txn/v1:scan', device, enrolment, payload)
}

/**
 * Whether m₃ of pin/v1 confirms a statement: its CONTEXT names the same issuer, tenant, app, device and enrolment, the purpose `confirm`, and
 * the statement's hash as its bind.
 */
export function pinConfirms(
  m3: Uint8Array,
  of: { readonly issuer: string; readonly tenant: string; readonly app: string },
  s: Pick<Statement, 'device' | 'enrolment'>,
  bind: Uint8Array,
): boolean {
  const context = readTuple(m3, 'postern:pin/v1:ke3', 4)?.[0]
  const fields = context === undefined ? null : readTuple(context, 'postern:context/v1', 9)
  if (fields === null) return false
  const [proto, issuer, tenant, app, device, enrolment, , purpose, bound] = fields
  const same = (field: Uint8Array | undefined, text: string) => equal(field!, utf8(text))
  return (
    same(proto, 'pin/v1') &&
    same(issuer, of.issuer) &&
    same(tenant, of.tenant) &&
    same(app, of.app) &&
    same(device, s.device) &&
    same(enrolment, s.enrolment) &&
    same(purpose, 'confirm') &&
    equal(bound!, bind)
  )
}

/**
 * Whether kept evidence holds, with nothing but the public key: what was decided about which transaction, or `null`.
 * @param key - the public ES256 key that `jkt` names, from wherever the reader trusts it to be that device's
 */
export async function verifyEvidence(
  crypto: CryptoPort,
  evidence: Evidence,
  key: JsonWebKey,
): Promise<{ readonly transaction: Transaction; readonly statement: Statement } | null> {
  const [bytes, stated, signed, signature] = [
    evidence.transaction.slice(),
    evidence.statement.slice(),
    evidence.signed.slice(),
    evidence.signature.slice(),
  ]
  try {
    const transaction = decodeTransaction(bytes)
    const statement = decodeStatement(stated)
    if (statement === null || !equal(statement.hash, await transactionHash(crypto, bytes))) return null
    if (!equal(signed, stated)) {
      const byPin = statement.type === 'pin' && statement.decision === 'approve'
      if (!byPin || !pinConfirms(signed, transaction, statement, await bindOf(crypto, stated))) return null
    } else if (statement.type === 'pin') return null
    const own = publicJwk(key)
    if ((await thumbprint(crypto, own)) !== evidence.jkt) return null
    if (!(await crypto.verify(await crypto.verifyKey('ES256', own), signed, signature))) return null
    return { transaction, statement }
  } catch (error) {
    if (isPosternError(error, 'transaction.invalid', 'crypto.invalid_key')) return null
    throw error
  }
}
