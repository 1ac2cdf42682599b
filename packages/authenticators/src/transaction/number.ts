/** Number matching: two digits that are computed when needed, never stored and never sent to the phone. */
import { toUnsigned } from '@postern/core/bytes'
import type { CryptoPort, HmacKey } from '@postern/core/cryptoPort'
import { tuple } from '@postern/core/tuple'

/**
 * `u32(HMAC-SHA-256(K_n, T("postern:txn/v1:number", tenant, id))[0..4]) mod 100`, two digits. For the eyes of whoever began the transaction.
 * @param key - K_n
 * @param id - of the transaction, 16 bytes
 */
export async function matchNumber(crypto: CryptoPort, key: HmacKey, tenant: string, id: Uint8Array): Promise<string> {
  const mac = await crypto.hmac(key, tuple('postern:txn/v1:number', tenant, id))
  return String(toUnsigned(mac.subarray(0, 4)) % 100).padStart(2, '0')
}
