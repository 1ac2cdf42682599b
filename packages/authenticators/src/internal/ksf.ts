/** Key stretching of pin/v1, on the client: one guess costs this much even to whoever has everything else. */
import { scryptAsync } from '@noble/hashes/scrypt.js'

/** scrypt N = 2^15, r = 8, p = 1, salt 16 zero bytes (RFC 9807 §7 recommends a zero salt), 64 bytes; yields to the event loop. */
export function scryptKsf(input: Uint8Array): Promise<Uint8Array> {
  return scryptAsync(input, new Uint8Array(16), { N: 2 ** 15, r: 8, p: 1, dkLen: 64 })
}
