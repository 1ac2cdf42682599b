/**
 * The sealed challenge of WebAuthn: the nonce, and the policy that the options were made from. Verification reads it from here, so that what is
 * asked for and what is judged cannot drift apart.
 *
 * A challenge as other handles have it, then: `lp(partition) ‖ lp(rpId) ‖ texts(origins) ‖ texts(topOrigins) ‖ u8 uv ‖ u8 flags ‖ u8 n ‖ n × u32 −alg ‖
 * u8 n ‖ n × 16-byte names of credentials`, `texts` = `u8 n ‖ n × lp`.
 */
import { concat, fromHex, hex, u8, u32, utf8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { lp, tuple } from '@postern/core/tuple'
import type { UserVerification } from '../webauthn/messages.js'
import { type Challenge, encodeChallenge, readChallenge } from './challenge.js'
import { type Context, contextOf } from './context.js'
import type { ByteReader } from './reader.js'

/** What the options of one ceremony were made from. */
export interface WebauthnPolicy {
  /** Id of the user's partition; empty while the user is not known. */
  readonly partition: string
  readonly rpId: string
  readonly origins: readonly string[]
  readonly topOrigins: readonly string[]
  readonly crossOrigin: boolean
  readonly userVerification: UserVerification
  /** Whether a registration must be attested by somebody trusted. */
  readonly trusted: boolean
  readonly conditional: boolean
  readonly algorithms: readonly number[]
  /** Names of the credentials that may answer; empty for any of the user's. */
  readonly allowed: readonly string[]
}

/** A handle's inside. */
export interface WebauthnChallenge extends Challenge {
  readonly policy: WebauthnPolicy
}

/** A handle is at most 4,096 characters; what is left for a policy beside 32 credentials, in bytes. */
export const MAX_POLICY_BYTES = 1800
/** Bytes of a credential's name. */
const NAME = 16
const LEVELS: readonly UserVerification[] = ['required', 'preferred', 'discouraged']
const CROSS_ORIGIN = 1
const TRUSTED = 2
const CONDITIONAL = 4

/** `challenge` = SHA-256(T("postern:webauthn/v1:challenge", CONTEXT, n)): purpose and transaction are inside what the authenticator signs. */
export async function challengeBytes(crypto: CryptoPort, context: Context, nonce: Uint8Array): Promise<Uint8Array> {
  return crypto.digest('SHA-256', tuple('postern:webauthn/v1:challenge', contextOf('webauthn/v1', context), nonce))
}

/** A credential's name in keys and handles: 32 hexadecimal digits of the SHA-256 of its id. */
export async function credentialName(crypto: CryptoPort, id: Uint8Array): Promise<string> {
  return hex(await crypto.digest('SHA-256', id)).slice(0, 2 * NAME)
}

/** @throws RangeError for more than 255 of something */
export function encodePolicy(p: WebauthnPolicy): Uint8Array {
  const flags = (p.crossOrigin ? CROSS_ORIGIN : 0) | (p.trusted ? TRUSTED : 0) | (p.conditional ? CONDITIONAL : 0)
  return concat(
    lp(p.partition),
    lp(p.rpId),
    texts(p.origins),
    texts(p.topOrigins),
    u8(LEVELS.indexOf(p.userVerification)),
    u8(flags),
    u8(p.algorithms.length),
    ...p.algorithms.map((alg) => u32(-alg)),
    u8(p.allowed.length),
    ...p.allowed.map((name) => fromHex(name)!),
  )
}

export function encodeWebauthnChallenge(c: WebauthnChallenge): Uint8Array {
  return encodeChallenge(c, encodePolicy(c.policy))
}

/** @throws RangeError */
export function readWebauthnChallenge(r: ByteReader): WebauthnChallenge {
  const challenge = readChallenge(r)
  const [partition, rpId] = [r.text(), r.text()]
  const [origins, topOrigins] = [readTexts(r), readTexts(r)]
  const userVerification = LEVELS[r.unsigned(1)]
  const flags = r.unsigned(1)
  const algorithms = times(r, () => -r.unsigned(4))
  const allowed = times(r, () => hex(r.take(NAME)))
  if (userVerification === undefined) throw new RangeError('user verification')
  const crossOrigin = (flags & CROSS_ORIGIN) !== 0
  const [trusted, conditional] = [(flags & TRUSTED) !== 0, (flags & CONDITIONAL) !== 0]
  return {
    ...challenge,
    policy: { partition, rpId, origins, topOrigins, crossOrigin, userVerification, trusted, conditional, algorithms, allowed },
  }
}

function texts(list: readonly string[]): Uint8Array {
  return concat(u8(list.length), ...list.map((text) => lp(utf8(text))))
}

function readTexts(r: ByteReader): readonly string[] {
  return times(r, () => r.text())
}

function times<T>(r: ByteReader, read: () => T): readonly T[] {
  return Array.from({ length: r.unsigned(1) }, read)
}
