/** pin/v1 §enrol and the registration half of §change: one request a handle, then the record. */
import { encodeBase64url } from '@postern/core/base64url'
import { concat, equal } from '@postern/core/bytes'
import { isPosternError } from '@postern/core/errors'
import type { Op, Rec } from '@postern/store'
import type { Ceremony, Refusal, Reply, Step, Verdict } from '../authenticator.js'
import { type Enrolment, newEnrolmentId, planEnrol } from '../enrolment.js'
import { credentialIdentifier, enrolRecordStatement, enrolRequestStatement, pinContext } from '../pin/messages.js'
import { belongs, burn, challengeMs, contextMembers, deviceOf, markerKey, openHandle, sealHandle } from './challenge.js'
import { signedByDevice } from './deviceSignature.js'
import { readMembers } from './members.js'
import { challengeReply, freeStep, pendingMs } from './pinBegin.js'
import { encodeRecordHandle, type RecordHandle, type RequestHandle, readRecordHandle, readRequestHandle } from './pinHandle.js'
import { keysFor, nextKey, type PinPorts, pinKey, suiteFor } from './pinPorts.js'
import { encodePinRecord } from './pinRecord.js'
import { pinSizes } from './pinSuites.js'
import { requestReply } from './pinTicket.js'
import { refusal, refuse } from './refusal.js'

/** Enrol, step 1: an enrolment id and a nonce. Nothing is stored. */
export async function offerPin(c: Ceremony, ports: PinPorts, suites: unknown): Promise<Step> {
  if (deviceOf(c) === null || c.device === null) throw refuse('pin.refused', 'device')
  const suite = suiteFor(ports, suites)
  const enrolment = newEnrolmentId(ports.random)
  return freeStep(await requestReply(c, ports, 'pin.enrol', { enrolment, generation: 1, after: '', suite, purpose: 'enrol' }))
}

/**
 * Step 2: the registration response. One request a handle, and the same one again gets the same answer: a handle kept past the enrolment
 * would be an OPRF oracle that nobody counts.
 */
export async function answerRequest(c: Ceremony, input: unknown, ports: PinPorts): Promise<Step> {
  const { crypto, clock } = ports
  const message = readMembers(input, { request: pinSizes.request, signature: 64 }) // sizes
  if (message === null) throw refuse('pin.refused', 'message')
  const handle = await openHandle(ports.seal, c, typeOf(c), purposeOf(c), readRequestHandle)
  if (handle === null || !belongs(c, handle)) throw refuse('pin.refused', 'handle')
  if (handle.expiresAt <= clock()) throw refuse('pin.expired', 'handle')
  if (!ports.suites.includes(handle.suite)) throw refuse('pin.suite_unsupported', handle.suite)
  const context = pinContext(contextMembers(c, handle))
  const statement = enrolRequestStatement(context, handle.nonce, message.request)
  if (!(await signedByDevice(ports.devices, c.device, handle.device, statement, message.signature)))
    throw refuse('pin.refused', 'signature')
  const response = await registration(c, ports, handle, message.request)
  const requestHash = await crypto.digest('SHA-256', message.request)
  const record: RecordHandle = {
    ...handle,
    version: response.version,
    requestHash,
    responseHash: await crypto.digest('SHA-256', response.bytes),
  }
  const reply = async (): Promise<Reply> => ({
    handle: await sealHandle(ports.seal, c, 'pin.record', handle.purpose, encodeRecordHandle(record)),
    expiresAt: handle.expiresAt,
    enrolment: handle.enrolment,
    body: { ask: 'record', response: encodeBase64url(response.bytes) },
  })
  const check: Op = { op: 'check', key: 'd', rev: c.device!.rev }
  const marker = burn(await markerKey(crypto, handle.nonce), requestHash, handle.expiresAt)
  return once(check, marker, [], reply)
}

/** Enrol, step 3: the record. The enrolment is pending until its device is active in the user's partition. */
export async function storeFirst(c: Ceremony, input: unknown, ports: PinPorts): Promise<Verdict> {
  const { clock } = ports
  const { handle, record, signed, signature, marker } = await openRecord(c, input, ports)
  if (c.claim === undefined || c.claim.until <= clock()) throw refuse('enrolment.expired', 'claim')
  const { keyLevel } = c.device!
  const { enrolment: id, generation, suite, version } = handle
  const value: Enrolment = {
    type: 'pin',
    status: 'pending',
    cause: null,
    generation,
    suite,
    createdAt: clock(),
    usedAt: 0,
    epoch: ports.epoch(),
    owner: c.claim.owner,
    key: null,
    keyLevel,
    data: c.claim.data,
  }
  const pin: Op = {
    op: 'put',
    key: pinKey(id),
    value: encodePinRecord({ suite, version, generation, record, after: null }),
    rev: null,
  }
  return {
    ok: true,
    ops: [{ op: 'check', key: 'd', rev: c.device!.rev }, marker, planEnrol(id, value, c.claim.until), pin],
    event: { type: 'authenticator.enrolled', outcome: 'success', authenticator: id, reason: 'pin' },
    amr: [],
    facts: { type: 'pin', enrolment: id, purpose: 'enrol', at: clock(), userVerified: true, keyLevel, failures: 0, generation },
    proof: { signed, signature },
    session: null,
    lost: (at, current) => (at === 0 ? lostDevice(current) : refusal('authenticator.already_enrolled', 'enrolled')),
  }
}

