/** What is good and bad of each fact, as data: `bad < missing < clean self-report < vendor < hardware`. The lattice is this table. */
import { type Fact, type FactMap, type Strength, strengths } from '../evidence.js'

export type FactName = keyof FactMap
/** How a value counts: worse is lower; `neutral` says that nobody looked. */
export type Worth = 'bad' | 'neutral' | 'good'

/** Values from worst to best where there is a bad one; every fact that is not here has none. */
const values: Partial<
  Record<FactName, { readonly bad: readonly unknown[]; readonly neutral?: readonly unknown[]; readonly good: readonly unknown[] }>
> = {
  'app.signature': { bad: ['mismatch'], neutral: ['unchecked'], good: ['match'] },
  'app.environment': { bad: ['development'], good: ['production'] },
  'app.recognised': { bad: [false], good: [true] },
  'app.licensed': { bad: [false], good: [true] },
  'device.keyLevel': { bad: ['software'], good: ['tee', 'strongbox', 'enclave'] },
  'device.bootState': { bad: ['failed', 'unverified', 'self-signed'], good: ['verified'] },
  'device.bootLocked': { bad: [false], good: [true] },
  'device.rooted': { bad: [true], good: [false] },
  'device.debugger': { bad: [true], good: [false] },
  'device.emulator': { bad: [true], good: [false] },
  'device.hooked': { bad: [true], good: [false] },
  'device.tampered': { bad: [true], good: [false] },
  'key.revocation': { bad: ['revoked'], neutral: ['unknown'], good: ['good'] },
}

/** Facts of which a clean self-report is worth something: that they are not missing. */
export const runtimeFacts: readonly FactName[] = [
  'device.rooted',
  'device.debugger',
  'device.emulator',
  'device.hooked',
  'device.tampered',
]

export function worthOf(name: FactName, value: unknown): Worth {
  const table = values[name]
  if (!table) return 'good'
  if (table.good.includes(value)) return 'good'
  return table.neutral?.includes(value) ? 'neutral' : 'bad'
}

/** The place of a value among those of its worth, worst first. */
export function placeOf(name: FactName, value: unknown): number {
  const table = values[name]
  return table ? table[worthOf(name, value)]!.indexOf(value) : 0
}

export function rankOf(strength: Strength): number {
  return strengths.indexOf(strength)
}

/** The level of a combined fact: 0 bad, 1 missing, 2 neutral or clean self-report, 3 vendor, 4 hardware. */
export function levelOf(name: FactName, fact: Fact<unknown> | undefined): number {
  if (!fact) return 1
  if (worthOf(name, fact.value) === 'bad') return 0
  return worthOf(name, fact.value) === 'neutral' ? 2 : Math.max(2, rankOf(fact.strength) + 1)
}
