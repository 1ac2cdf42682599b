/**
 * OPAQUE on the server: a password that never arrives, checked all the same.
 * Deterministic in its inputs: the randomness is passed in, so that a counted attempt has one answer however often it is asked for.
 * @see RFC 9807 §5.2.2, §6.3.2.2, §6.4.4
 */

import { concat, equal, utf8 } from '@postern/core/bytes'
import type { Now } from '@postern/core/cryptoPort'
import { opaqueRefused } from '../internal/primeOrder.js'
import { maskResponse, preamble, tripleDhKeys } from '../internal/transcript.js'
import { Nn, Nseed, type OpaqueSuite, sizes } from './suite.js'

/** The server's long-term keys. */
export interface OpaqueServerKeys {
  readonly publicKey: Uint8Array
  readonly privateKey: Uint8Array
  /** HKDF-Expand(oprf_seed, info, 32) in the suite's hash; may live in an HSM. */
  expandSeed(info: Uint8Array): Now<Uint8Array>
}

/** What goes into KE2. */
export interface Ke2Input {
  /** The stored record, or {@link fakeRecord}. */
  readonly record: Uint8Array
  readonly ke1: Uint8Array
  readonly credentialIdentifier: Uint8Array
  readonly context: Uint8Array
  /** @defaultValue the client's public key */
  readonly clientIdentity?: Uint8Array
  /** @defaultValue the server's public key */
  readonly serverIdentity?: Uint8Array
  readonly keys: OpaqueServerKeys
  /** 32 random bytes each; never the same for another KE1 or record. */
  readonly maskingNonce: Uint8Array
  readonly serverNonce: Uint8Array
  readonly keyshareSeed: Uint8Array
}

/** HKDF-Expand over an oprf_seed that is at hand. */
export function expandSeedOf(s: OpaqueSuite, oprfSeed: Uint8Array): (info: Uint8Array) => Uint8Array {
  return (info) => s.expand(oprfSeed, info, Nseed)
}

/**
 * The answer to a registration request.
 * @throws PosternError `opaque.refused` for a request that is no group element
 */
export async function createRegistrationResponse(
  s: OpaqueSuite,
  i: {
    readonly request: Uint8Array
    readonly credentialIdentifier: Uint8Array
    readonly keys: Pick<OpaqueServerKeys, 'publicKey' | 'expandSeed'>
  },
): Promise<Uint8Array> {
  const key = await oprfKey(s, i.keys, i.credentialIdentifier)
  return concat(s.oprf.blindEvaluate(key, i.request), i.keys.publicKey)
}

/** The record of someone who does not exist: KE2 made from it is like any other, and no KE3 fits. @see RFC 9807 §10.9 */
export function fakeRecord(s: OpaqueSuite, publicKey: Uint8Array, maskingKey: Uint8Array): Uint8Array {
  return concat(publicKey, maskingKey, new Uint8Array(Nn + s.Nh))
}

/**
 * KE2, and the state to keep until KE3: expected client MAC ‖ session key.
 * @throws PosternError `opaque.refused` for a KE1 of wrong size or with an element that is none
 */
export async function createKe2(s: OpaqueSuite, i: Ke2Input): Promise<{ readonly ke2: Uint8Array; readonly state: Uint8Array }> {
  const { record, ke1, keys } = i
  const { Noe } = s.oprf
  const { Npk } = s.group
  if (ke1.length !== sizes(s).ke1) throw opaqueRefused('KE1 size')
  if (record.length !== sizes(s).record) throw opaqueRefused('record size')
  const clientPublicKey = record.subarray(0, Npk)
  const maskingKey = record.subarray(Npk, Npk + s.Nh)
  const envelope = record.subarray(Npk + s.Nh)
  const clientKeyshare = ke1.subarray(Noe + Nn)

  const key = await oprfKey(s, keys, i.credentialIdentifier)
  const evaluated = s.oprf.blindEvaluate(key, ke1.subarray(0, Noe))
  const masked = maskResponse(s, maskingKey, i.maskingNonce, concat(keys.publicKey, envelope))

  const share = await s.group.deriveKeyPair(i.keyshareSeed)
  const [dh1, dh2] = await s.group.dh([share, keys], clientKeyshare)
  const [dh3] = await s.group.dh([share], clientPublicKey)
  const inner = concat(evaluated, i.maskingNonce, masked, i.serverNonce, share.publicKey)
  const transcript = preamble(i.context, i.clientIdentity ?? clientPublicKey, ke1, i.serverIdentity ?? keys.publicKey, inner)
  const { serverMac, clientMac, sessionKey } = tripleDhKeys(s, concat(dh1!, dh2!, dh3!), transcript)
  return { ke2: concat(inner, serverMac), state: concat(clientMac, sessionKey) }
}

/** The session key when KE3 is the client's MAC, else `null`; compared in constant time. */
export function finishLogin(s: OpaqueSuite, state: Uint8Array, ke3: Uint8Array): Uint8Array | null {
  return equal(state.subarray(0, s.Nh), ke3) ? state.slice(s.Nh) : null
}

async function oprfKey(
  s: OpaqueSuite,
  keys: Pick<OpaqueServerKeys, 'expandSeed'>,
  credentialIdentifier: Uint8Array,
): Promise<Uint8Array> {
  const seed = await keys.expandSeed(concat(credentialIdentifier, utf8('OprfKey')))
  return s.oprf.deriveKey(seed, utf8('OPAQUE-DeriveKeyPair'))
}
