/** pin/v1 §authenticate, steps 1 to 3: a challenge, then one counted attempt for one KE2. */
import { encodeBase64url } from '@postern/core/base64url'
import { concat, equal, hex, utf8 } from '@postern/core/bytes'
import { isPosternError } from '@postern/core/errors'
import { lp } from '@postern/core/tuple'
import type { Op, Rec } from '@postern/store'
import { takeAttempt } from '../attempts.js'
import type { Ceremony, Refusal, Reply, Step } from '../authenticator.js'
import { enrolmentKey, isEnrolmentId } from '../enrolment.js'
import { clientIdentity, credentialIdentifier, ke1Statement, type PinSuite, pinContext } from '../pin/messages.js'
import { belongs, burn, challengeMs, contextMembers, deviceOf, markerKey, openHandle, sealHandle } from './challenge.js'
import { signedByDevice } from './deviceSignature.js'
import { readMembers } from './members.js'
import { exhausted, lostEnrolment } from './pinExhaustion.js'
import { encodeKe2Handle, encodePinChallenge, ke2Ms, type PinChallenge, readPinChallenge } from './pinHandle.js'
import { failedKey, keysFor, nextKey, type PinPorts, pinKey } from './pinPorts.js'
import { decodePinRecord, encodePinRecord, type PinRecord } from './pinRecord.js'
import { pinSizes } from './pinSuites.js'
import { refusal, refuse, refusing } from './refusal.js'

/** How long the counters of a PIN that does not exist are kept: 24 h, in ms. */
const ghostMs = 86_400_000
/** How long a pending PIN waits for its first proof: 10 min, in ms. */
export const pendingMs = 600_000

/** Step 1: a challenge. Nothing is stored and nothing is said about the device or its PIN. */
export async function challengePin(c: Ceremony, ports: PinPorts): Promise<Step> {
  const device = deviceOf(c)
  if (device === null || c.enrolment === null || !isEnrolmentId(c.enrolment.id)) throw refuse('pin.refused', 'enrolment')
  const { id, value } = c.enrolment
  if (value !== null && value.type !== 'pin') throw refuse('pin.refused', 'another type')
  const suite = (value?.suite || ports.suites[0]) as PinSuite
  const challenge: PinChallenge = {
    device,
    enrolment: id,
    generation: value?.generation ?? 1,
    purpose: c.purpose,
    bind: c.bind,
    nonce: ports.random(32),
    expiresAt: ports.clock() + challengeMs,
    next: null,
  }
  return freeStep(await challengeReply(c, ports, challenge, suite))
}

/** What the app gets with a challenge. */
export async function challengeReply(c: Ceremony, { seal }: PinPorts, challenge: PinChallenge, suite: PinSuite): Promise<Reply> {
  const { enrolment, generation, nonce, purpose, expiresAt } = challenge
  const handle = await sealHandle(seal, c, 'pin.challenge', purpose, encodePinChallenge(challenge))
  return { handle, expiresAt, enrolment, body: { ask: 'ke1', enrolment, generation, suite, nonce: encodeBase64url(nonce) } }
}

/** A step that needs no commit. */
export function freeStep(reply: Reply): Step {
  return { ok: true, ops: [], event: null, reply: () => reply, lost: () => refusal('pin.refused', 'nothing to lose') }
}

/** Step 3: KE1 in, the attempt counted, KE2 out. */
export async function beginPin(c: Ceremony, input: unknown, ports: PinPorts): Promise<Step | Refusal> {
  const { clock, crypto } = ports
  const message = readMembers(input, { ke1: pinSizes.ke1, signature: 64 }) // sizes
  if (message === null) throw refuse('pin.refused', 'message')
  const challenge = await openChallenge(c, ports) // type, tenant, purpose
  if (challenge === null || !belongs(c, challenge)) throw refuse('pin.refused', 'handle')
  if (challenge.expiresAt <= clock()) throw refuse('pin.expired', 'challenge')
  const context = pinContext(contextMembers(c, challenge))
  const m1 = ke1Statement(context, challenge.nonce, message.ke1)
  // Before any counter: a stranger, who cannot sign for the device, can lock nobody out.
  if (!(await signedByDevice(ports.devices, c.device, challenge.device, m1, message.signature)))
    throw refuse('pin.refused', 'signature')
  if (c.enrolment === null) throw refuse('pin.refused', 'enrolment')
  const { value } = c.enrolment
  if (value !== null && value.type !== 'pin') throw refuse('pin.refused', 'another type')
  if (value?.status === 'removed') throw refuse('authenticator.removed', 'tombstone')
  if (value?.status === 'locked') throw refuse('authenticator.locked', value.cause ?? 'locked')
  if (value?.status === 'pending') throw refuse('pin.refused', 'not confirmed')
  const suite = challenge.next?.suite ?? ((value?.suite || ports.suites[0]) as PinSuite)
  await checkElements(ports, suite, message.ke1) // a broken KE1 costs no attempt
  const attempt = await planAttempt(c, ports, challenge)
  const m1Hash = await crypto.digest('SHA-256', m1)
  const marker = burn(await markerKey(crypto, challenge.nonce), m1Hash, challenge.expiresAt)
  const made = { challenge, context, m1Hash, ke1: message.ke1, suite }
  return attemptStep(c, ports, made, attempt, marker)
}

