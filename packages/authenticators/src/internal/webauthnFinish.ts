/** Finish: an assertion is judged by the policy in its handle and is one commit; a registration is the pending record of four (`webauthn/register`). */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import { equal, fromUtf8, hex, utf8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'
import type { Op, Rec } from '@postern/store'
import type { AuthFacts, Ceremony, CredentialFacts, Refusal, Success, Verdict } from '../authenticator.js'
import { type CredentialRecord, decodeEnrolment, type Enrolment, encodeEnrolment, enrolmentKey, planEnrol } from '../enrolment.js'
import { type Assertion, type StoredCredential, verifyAuthentication } from '../webauthn/authentication.js'
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '../webauthn/messages.js'
import { type NewCredential, verifyRegistration } from '../webauthn/registration.js'
import { burn, markerKey, openHandle } from './challenge.js'
import { readAssertionBytes } from './credentialResponse.js'
import { claimPart } from './passkeyClaim.js'
import { pendingOf } from './pending.js'
import { refusal, refuse } from './refusal.js'
import { challengeBytes, credentialName, readWebauthnChallenge, type WebauthnChallenge } from './webauthnHandle.js'
import { contextFor, handleType, userOf, type WebauthnPorts } from './webauthnPorts.js'

/** Where an answer says that its credential is. Nothing of it is proven. */
export interface LocatedPasskey {
  /** The record is `wa/<name>`, and this the enrolment's id. */
  readonly name: string
  /** Id of the user's partition, by the handle that the authenticator keeps; `null` where it gave none. */
  readonly partition: string | null
}

const PARTITION = /^usr:[A-Za-z0-9._~-]{1,60}$/

/** Reads where to look for the credential of an answer, `null` for what is no answer. `finish` judges it with the record that is found there. */
export async function locatePasskey(crypto: CryptoPort, answer: unknown): Promise<LocatedPasskey | null> {
  try {
    const { credentialId, userHandle } = readAssertionBytes(answer)
    const text = userHandle === null ? null : fromUtf8(userHandle)
    const partition = text !== null && PARTITION.test(text) ? text : null
    return { name: await credentialName(crypto, credentialId), partition }
  } catch (error) {
    if (isPosternError(error, 'webauthn.malformed')) return null
    throw error
  }
}

/** One assertion: `check u`, `put ch/x rev:null`, `put wa/H rev:r`. */
export async function finishAssertion(c: Ceremony, input: unknown, ports: WebauthnPorts): Promise<Verdict> {
  const { crypto } = ports.runtime
  const challenge = await open(c, ports)
  const { policy } = challenge
  const name = (await locatePasskey(crypto, input))?.name
  if (name === undefined) throw refuse('webauthn.malformed', 'message')
  const { value } = c.enrolment?.id === name ? c.enrolment : { value: null }
  // A user who was known has his own credentials; of one who named himself nobody knows more than that.
  if (c.user === undefined || value?.credential === undefined || value.owner !== c.part.id)
    throw refuse(policy.partition === '' ? 'webauthn.credential_unknown' : 'webauthn.not_owner', 'credential')
  if (policy.allowed.length > 0 && !policy.allowed.includes(name)) throw refuse('webauthn.credential_unknown', 'not asked for')
  const expected = {
    ...policy,
    challenge: await challengeBytes(crypto, contextFor(c, challenge), challenge.nonce),
    userHandle: utf8(c.part.id),
    discoverable: policy.partition === '',
    ...(ports.onRegression !== undefined && { onRegression: ports.onRegression }),
  }
  let assertion: Assertion
  try {
    const stored = storedOf(value.credential)
    assertion = await verifyAuthentication(input as AuthenticationResponseJSON, stored, expected, { crypto, keys: ports.keys })
  } catch (error) {
    if (isPosternError(error, 'webauthn.signature', 'webauthn.counter_regressed'))
      return told(c, challenge, name, error.code, ports)
    throw error
  }
  if (value.status === 'removed') throw refuse('authenticator.removed', value.cause ?? 'removed')
  if (value.status === 'locked') throw refuse('authenticator.locked', value.cause ?? 'locked')
  if (value.status !== 'active') throw refuse('webauthn.credential_unknown', value.status)
  return asserted(c, challenge, name, value, assertion, ports)
}

async function asserted(
  c: Ceremony,
  challenge: WebauthnChallenge,
  name: string,
  value: Enrolment,
  a: Assertion,
  ports: WebauthnPorts,
): Promise<Success> {
  const used: Enrolment = {
    ...value,
    usedAt: ports.runtime.clock(),
    credential: { ...value.credential!, counter: a.counter, backedUp: a.backedUp },
  }
  const facts = credentialFacts(used.credential!, a)
  const { keyLevel } = value
  return {
    ok: true,
    ops: [
      checkUser(c),
      await marker(ports, challenge),
      { op: 'put', key: enrolmentKey(name, value.type), value: encodeEnrolment(used), rev: c.enrolment!.rev },
    ],
    event: {
      type: 'webauthn.succeeded',
      outcome: 'success',
      authenticator: name,
      detail: { backedUp: a.backedUp, backupChanged: a.backupChanged, counterRegressed: a.regressed },
    },
    amr: ['pop', 'user', keyLevel === 'hardware' ? 'hwk' : 'swk', ...(a.userVerified ? ['mfa'] : [])],
    facts: { ...factsOf(c, name, value, ports), userVerified: a.userVerified, credential: facts },
    proof: { signed: a.signed, signature: a.signature },
    session: null,
    lost: assertionLost,
  }
}

/** The credential as pending: `check u`, `put ch/x rev:null`, `put wa/H rev:null`. It signs in only once its id is claimed and it is activated. */
export async function enrolPasskey(c: Ceremony, input: unknown, ports: WebauthnPorts): Promise<Verdict> {
  const { clock, crypto } = ports.runtime
  const challenge = await open(c, ports)
  const { policy } = challenge
  const { claim } = c
  if (claim === undefined || claim.until <= clock()) throw refuse('enrolment.expired', 'claim')
  if (c.user === undefined || claim.owner !== c.part.id) throw refuse('webauthn.not_owner', 'claim')
  const bytes = await challengeBytes(crypto, contextFor(c, challenge), challenge.nonce)
  const expected = { ...policy, challenge: bytes }
  const o = { crypto, now: clock(), trust: ports.trust() }
  const made = await verifyRegistration(input as RegistrationResponseJSON, expected, o)
  const name = await credentialName(crypto, made.id)
  const value: Enrolment = {
    ...pendingOf('webauthn', { owner: claim.owner, data: claim.data, now: clock() }),
    // What can be backed up has been in software somewhere, whatever made it.
    keyLevel: made.attestation.hardware && !made.backupEligible ? 'hardware' : 'software',
    credential: recordOf(made),
  }
  const pending = planEnrol(name, value, claim.until)
  const plan = (put: Op): Success => ({
    ok: true,
    ops: [checkUser(c), burned, put],
    event: { type: 'authenticator.enrolled', outcome: 'success', authenticator: name, reason: 'webauthn' },
    amr: [],
    facts: {
      ...factsOf(c, name, value, ports),
      userVerified: made.userVerified,
      credential: credentialFacts(value.credential!, { backupChanged: false, regressed: false }),
    },
    proof: null,
    session: null,
    unique,
    lost: (at, current) => {
      if (at < 2) return assertionLost(at, current)
      // A passkey that was removed may be enrolled again; its tombstone gives way.
      const removed = current !== null && put === pending && decodeEnrolment(current.value).status === 'removed'
      return removed ? plan({ ...pending, rev: current.rev } as Op) : refusal('webauthn.credential_taken', 'registered already')
    },
  })
  const burned = await marker(ports, challenge)
  const unique = await claimPart(crypto, c.tenant, policy.rpId, made.id)
  return plan(pending)
}

/** Type, tenant, issuer, purpose; then whom, what device and what it was for. */
async function open(c: Ceremony, ports: WebauthnPorts): Promise<WebauthnChallenge> {
  const h = await openHandle(ports.seal, c, handleType, c.purpose, readWebauthnChallenge)
  if (h === null || userOf(c) === '') throw refuse('webauthn.challenge', 'handle')
  const bound = h.bind === null || c.bind === null ? h.bind === c.bind : equal(h.bind, c.bind)
  const mine = (h.policy.partition === '' || h.policy.partition === c.part.id) && h.device === (c.device?.id ?? '')
  if (!bound || !mine || h.purpose !== c.purpose) throw refuse('webauthn.challenge', 'of another ceremony')
  if (h.enrolment !== '' && h.enrolment !== c.enrolment?.id) throw refuse('webauthn.challenge', 'of another credential')
  if (h.expiresAt <= ports.runtime.clock()) throw refuse('webauthn.expired', 'challenge')
  return h
}

/**
 * Told once a challenge: a counter that went back stands under a good signature, and burns it; a bad signature only where a device has proved
 * itself, for an event would otherwise be a stranger's to write.
 */
async function told(
  c: Ceremony,
  challenge: WebauthnChallenge,
  name: string,
  code: 'webauthn.signature' | 'webauthn.counter_regressed',
  ports: WebauthnPorts,
): Promise<Refusal> {
  const reason = code.slice('webauthn.'.length)
  const event = { type: 'webauthn.failed', outcome: 'failure', authenticator: name, reason } as const
  if (code === 'webauthn.counter_regressed') return refusal(code, reason, { ops: [await marker(ports, challenge)], event })
  if (c.device === null) return refusal(code, reason)
  // Not the challenge's own marker: a wrong answer must not burn the right one.
  const key = await markerKey(ports.runtime.crypto, utf8(`${hex(challenge.nonce)} failed`))
  return refusal(code, reason, { ops: [burn(key, new Uint8Array(0), challenge.expiresAt)], event })
}

function assertionLost(at: number, current: Rec | null): Refusal {
  if (at === 0) return current === null ? refusal('authenticator.removed', 'u') : superseded('u')
  if (at === 1) return refusal('webauthn.challenge', 'challenge used')
  if (current === null || decodeEnrolment(current.value).status === 'removed')
    return refusal('authenticator.removed', 'credential')
  return superseded('credential')
}

function superseded(reason: string): Refusal {
  return refusal('authenticator.superseded', reason, { next: 'again' })
}

function checkUser(c: Ceremony): Op {
  return { op: 'check', key: 'u', rev: c.user!.rev }
}

async function marker(ports: WebauthnPorts, challenge: WebauthnChallenge): Promise<Op> {
  return burn(await markerKey(ports.runtime.crypto, challenge.nonce), new Uint8Array(0), challenge.expiresAt)
}

function factsOf(
  c: Ceremony,
  name: string,
  { type, keyLevel }: Enrolment,
  ports: WebauthnPorts,
): Omit<AuthFacts, 'userVerified'> {
  return { type, enrolment: name, purpose: c.purpose, at: ports.runtime.clock(), keyLevel, failures: 0, generation: 0 }
}

function credentialFacts(
  { aaguid, attested, backupEligible, backedUp }: CredentialRecord,
  { backupChanged, regressed }: Pick<Assertion, 'backupChanged' | 'regressed'>,
): CredentialFacts {
  return { aaguid, attested, backupEligible, backedUp, backupChanged, counterRegressed: regressed }
}

function recordOf(made: NewCredential): CredentialRecord {
  const { id, publicKey, counter, backupEligible, backedUp, aaguid, transports, discoverable, attestation } = made
  return {
    id: encodeBase64url(id),
    publicKey: encodeBase64url(publicKey),
    counter,
    backupEligible,
    backedUp,
    // What is attested is not mixed with what is not: policy may go by the model.
    aaguid: hex(attestation.trusted && !attestation.model ? new Uint8Array(16) : aaguid),
    transports,
    discoverable,
    format: attestation.format,
    attested: attestation.trusted,
  }
}

function storedOf({ id, publicKey, counter, backupEligible, backedUp }: CredentialRecord): StoredCredential {
  return { id: decodeBase64url(id)!, publicKey: decodeBase64url(publicKey)!, counter, backupEligible, backedUp }
}
