/** What the ladders of sent codes work with. */
import { toUnsigned, utf8 } from '@postern/core/bytes'
import type { HmacKey } from '@postern/core/cryptoPort'
import type { Random } from '@postern/core/runtime'
import { tuple } from '@postern/core/tuple'
import type { Ceremony } from '../authenticator.js'
import type { SentCodeOptions } from '../sentCode.js'
import type { Challenge } from './challenge.js'
import type { ByteReader } from './reader.js'
import { openFresh } from './tries.js'

/** The options with their defaults, and the key of the HMAC. */
export type CodePorts = Required<Omit<SentCodeOptions, 'secrets'>> & { readonly key: () => Promise<HmacKey> }

/** From a right code to its accept commit, ms. */
export const acceptMs = 60_000
export const sentKey = 'sent'
export const codeKey = (id: string): string => `sc/${id}`

/** A handle of this ceremony. */
export function open<T extends Challenge>(c: Ceremony, ports: CodePorts, type: string, read: (r: ByteReader) => T): Promise<T> {
  const { seal, runtime } = ports
  return openFresh(c, { seal, clock: runtime.clock, type, refused: 'otp.refused', expired: 'otp.expired' }, read)
}

/** Who, for what and which message stand in the HMAC beside the code. */
export async function macOf(
  ports: CodePorts,
  c: Ceremony,
  h: Omit<Challenge, 'nonce' | 'expiresAt'>,
  id: string,
  code: string,
): Promise<Uint8Array> {
  const { device, enrolment, purpose, bind } = h
  const statement = tuple('postern:code/v1', c.issuer, c.tenant, c.app, device, enrolment, id, purpose, bind ?? '', utf8(code))
  return ports.runtime.crypto.hmac(await ports.key(), statement)
}

/** Digits without a bias: what would favour the low ones is drawn again. */
export function drawCode(random: Random, digits: number): string {
  const all = 10 ** digits
  const fair = 2 ** 32 - (2 ** 32 % all)
  for (;;) {
    const word = toUnsigned(random(4))
    if (word < fair) return String(word % all).padStart(digits, '0')
  }
}
