// Medians of interleaved rounds. One JSON line a case and peer; nothing fails on its target, and everything on unequal plaintext.
import { randomBytes, randomFillSync } from 'node:crypto'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 15)

// 4 KiB at a time: a draw of 32 bytes alone costs 1.4 µs.
const pool = { bytes: new Uint8Array(4096), at: 4096 }

/** @param {number} n */
export function random(n) {
  if (n > 256) return new Uint8Array(randomBytes(n))
  if (pool.at + n > pool.bytes.length) {
    randomFillSync(pool.bytes)
    pool.at = 0
  }
  const out = pool.bytes.slice(pool.at, pool.at + n)
  pool.bytes.fill(0, pool.at, (pool.at += n))
  return out
}

/** @param {...Uint8Array} parts */
export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** @param {Uint8Array} a @param {Uint8Array} b @param {string} what */
export function mustEqual(a, b, what) {
  if (Buffer.compare(a, b) !== 0) throw new Error(`${what}: unequal plaintext`)
}

/**
 * Median µs an operation, wall and CPU, of each subject, and the tenth of wall times that other work on the machine disturbed least; rounds take turns.
 * @param {Record<string, { prepare?: (n: number) => unknown[], run: (input: any) => unknown, each?: number }>} subjects
 * @returns {Promise<Record<string, { us: number, p10: number, cpu: number }>>}
 */
export async function compare(subjects, each = 200, rounds = ROUNDS) {
  const times = Object.fromEntries(Object.keys(subjects).map((name) => [name, { us: [], cpu: [] }]))
  for (let round = -Math.ceil(rounds / 5); round < rounds; round++)
    for (const [name, { prepare, run, each: own }] of Object.entries(subjects)) {
      const n = own ?? each
      const inputs = prepare?.(n)
      const [cpu, start] = [process.cpuUsage(), process.hrtime.bigint()]
      for (let i = 0; i < n; i++) {
        const result = run(inputs?.[i])
        if (result instanceof Promise) await result
      }
      const us = Number(process.hrtime.bigint() - start) / 1000 / n
      const { user, system } = process.cpuUsage(cpu)
      if (round < 0) continue
      times[name].us.push(us)
      times[name].cpu.push((user + system) / n)
    }
  return Object.fromEntries(
    Object.entries(times).map(([name, { us, cpu }]) => [
      name,
      { us: median(us), p10: us[Math.floor(us.length / 10)], cpu: median(cpu) },
    ]),
  )
}

/** @param {number[]} values */
export function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1]
}

/** @param {number} n */
export const round = (n) => Math.round(n * 100) / 100

/**
 * @param {string} name @param {number} postern_us @param {string | null} peer @param {number | null} peer_us
 * @param {number | null} limit_us - what the target allows @param {Record<string, unknown>} [more]
 */
export function report(name, postern_us, peer, peer_us, limit_us, more = {}) {
  const ratio = peer_us === null ? null : round(peer_us / postern_us)
  const line = {
    case: name,
    postern_us: round(postern_us),
    peer,
    peer_us: peer_us === null ? null : round(peer_us),
    ratio,
    limit_us: limit_us === null ? null : round(limit_us),
  }
  console.log(JSON.stringify({ ...line, ...more }))
}
