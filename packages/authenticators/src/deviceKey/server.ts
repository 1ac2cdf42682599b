/** key/v1 on the server: one sealed challenge, one signature, one commit; begin writes nothing. */
import { encodeBase64url } from '@postern/core/base64url'
import { concat, utf8 } from '@postern/core/bytes'
import { publicJwk, thumbprint } from '@postern/core/jwk'
import type { Sealer } from '@postern/core/sealed'
import type { Op, Rec, Runtime } from '@postern/store'
import type { Authenticator, AuthFacts, Ceremony, Refusal, Reply, Step, Verdict } from '../authenticator.js'
import {
  decodeEnrolment,
  type Enrolment,
  enrolmentKey,
  isEnrolmentId,
  newEnrolmentId,
  planEnrol,
  planRemove,
} from '../enrolment.js'
import {
  belongs,
  burn,
  type Challenge,
  challengeMs,
  contextMembers,
  deviceOf,
  encodeChallenge,
  markerKey,
  openHandle,
  readChallenge,
  sealHandle,
} from '../internal/challenge.js'
import { type KeyCache, keyCache, signedByDevice } from '../internal/deviceSignature.js'
import { has, readMembers } from '../internal/members.js'
import { refusal, refuse, refusing } from '../internal/refusal.js'
import { type KeyLoss, keyContext, keyEnrolStatement, keyLostStatement, keyStatement } from './messages.js'

/** One of the two types that key/v1 carries. */
export interface DeviceKeyOptions {
  /** `biometric`: the platform asks for presence before it signs. */
  readonly type: 'device-key' | 'biometric'
  readonly seal: Sealer
  readonly runtime: Pick<Runtime, 'clock' | 'random' | 'crypto'>
}

interface Ports {
  readonly type: DeviceKeyOptions['type']
  readonly seal: Sealer
  readonly runtime: DeviceKeyOptions['runtime']
  readonly keys: KeyCache
}

/**
 * The device key or biometric authenticator. `begin` takes `null`; `finish` takes `{signature}`, at enrolment
 * `{key, signature, deviceSignature}`; `{lost, deviceSignature}` where the keystore has locked or lost the key, which removes the enrolment.
 * Evidence for a new key goes through `attestation`; its level arrives in `claim.keyLevel`.
 */
export function createDeviceKey(o: DeviceKeyOptions): Authenticator {
  const ports: Ports = { type: o.type, seal: o.seal, runtime: o.runtime, keys: keyCache(o.runtime.crypto) }
  return {
    type: o.type,
    amr: o.type === 'biometric' ? ['user', 'pop', 'hwk', 'swk'] : ['pop', 'hwk', 'swk'],
    begin: (c, input) => refusing(() => challengeKey(c, input, ports)),
    finish: (c, input) =>
      refusing(() => {
        if (c.purpose === 'enrol') return enrolKey(c, input, ports)
        return has(input, 'lost') ? loseKey(c, input, ports) : finishKey(c, input, ports)
      }),
    remove: () => [],
    watches: () => [],
    locked: () => false,
  }
}

/** A challenge. Stateless, and the same for an enrolment that is not there. */
async function challengeKey(c: Ceremony, input: unknown, ports: Ports): Promise<Step> {
  const { clock, random } = ports.runtime
  const device = deviceOf(c)
  const enrolment = c.purpose === 'enrol' ? newEnrolmentId(random) : c.enrolment?.id
  if (device === null || !isEnrolmentId(enrolment)) throw refuse('key.refused', 'enrolment')
  if (input !== null && input !== undefined) throw refuse('key.refused', 'message')
  const challenge: Challenge = {
    device,
    enrolment,
    generation: 0,
    purpose: c.purpose,
    bind: c.bind,
    nonce: random(32),
    expiresAt: clock() + challengeMs,
  }
  const reply: Reply = {
    handle: await sealHandle(ports.seal, c, `key.${ports.type}`, c.purpose, encodeChallenge(challenge)),
    expiresAt: challenge.expiresAt,
    enrolment,
    body: { ask: c.purpose === 'enrol' ? 'key' : 'signature', enrolment, nonce: encodeBase64url(challenge.nonce) },
  }
  return { ok: true, ops: [], event: null, reply: () => reply, lost: () => refusal('key.refused', 'nothing to lose') }
}

