/**
 * The group ristretto255 over @noble/curves' Edwards points: decoding, encoding and element derivation as RFC 9496 writes them. All arithmetic on
 * points and scalars is the library's; its own ristretto255 comes with the signatures and hashes of the whole curve, which no OPAQUE needs.
 * @see RFC 9496 §4; RFC 9497 §4.1; RFC 9380 §5.3.1
 */
import { type EdwardsPoint, edwards } from '@noble/curves/abstract/edwards.js'
import { bytesToNumberLE } from '@noble/curves/utils.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { concat, u8, u16 } from '@postern/core/bytes'
import type { Element, PrimeGroup } from './primeOrder.js'

// edwards25519, RFC 8032 §5.1.
const p = /* @__PURE__ */ BigInt('0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed')
const d = /* @__PURE__ */ BigInt('0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3')
const curve = /* @__PURE__ */ (() => ({
  p,
  n: BigInt('0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed'),
  h: 8n,
  a: p - 1n,
  d,
  Gx: BigInt('0x216936d3cd6e53fec0a4e231fdd6dc5c692cc7609525a7b2c9562d608f25d51a'),
  Gy: BigInt('0x6666666666666666666666666666666666666666666666666666666666666658'),
}))()

// RFC 9496 §4.1.
const SQRT_M1 = /* @__PURE__ */ BigInt('0x2b8324804fc1df0b2b4d00993dfbd7a72f431806ad2fe478c4ee1b274a0ea0b0')
const SQRT_AD_MINUS_ONE = /* @__PURE__ */ BigInt('25063068953384623474111414158702152701244531502492656460079210482610430750235')
const INVSQRT_A_MINUS_D = /* @__PURE__ */ BigInt('54469307008909316920995813868745141605393597292927456921205312896311721017578')

/** The group, with element derivation as RFC 9496 has it. */
export interface Ristretto255 extends PrimeGroup {
  /** The element of 64 uniform bytes (§4.3.4). */
  derive(uniform: Uint8Array): Element
}

/** The group, made once. */
export function ristretto255(): Ristretto255 {
  const Point = edwards(curve)
  const { Fp, Fn } = Point
  const { add, sub, mul, sqr, neg } = {
    add: (x: bigint, y: bigint) => Fp.add(x, y),
    sub: (x: bigint, y: bigint) => Fp.sub(x, y),
    mul: (x: bigint, ...more: readonly bigint[]) => more.reduce((product, y) => Fp.mul(product, y), x),
    sqr: (x: bigint) => Fp.sqr(x),
    neg: (x: bigint) => Fp.neg(x),
  }
  const odd = (x: bigint) => (x & 1n) === 1n
  const abs = (x: bigint) => (odd(x) ? neg(x) : x)

  /** SQRT_RATIO_M1(u, v), §4.2. */
  function sqrtRatio(u: bigint, v: bigint): { readonly square: boolean; readonly root: bigint } {
    const v3 = mul(v, v, v)
    const r = mul(u, v3, Fp.pow(mul(u, v3, v3, v), (p - 5n) / 8n))
    const check = mul(v, r, r)
    const [correct, flipped, flippedI] = [check === u, check === neg(u), check === mul(neg(u), SQRT_M1)]
    return { square: correct || flipped, root: abs(flipped || flippedI ? mul(r, SQRT_M1) : r) }
  }

  /** Decode, §4.3.1. @throws RangeError for anything but the one encoding of an element */
  function decode(bytes: Uint8Array): Element {
    const s = bytesToNumberLE(bytes)
    if (bytes.length !== 32 || s >= p || odd(s)) throw new RangeError('encoding')
    const ss = sqr(s)
    const [u1, u2] = [sub(1n, ss), add(1n, ss)]
    const u2sqr = sqr(u2)
    const v = sub(neg(mul(d, u1, u1)), u2sqr)
    const { square, root } = sqrtRatio(1n, mul(v, u2sqr))
    const denX = mul(root, u2)
    const denY = mul(root, denX, v)
    const x = abs(mul(2n, s, denX))
    const y = mul(u1, denY)
    const t = mul(x, y)
    if (!square || odd(t) || y === 0n) throw new RangeError('element')
    return element(new Point(x, y, 1n, t))
  }

  /** Encode, §4.3.2. */
  function encode({ X, Y, Z, T }: EdwardsPoint): Uint8Array {
    const u1 = mul(add(Z, Y), sub(Z, Y))
    const u2 = mul(X, Y)
    const { root } = sqrtRatio(1n, mul(u1, u2, u2))
    const [den1, den2] = [mul(root, u1), mul(root, u2)]
    const zInv = mul(den1, den2, T)
    const rotate = odd(mul(T, zInv))
    const x = rotate ? mul(Y, SQRT_M1) : X
    const y = rotate ? mul(X, SQRT_M1) : Y
    const den = rotate ? mul(den1, INVSQRT_A_MINUS_D) : den2
    return Fp.toBytes(abs(mul(den, sub(Z, odd(mul(x, zInv)) ? neg(y) : y))))
  }

  /** MAP of element derivation, §4.3.4. */
  function map(bytes: Uint8Array): EdwardsPoint {
    const t = Fp.create(bytesToNumberLE(bytes) & ((1n << 255n) - 1n))
    const r = mul(SQRT_M1, t, t)
    const u = mul(add(r, 1n), sub(1n, sqr(d)))
    const v = mul(sub(neg(1n), mul(r, d)), add(r, d))
    const { square, root } = sqrtRatio(u, v)
    const s = square ? root : neg(abs(mul(root, t)))
    const n = sub(mul(square ? neg(1n) : r, sub(r, 1n), sqr(sub(d, 1n))), v)
    const [w0, w1, w2, w3] = [mul(2n, s, v), mul(n, SQRT_AD_MINUS_ONE), sub(1n, sqr(s)), add(1n, sqr(s))]
    return new Point(mul(w0, w3), mul(w2, w1), mul(w1, w3), mul(w0, w2))
  }

  function derive(uniform: Uint8Array): Element {
    return element(map(uniform.subarray(0, 32)).add(map(uniform.subarray(32))))
  }

  function element(point: EdwardsPoint): Element {
    return {
      is0: () => point.X === 0n || point.Y === 0n,
      multiply: (scalar) => element(point.multiply(scalar)),
      toBytes: () => encode(point),
    }
  }

  return {
    Fn,
    BASE: element(Point.BASE),
    fromBytes: decode,
    derive,
    hashToGroup: (message, dst) => derive(expand64(message, dst)),
    hashToScalar: (message, dst) => Fn.create(bytesToNumberLE(expand64(message, dst))),
  }
}

/** expand_message_xmd of SHA-512 for its one block of 64 bytes; `dst` has at most 255. */
function expand64(message: Uint8Array, dst: Uint8Array): Uint8Array {
  const tail = concat(dst, u8(dst.length))
  const b0 = sha512(concat(new Uint8Array(128), message, u16(64), u8(0), tail))
  return sha512(concat(b0, u8(1), tail))
}
