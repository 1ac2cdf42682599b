/**
 * How many different members: an exact set up to 1,024, beyond that HyperLogLog with 4,096 registers (standard error 1.6 %). Merging is a
 * union, so any number of nodes and any order give the same bytes.
 */
import { PosternError } from '@postern/core/errors'
import { exp2, ln, siphash13 } from '../deterministic.js'

/** Members held exactly; one more and the count becomes an estimate. */
export const exactMembers = 1024
const REGISTERS = 4096
const BITS = 12

/** Immutable. `exact` holds 16 hex digits each, sorted; `registers` is HyperLogLog's once the set has overflowed. */
export interface Cardinality {
  readonly exact: readonly string[] | null
  readonly registers: Uint8Array | null
}

export const noMembers: Cardinality = { exact: [], registers: null }

/** The 64-bit hash of a member as 16 hex digits. @param key - 16 bytes, the same wherever counts are merged */
export function memberHash(key: Uint8Array, member: Uint8Array): string {
  const { hi, lo } = siphash13(key, member)
  return hi.toString(16).padStart(8, '0') + lo.toString(16).padStart(8, '0')
}

/** The count with these members added. @param hashes - from {@link memberHash} */
export function addMembers(c: Cardinality, hashes: Iterable<string>): Cardinality {
  const fresh = [...hashes].filter((hash) => !has(c, hash))
  if (fresh.length === 0) return c
  if (c.exact === null) return { exact: null, registers: withHashes(c.registers!.slice(), fresh) }
  const all = new Set([...c.exact, ...fresh])
  return all.size <= exactMembers
    ? { exact: [...all].sort(), registers: null }
    : { exact: null, registers: withHashes(new Uint8Array(REGISTERS), all) }
}

/** The union. */
export function mergeCardinality(a: Cardinality, b: Cardinality): Cardinality {
  if (b.exact !== null) return addMembers(a, b.exact)
  if (a.exact !== null) return addMembers(b, a.exact)
  return { exact: null, registers: a.registers!.map((r, i) => Math.max(r, b.registers![i]!)) }
}

/** The same members as an estimate: 4,097 bytes encoded, however many there are. */
export function estimated(c: Cardinality): Cardinality {
  return c.exact === null ? c : { exact: null, registers: withHashes(new Uint8Array(REGISTERS), c.exact) }
}

/** Exact while the set is, then the estimate, with linear counting where many registers are empty. @see Flajolet et al. 2007, §4 */
export function countMembers(c: Cardinality): { readonly count: number; readonly exact: boolean } {
  if (c.exact !== null) return { count: c.exact.length, exact: true }
  let [sum, empty] = [0, 0]
  for (const r of c.registers!) {
    sum += exp2(-r)
    if (r === 0) empty++
  }
  const raw = ((0.7213 / (1 + 1.079 / REGISTERS)) * REGISTERS * REGISTERS) / sum
  const count = raw <= 2.5 * REGISTERS && empty > 0 ? REGISTERS * ln(REGISTERS / empty) : raw
  return { count: Math.round(count), exact: false }
}

/** 0 ‖ hashes of 8 bytes, or 1 ‖ 4,096 registers. */
export function encodeCardinality(c: Cardinality): Uint8Array {
  if (c.exact === null) {
    const out = new Uint8Array(1 + REGISTERS)
    out[0] = 1
    out.set(c.registers!, 1)
    return out
  }
  const out = new Uint8Array(1 + 8 * c.exact.length)
  for (const [i, hash] of c.exact.entries())
    for (let b = 0; b < 8; b++) out[1 + 8 * i + b] = Number.parseInt(hash.slice(2 * b, 2 * b + 2), 16)
  return out
}

/** @throws PosternError `anomaly.state_invalid` */
export function decodeCardinality(bytes: Uint8Array): Cardinality {
  if (bytes[0] === 1 && bytes.length === 1 + REGISTERS && bytes.subarray(1).every((r) => r <= 64 - BITS + 1))
    return { exact: null, registers: bytes.slice(1) }
  if (bytes[0] !== 0 || (bytes.length - 1) % 8 !== 0 || bytes.length > 1 + 8 * exactMembers)
    throw new PosternError('anomaly.state_invalid', { reason: 'cardinality' })
  const exact: string[] = []
  for (let at = 1; at < bytes.length; at += 8)
    exact.push(Array.from(bytes.subarray(at, at + 8), (b) => b.toString(16).padStart(2, '0')).join(''))
  if (exact.some((hash, i) => i > 0 && hash <= exact[i - 1]!))
    throw new PosternError('anomaly.state_invalid', { reason: 'cardinality' })
  return { exact, registers: null }
}

/** Whether adding the hash would change nothing. */
function has(c: Cardinality, hash: string): boolean {
  if (c.exact === null) {
    const { index, rank } = place(hash)
    return c.registers![index]! >= rank
  }
  let [low, high] = [0, c.exact.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (c.exact[middle]! < hash) low = middle + 1
    else high = middle
  }
  return c.exact[low] === hash
}

function withHashes(registers: Uint8Array, hashes: Iterable<string>): Uint8Array {
  for (const hash of hashes) {
    const { index, rank } = place(hash)
    registers[index] = Math.max(registers[index]!, rank)
  }
  return registers
}

/** Register: the first 12 bits; rank: zeros before the first one in the other 52, plus 1. */
function place(hash: string): { readonly index: number; readonly rank: number } {
  const [hi, lo] = [Number.parseInt(hash.slice(0, 8), 16), Number.parseInt(hash.slice(8), 16)]
  const rest = hi & 0xfffff
  return { index: hi >>> 20, rank: rest !== 0 ? Math.clz32(rest) - 12 + 1 : 20 + Math.clz32(lo) + 1 }
}