async function finishKey(c: Ceremony, input: unknown, ports: Ports): Promise<Verdict> {
  const message = readMembers(input, { signature: 64 })
  if (message === null) throw refuse('key.refused', 'message')
  const challenge = await open(c, ports) // type, tenant, purpose, expiry
  const signed = keyStatement(keyContext(contextMembers(c, challenge)), challenge.nonce)
  const value = c.enrolment?.value ?? null
  const key = value?.type === ports.type ? value.key : null
  const good = await signedByDevice(ports.keys, key === null ? null : { key }, challenge.enrolment, signed, message.signature)
  if (!good || value === null || c.device === null) return failed(c, ports, challenge)
  if (value.status === 'removed') throw refuse('authenticator.removed', value.cause ?? 'removed')
  if (value.status !== 'active') throw refuse('key.refused', value.status)
  const { device, enrolment } = c
  return {
    ok: true,
    ops: [
      { op: 'check', key: 'd', rev: device.rev },
      { op: 'check', key: enrolmentKey(enrolment!.id), rev: enrolment!.rev },
      await marker(ports, challenge),
    ],
    event: { type: 'key.succeeded', outcome: 'success', authenticator: enrolment!.id, reason: ports.type },
    amr: [...(ports.type === 'biometric' ? ['user'] : []), 'pop', value.keyLevel === 'hardware' ? 'hwk' : 'swk'],
    facts: factsOf(c, ports, challenge, value),
    proof: { signed, signature: message.signature },
    session: null,
    lost,
  }
}

async function enrolKey(c: Ceremony, input: unknown, ports: Ports): Promise<Verdict> {
  const { clock, crypto } = ports.runtime
  const { key: jwk, ...signatures } = (typeof input === 'object' && input !== null ? input : {}) as { readonly key?: unknown }
  const message = readMembers(signatures, { signature: 64, deviceSignature: 64 })
  const coordinates = readMembers(withoutKind(jwk), { x: 32, y: 32 })
  if (message === null || coordinates === null) throw refuse('key.refused', 'message')
  const key = publicJwk({ kty: 'EC', crv: 'P-256', x: encodeBase64url(coordinates.x), y: encodeBase64url(coordinates.y) })
  const challenge = await open(c, ports)
  const signed = keyEnrolStatement(keyContext(contextMembers(c, challenge)), challenge.nonce, await thumbprint(crypto, key))
  if (!(await signedByDevice(ports.keys, c.device, challenge.device, signed, message.deviceSignature)))
    throw refuse('key.refused', 'device signature')
  if (!(await ports.keys.verify(key, signed, message.signature))) throw refuse('key.refused', 'signature')
  if (c.claim === undefined || c.claim.until <= clock()) throw refuse('enrolment.expired', 'claim')
  const value: Enrolment = {
    type: ports.type,
    status: 'pending',
    cause: null,
    generation: 0,
    suite: '',
    createdAt: clock(),
    usedAt: 0,
    epoch: '',
    owner: c.claim.owner,
    key,
    keyLevel: c.claim.keyLevel ?? 'software',
    data: c.claim.data,
  }
  const { enrolment } = challenge
  return {
    ok: true,
    ops: [
      { op: 'check', key: 'd', rev: c.device!.rev },
      await marker(ports, challenge),
      planEnrol(enrolment, value, c.claim.until),
    ],
    event: { type: 'authenticator.enrolled', outcome: 'success', authenticator: enrolment, reason: ports.type },
    amr: [],
    facts: factsOf(c, ports, challenge, value),
    proof: { signed, signature: message.signature },
    session: null,
    lost: (at, current) => (at === 0 ? lost(at, current) : refusal('authenticator.already_enrolled', 'enrolled')),
  }
}

const losses: readonly unknown[] = ['os-lockout', 'key-invalidated'] satisfies KeyLoss[]

