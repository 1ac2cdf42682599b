/** HMAC-SHA-256 and HMAC-SHA-512 for TOTP and OCRA (RFC 6238 §1.2, RFC 6287 §5.2). Few authenticator apps take anything but SHA-1. */
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 as noble256, sha512 as noble512 } from '@noble/hashes/sha2.js'
import type { OtpHash } from './sha1.js'

/** HMAC-SHA-256. */
export const sha256: OtpHash = {
  name: 'SHA256',
  bytes: 32,
  keyed(key) {
    const keyed = hmac.create(noble256, key)
    return (message) => keyed.clone().update(message).digest()
  },
}

/** HMAC-SHA-512. */
export const sha512: OtpHash = {
  name: 'SHA512',
  bytes: 64,
  keyed(key) {
    const keyed = hmac.create(noble512, key)
    return (message) => keyed.clone().update(message).digest()
  },
}
