/// <reference types="node" />
/** The cases of the kit that need a rig, as tests. */
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryStore } from '@postern/store/memory'
import { type ConformanceOptions, storeConformance } from '@postern/testkit/conformance'
import { present } from '@postern/testkit/servers'
import { it } from 'vitest'

const ROUNDS = Number(process.env['POSTERN_CRASH_ROUNDS'] ?? 0)

/** @param prefix - the row of the attack that they answer */
export function judge(rigs: ConformanceOptions, suites: RegExp, prefix = ''): void {
  const rounds = ROUNDS || (rigs.rounds ?? 5)
  const cases = storeConformance(async () => memoryStore(), { sleep, ...rigs, rounds })
  for (const { name, run } of cases.filter(({ name, leftOut }) => suites.test(name) && !leftOut))
    it(prefix + name, run, 60_000 + 10_000 * rounds)
}

/** Whether the tests over this server are left out: the machine has none, and nobody insists. */
export function no(server: 'postgres' | 'redis' | 'strace'): boolean {
  return !present[server] && process.env['POSTERN_REQUIRE'] !== 'all'
}
