/** SipHash-1-3 on two 32-bit halves. Aumasson & Bernstein, "SipHash: a fast short-input PRF", 2012, §2 with c = 1, d = 3. */

/** State v0…v3 as (high, low) pairs. */
type State = Int32Array

/** The 64-bit tag as two unsigned words. @param key - 16 bytes */
export function siphash13(key: Uint8Array, message: Uint8Array): { readonly hi: number; readonly lo: number } {
  if (key.length !== 16) throw new RangeError('a SipHash key has 16 bytes')
  const k0 = [word(key, 4), word(key, 0)] as const
  const k1 = [word(key, 12), word(key, 8)] as const
  const v = Int32Array.of(
    k0[0] ^ 0x736f6d65,
    k0[1] ^ 0x70736575,
    k1[0] ^ 0x646f7261,
    k1[1] ^ 0x6e646f6d,
    k0[0] ^ 0x6c796765,
    k0[1] ^ 0x6e657261,
    k1[0] ^ 0x74656462,
    k1[1] ^ 0x79746573,
  )
  const whole = message.length & ~7
  for (let i = 0; i < whole; i += 8) absorb(v, word(message, i + 4), word(message, i))
  const last = new Uint8Array(8)
  last.set(message.subarray(whole))
  last[7] = message.length & 0xff
  absorb(v, word(last, 4), word(last, 0))
  v[5] = v[5]! ^ 0xff
  for (let i = 0; i < 3; i++) round(v)
  return { hi: (v[0]! ^ v[2]! ^ v[4]! ^ v[6]!) >>> 0, lo: (v[1]! ^ v[3]! ^ v[5]! ^ v[7]!) >>> 0 }
}

function absorb(v: State, hi: number, lo: number): void {
  v[6] = v[6]! ^ hi
  v[7] = v[7]! ^ lo
  round(v)
  v[0] = v[0]! ^ hi
  v[1] = v[1]! ^ lo
}

function round(v: State): void {
  add(v, 0, 2)
  rotate(v, 2, 13)
  xor(v, 2, 0)
  rotate(v, 0, 32)
  add(v, 4, 6)
  rotate(v, 6, 16)
  xor(v, 6, 4)
  add(v, 0, 6)
  rotate(v, 6, 21)
  xor(v, 6, 0)
  add(v, 4, 2)
  rotate(v, 2, 17)
  xor(v, 2, 4)
  rotate(v, 4, 32)
}

function add(v: State, a: number, b: number): void {
  const low = (v[a + 1]! >>> 0) + (v[b + 1]! >>> 0)
  v[a] = v[a]! + v[b]! + (low > 0xffffffff ? 1 : 0)
  v[a + 1] = low
}

function xor(v: State, a: number, b: number): void {
  v[a] = v[a]! ^ v[b]!
  v[a + 1] = v[a + 1]! ^ v[b + 1]!
}

function rotate(v: State, a: number, bits: number): void {
  const [hi, lo] = [v[a]!, v[a + 1]!]
  v[a] = bits === 32 ? lo : (hi << bits) | (lo >>> (32 - bits))
  v[a + 1] = bits === 32 ? hi : (lo << bits) | (hi >>> (32 - bits))
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}
