/**
 * OPAQUE on the client.
 * @see RFC 9807 §5.2.1, §5.2.3, §6.3.2.1, §6.3.2.3, §6.4.3
 */

import { concat, equal, utf8 } from '@postern/core/bytes'
import type { Now } from '@postern/core/cryptoPort'
import type { Random } from '@postern/core/runtime'
import { opaqueRefused } from '../internal/primeOrder.js'
import { cleartextCredentials, maskResponse, preamble, tripleDhKeys } from '../internal/transcript.js'
import { type KeyPair, Nn, Nseed, type OpaqueSuite, sizes } from './suite.js'

/** Key stretching of the OPRF output; output of any length. */
export type Stretch = (input: Uint8Array) => Now<Uint8Array>

/** Who is who; absent identities stand for the public keys. */
export interface Identities {
  readonly clientIdentity?: Uint8Array
  readonly serverIdentity?: Uint8Array
}

/** What registration yields. */
export interface Registered {
  readonly record: Uint8Array
  readonly exportKey: Uint8Array
  readonly serverPublicKey: Uint8Array
}

/** What the client keeps between KE1 and KE2. Secret. */
export interface Ke1State {
  readonly ke1: Uint8Array
  readonly blind: Uint8Array
  readonly keyshare: KeyPair
}

/** What a login yields. */
export interface LoggedIn {
  readonly ke3: Uint8Array
  readonly sessionKey: Uint8Array
  readonly exportKey: Uint8Array
  readonly serverPublicKey: Uint8Array
}

/** A registration request and the blind to keep. */
export function createRegistrationRequest(
  s: OpaqueSuite,
  password: Uint8Array,
  o: { readonly random: Random; readonly blind?: Uint8Array },
): { readonly request: Uint8Array; readonly blind: Uint8Array } {
  const blind = o.blind ?? s.oprf.randomScalar(o.random)
  return { request: s.oprf.blind(password, blind), blind }
}

/**
 * The record to store, and what only this password on this answer gives.
 * @throws PosternError `opaque.refused` for a response that is none
 */
export async function finalizeRegistration(
  s: OpaqueSuite,
  i: Identities & {
    readonly password: Uint8Array
    readonly blind: Uint8Array
    readonly response: Uint8Array
    readonly envelopeNonce: Uint8Array
    readonly stretch: Stretch
  },
): Promise<Registered> {
  const { Noe } = s.oprf
  if (i.response.length !== sizes(s).response) throw opaqueRefused('response size')
  const serverPublicKey = i.response.slice(Noe)
  const randomized = await randomizedPassword(s, i.password, i.blind, i.response.subarray(0, Noe), i.stretch)
  const sealed = await envelopeKeys(s, randomized, i.envelopeNonce)
  const { publicKey } = sealed.pair
  const cleartext = cleartextCredentials(serverPublicKey, i.serverIdentity ?? serverPublicKey, i.clientIdentity ?? publicKey)
  const tag = s.mac(sealed.authKey, concat(i.envelopeNonce, cleartext))
  const maskingKey = s.expand(randomized, utf8('MaskingKey'), s.Nh)
  return { record: concat(publicKey, maskingKey, i.envelopeNonce, tag), exportKey: sealed.exportKey, serverPublicKey }
}

/** KE1, and what to keep until KE2. */
export async function createKe1(
  s: OpaqueSuite,
  password: Uint8Array,
  o: { readonly random: Random; readonly blind?: Uint8Array; readonly nonce?: Uint8Array; readonly keyshareSeed?: Uint8Array },
): Promise<Ke1State> {
  const blind = o.blind ?? s.oprf.randomScalar(o.random)
  const share = await s.group.deriveKeyPair(o.keyshareSeed ?? o.random(Nseed))
  const ke1 = concat(s.oprf.blind(password, blind), o.nonce ?? o.random(Nn), share.publicKey)
  return { ke1, blind, keyshare: share }
}

/**
 * KE3 and the keys, or `null` when the password is wrong or the server is not the one of the registration; the two look alike (RFC 9807 §6.3.2.3).
 * @throws PosternError `opaque.refused` for a KE2 of wrong size
 */
export async function createKe3(
  s: OpaqueSuite,
  i: Identities & {
    readonly password: Uint8Array
    readonly state: Ke1State
    readonly ke2: Uint8Array
    readonly context: Uint8Array
    readonly stretch: Stretch
  },
): Promise<LoggedIn | null> {
  const { state, ke2 } = i
  const { Noe } = s.oprf
  const { Npk } = s.group
  if (ke2.length !== sizes(s).ke2) throw opaqueRefused('KE2 size')
  const inner = ke2.subarray(0, -s.Nh)
  const maskingNonce = ke2.subarray(Noe, Noe + Nn)
  const masked = ke2.subarray(Noe + Nn, Noe + Nn + Npk + Nn + s.Nh)
  const serverKeyshare = inner.subarray(-Npk)

  const randomized = await randomizedPassword(s, i.password, state.blind, ke2.subarray(0, Noe), i.stretch)
  const unmasked = maskResponse(s, s.expand(randomized, utf8('MaskingKey'), s.Nh), maskingNonce, masked)
  const serverPublicKey = unmasked.slice(0, Npk)
  const envelopeNonce = unmasked.subarray(Npk, Npk + Nn)
  const { authKey, exportKey, pair } = await envelopeKeys(s, randomized, envelopeNonce)
  const clientIdentity = i.clientIdentity ?? pair.publicKey
  const serverIdentity = i.serverIdentity ?? serverPublicKey
  const cleartext = cleartextCredentials(serverPublicKey, serverIdentity, clientIdentity)
  if (!equal(s.mac(authKey, concat(envelopeNonce, cleartext)), unmasked.subarray(Npk + Nn))) return null

  const [dh1, dh3] = await s.group.dh([state.keyshare, pair], serverKeyshare)
  const [dh2] = await s.group.dh([state.keyshare], serverPublicKey)
  const transcript = preamble(i.context, clientIdentity, state.ke1, serverIdentity, inner)
  const keys = tripleDhKeys(s, concat(dh1!, dh2!, dh3!), transcript)
  if (!equal(keys.serverMac, ke2.subarray(-s.Nh))) return null
  return { ke3: keys.clientMac, sessionKey: keys.sessionKey, exportKey, serverPublicKey }
}

async function randomizedPassword(
  s: OpaqueSuite,
  password: Uint8Array,
  blind: Uint8Array,
  evaluated: Uint8Array,
  stretch: Stretch,
): Promise<Uint8Array> {
  const output = s.oprf.finalize(password, blind, evaluated)
  return s.extract(concat(output, await stretch(output)))
}

async function envelopeKeys(s: OpaqueSuite, randomized: Uint8Array, nonce: Uint8Array) {
  const authKey = s.expand(randomized, concat(nonce, utf8('AuthKey')), s.Nh)
  const exportKey = s.expand(randomized, concat(nonce, utf8('ExportKey')), s.Nh)
  const pair = await s.group.deriveKeyPair(s.expand(randomized, concat(nonce, utf8('PrivateKey')), Nseed))
  return { authKey, exportKey, pair }
}