/** Where an attempt is counted, and what stands in its way. */
interface Attempt {
  readonly kind: 'current' | 'next' | 'ghost'
  readonly counter: string
  readonly failed: string | null
  /** Counts the one attempt after a restore. */
  readonly restored: string | null
  readonly checks: readonly Op[]
  readonly adds: readonly Op[]
}

interface Made {
  readonly challenge: PinChallenge
  readonly context: Uint8Array
  readonly m1Hash: Uint8Array
  readonly ke1: Uint8Array
  readonly suite: PinSuite
}

async function planAttempt(c: Ceremony, ports: PinPorts, challenge: PinChallenge): Promise<Attempt> {
  const { id, rev, value } = c.enrolment!
  const now = ports.clock()
  const checks: readonly Op[] = [
    { op: 'check', key: 'd', rev: c.device!.rev },
    { op: 'check', key: enrolmentKey(id), rev },
  ]
  if (challenge.purpose === 'activate') {
    if (value === null || challenge.generation !== value.generation + 1) throw refuse('pin.refused', 'generation')
    const counter = nextKey(id)
    const waits: Op = { op: 'check', key: pinKey(id), rev: challenge.next!.after }
    return {
      kind: 'next',
      counter,
      failed: null,
      restored: null,
      checks: [...checks, waits],
      adds: [takeAttempt(counter, ports.maxAttempts, now + pendingMs)],
    }
  }
  if (value === null || challenge.generation !== value.generation) {
    const credential = credentialIdentifier(c.tenant, challenge.device, id, challenge.generation)
    const ghost = `pin/-${hex(await ports.crypto.digest('SHA-256', credential)).slice(0, 32)}`
    const failed = `${ghost}/failed`
    const adds = [takeAttempt(ghost, ports.maxAttempts, now + ghostMs), takeAttempt(failed, ports.maxFailures, now + ghostMs)]
    return { kind: 'ghost', counter: ghost, failed, restored: null, checks, adds }
  }
  const counter = pinKey(id)
  const failed = failedKey(id)
  const adds = [takeAttempt(counter, ports.maxAttempts), takeAttempt(failed, ports.maxFailures, now + ports.failureMs)]
  // An enrolment of another restore epoch may have a rolled-back counter: one attempt, until it has proved itself.
  const restored = value.epoch === ports.epoch() ? null : await restoredKey(ports, id)
  if (restored !== null) adds.push(takeAttempt(restored, 1))
  return { kind: 'current', counter, failed, restored, checks, adds }
}

/** `pin/E/r/<h(epoch)>`: the one attempt after a restore. */
export async function restoredKey({ crypto, epoch }: PinPorts, enrolment: string): Promise<string> {
  return `pin/${enrolment}/r/${hex(await crypto.digest('SHA-256', utf8(epoch()))).slice(0, 32)}`
}

function attemptStep(c: Ceremony, ports: PinPorts, made: Made, attempt: Attempt, marker: Op & { readonly op: 'put' }): Step {
  const { checks, adds } = attempt
  const counterAt = checks.length + 1
  const event = { type: 'pin.attempted', outcome: 'success', authenticator: c.enrolment!.id } as const
  return {
    ok: true,
    // Counted before it is verified: a crash here costs the user one try and gives an attacker none.
    ops: [...checks, marker, ...adds],
    event,
    // R₁ is the marker's revision too; the counter may have moved on when an unknown outcome was settled.
    reply: (recs) =>
      refusing(() => ke2Reply(c, ports, made, attempt, recs[counterAt - 1]!.rev, recs[counterAt]!, recs[counterAt + 1] ?? null)),
    lost(at, current) {
      if (at === 0) return current === null ? refusal('device.removed', 'd') : refusal('pin.refused', 'd', { next: 'again' })
      if (at === 1) return lostEnrolment(current)
      if (at < checks.length) return refusal('pin.expired', 'the PIN was used or changed since')
      if (at === checks.length)
        return current !== null && equal(current.value, made.m1Hash)
          ? repeatStep(c, ports, made, attempt, marker.key, current.rev)
          : refusal('pin.refused', 'challenge used')
      if (attempt.kind === 'ghost') return refusal('authenticator.removed', 'no such enrolment')
      if (attempt.kind === 'next') return refusal('pin.refused', 'no attempt left at the new PIN')
      return exhausted(c, ports, at === counterAt + 1 ? 'failures' : 'attempts')
    },
  }
}

