/**
 * Crowds of failures: many on one subject, or many subjects from one network. Memory is constant whatever arrives: counts live in sketches
 * under a secret key, in twelve buckets of five minutes.
 */
import { PosternError } from '@postern/core/errors'
import { exp2, ln, siphash13 } from './deterministic.js'
import { poisson } from './internal/surprisal.js'
import { toUnits } from './internal/units.js'
import type { Id } from './network.js'
import { addCount, type CountMin, countMin, readCount } from './sketches/countMin.js'

/** `brute.subject`: failures on one subject · `stuffing`: different subjects failing from one prefix. */
export type SignalCode = 'brute.subject' | 'stuffing'

/** Something that a crowd did. It names nobody; the event that set it off is in the caller's hand. */
export interface Signal {
  readonly code: SignalCode
  readonly scope: 'subject' | 'prefix'
  /** Surprisal, 1 unit = 1/1024 nat. */
  readonly units: number
  readonly count: number
  readonly expected: number
  readonly windowMs: number
}

/** One try to log in, as it is watched. */
export interface WatchedEvent {
  /** Milliseconds since the epoch, by the platform's clock. */
  readonly at: number
  readonly outcome: 'success' | 'failure'
  readonly subject: Id | null
  /** From `prefixOf`. */
  readonly prefix: Uint8Array | null
}

export interface VolumeConfig {
  /** 16 bytes, secret, one a tenant: without it nobody can aim at a cell. */
  readonly key: Uint8Array
  /** Failures an hour that an honest subject may have. @defaultValue 0.25 */
  readonly failuresPerHour?: number
  /** Different failing subjects an hour that an honest network may have. @defaultValue 3 */
  readonly subjectsPerHour?: number
}

/** A handle: `reduceVolume` gives the next and this one is dead. About 1 MiB. */
export interface Volume {
  readonly config: VolumeConfig
  readonly buckets: readonly Bucket[]
  /** Bucket number that the ring has reached. */
  readonly mark: number
  readonly alive: { readonly is: boolean }
}

interface Bucket {
  readonly number: number
  readonly failures: CountMin
  /** Three rows of 512 keys of 32 HyperLogLog registers. */
  readonly subjects: Uint8Array
}

const BUCKET_MS = 300_000
const BUCKETS = 12
const [ROWS, KEYS, REGISTERS] = [3, 512, 32]
const LEAST_NATS = 12
const LEAST_FAILURES = 5
const LEAST_SUBJECTS = 20
const LATE_MS = 300_000
const EARLY_MS = 30_000

/** @throws PosternError `anomaly.config_invalid` */
export function openVolume(config: VolumeConfig): Volume {
  if (!(config.key instanceof Uint8Array) || config.key.length !== 16)
    throw new PosternError('anomaly.config_invalid', { reason: '/key' })
  for (const name of ['failuresPerHour', 'subjectsPerHour'] as const)
    if (config[name] !== undefined && !(config[name]! > 0 && config[name]! < 1e6))
      throw new PosternError('anomaly.config_invalid', { reason: `/${name}` })
  const buckets = Array.from({ length: BUCKETS }, (_, number) => emptyBucket(number))
  return { config, buckets, mark: 0, alive: { is: true } }
}

/**
 * Counts one try and says what it made evident: a signal is given when a threshold is crossed, not again with each further try.
 * A try more than five minutes late, or ahead of `now`, is not counted. Never throws on a bad event.
 * @throws PosternError `anomaly.state_stale` when the handle was used before
 */
export function reduceVolume(
  v: Volume,
  e: WatchedEvent,
  now: number,
): { readonly state: Volume; readonly signals: readonly Signal[] } {
  if (!v.alive.is) throw new PosternError('anomaly.state_stale')
  if (
    e.outcome !== 'failure' ||
    !Number.isFinite(e.at) ||
    e.at < 0 ||
    e.at > now + EARLY_MS ||
    e.at < v.mark * BUCKET_MS - LATE_MS
  )
    return { state: v, signals: [] }
  ;(v.alive as { is: boolean }).is = false
  const number = Math.floor(e.at / BUCKET_MS)
  const mark = Math.max(v.mark, number)
  const buckets = v.buckets.map((bucket, i) =>
    i === number % BUCKETS && bucket.number !== number ? emptyBucket(number) : bucket,
  )
  const live = buckets.filter((bucket) => bucket.number > mark - BUCKETS)
  const signals: Signal[] = []
  if (e.subject instanceof Uint8Array) {
    const { hi, lo } = siphash13(v.config.key, e.subject)
    const sum = () => live.reduce((n, bucket) => n + readCount(bucket.failures, hi, lo), 0)
    const before = sum()
    addCount(buckets[number % BUCKETS]!.failures, hi, lo)
    signals.push(...crossing('brute.subject', 'subject', before, sum(), v.config.failuresPerHour ?? 0.25, LEAST_FAILURES))
    if (e.prefix instanceof Uint8Array) {
      const key = siphash13(v.config.key, e.prefix)
      const before = distinct(live, key)
      note(buckets[number % BUCKETS]!.subjects, key, hi, lo)
      signals.push(...crossing('stuffing', 'prefix', before, distinct(live, key), v.config.subjectsPerHour ?? 3, LEAST_SUBJECTS))
    }
  }
  return { state: { config: v.config, buckets, mark, alive: { is: true } }, signals }
}

function crossing(
  code: SignalCode,
  scope: Signal['scope'],
  before: number,
  after: number,
  expected: number,
  least: number,
): readonly Signal[] {
  const fires = (n: number) => n >= least && poisson(n, expected) >= LEAST_NATS
  if (fires(before) || !fires(after)) return []
  return [{ code, scope, units: toUnits(poisson(after, expected)), count: after, expected, windowMs: BUCKET_MS * BUCKETS }]
}

function emptyBucket(number: number): Bucket {
  return { number, failures: countMin(2048), subjects: new Uint8Array(ROWS * KEYS * REGISTERS) }
}

type Key = { readonly hi: number; readonly lo: number }

const cell = (row: number, { hi, lo }: Key): number => (row * KEYS + ((hi + Math.imul(row, lo | 1)) & (KEYS - 1))) * REGISTERS

function note(registers: Uint8Array, key: Key, hi: number, lo: number): void {
  const rank = Math.clz32(hi) + 1
  for (let row = 0; row < ROWS; row++) {
    const at = cell(row, key) + (lo & (REGISTERS - 1))
    registers[at] = Math.max(registers[at]!, rank)
  }
}

/** Different subjects of a prefix over the live buckets: the least of three estimates, which a collision can only raise. */
function distinct(live: readonly Bucket[], key: Key): number {
  let least = Number.POSITIVE_INFINITY
  for (let row = 0; row < ROWS; row++) {
    let [sum, empty] = [0, 0]
    for (let r = 0; r < REGISTERS; r++) {
      let most = 0
      for (const bucket of live) most = Math.max(most, bucket.subjects[cell(row, key) + r]!)
      sum += exp2(-most)
      if (most === 0) empty++
    }
    const raw = (0.697 * REGISTERS * REGISTERS) / sum
    least = Math.min(least, raw <= 2.5 * REGISTERS && empty > 0 ? REGISTERS * ln(REGISTERS / empty) : raw)
  }
  return Math.round(least)
}
