/** The app's half of key/v1: a key of the device's keystore signs, with or without biometrics in front of it. */
import { decodeBase64url, encodeBase64url } from '@postern/core/base64url'
import type { CryptoPort, Now } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import { publicJwk, thumbprint } from '@postern/core/jwk'
import type { Purpose } from '../authenticator.js'
import {
  type KeyAnswer,
  type KeyLoss,
  type KeyStep,
  keyContext,
  keyEnrolStatement,
  keyLostStatement,
  keyStatement,
} from './messages.js'

export type { KeyAnswer, KeyLoss, KeyStep } from './messages.js'

/** What both answers need. */
export interface KeyClientOptions {
  readonly issuer: string
  readonly tenant: string
  readonly app: string
  /** The `client_id`. */
  readonly device: string
  readonly crypto: CryptoPort
}

/**
 * Signs bytes with ES256: 64 bytes r‖s. The platform asks for presence here, where the key demands it. A keystore that will never sign with
 * this key again throws PosternError `key.os_lockout` or `key.invalidated`; see {@link keyLoss}.
 */
export type SignEs256 = (data: Uint8Array) => Now<Uint8Array>

/**
 * The answer that enrols a key: it and the device key sign.
 * @throws PosternError `key.refused` for a step that is none | whatever the keystore throws
 */
export async function answerKeyEnrolment(
  step: unknown,
  o: KeyClientOptions & {
    readonly key: { readonly publicJwk: JsonWebKey; readonly sign: SignEs256 }
    readonly deviceSign: SignEs256
  },
): Promise<KeyAnswer> {
  const { context, nonce } = read(step, 'key', o, 'enrol', null)
  const { kty, crv, x, y } = publicJwk(o.key.publicJwk)
  const statement = keyEnrolStatement(context, nonce, await thumbprint(o.crypto, { kty: kty!, crv: crv!, x: x!, y: y! }))
  return {
    key: { kty: 'EC', crv: 'P-256', x: x!, y: y! },
    signature: encodeBase64url(await o.key.sign(statement)),
    deviceSignature: encodeBase64url(await o.deviceSign(statement)),
  }
}

/**
 * The answer that proves the key for a purpose, and for `bind` if given.
 * @throws PosternError `key.refused` for a step that is none | `key.os_lockout` | `key.invalidated` | whatever else the keystore throws
 */
export async function answerKey(
  step: unknown,
  o: KeyClientOptions & { readonly purpose: Exclude<Purpose, 'enrol'>; readonly bind?: Uint8Array; readonly sign: SignEs256 },
): Promise<KeyAnswer> {
  const { context, nonce } = read(step, 'signature', o, o.purpose, o.bind ?? null)
  return { signature: encodeBase64url(await o.sign(keyStatement(context, nonce))) }
}

/** What the server is told of an error of the keystore; `null` for one that passes (cancelled, locked for a while). */
export function keyLoss(error: unknown): KeyLoss | null {
  if (isPosternError(error, 'key.os_lockout')) return 'os-lockout'
  return isPosternError(error, 'key.invalidated') ? 'key-invalidated' : null
}

/**
 * The answer to the same step where the key is lost: signed by the device key, it removes the enrolment at the server, which says
 * `authenticator.removed`. The app then deletes what is left of the key; what comes in its place is policy's.
 * @throws PosternError `key.refused` for a step that is none | whatever the keystore throws
 */
export async function answerLostKey(
  step: unknown,
  o: KeyClientOptions & {
    readonly purpose: Exclude<Purpose, 'enrol'>
    readonly bind?: Uint8Array
    readonly cause: KeyLoss
    readonly deviceSign: SignEs256
  },
): Promise<KeyAnswer> {
  const { context, nonce } = read(step, 'signature', o, o.purpose, o.bind ?? null)
  const signature = await o.deviceSign(keyLostStatement(context, nonce, o.cause))
  return { lost: o.cause, deviceSignature: encodeBase64url(signature) }
}

function read(step: unknown, ask: KeyStep['ask'], o: KeyClientOptions, purpose: Purpose, bind: Uint8Array | null) {
  const { enrolment, nonce: text, ...rest } = (typeof step === 'object' && step !== null ? step : {}) as Partial<KeyStep>
  const nonce = typeof text === 'string' ? decodeBase64url(text) : null
  if (rest.ask !== ask || typeof enrolment !== 'string' || nonce?.length !== 32)
    throw new PosternError('key.refused', { reason: 'step' })
  const { issuer, tenant, app, device } = o
  return { context: keyContext({ issuer, tenant, app, device, enrolment, purpose, bind }), nonce }
}
