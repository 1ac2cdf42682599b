/** sig_kd(m): ES256 by the device key, 64 bytes r‖s. */
import { setBounded } from '@postern/core/boundedMap'
import type { CryptoPort, VerifyKey } from '@postern/core/cryptoPort'
import { isPosternError } from '@postern/core/errors'

/** Prepared keys of one authenticator: importing a key costs more than verifying with it. Bounded; the oldest goes first. */
export interface KeyCache {
  /**
   * Whether `signature` is the key's. An unusable key verifies nothing.
   * @param as - where the prepared key is kept, by default under its own coordinates
   */
  verify(key: JsonWebKey, data: Uint8Array, signature: Uint8Array, as?: string): Promise<boolean>
}

/**
 * A device that is unknown is verified against this point, so that it costs what a known one does; the answer is no either way.
 * hash_to_curve("decoy device", DST "postern:pin/v1:decoy") of P256_XMD:SHA-256_SSWU_RO_ (RFC 9380): nobody has its private key.
 */
export const decoy: JsonWebKey = {
  kty: 'EC',
  crv: 'P-256',
  x: 'mUoluKlvoGxk7jEFM1sOakltL_WkxbXuOkCq5FwTKTM',
  y: 'zn5Q5JqT7YOFRQ1wswB_FOuDWXUDjOj59pscEe81rvA',
}

/** A cache of up to `size` keys. */
export function keyCache(crypto: CryptoPort, size = 4096): KeyCache {
  const keys = new Map<string, VerifyKey>()
  async function prepared(jwk: JsonWebKey, as: string | undefined): Promise<VerifyKey | null> {
    const { kty, crv, x, y } = jwk
    const name = as ?? `${kty}.${crv}.${x}.${y}`
    const known = keys.get(name)
    if (known !== undefined) return known
    try {
      const key = await crypto.verifyKey('ES256', jwk)
      setBounded(keys, name, key, size)
      return key
    } catch (error) {
      if (isPosternError(error, 'crypto.invalid_key')) return null
      throw error
    }
  }
  return {
    async verify(jwk, data, signature, as) {
      const key = await prepared(jwk, as)
      return key !== null && signature.length === 64 && (await crypto.verify(key, data, signature))
    },
  }
}

/**
 * Whether the device of a ceremony signed; an unknown one never did, at the same cost: its decoy is prepared at the first request and kept for the
 * next ones under the name that was given, as the key of a known one is.
 * @param named - who it is said to be: the device's id, or an enrolment's where the key is its own
 */
export async function signedByDevice(
  keys: KeyCache,
  device: { readonly key: JsonWebKey } | null,
  named: string,
  data: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const good = device === null ? keys.verify(decoy, data, signature, `? ${named}`) : keys.verify(device.key, data, signature)
  return (await good) && device !== null
}
