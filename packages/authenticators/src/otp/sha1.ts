/**
 * HMAC-SHA-1, which HOTP and nearly every authenticator app stand on. Synchronous and in JavaScript: a code takes two compressions per
 * step, fewer than one call of a platform's crypto costs (three steps: 3.6 µs here, 6.5 through `node:crypto`, 11 through @noble/hashes).
 * @see RFC 2104, RFC 3174 §6.1
 */

/** A keyed hash of OTP. The others are in `/otp/sha2`, so that who needs SHA-1 alone carries no more. */
export interface OtpHash {
  readonly name: 'SHA1' | 'SHA256' | 'SHA512'
  /** Bytes of the output, and of the secrets that RFC 4226 and RFC 6238 recommend. */
  readonly bytes: 20 | 32 | 64
  /** HMAC under one key, which is absorbed once and may serve many messages. */
  keyed(key: Uint8Array): (message: Uint8Array) => Uint8Array
}

/** HMAC-SHA-1. Collisions of SHA-1 do not touch it (RFC 6194 §3.3). */
export const sha1: OtpHash = { name: 'SHA1', bytes: 20, keyed }

const BLOCK = 64
const SIZE = 20
// One array holds the 80 words of the schedule, and behind them three chaining values of 5 words.
const INNER = 80
const OUTER = 85
const STATE = 90
const WORDS = 95

function keyed(key: Uint8Array): (message: Uint8Array) => Uint8Array {
  const m = new Int32Array(WORDS)
  const block = new Uint8Array(BLOCK)
  block.set(key.length > BLOCK ? digest(m, key) : key)
  absorbPad(m, block, 0x36, INNER)
  absorbPad(m, block, 0x5c, OUTER)
  return (message) => {
    absorb(m, message, INNER, BLOCK)
    for (let i = 0; i < 5; i++) m[i] = m[STATE + i]!
    m[5] = 0x80000000
    m.fill(0, 6, 15)
    m[15] = 8 * (BLOCK + SIZE)
    compress(m, OUTER, STATE)
    return output(m)
  }
}

function digest(m: Int32Array, message: Uint8Array): Uint8Array {
  start(m, INNER)
  absorb(m, message, INNER, 0)
  return output(m)
}

function start(m: Int32Array, at: number): void {
  m[at] = 0x67452301
  m[at + 1] = 0xefcdab89
  m[at + 2] = 0x98badcfe
  m[at + 3] = 0x10325476
  m[at + 4] = 0xc3d2e1f0
}

function absorbPad(m: Int32Array, block: Uint8Array, pad: number, to: number): void {
  for (let i = 0; i < BLOCK; i++) m[i >> 2] = (m[i >> 2]! << 8) | (block[i]! ^ pad)
  start(m, STATE)
  compress(m, STATE, to)
}

/** Padding and length included (RFC 3174 §4); `before` counts the bytes that `from` has already taken in. */
function absorb(m: Int32Array, message: Uint8Array, from: number, before: number): void {
  const { length } = message
  for (let block = 0; block < length + 9; block += BLOCK) {
    for (let i = 0; i < 16; i++) {
      let word = 0
      for (let j = block + 4 * i, end = j + 4; j < end; j++)
        word = (word << 8) | (j < length ? message[j]! : j === length ? 0x80 : 0)
      m[i] = word
    }
    if (block + BLOCK >= length + 9) m[15] = 8 * (before + length)
    compress(m, block === 0 ? from : STATE, STATE)
  }
}

function output(m: Int32Array): Uint8Array {
  const out = new Uint8Array(SIZE)
  for (let i = 0; i < SIZE; i++) out[i] = m[STATE + (i >> 2)]! >>> (24 - 8 * (i & 3))
  return out
}

/** RFC 3174 §6.1. The four functions of §5 in loops of their own: with a shared body the words leave the registers, at twice the time. */
function compress(m: Int32Array, from: number, to: number): void {
  for (let i = 16; i < 80; i++) {
    const word = m[i - 3]! ^ m[i - 8]! ^ m[i - 14]! ^ m[i - 16]!
    m[i] = (word << 1) | (word >>> 31)
  }
  let a = m[from]!
  let b = m[from + 1]!
  let c = m[from + 2]!
  let d = m[from + 3]!
  let e = m[from + 4]!
  for (let i = 0; i < 20; i++) {
    const next = (((a << 5) | (a >>> 27)) + ((b & c) | (~b & d)) + e + 0x5a827999 + m[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let i = 20; i < 40; i++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0x6ed9eba1 + m[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let i = 40; i < 60; i++) {
    const next = (((a << 5) | (a >>> 27)) + ((b & c) | (b & d) | (c & d)) + e + 0x8f1bbcdc + m[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let i = 60; i < 80; i++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0xca62c1d6 + m[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  m[to] = m[from]! + a
  m[to + 1] = m[from + 1]! + b
  m[to + 2] = m[from + 2]! + c
  m[to + 3] = m[from + 3]! + d
  m[to + 4] = m[from + 4]! + e
}
