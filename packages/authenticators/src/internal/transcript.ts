/** What both halves of OPAQUE-3DH compute alike. @see RFC 9807 §6.4.2 */
import { concat, u8, u16, utf8 } from '@postern/core/bytes'
import { lp } from '@postern/core/tuple'
import type { OpaqueSuite } from '../opaque/suite.js'

/** `DeriveKeys` and the two MACs over the transcript. */
export interface TripleDhKeys {
  readonly sessionKey: Uint8Array
  readonly serverMac: Uint8Array
  readonly clientMac: Uint8Array
}

/** The preamble of RFC 9807 §6.4.2.1. `inner` = credential response ‖ server nonce ‖ server key share. */
export function preamble(
  context: Uint8Array,
  clientIdentity: Uint8Array,
  ke1: Uint8Array,
  serverIdentity: Uint8Array,
  inner: Uint8Array,
): Uint8Array {
  return concat(utf8('OPAQUEv1-'), lp(context), lp(clientIdentity), ke1, lp(serverIdentity), inner)
}

/** Session key, server MAC and client MAC of one transcript. */
export function tripleDhKeys(s: OpaqueSuite, ikm: Uint8Array, transcript: Uint8Array): TripleDhKeys {
  const prk = s.extract(ikm)
  const hash = s.hash(transcript)
  const handshake = deriveSecret(s, prk, 'HandshakeSecret', hash)
  const none = new Uint8Array(0)
  const serverMac = s.mac(deriveSecret(s, handshake, 'ServerMAC', none), hash)
  return {
    sessionKey: deriveSecret(s, prk, 'SessionKey', hash),
    serverMac,
    clientMac: s.mac(deriveSecret(s, handshake, 'ClientMAC', none), s.hash(concat(transcript, serverMac))),
  }
}

/** What the envelope's tag covers: the server's key and both identities, absent ones standing for the public keys (§4.1.1). */
export function cleartextCredentials(
  serverPublicKey: Uint8Array,
  serverIdentity: Uint8Array,
  clientIdentity: Uint8Array,
): Uint8Array {
  return concat(serverPublicKey, lp(serverIdentity), lp(clientIdentity))
}

/** Masks or unmasks server key ‖ envelope (§6.3.2.2). */
export function maskResponse(s: OpaqueSuite, maskingKey: Uint8Array, nonce: Uint8Array, data: Uint8Array): Uint8Array {
  const pad = s.expand(maskingKey, concat(nonce, utf8('CredentialResponsePad')), data.length)
  return pad.map((byte, i) => byte ^ data[i]!)
}

function deriveSecret(s: OpaqueSuite, secret: Uint8Array, label: string, transcriptHash: Uint8Array): Uint8Array {
  const name = utf8(`OPAQUE-${label}`)
  return s.expand(secret, concat(u16(s.Nh), u8(name.length), name, u8(transcriptHash.length), transcriptHash), s.Nh)
}
