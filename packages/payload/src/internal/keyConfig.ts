/** Reads and writes key configurations. @see RFC 9458 §3 */
import { concat, u8, u16 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import type { KeyConfig } from '../ohttp.js'
import { knownKem } from './kem/kem.js'

/** A list of key configurations (`application/ohttp-keys`). @throws RangeError for a key of another length than its KEM @see RFC 9458 §3.2 */
export function encodeKeyConfigs(configs: readonly KeyConfig[]): Uint8Array {
  return concat(
    ...configs.flatMap((config) => {
      const bytes = encodeOne(config)
      return [u16(bytes.length), bytes]
    }),
  )
}

/** One key configuration, without the length before it. */
export function encodeOne({ keyId, kem, publicKey, suites }: KeyConfig): Uint8Array {
  if (publicKey.length !== knownKem(kem)?.publicBytes) throw new RangeError('a public key of another length than its KEM')
  const algorithms = suites.map(({ kdf, aead }) => concat(u16(kdf), u16(aead)))
  return concat(u8(keyId), u16(kem), publicKey, u16(4 * suites.length), ...algorithms)
}

/**
 * The configurations of a list. Those with an unknown KEM, or without a known KDF and AEAD, are skipped.
 * @throws PosternError `payload.keys_untrusted` for a list that is torn or names an id twice: nothing of it is used
 * @see RFC 9458 §3.2
 */
export function decodeKeyConfigs(bytes: Uint8Array): readonly KeyConfig[] {
  const configs = decodeAll(bytes)
  if (configs === null)
    throw new PosternError('payload.keys_untrusted', { reason: 'the list of key configurations is malformed' })
  return configs
}

/** The known configurations of a list; `null` when the list is torn. What is not known here (KEM, KDF, AEAD) is skipped. */
function decodeAll(bytes: Uint8Array): readonly KeyConfig[] | null {
  const configs: KeyConfig[] = []
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < 2) return null
    const length = (bytes[at]! << 8) | bytes[at + 1]!
    at += 2
    if (length > bytes.length - at) return null
    const config = decodeOne(bytes.subarray(at, at + length))
    if (config === null) return null
    if (config !== 'unknown') configs.push(config)
    at += length
  }
  // Two keys of one id could not be told apart by a request.
  return new Set(configs.map(({ keyId }) => keyId)).size === configs.length ? configs : null
}

function decodeOne(bytes: Uint8Array): KeyConfig | 'unknown' | null {
  if (bytes.length < 3) return null
  const keyId = bytes[0]!
  const kem = (bytes[1]! << 8) | bytes[2]!
  const size = knownKem(kem)?.publicBytes ?? null
  if (size === null) return 'unknown'
  const rest = bytes.subarray(3 + size)
  if (rest.length < 6) return null
  const length = (rest[0]! << 8) | rest[1]!
  if (length % 4 !== 0 || length === 0 || length !== rest.length - 2) return null
  const suites: KeyConfig['suites'][number][] = []
  for (let at = 2; at < rest.length; at += 4) {
    const kdf = (rest[at]! << 8) | rest[at + 1]!
    const aead = (rest[at + 2]! << 8) | rest[at + 3]!
    if (kdf === 0x0001 && (aead === 0x0001 || aead === 0x0002 || aead === 0x0003)) suites.push({ kdf, aead })
  }
  return suites.length === 0 ? 'unknown' : { keyId, kem: kem as KeyConfig['kem'], publicKey: bytes.slice(3, 3 + size), suites }
}
