/** txn/v1: who signed the statement, and with what. Every authenticator's proof is bound to this statement and no other. */
import { equal } from '@postern/core/bytes'
import type { Ceremony, KeyLevel, Success } from '../authenticator.js'
import type { Enrolment } from '../enrolment.js'
import { bindOf, type Evidence, pinConfirms, type Statement } from '../transaction/evidence.js'
import { refuse } from './refusal.js'
import type { Place, TransactionPorts } from './transactionPlan.js'

/** Who decides: a device that has proved its key, for the user whose partition this is. */
export interface Decider extends Place {
  /** The app that the device runs. */
  readonly app: string
  /** The record `u`, which the caller has read and found in order. */
  readonly user: { readonly rev: string }
  readonly device: { readonly id: string; readonly key: JsonWebKey; readonly keyLevel: KeyLevel }
  /** Types that confirm this transaction, by policy: `device`, or types of authenticators. */
  readonly types: readonly string[]
  /** Reads an enrolment anew. It is called after `devices` was read, so that a removal, which starts there, is seen by one of the two. */
  readonly enrolment: (id: string) => Promise<Enrolment | null>
  /** The verdict of a ceremony with purpose `confirm` and the statement's `bind`, its commit applied; of PIN, passkey, code, host's own. */
  readonly confirmed?: { readonly ceremony: Ceremony; readonly success: Success }
}

/** What goes into the evidence, and what it is worth. */
export interface DecisionProof {
  readonly evidence: Omit<Evidence, 'transaction'>
  readonly amr: readonly string[]
}

/** The proof of a statement. @throws `key.refused` for every way of being wrong */
export async function proofOf(
  d: Decider,
  s: Omit<Statement, 'hash'>,
  statement: Uint8Array,
  signature: Uint8Array,
  ports: TransactionPorts,
): Promise<DecisionProof> {
  if (s.decision !== 'approve') {
    if (s.type !== 'device' || s.enrolment !== '') throw refuse('key.refused', 'only the device refuses')
    return byKey(d.device.key, [])
  }
  if (!d.types.includes(s.type)) throw refuse('key.refused', 'type')
  if (s.type === 'device') {
    if (s.enrolment !== '') throw refuse('key.refused', 'enrolment')
    return byKey(d.device.key, ['pop', levelOf(d.device.keyLevel)])
  }
  const enrolment = s.type === 'webauthn' ? null : await enrolled(d, s)
  if (s.type === 'biometric' || s.type === 'device-key') {
    if (enrolment?.key == null) throw refuse('key.refused', 'enrolment without a key')
    return byKey(enrolment.key, [...(s.type === 'biometric' ? ['user'] : []), 'pop', levelOf(enrolment.keyLevel)])
  }
  const { proof, amr } = await confirmedBy(d, s, statement, ports)
  if (s.type === 'pin') {
    if (signature.length !== 0) throw refuse('key.refused', 'signature beside a PIN')
    return { evidence: { statement, ...proof!, jkt: await ports.thumbprint(d.device.key) }, amr }
  }
  // A code is no signature and a passkey's does not name the device: the device signs as well, and that is what is kept.
  return byKey(d.device.key, [...new Set([...amr, 'pop', levelOf(d.device.keyLevel)])])

  async function byKey(key: JsonWebKey, worth: readonly string[]): Promise<DecisionProof> {
    if (!(await ports.keys.verify(key, statement, signature))) throw refuse('key.refused', 'signature')
    return { evidence: { statement, signed: statement, signature, jkt: await ports.thumbprint(key) }, amr: worth }
  }
}

/**
 * The verdict, when it belongs to this statement: same place, device, enrolment, type, purpose `confirm`, and a ceremony whose bind is the
 * statement's hash. A passkey's place is the user's own; the others' enrolments say whose they are. For a PIN the same stands once more in the
 * bytes that the device signed.
 */
async function confirmedBy(
  d: Decider,
  s: Omit<Statement, 'hash'>,
  statement: Uint8Array,
  ports: TransactionPorts,
): Promise<Success> {
  if (d.confirmed === undefined) throw refuse('key.refused', 'no ceremony')
  const { ceremony: c, success } = d.confirmed
  const bind = await bindOf(ports.crypto, statement)
  const { facts, proof } = success
  const belongs =
    c.purpose === 'confirm' &&
    facts.purpose === 'confirm' &&
    c.bind !== null &&
    equal(c.bind, bind) &&
    c.issuer === d.issuer &&
    c.tenant === d.tenant &&
    c.app === d.app &&
    c.device?.id === d.device.id &&
    facts.type === s.type &&
    facts.enrolment === s.enrolment &&
    (s.type !== 'webauthn' || (c.part.id === d.part.id && c.part.tenant === d.part.tenant)) &&
    (s.type !== 'pin' || (proof !== null && pinConfirms(proof.signed, d, s, bind)))
  if (!belongs) throw refuse('key.refused', 'a ceremony for something else')
  return success
}

async function enrolled(d: Decider, s: Omit<Statement, 'hash'>): Promise<Enrolment> {
  const enrolment = await d.enrolment(s.enrolment)
  if (enrolment?.status !== 'active' || enrolment.type !== s.type || enrolment.owner !== d.part.id)
    throw refuse('key.refused', 'enrolment')
  return enrolment
}

function levelOf(level: KeyLevel): 'hwk' | 'swk' {
  return level === 'hardware' ? 'hwk' : 'swk'
}
