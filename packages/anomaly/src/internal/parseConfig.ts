/** Strict parse of the configuration: every mistake is named with its JSON pointer, at construction. */
import { utf8 } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import {
  type DeclarableFact,
  declarableFacts,
  factsWithoutResolver,
  type Reference,
  type RiskConfig,
  referenceWithoutResolver,
  referenceWithResolver,
} from '../config.js'
import { ln, siphash13 } from '../deterministic.js'
import { type Chain, chains, extraChain } from './levels.js'
import { toUnits } from './units.js'

export interface ParsedConfig {
  readonly key: Uint8Array
  readonly declared: ReadonlySet<DeclarableFact>
  readonly extraNames: readonly string[]
  readonly chains: readonly Chain[]
  readonly prior: number
  readonly bands: { readonly raised: number; readonly high: number }
  readonly reference: Reference
  /** Tells one configuration's profiles from another's. */
  readonly hash: number
  readonly id: string
}

export function parseConfig(config: RiskConfig): ParsedConfig {
  const { facts = factsWithoutResolver, extras = {}, takeoversPerMillion = 100 } = config
  const reference = config.reference ?? (facts.includes('asn') ? referenceWithResolver : referenceWithoutResolver)
  if (!(config.key instanceof Uint8Array) || config.key.length !== 16) throw invalid('/key', 'has 16 bytes')
  for (const [i, fact] of facts.entries())
    if (!declarableFacts.includes(fact)) throw invalid(`/facts/${i}`, 'is none of the declarable facts')
  const declared = new Set(facts)
  const extraNames = Object.keys(extras).sort()
  if (extraNames.length > 8) throw invalid('/extras', 'has at most 8 names')
  for (const name of extraNames)
    if (!Number.isInteger(extras[name]) || extras[name]! < 2)
      throw invalid(`/extras/${name}`, 'is a number of values, at least 2')
  if (!(takeoversPerMillion > 0 && takeoversPerMillion < 500_000))
    throw invalid('/takeoversPerMillion', 'is above 0 and below 500,000')
  const sorted = reference.every(
    (r, i) =>
      Number.isInteger(r.units) &&
      r.permille >= 0 &&
      r.permille <= 1000 &&
      (i === 0 || (r.permille > reference[i - 1]!.permille && r.units >= reference[i - 1]!.units)),
  )
  if (reference.length < 2 || !sorted) throw invalid('/reference', 'ascends, with two points or more')
  const takeover = takeoversPerMillion / 1e6
  const prior = toUnits(ln(takeover / (1 - takeover)))
  const bands = config.bands ?? { raised: prior + toUnits(ln(10)), high: prior + toUnits(ln(100)) }
  if (!Number.isInteger(bands.raised) || !Number.isInteger(bands.high) || bands.raised > bands.high)
    throw invalid('/bands', 'has whole units, raised not above high')
  const used = chains
    .map((chain) => ({ ...chain, levels: chain.levels.filter((level) => declared.has(level.fact as DeclarableFact)) }))
    .filter((chain) => chain.levels.length > 0)
  const canonical = JSON.stringify([
    1,
    declarableFacts.filter((fact) => declared.has(fact)),
    extraNames.map((name) => [name, extras[name]]),
    takeoversPerMillion,
    bands.raised,
    bands.high,
    reference.map((r) => [r.permille, r.units]),
  ])
  const { hi, lo } = siphash13(config.key, utf8(`config ${canonical}`))
  return {
    key: config.key.slice(),
    declared,
    extraNames,
    chains: [...used, ...extraNames.map((name, i) => extraChain(name, i, extras[name]!))],
    prior,
    bands,
    reference: reference.map((r) => ({ ...r })),
    hash: lo,
    id: `risk1-${hi.toString(16).padStart(8, '0')}-frozen0`,
  }
}

/** Units at a thousandth of the reference, interpolated. */
export function unitsAt(reference: ParsedConfig['reference'], permille: number): number {
  let before = reference[0]!
  for (const point of reference) {
    if (point.permille >= permille)
      return point.permille === before.permille
        ? point.units
        : Math.round(
            before.units + ((point.units - before.units) * (permille - before.permille)) / (point.permille - before.permille),
          )
    before = point
  }
  return before.units
}

/** Place of `units` in the reference, 0–1000. */
export function percentileOf(reference: ParsedConfig['reference'], units: number): number {
  let before = { permille: 0, units: reference[0]!.units }
  for (const point of reference) {
    if (point.units >= units) {
      if (units <= before.units) return before.permille
      return Math.floor(
        before.permille + ((point.permille - before.permille) * (units - before.units)) / (point.units - before.units),
      )
    }
    before = point
  }
  return 1000
}

function invalid(pointer: string, rule: string): PosternError<'anomaly.config_invalid'> {
  return new PosternError('anomaly.config_invalid', {
    publicMessage: `Risk model configuration: ${pointer} ${rule}.`,
    reason: pointer,
  })
}
