/** The signed bundle: what the server lets this app do, and the PIN policy, from the issuer's keys and nobody else's. */
import { canonicalJson } from '@postern/core/canonicalJson'
import type { SignAlg } from '@postern/core/cryptoPort'
import { isPosternError, PosternError } from '@postern/core/errors'
import type { JsonObject, JsonValue } from '@postern/core/json'
import { readJws, verifyJws } from '@postern/core/jws'
import { type PinPolicy, parsePinPolicy } from '@postern/policy/pin/policy'
import type { Kit } from './kit.js'
import type { Operation } from './operation.js'

export interface Bundle {
  readonly pinPolicy: PinPolicy
  /** SHA-256 of the policy's canonical JSON: the enrolment signs which one was applied. */
  readonly policyHash: Uint8Array
  /** Names of the clients that may ask for a confirmation. */
  readonly clients: ReadonlyMap<string, string>
}

const ALGS: readonly SignAlg[] = ['ES256', 'EdDSA', 'Ed25519', 'ES384', 'ES512']
/** A phone's clock may be a day wrong; that the bundle is fresh, TLS says, and that it is no older than the last, its `iat`. */
const SKEW_SEC = 86_400

/** @throws PosternError `net.unreachable` for a bundle that is not the issuer's, or older than one seen before */
export async function fetchBundle(kit: Kit, op: Operation): Promise<Bundle> {
  const { net, state, issuer, options } = kit
  const { crypto, clock } = options.runtime
  const jwks = await net.demand({ method: 'GET', path: '/jwks' }, op)
  const { text } = await net.demand({ method: 'GET', path: '/bundle' }, op)
  try {
    const jws = readJws(text, { algs: ALGS, typ: ['postern-bundle+jwt'], maxBytes: 131_072 })
    const keys = Array.isArray(jwks.body['keys']) ? (jwks.body['keys'] as readonly JsonObject[]) : []
    const key = keys.find(({ kid }) => kid === jws.kid)
    if (key === undefined || jws.kid === null) throw untrusted('kid')
    const { kty, crv, x, y } = key as unknown as JsonWebKey
    const jwk = Object.fromEntries(Object.entries({ kty, crv, x, y }).filter(([, value]) => value !== undefined))
    const payload = await verifyJws(crypto, jws, await crypto.verifyKey(jws.alg, jwk))
    const { iss, iat, exp, pin_policy } = payload
    if (iss !== issuer) throw untrusted('iss')
    if (typeof iat !== 'number' || typeof exp !== 'number' || exp + SKEW_SEC < clock() / 1000) throw untrusted('exp')
    if (iat < (await state.read()).bundleIat) throw untrusted('iat')
    const pinPolicy = parsePinPolicy(pin_policy ?? null)
    await op.wait(state.update((known) => ({ ...known, bundleIat: iat })))
    const policyHash = await crypto.digest('SHA-256', canonicalJson(pin_policy ?? null))
    return { pinPolicy, policyHash, clients: namesIn(payload['clients']) }
  } catch (cause) {
    if (isPosternError(cause, 'jws.refused', 'crypto.invalid_key', 'pin.policy_invalid')) throw untrusted(cause.code, cause)
    throw cause
  }
}

/** Signed, so only what a bank has registered gets a name. */
function namesIn(clients: JsonValue | undefined): ReadonlyMap<string, string> {
  const list = Array.isArray(clients) ? (clients as readonly JsonObject[]) : []
  return new Map(list.map(({ id, name }) => [String(id), String(name)]))
}

function untrusted(reason: string, cause?: unknown): PosternError<'net.unreachable'> {
  return new PosternError('net.unreachable', { reason: `bundle: ${reason}`, cause })
}
