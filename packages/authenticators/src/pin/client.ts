/**
 * The app's half of pin/v1. The PIN never leaves the device, nor does anything it could be guessed from without asking the server each time.
 * Neither a server file nor anything of Node is behind this import.
 */
import { equal, utf8 } from '@postern/core/bytes'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import { hkdfExpand, hkdfExtract } from '@postern/core/hkdf'
import type { Random } from '@postern/core/runtime'
import type { Purpose } from '../authenticator.js'
import { scryptKsf } from '../internal/ksf.js'
import { asked, bytesOf, protocol, text } from '../internal/pinSteps.js'
import { opaqueSuites, pinSizes } from '../internal/pinSuites.js'
import { createKe1, createKe3, createRegistrationRequest, finalizeRegistration } from '../opaque/client.js'
import {
  clientIdentity,
  enrolRecordStatement,
  enrolRequestStatement,
  exportInfo,
  ke1Statement,
  ke3Statement,
  type PinAnswer,
  type PinSuite,
  passwordInput,
  pinContext,
  sessionInfo,
  wrongStatement,
} from './messages.js'

/** What the app keeps of one PIN generation, in the platform's keystore. */
export interface PinSlot {
  readonly enrolment: string
  readonly generation: number
  readonly suite: PinSuite
  /** s_g: 32 random bytes, fresh per generation. */
  readonly secret: Uint8Array
  /** The server's long-term public key, so that no other server is accepted. */
  readonly serverPublicKey: Uint8Array
}

/** How messages travel: the host's calls. A `null` handle begins. What they throw goes through. */
export interface PinExchange {
  begin(handle: string | null, answer: PinAnswer | null): Promise<{ readonly handle: string; readonly step: unknown }>
  /** The last answer; what the server says in return comes back to the caller. */
  finish(handle: string, answer: PinAnswer): Promise<unknown>
}

/** Key stretching; the suite fixes salt, cost and length (64 bytes). */
export type Ksf = (input: Uint8Array, suite: PinSuite) => Now<Uint8Array>

/** What every client function needs. */
export interface PinClientOptions {
  readonly issuer: string
  readonly tenant: string
  readonly app: string
  /** The `client_id`. */
  readonly device: string
  /** ES256 by the device key: 64 bytes r‖s. */
  readonly sign: (data: Uint8Array) => Now<Uint8Array>
  readonly exchange: PinExchange
  readonly crypto: CryptoPort
  readonly random: Random
  /**
   * Native key stretching where there is one, with a salt of 16 zero bytes and 64 bytes out: scrypt N = 2^15, r = 8, p = 1 in suites 0001 and
   * 0003, Argon2id t = 3, p = 4, m = 64 MiB in 0002. @defaultValue scrypt in plain JavaScript
   */
  readonly ksf?: Ksf
  /** Suites that this device can do; of them a new PIN takes the server's first. @defaultValue 0001 and 0003; name 0002 where `ksf` has Argon2id */
  readonly suites?: readonly PinSuite[]
}

/** 32 bytes for one named use. */
export type KeyFor = (use: string) => Promise<Uint8Array>

/** What creating a PIN yields. */
export interface PinEnrolled {
  readonly slot: PinSlot
  /** Wraps local secrets; only the right PIN on this device, with the server, gives it again. */
  readonly exportKey: KeyFor
  /** What `exchange.finish` returned. */
  readonly result: unknown
}

/** What a right PIN yields. */
export interface PinLogin extends PinEnrolled {
  /** Shared with the server. */
  readonly session: KeyFor
}

/**
 * Creates a PIN: 4–32 ASCII digits, wiped. Check the PIN policy first, for the server never sees a PIN.
 * @param o.policyHash - names the policy that was applied; signed, at most 64 bytes
 * @param o.keep - stores the slot before the server is told, so that a lost answer loses no PIN
 * @throws PosternError `pin.malformed` | `pin.protocol` | `pin.suite_unsupported` | whatever `exchange` or `keep` throws
 */
export async function enrolPin(
  o: PinClientOptions & {
    readonly pin: Uint8Array
    readonly policyHash?: Uint8Array
    readonly keep?: (slot: PinSlot) => Promise<void>
  },
): Promise<PinEnrolled> {
  checkPin(o.pin)
  const offer = await o.exchange.begin(null, o.suites === undefined ? null : { suites: o.suites })
  const made = await register(o, o.pin, offer, 'enrol')
  await o.keep?.(made.slot)
  const result = await o.exchange.finish(made.handle, made.answer)
  return { slot: made.slot, exportKey: made.exportKey, result }
}

