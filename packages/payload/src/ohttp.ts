/** Oblivious HTTP messages, single-shot, and key configurations. @see RFC 9458 */
import type { AeadId, KemId } from './hpke.js'

/** One key configuration (RFC 9458 §3.1). */
export interface KeyConfig {
  readonly keyId: number
  readonly kem: KemId
  readonly publicKey: Uint8Array
  readonly suites: readonly { readonly kdf: 0x0001; readonly aead: AeadId }[]
}
