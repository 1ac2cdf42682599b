/** SipHash-1-3 on two 32-bit halves. Aumasson & Bernstein, "SipHash: a fast short-input PRF", 2012, §2 with c = 1, d = 3. */

/** State v0…v3 as (high, low) pairs, before the first byte. */
export type SipKey = Int32Array

/** The 64-bit tag as two unsigned words. @param key - 16 bytes */
export function siphash13(key: Uint8Array, message: Uint8Array): { readonly hi: number; readonly lo: number } {
  return siphashWith(sipKey(key), message, message.length)
}

/** The state that a key starts every message from. @param key - 16 bytes */
export function sipKey(key: Uint8Array): SipKey {
  if (key.length !== 16) throw new RangeError('a SipHash key has 16 bytes')
  const [k0hi, k0lo, k1hi, k1lo] = [word(key, 4), word(key, 0), word(key, 12), word(key, 8)]
  return Int32Array.of(
    k0hi ^ 0x736f6d65,
    k0lo ^ 0x70736575,
    k1hi ^ 0x646f7261,
    k1lo ^ 0x6e646f6d,
    k0hi ^ 0x6c796765,
    k0lo ^ 0x6e657261,
    k1hi ^ 0x74656462,
    k1lo ^ 0x79746573,
  )
}

/** The tag of the first `length` bytes. The state lives in locals: the whole hash is registers, one allocation a tag. */
export function siphashWith(key: SipKey, message: Uint8Array, length: number): { readonly hi: number; readonly lo: number } {
  let [a, A, b, B] = [key[0]!, key[1]!, key[2]!, key[3]!]
  let [c, C, d, D] = [key[4]!, key[5]!, key[6]!, key[7]!]
  const blocks = (length >>> 3) + 1
  for (let i = 0; i < blocks + 3; i++) {
    let [hi, lo] = [0, 0]
    if (i < blocks - 1) {
      hi = word(message, 8 * i + 4)
      lo = word(message, 8 * i)
    } else if (i === blocks - 1) {
      hi = tail(message, 8 * i + 4, length) | (length << 24)
      lo = tail(message, 8 * i, length)
    } else if (i === blocks) C ^= 0xff
    d ^= hi
    D ^= lo
    // SipRound: lower-case letters are high halves, capitals low ones.
    let low = (A >>> 0) + (B >>> 0)
    a = (a + b + (low > 0xffffffff ? 1 : 0)) | 0
    A = low | 0
    let swap = b
    b = ((b << 13) | (B >>> 19)) ^ a
    B = ((B << 13) | (swap >>> 19)) ^ A
    swap = a
    a = A
    A = swap
    low = (C >>> 0) + (D >>> 0)
    c = (c + d + (low > 0xffffffff ? 1 : 0)) | 0
    C = low | 0
    swap = d
    d = ((d << 16) | (D >>> 16)) ^ c
    D = ((D << 16) | (swap >>> 16)) ^ C
    low = (A >>> 0) + (D >>> 0)
    a = (a + d + (low > 0xffffffff ? 1 : 0)) | 0
    A = low | 0
    swap = d
    d = ((d << 21) | (D >>> 11)) ^ a
    D = ((D << 21) | (swap >>> 11)) ^ A
    low = (C >>> 0) + (B >>> 0)
    c = (c + b + (low > 0xffffffff ? 1 : 0)) | 0
    C = low | 0
    swap = b
    b = ((b << 17) | (B >>> 15)) ^ c
    B = ((B << 17) | (swap >>> 15)) ^ C
    swap = c
    c = C
    C = swap
    a ^= hi
    A ^= lo
  }
  return { hi: (a ^ b ^ c ^ d) >>> 0, lo: (A ^ B ^ C ^ D) >>> 0 }
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

/** The word of up to four bytes that are left before `end`. */
function tail(bytes: Uint8Array, at: number, end: number): number {
  let out = 0
  for (let i = at; i < end && i < at + 4; i++) out |= bytes[i]! << (8 * (i - at))
  return out
}
