/**
 * The conformance kit: what every driver is judged by, as named cases for any test runner.
 *
 * @example
 * for (const { name, run, leftOut } of storeConformance(async () => memoryStore())) (leftOut ? it.skip : it)(name, run)
 */
import type { Store } from '@postern/store'
import { allOrNothingSuite } from './internal/conformance/allOrNothing.js'
import { type CrashSeen, crash, crashSuite } from './internal/conformance/crash.js'
import { exchangeSuite } from './internal/conformance/exchange.js'
import { type FailoverSeen, failover, failoverSuite } from './internal/conformance/failover.js'
import { faultSuite } from './internal/conformance/faults.js'
import { honestySuite } from './internal/conformance/honesty.js'
import { isolationSuite } from './internal/conformance/isolation.js'
import { type Capability, type Case, type KitContext, kitOf, type Suite } from './internal/conformance/kit.js'
import { forgotten, skipped } from './internal/conformance/leftOut.js'
import { limitSuite } from './internal/conformance/limits.js'
import { linearizabilitySuite } from './internal/conformance/linearizability.js'
import { listSuite } from './internal/conformance/list.js'
import { modelSuite } from './internal/conformance/model.js'
import { outboxSuite } from './internal/conformance/outbox.js'
import { outcomeSuite } from './internal/conformance/outcome.js'
import { pressureSuite } from './internal/conformance/pressure.js'
import type { CrashRig, Cuttable, ExchangeRig, FailoverRig, PressureRig } from './internal/conformance/rigs.js'
import { stormSuite } from './internal/conformance/storms.js'
import { sweepSuite, timeSuite } from './internal/conformance/time.js'

export type { Capability, Case, KitContext } from './internal/conformance/kit.js'
export type { CrashRig, Cuttable, ExchangeRig, FailoverRig, PressureRig } from './internal/conformance/rigs.js'

export interface ConformanceOptions {
  /** Decides what the random suites try; printed by a failure. @defaultValue 1 */
  readonly seed?: number
  /** What the driver has not got, or what cannot be done to it. */
  readonly skip?: readonly Capability[]
  /** More or fewer random runs. @defaultValue 1, which is 60 of the model */
  readonly scale?: number
  /** Rounds of kill -9. @defaultValue 20 */
  readonly rounds?: number
  /** Waits, in ms; every rig but `cuttable` needs it, since the kit has no timer of its own. */
  readonly sleep?: (ms: number) => Promise<void>
  /** `outcome`: opens a store whose answers can be lost. */
  readonly cuttable?: (context: KitContext) => Promise<Cuttable>
  /** `exchange`: opens a store whose connection can be cut at each byte. */
  readonly exchange?: (context: KitContext) => Promise<ExchangeRig>
  /** `crash`: what can be killed and brought back. */
  readonly crash?: (context: KitContext) => Promise<CrashRig>
  /** `failover`: a primary and its standby. */
  readonly failover?: (context: KitContext) => Promise<FailoverRig>
  /** `pressure`: a store of one connection over a server that can stand still. */
  readonly pressure?: (context: KitContext) => Promise<PressureRig>
}

/**
 * The cases for a driver, in twelve suites. Each opens stores of its own through `make` and closes them; those that kill, fail over, stall
 * or cut need a rig of the environment. A suite that is named in `skip` is one case that says so; one whose rig was forgotten is marked
 * as left out, for the runner to show as skipped.
 * @param make - a fresh, empty store
 */
export function storeConformance(make: (context: KitContext) => Promise<Store>, o: ConformanceOptions = {}): readonly Case[] {
  const {
    seed = 1,
    skip = [],
    scale = 1,
    rounds = 20,
    sleep,
    cuttable,
    exchange,
    crash: crashes,
    failover: failovers,
    pressure,
  } = o
  if (sleep === undefined && (exchange ?? crashes ?? failovers ?? pressure)) throw new Error('a rig needs `sleep`: pass a timer')
  const kit = kitOf({ make, seed, scale, lists: !skip.includes('list'), sleep: sleep ?? (async () => {}) })

  const unless = (capability: Capability, suite: Suite): readonly Case[] =>
    skip.includes(capability) ? skipped(kit, capability) : suite(kit)
  const with_ = <R>(capability: Capability, rig: R | undefined, suite: (rig: R) => readonly Case[]): readonly Case[] => {
    if (skip.includes(capability)) return skipped(kit, capability)
    return rig === undefined ? forgotten(capability) : suite(rig)
  }
  const crashed = once(
    crashes && !skip.includes('crash') && (async (): Promise<CrashSeen> => crash(kit, await kit.rig(crashes), rounds)),
  )
  const failed = once(
    failovers && !skip.includes('failover') && (async (): Promise<FailoverSeen> => failover(kit, await kit.rig(failovers))),
  )

  return [
    ...modelSuite(kit),
    ...linearizabilitySuite(kit),
    ...stormSuite(kit),
    ...allOrNothingSuite(kit),
    ...with_('exchange', exchange, (open) => exchangeSuite(kit, () => kit.rig(open))),
    ...with_('outcome', cuttable, (open) => outcomeSuite(kit, () => kit.rig(open))),
    ...timeSuite(kit),
    ...unless('sweep', sweepSuite),
    ...with_('crash', crashed, (seen) => crashSuite(rounds, seen)),
    ...with_('failover', failed, failoverSuite),
    ...isolationSuite(kit),
    ...limitSuite(kit),
    ...unless('list', listSuite),
    ...unless('outbox', outboxSuite),
    ...with_('pressure', pressure, (open) => pressureSuite(kit, () => kit.rig(open))),
    ...honestySuite(kit, { ...(crashed && { crash: crashed }), ...(failed && { failover: failed }) }),
    ...faultSuite(kit),
  ]
}

/** Several cases judge what was seen once. */
function once<T>(see: (() => Promise<T>) | false | undefined): (() => Promise<T>) | undefined {
  if (!see) return undefined
  let seen: Promise<T> | undefined
  return () => {
    seen ??= see()
    return seen
  }
}
