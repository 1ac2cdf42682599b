/** The exporter context of the keying material that a caller's proof covers. */
import { tuple } from '@postern/core/tuple'

/** @param share - `u16(kem) ‖ public key` of the session that the request offers to open; empty without one */
export function ekmContext(share: Uint8Array = new Uint8Array(0)): Uint8Array {
  return tuple('postern:payload-ekm/v1', share)
}
