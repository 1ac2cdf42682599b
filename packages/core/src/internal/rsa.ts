/** RSA verification in JavaScript: one modular power and a comparison with the one right encoding. @see RFC 8017 §8 */
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js'
import { concat, equal, fromHex, u32 } from '../bytes.js'
import { toBigInt } from './signKeys.js'

/** A public key as integers, checked before. */
export interface RsaKey {
  readonly n: bigint
  readonly e: bigint
}

/** DigestInfo up to the hash, in DER with the NULL that RFC 8017 Appendix B.1 demands. */
const HASHES: Readonly<
  Record<'SHA-256' | 'SHA-384' | 'SHA-512', { readonly hash: (data: Uint8Array) => Uint8Array; readonly info: string }>
> = {
  'SHA-256': { hash: sha256, info: '3031300d060960864801650304020105000420' },
  'SHA-384': { hash: sha384, info: '3041300d060960864801650304020205000430' },
  'SHA-512': { hash: sha512, info: '3051300d060960864801650304020305000440' },
}
const HASH = 32

/** RSASSA-PKCS1-v1_5: the whole encoded message is built and compared, so no padding is ever parsed. @see RFC 8017 §8.2.2 */
export function verifyPkcs1(key: RsaKey, alg: keyof typeof HASHES, data: Uint8Array, signature: Uint8Array): boolean {
  const { hash, info } = HASHES[alg]
  return isEncoded(key, concat(fromHex(info)!, hash(data)), signature)
}

/** Whether a signature is over this DigestInfo. @see RFC 8017 §9.2 */
export function isEncoded(key: RsaKey, info: Uint8Array, signature: Uint8Array): boolean {
  const em = recover(key, signature)
  if (em === null) return false
  const padding = new Uint8Array(em.length - 3 - info.length).fill(0xff)
  return equal(em, concat(Uint8Array.of(0, 1), padding, Uint8Array.of(0), info))
}

/** RSASSA-PSS with SHA-256, MGF1 of the same and a salt of 32 bytes (RFC 7518 §3.5). @see RFC 8017 §8.1.2 and §9.1.2 */
export function verifyPss(key: RsaKey, data: Uint8Array, signature: Uint8Array): boolean {
  const whole = recover(key, signature)
  if (whole === null) return false
  const emBits = key.n.toString(2).length - 1
  const emLength = Math.ceil(emBits / 8)
  if (whole.subarray(0, whole.length - emLength).some((byte) => byte !== 0)) return false
  const em = whole.subarray(whole.length - emLength)
  if (em[emLength - 1] !== 0xbc) return false
  const h = em.slice(emLength - 1 - HASH, emLength - 1)
  const db = em.slice(0, emLength - 1 - HASH)
  const unused = 0xff >> (8 * emLength - emBits)
  if ((db[0]! & ~unused) !== 0) return false
  const mask = mgf1(h, db.length)
  for (let i = 0; i < db.length; i++) db[i]! ^= mask[i]!
  db[0]! &= unused
  const salt = db.subarray(db.length - HASH)
  const start = db.length - HASH - 1
  if (db.subarray(0, start).some((byte) => byte !== 0) || db[start] !== 1) return false
  return equal(h, sha256(concat(new Uint8Array(8), sha256(data), salt)))
}

/** The encoded message, as long as the modulus; `null` for a signature of another length or not below n. @see RFC 8017 §5.2.2 */
function recover({ n, e }: RsaKey, signature: Uint8Array): Uint8Array | null {
  const size = Math.ceil(n.toString(2).length / 8)
  if (signature.length !== size) return null
  const s = toBigInt(signature)
  return s < n
    ? fromHex(
        power(s, e, n)
          .toString(16)
          .padStart(2 * size, '0'),
      )
    : null
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let square = base, left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

/** @see RFC 8017 Appendix B.2.1 */
function mgf1(seed: Uint8Array, length: number): Uint8Array {
  const blocks = Array.from({ length: Math.ceil(length / HASH) }, (_, i) => sha256(concat(seed, u32(i))))
  return concat(...blocks).subarray(0, length)
}