/** Change: the next record waits for its first proof, as long as nothing happens to the old PIN. */
export async function storeNext(c: Ceremony, input: unknown, ports: PinPorts): Promise<Step> {
  const { clock, random } = ports
  const { handle, record, marker } = await openRecord(c, input, ports)
  const { enrolment: id, generation, suite, version, after } = handle
  const value = encodePinRecord({ suite, version, generation, record, after })
  const check: Op = { op: 'check', key: 'd', rev: c.device!.rev }
  const pending: readonly Op[] = [
    { op: 'check', key: pinKey(id), rev: after },
    { op: 'put', key: nextKey(id), value, expiresAt: clock() + pendingMs },
  ]
  const expiresAt = clock() + challengeMs
  const challenge = { ...handle, purpose: 'activate' as const, nonce: random(32), expiresAt, next: { suite, after } }
  return once(check, marker, pending, () => challengeReply(c, ports, challenge, suite))
}

/** A step whose marker tells a repeated request, which gets the same answer, from another one, which is refused. */
function once(check: Op, marker: Op & { readonly op: 'put' }, rest: readonly Op[], reply: () => Promise<Reply>): Step {
  return {
    ok: true,
    ops: [check, marker, ...rest],
    event: null,
    reply,
    lost(at, current): Step | Refusal {
      if (at === 0) return lostDevice(current)
      if (at > 1) return refusal('pin.expired', 'the PIN was used or changed since')
      if (current === null || !equal(current.value, marker.value)) return refusal('pin.ticket_used', 'another request')
      const stands: readonly Op[] = rest.map((op) => (op.op === 'check' ? op : { op: 'check', key: op.key, rev: current.rev }))
      const again: readonly Op[] = [check, { op: 'check', key: marker.key, rev: current.rev }, ...stands]
      return { ok: true, ops: again, event: null, reply, lost: () => refusal('pin.ticket_used', 'moved on') }
    },
  }
}

async function openRecord(c: Ceremony, input: unknown, ports: PinPorts) {
  const { crypto, clock } = ports
  const message = readMembers(input, { record: pinSizes.record, policy: [0, 64], signature: 64 })
  if (message === null) throw refuse('pin.refused', 'message')
  const handle = await openHandle(ports.seal, c, 'pin.record', purposeOf(c), readRecordHandle)
  if (handle === null || !belongs(c, handle)) throw refuse('pin.refused', 'handle')
  if (handle.expiresAt <= clock()) throw refuse('pin.expired', 'handle')
  const { nonce, requestHash, responseHash } = handle
  const context = pinContext(contextMembers(c, handle))
  const signed = enrolRecordStatement(context, nonce, requestHash, responseHash, message.record, message.policy)
  if (!(await signedByDevice(ports.devices, c.device, handle.device, signed, message.signature)))
    throw refuse('pin.refused', 'signature')
  await checkRecord(ports, handle, message.record)
  const key = await markerKey(crypto, concat(nonce, requestHash))
  const marker = burn(key, await crypto.digest('SHA-256', signed), handle.expiresAt)
  return { handle, record: message.record, signed, signature: message.signature, marker }
}

async function registration(
  c: Ceremony,
  ports: PinPorts,
  h: RequestHandle,
  request: Uint8Array,
): Promise<{ bytes: Uint8Array; version: string }> {
  const keys = await keysFor(ports, h.suite)
  const identifier = credentialIdentifier(c.tenant, h.device, h.enrolment, h.generation)
  try {
    const bytes = await ports.engine(h.suite).registrationResponse({ request, credentialIdentifier: identifier, keys })
    return { bytes, version: keys.version }
  } catch (error) {
    throw isPosternError(error, 'opaque.refused') ? refuse('pin.refused', 'element') : error
  }
}

/** A record whose key is no group element would fail at every login; it is refused once instead. */
async function checkRecord(ports: PinPorts, h: RecordHandle, record: Uint8Array): Promise<void> {
  try {
    await ports.engine(h.suite).checkRecord(record)
  } catch (error) {
    throw isPosternError(error, 'opaque.refused') ? refuse('pin.refused', 'record') : error
  }
}

function lostDevice(current: Rec | null): Refusal {
  return current === null ? refusal('device.removed', 'd') : refusal('pin.refused', 'd', { next: 'again' })
}

function typeOf(c: Ceremony): 'pin.enrol' | 'pin.ticket' {
  return c.purpose === 'enrol' ? 'pin.enrol' : 'pin.ticket'
}

function purposeOf(c: Ceremony): 'enrol' | 'change' {
  return c.purpose === 'enrol' ? 'enrol' : 'change'
}
