/**
 * Logarithm, power, sine and hashes with the same bits on every engine. ECMAScript fixes + − × ÷ √ and leaves the rest to the engine, so the
 * rest is read from integer tables with linear interpolation: absolute error at most 2·10⁻⁷ (relative for `exp2`).
 */
import { asinTable, exp2Table, lnTable, sinTable } from './internal/tables.js'

export { siphash13 } from './internal/siphash.js'

const LN2 = Math.LN2
const LOG2E = Math.LOG2E
export const PI: number = Math.PI
const ROOT_HALF = Math.SQRT1_2
/** Written and read within one call: a fresh view per logarithm costs ten times the logarithm. */
const double: DataView = /* @__PURE__ */ new DataView(/* @__PURE__ */ new ArrayBuffer(8))

/** Natural logarithm; `-Infinity` at 0, `NaN` below it or for `NaN`. */
export function ln(x: number): number {
  if (!(x > 0)) return x === 0 ? Number.NEGATIVE_INFINITY : Number.NaN
  if (x === Number.POSITIVE_INFINITY) return x
  if (x < 2.2250738585072014e-308) return ln(x * 18014398509481984) - 54 * LN2
  double.setFloat64(0, x)
  const high = double.getUint32(0)
  const exponent = (high >>> 20) - 1023
  const part = (high & 0x3ff) * 2 ** 32 + double.getUint32(4)
  return exponent * LN2 + between(lnTable, (high >>> 10) & 0x3ff, part / 2 ** 42)
}

/** 2 to the power x; 0 below −1,022, `Infinity` from 1,024. */
export function exp2(x: number): number {
  if (Number.isNaN(x)) return x
  if (x < -1022) return 0
  if (x >= 1024) return Number.POSITIVE_INFINITY
  const whole = Math.floor(x)
  const cell = (x - whole) * 1024
  const index = Math.min(1023, Math.floor(cell))
  double.setUint32(0, (whole + 1023) << 20)
  double.setUint32(4, 0)
  return between(exp2Table, index, cell - index) * double.getFloat64(0)
}

/** 1/(1+e⁻ˣ): rises with x, never falls. */
export function sigmoid(x: number): number {
  return 1 / (1 + exp2(-x * LOG2E))
}

/** Sine of an angle in radians, |x| ≤ 10⁶. */
export function sin(x: number): number {
  const turns = x / (2 * PI)
  const quarter = (turns - Math.floor(turns)) * 4
  const q = Math.min(3, Math.floor(quarter))
  const rest = quarter - q
  const cell = (q % 2 === 0 ? rest : 1 - rest) * 1024
  const index = Math.min(1023, Math.floor(cell))
  const value = between(sinTable, index, cell - index)
  return q < 2 ? value : -value
}

/** Angle in [0, π/2] whose sine is x; x is clamped to [0, 1]. */
export function arcSine(x: number): number {
  if (!(x > 0)) return 0
  if (x >= 1) return PI / 2
  if (x > ROOT_HALF) return PI / 2 - arcSine(Math.sqrt(1 - x * x))
  const cell = (x / ROOT_HALF) * 1024
  const index = Math.min(1023, Math.floor(cell))
  return between(asinTable, index, cell - index)
}

/** Mixes up to three 32-bit words into one, evenly (the finalizer of MurmurHash3). Not for what an attacker can choose: that is `siphash13`. */
export function mix32(a: number, b = 0, c = 0): number {
  return finish(finish(finish(a) + b) + c)
}

function finish(n: number): number {
  let h = n ^ (n >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

function between(table: Int32Array, index: number, part: number): number {
  const low = table[index]!
  return (low + (table[index + 1]! - low) * part) / 16777216
}