/**
 * Proves the PIN for one purpose. A wrong PIN shows here, before KE3: the attempt is spent, and the server is told.
 * @param o.slots - one, or two after a change that was interrupted, the newest last: the server's generation says which lives
 * @throws PosternError `pin.wrong` (its cause is what the server answered) | `pin.malformed` | `pin.protocol` | whatever `exchange` throws
 */
export async function loginPin(
  o: PinClientOptions & {
    readonly pin: Uint8Array
    readonly slots: readonly PinSlot[]
    readonly purpose: Exclude<Purpose, 'enrol' | 'change' | 'activate'>
    readonly bind?: Uint8Array
  },
): Promise<PinLogin> {
  checkPin(o.pin)
  const { slot, ke3, ...keys } = await prove(o, o.pin, o.slots, await o.exchange.begin(null, null), o.purpose)
  return { slot, ...keys, result: await o.exchange.finish(ke3.handle, ke3.answer) }
}

/**
 * Changes the PIN: the old one proves itself, the next generation is registered and proves itself. At every instant exactly one works.
 * @param o.keep - stores both slots, secrets wrapped under both export keys, before the server may swap; after a crash `loginPin` with both
 *   finds the one that lives
 * @throws PosternError `pin.wrong` | `pin.malformed` | `pin.protocol` | `pin.suite_unsupported` | whatever `exchange` or `keep` throws
 */
export async function changePin(
  o: PinClientOptions & {
    readonly pin: Uint8Array
    readonly newPin: Uint8Array
    readonly slots: readonly PinSlot[]
    readonly policyHash?: Uint8Array
    readonly keep: (next: PinSlot, keys: { readonly old: KeyFor; readonly next: KeyFor }) => Promise<void>
  },
): Promise<PinLogin> {
  checkPin(o.pin)
  checkPin(o.newPin)
  const newPin = o.newPin.slice()
  try {
    const old = await prove(o, o.pin, o.slots, await o.exchange.begin(null, null), 'change')
    const suites = o.suites === undefined ? {} : { suites: o.suites }
    const ticket = await o.exchange.begin(old.ke3.handle, { ...old.ke3.answer, ...suites })
    const made = await register(o, o.newPin, ticket, 'change')
    await o.keep(made.slot, { old: old.exportKey, next: made.exportKey })
    const challenge = await o.exchange.begin(made.handle, made.answer)
    const { slot, ke3, ...keys } = await prove(o, newPin, [made.slot], challenge, 'activate')
    return { slot, ...keys, result: await o.exchange.finish(ke3.handle, ke3.answer) }
  } finally {
    o.newPin.fill(0)
    newPin.fill(0)
  }
}

interface Sent {
  readonly handle: string
  readonly step: unknown
}

async function register(
  o: PinClientOptions & { readonly policyHash?: Uint8Array },
  pin: Uint8Array,
  offer: Sent,
  purpose: 'enrol' | 'change',
): Promise<{ handle: string; answer: PinAnswer; slot: PinSlot; exportKey: KeyFor }> {
  const { crypto, random, exchange, tenant, device, suites = ['0001', '0003'] } = o
  const { enrolment, generation, suite, nonce } = asked(offer.step, 'request')
  if (!suites.includes(suite)) throw new PosternError('pin.suite_unsupported')
  const ksf = ksfOf(o, suite)
  const s = opaqueSuites[suite]
  const secret = random(32)
  const password = await passwordOf(crypto, secret, pin)
  pin.fill(0)
  try {
    const context = pinContext({ ...namesOf(o), enrolment, generation, purpose, bind: null })
    const { request, blind } = createRegistrationRequest(s, password, { random })
    const signature = await o.sign(enrolRequestStatement(context, nonce, request))
    const answered = await exchange.begin(offer.handle, { request: text(request), signature: text(signature) })
    const response = bytesOf(answered.step, 'record', 'response', pinSizes.response)
    const registered = await fromServer(
      finalizeRegistration(s, {
        password,
        blind,
        response,
        envelopeNonce: random(32),
        stretch: ksf,
        clientIdentity: clientIdentity(tenant, device, enrolment),
        serverIdentity: utf8(o.issuer),
      }),
    )
    const { record, serverPublicKey } = registered
    const policy = o.policyHash ?? new Uint8Array(0)
    const [requestHash, responseHash] = [await crypto.digest('SHA-256', request), await crypto.digest('SHA-256', response)]
    const statement = enrolRecordStatement(context, nonce, requestHash, responseHash, record, policy)
    return {
      handle: answered.handle,
      answer: { record: text(record), policy: text(policy), signature: text(await o.sign(statement)) },
      slot: { enrolment, generation, suite, secret, serverPublicKey },
      exportKey: exporter(crypto, registered.exportKey, enrolment, generation),
    }
  } finally {
    password.fill(0)
  }
}

