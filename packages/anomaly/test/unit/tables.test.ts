import { describe, expect, it } from 'vitest'
import { asinTable, exp2Table, lnTable, sinTable } from '../../src/internal/tables.js'

/** Fixed point with 120 bits behind the point. */
const ONE = 1n << 120n
const mul = (a: bigint, b: bigint): bigint => (a * b) / ONE
const div = (a: bigint, b: bigint): bigint => (a * ONE) / b
/** To 2⁻²⁴, rounded to nearest. */
const q24 = (x: bigint): number => Number((x + (1n << 95n)) >> 96n)

/** 2·artanh(z) = ln((1+z)/(1−z)) */
function lnOf(y: bigint): bigint {
  const z = div(y - ONE, y + ONE)
  let [sum, power] = [0n, z]
  for (let n = 1n; power !== 0n; n += 2n) {
    sum += power / n
    power = mul(power, mul(z, z))
  }
  return 2n * sum
}
function expOf(x: bigint): bigint {
  let [sum, term] = [0n, ONE]
  for (let n = 1n; term !== 0n; n++) {
    sum += term
    term = mul(term, x) / n
  }
  return sum
}
function sinOf(x: bigint): bigint {
  let [sum, term] = [0n, x]
  for (let n = 1n; term !== 0n; n += 2n) {
    sum += term
    term = -mul(term, mul(x, x)) / ((n + 1n) * (n + 2n))
  }
  return sum
}
function asinOf(x: bigint): bigint {
  let [sum, term] = [0n, x]
  for (let n = 1n; term !== 0n; n += 2n) {
    sum += term / n
    term = (mul(term, mul(x, x)) * n) / (n + 1n)
  }
  return sum
}
function sqrt(x: bigint): bigint {
  const n = x << 120n
  let root = ONE
  for (;;) {
    const next = (root + n / root) / 2n
    if (next >= root) return root
    root = next
  }
}
const half = sqrt(ONE / 2n)
const pi = 4n * asinOf(half)

describe('the four tables, every entry computed anew with big integers', () => {
  it.each([
    ['ln(1 + i/1024)', lnTable, (i: bigint) => lnOf(ONE + (ONE * i) / 1024n)],
    ['2^(i/1024)', exp2Table, (i: bigint) => expOf((lnOf(2n * ONE) * i) / 1024n)],
    ['sin(π/2 · i/1024)', sinTable, (i: bigint) => sinOf((pi * i) / 2048n)],
    ['asin(√½ · i/1024)', asinTable, (i: bigint) => asinOf((half * i) / 1024n)],
  ] as const)('%s', (_, table, exact) => {
    expect(table.length).toBe(1025)
    for (let i = 0; i <= 1024; i++) expect(Math.abs(table[i]! - q24(exact(BigInt(i)))), `entry ${i}`).toBe(0)
  })
})
