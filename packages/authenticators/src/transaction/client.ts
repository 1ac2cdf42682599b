/**
 * The app's half of txn/v1. It decodes the server's bytes and no others, shows what they say, and signs their hash: between screen and
 * signature nothing is encoded again.
 */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { hex } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { PosternError } from '@postern/core/errors'
import { decodeTransaction, type Transaction } from './encoding.js'
import { bindOf, encodeStatement, type Statement, scanStatement, transactionHash } from './evidence.js'
import { readQr } from './qr.js'

/** What is asked of this app and no other. */
export interface TransactionClientOptions {
  readonly issuer: string
  readonly tenant: string
  readonly app: string
  readonly crypto: CryptoPort
  /** The registered name of a client, from the signed bundle; `null` for one that is not in it. */
  readonly clientName: (client: string) => string | null
}

/** One thing to show. `label` is the client's own words where `field` is `display`. */
export interface ShownRow {
  readonly field: 'origin' | 'client' | 'kind' | 'display' | 'amount' | 'payee'
  readonly label?: string
  readonly value: string
}

/** A transaction as it may be shown: every row, in this order, and nothing else. */
export interface OpenedTransaction {
  readonly transaction: Transaction
  /** txHash */
  readonly hash: Uint8Array
  readonly rows: readonly ShownRow[]
  /** Whether the number shown where it began is to be typed. */
  readonly asksNumber: boolean
}

/** The answer, as JSON. `signature` is empty where the authenticator's own ceremony is the proof (PIN). */
export interface TransactionAnswer {
  readonly id: string
  readonly hash: string
  readonly enrolment: string
  readonly type: string
  readonly decision: Statement['decision']
  readonly number: string
  readonly signature: string
}

/** Who decides, and how. A number belongs to an approval that asks for one. */
export type Choice = Omit<Statement, 'hash'>

/** Signs bytes with ES256: 64 bytes r‖s. */
export type SignDecision = (data: Uint8Array) => Now<Uint8Array>

/**
 * Opens what the server sent.
 * @param encoded - canonical base64url
 * @throws PosternError `transaction.invalid` for another encoding than the one, another issuer, tenant or app, a client without a name
 */
export async function openTransaction(encoded: string, o: TransactionClientOptions): Promise<OpenedTransaction> {
  const bytes = decodeBase64url(encoded)
  if (bytes === null) throw invalid('base64url')
  const transaction = decodeTransaction(bytes)
  const { issuer, tenant, app, client, kind, display, amount, payee, origin } = transaction
  if (issuer !== o.issuer || tenant !== o.tenant || app !== o.app) throw invalid('for another app')
  const name = o.clientName(client)
  if (name === null) throw invalid('client')
  // Where it was started comes first: who scans a picture that was relayed to him sees a place that is not his.
  const rows: readonly ShownRow[] = [
    ...(origin === undefined ? [] : [{ field: 'origin', value: origin } as const]),
    { field: 'client', value: name },
    { field: 'kind', value: kind },
    ...display.map((row) => ({ field: 'display', ...row }) as const),
    ...(amount ? [{ field: 'amount', value: `${amount.value} ${amount.currency}` } as const] : []),
    ...(payee === undefined ? [] : [{ field: 'payee', value: payee } as const]),
  ]
  return { transaction, hash: await transactionHash(o.crypto, bytes), rows, asksNumber: transaction.match === 1 }
}

/**
 * What a decision signs, and the answer around the signature.
 * @returns `bind` for the ceremony of a PIN, passkey, code or host's authenticator
 * @throws PosternError `transaction.invalid` for a number that is missing, too much or no two digits
 */
export async function prepareDecision(
  { transaction, hash, asksNumber }: OpenedTransaction,
  choice: Choice,
  crypto: CryptoPort,
): Promise<{
  readonly statement: Uint8Array
  readonly bind: Uint8Array
  answer(signature?: Uint8Array): TransactionAnswer
}> {
  const { device, enrolment, type, decision, number } = choice
  const due = asksNumber && decision === 'approve'
  if (due ? !/^\d\d$/.test(number) : number !== '') throw invalid('number')
  const statement = encodeStatement({ hash, device, enrolment, type, decision, number })
  const signed = { id: hex(transaction.id), hash: encodeBase64url(hash), enrolment, type, decision, number }
  return {
    statement,
    bind: await bindOf(crypto, statement),
    answer: (signature = new Uint8Array(0)) => ({ ...signed, signature: encodeBase64url(signature) }),
  }
}

/** The answer that a key of the device gives: the device key, or an enrolled one behind biometrics. @throws as {@link prepareDecision}, or what the keystore throws */
export async function signDecision(
  opened: OpenedTransaction,
  choice: Choice,
  o: { readonly crypto: CryptoPort; readonly sign: SignDecision },
): Promise<TransactionAnswer> {
  const { statement, answer } = await prepareDecision(opened, choice, o.crypto)
  return answer(await o.sign(statement))
}

/**
 * The answer to a picture.
 * @throws PosternError `transaction.qr_refused` for a text that is no picture of this issuer
 */
export async function signScan(
  text: string,
  o: { readonly issuer: string; readonly device: string; readonly enrolment: string; readonly sign: SignDecision },
): Promise<{ readonly payload: string; readonly enrolment: string; readonly signature: string }> {
  const payload = readQr(text, o.issuer)
  if (payload === null) throw new PosternError('transaction.qr_refused', { reason: 'text' })
  const signature = await o.sign(scanStatement(o.device, o.enrolment, payload))
  return { payload: encodeBase64url(payload), enrolment: o.enrolment, signature: encodeBase64url(signature) }
}

function invalid(reason: string): PosternError<'transaction.invalid'> {
  return new PosternError('transaction.invalid', { reason })
}