/** The same request again, while its attempt stands: the same KE2 at no cost, so that dropped replies eat no attempts. */
function repeatStep(c: Ceremony, ports: PinPorts, made: Made, attempt: Attempt, markerKeyName: string, rev: string): Step {
  const { checks, counter, failed, restored } = attempt
  const stands = [markerKeyName, counter, ...(failed === null ? [] : [failed]), ...(restored === null ? [] : [restored])]
  const at = checks.length
  return {
    ok: true,
    ops: [...checks, ...stands.map((key): Op => ({ op: 'check', key, rev }))],
    event: null,
    reply: (recs) => refusing(() => ke2Reply(c, ports, made, attempt, rev, recs[at + 1]!, recs[at + 2] ?? null)),
    lost: () => refusal('pin.refused', 'challenge used'),
  }
}

async function ke2Reply(
  c: Ceremony,
  ports: PinPorts,
  made: Made,
  { kind, restored }: Attempt,
  rev: string,
  counted: Rec,
  failed: Rec | null,
): Promise<Reply> {
  const { crypto, clock, seal } = ports
  const { challenge, context, m1Hash, ke1 } = made
  const { device, enrolment, generation, purpose } = challenge
  const pin = recordOf(kind, counted, generation)
  const suite = pin?.suite ?? made.suite
  const keys = await keysFor(ports, suite, pin?.version)
  const { ke2, state } = await ports.engine(suite).ke2({
    record: pin?.record ?? null,
    ke1,
    credentialIdentifier: credentialIdentifier(c.tenant, device, enrolment, generation),
    context,
    clientIdentity: clientIdentity(c.tenant, device, enrolment),
    serverIdentity: utf8(c.issuer),
    seed: await crypto.hmac(await crypto.hmacKey('SHA-512', keys.ke2Key), concat(lp(rev), m1Hash)),
    keys,
  })
  const expiresAt = clock() + ke2Ms
  const handle = encodeKe2Handle({
    device,
    enrolment,
    generation,
    purpose,
    bind: challenge.bind,
    rev,
    m1Hash,
    ke2Hash: await crypto.digest('SHA-256', ke2),
    value: pin === null ? new Uint8Array(0) : encodePinRecord(pin),
    state,
    attempts: counted.n,
    failures: failed?.n ?? 0,
    windowEnd: failed?.expiresAt ?? 0,
    expiresAt,
  })
  return {
    handle: await sealHandle(seal, c, 'pin.ke2', purpose, handle),
    expiresAt,
    enrolment,
    body: { ask: 'ke3', ke2: encodeBase64url(ke2) },
    attemptsLeft: restored === null ? ports.maxAttempts - counted.n : 0, // the one is taken
  }
}

/** The counted record, unless it is none of this generation: then, as for a ghost, the fake one answers. */
function recordOf(kind: Attempt['kind'], counted: Rec, generation: number): PinRecord | null {
  if (kind === 'ghost' || counted.value.length === 0) return null
  const pin = decodePinRecord(counted.value, kind === 'next' ? 'next' : 'current')
  return pin.generation === generation ? pin : null
}

async function openChallenge(c: Ceremony, { seal }: PinPorts): Promise<PinChallenge | null> {
  const own = await openHandle(seal, c, 'pin.challenge', c.purpose, readPinChallenge)
  // A change ends with a proof of the new PIN, whose purpose is its own.
  return own ?? (c.purpose === 'change' ? openHandle(seal, c, 'pin.challenge', 'activate', readPinChallenge) : null)
}

async function checkElements(ports: PinPorts, suite: PinSuite, ke1: Uint8Array): Promise<void> {
  try {
    await ports.engine(suite).check(ke1)
  } catch (error) {
    throw isPosternError(error, 'opaque.refused') ? refuse('pin.refused', 'element') : error
  }
}