async function prove(
  o: PinClientOptions & { readonly bind?: Uint8Array },
  pin: Uint8Array,
  slots: readonly PinSlot[],
  offer: Sent,
  purpose: Purpose,
): Promise<{
  slot: PinSlot
  ke3: { handle: string; answer: { ke3: string; signature: string } }
  session: KeyFor
  exportKey: KeyFor
}> {
  const { crypto, random, exchange, tenant, device } = o
  const { enrolment, generation, nonce } = asked(offer.step, 'ke1')
  // Of one generation the newest: a change that begins anew has voided the one before it.
  const slot = [...slots].reverse().find((known) => known.enrolment === enrolment && known.generation === generation)
  if (slot === undefined) throw protocol('the server asks for a PIN that this device does not keep')
  const s = opaqueSuites[slot.suite]
  const ksf = ksfOf(o, slot.suite)
  const password = await passwordOf(crypto, slot.secret, pin)
  pin.fill(0)
  try {
    const context = pinContext({ ...namesOf(o), enrolment, generation, purpose, bind: o.bind ?? null })
    const state = await createKe1(s, password, { random })
    const m1 = ke1Statement(context, nonce, state.ke1)
    const answered = await exchange.begin(offer.handle, { ke1: text(state.ke1), signature: text(await o.sign(m1)) })
    const ke2 = bytesOf(answered.step, 'ke3', 'ke2', pinSizes.ke2)
    const login = await fromServer(
      createKe3(s, {
        password,
        state,
        ke2,
        context,
        stretch: ksf,
        clientIdentity: clientIdentity(tenant, device, enrolment),
        serverIdentity: utf8(o.issuer),
      }),
    )
    const m1Hash = await crypto.digest('SHA-256', m1)
    if (login === null || !equal(login.serverPublicKey, slot.serverPublicKey)) {
      throw await told(exchange, answered.handle, text(await o.sign(wrongStatement(context, m1Hash))))
    }
    const signature = await o.sign(ke3Statement(context, m1Hash, await crypto.digest('SHA-256', ke2), login.ke3))
    return {
      slot,
      ke3: { handle: answered.handle, answer: { ke3: text(login.ke3), signature: text(signature) } },
      session: (use) => hkdfExpand(crypto, 'SHA-512', login.sessionKey, sessionInfo(context, use), 32),
      exportKey: exporter(crypto, login.exportKey, enrolment, generation),
    }
  } finally {
    password.fill(0)
  }
}

/** Key stretching of a suite. Argon2id is the host's to bring: in plain JavaScript its 64 MiB take seconds. */
function ksfOf({ ksf }: PinClientOptions, suite: PinSuite): (input: Uint8Array) => Now<Uint8Array> {
  if (ksf !== undefined) return (input) => ksf(input, suite)
  if (suite === '0002') throw new PosternError('pin.suite_unsupported', { reason: 'no Argon2id' })
  return scryptKsf
}

/** What OPAQUE makes of a server's bytes; elements that are none are no step of this protocol. @throws PosternError `pin.protocol` */
async function fromServer<T>(made: Promise<T>): Promise<T> {
  try {
    return await made
  } catch (error) {
    throw isPosternError(error, 'opaque.refused') ? protocol('element') : error
  }
}

/** The error of a wrong PIN, after the server was told; its answer says how many attempts are left. */
async function told(exchange: PinExchange, handle: string, wrong: string): Promise<PosternError> {
  const cause = await exchange.finish(handle, { wrong }).catch((error: unknown) => error)
  return new PosternError('pin.wrong', { cause })
}

function exporter(crypto: CryptoPort, exportKey: Uint8Array, enrolment: string, generation: number): KeyFor {
  return async (use) => {
    const prk = await hkdfExtract(crypto, 'SHA-256', new Uint8Array(0), exportKey)
    return hkdfExpand(crypto, 'SHA-256', prk, exportInfo(enrolment, generation, use), 32)
  }
}

async function passwordOf(crypto: CryptoPort, secret: Uint8Array, pin: Uint8Array): Promise<Uint8Array> {
  const input = passwordInput(pin)
  const password = await crypto.hmac(await crypto.hmacKey('SHA-256', secret), input)
  input.fill(0)
  return password
}

function checkPin(pin: Uint8Array): void {
  const digits = pin.length >= 4 && pin.length <= 32 && pin.every((byte) => byte >= 0x30 && byte <= 0x39)
  if (!digits) throw new PosternError('pin.malformed')
}

function namesOf({ issuer, tenant, app, device }: PinClientOptions) {
  return { issuer, tenant, app, device }
}