/** The keystore will never sign with this key again, says the device: the enrolment ends here as it did there. */
async function loseKey(c: Ceremony, input: unknown, ports: Ports): Promise<Refusal> {
  const { lost: named, ...rest } = input as { readonly lost: unknown }
  const message = readMembers(rest, { deviceSignature: 64 })
  if (message === null || !losses.includes(named)) throw refuse('key.refused', 'message')
  const cause = named as KeyLoss
  const challenge = await open(c, ports)
  const signed = keyLostStatement(keyContext(contextMembers(c, challenge)), challenge.nonce, cause)
  if (!(await signedByDevice(ports.keys, c.device, challenge.device, signed, message.deviceSignature)))
    throw refuse('key.refused', 'device signature')
  const { id, rev, value } = c.enrolment ?? { id: '', rev: null, value: null }
  if (value === null || rev === null || value.type !== ports.type || value.status === 'pending')
    throw refuse('key.refused', 'enrolment')
  if (value.status === 'removed') throw refuse('authenticator.removed', value.cause ?? 'removed')
  const removal = planRemove({ id, rev, value }, cause)
  return refusal('authenticator.removed', cause, {
    ops: [{ op: 'check', key: 'd', rev: c.device!.rev }, ...removal, await marker(ports, challenge)],
    event: { type: 'authenticator.removed', outcome: 'success', authenticator: id, reason: cause },
    lost,
  })
}

/** An event for a device that proved nothing would be a stranger's to write; only a known one's failure is told, once a challenge. */
async function failed(c: Ceremony, ports: Ports, challenge: Challenge): Promise<Refusal> {
  if (c.device === null || c.enrolment?.value?.status !== 'active') return refusal('key.refused', 'signature')
  const event = { type: 'key.failed', outcome: 'failure', authenticator: challenge.enrolment, reason: 'signature' } as const
  // Not the challenge's own marker: a wrong answer must not burn the right one.
  const key = await markerKey(ports.runtime.crypto, concat(challenge.nonce, utf8('failed')))
  return refusal('key.refused', 'signature', { ops: [burn(key, new Uint8Array(0), challenge.expiresAt)], event })
}

async function open(c: Ceremony, ports: Ports): Promise<Challenge> {
  const challenge = await openHandle(ports.seal, c, `key.${ports.type}`, c.purpose, readChallenge)
  if (challenge === null || !belongs(c, challenge)) throw refuse('key.refused', 'handle')
  if (challenge.expiresAt <= ports.runtime.clock()) throw refuse('key.expired', 'challenge')
  return challenge
}

async function marker(ports: Ports, challenge: Challenge): Promise<Op> {
  return burn(await markerKey(ports.runtime.crypto, challenge.nonce), new Uint8Array(0), challenge.expiresAt)
}

function lost(at: number, current: Rec | null): Refusal {
  if (at === 0) return current === null ? refusal('device.removed', 'd') : refusal('key.refused', 'd', { next: 'again' })
  if (at > 1) return refusal('key.refused', 'challenge used')
  if (current === null || decodeEnrolment(current.value).status === 'removed')
    return refusal('authenticator.removed', 'enrolment')
  return refusal('key.refused', 'enrolment changed', { next: 'again' })
}

function factsOf(c: Ceremony, ports: Ports, challenge: Challenge, value: Enrolment): AuthFacts {
  const at = ports.runtime.clock()
  const { type, keyLevel } = value
  return {
    type,
    enrolment: challenge.enrolment,
    purpose: c.purpose,
    at,
    userVerified: type === 'biometric',
    keyLevel,
    failures: 0,
    generation: 0,
  }
}

/** x and y of a JWK that is EC P-256 and nothing else; a private member or an unknown one leaves too many members. */
function withoutKind(jwk: unknown): unknown {
  if (typeof jwk !== 'object' || jwk === null) return null
  const { kty, crv, ...rest } = jwk as Readonly<Record<string, unknown>>
  return kty === 'EC' && crv === 'P-256' ? rest : null
}
