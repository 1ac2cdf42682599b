/**
 * The conformance kit: what every driver is judged by, as named cases for any test runner.
 *
 * @example
 * for (const { name, run } of storeConformance(async () => memoryStore())) it(name, run)
 */
import type { Store } from '@postern/store'
import { allOrNothingSuite } from './internal/conformance/allOrNothing.js'
import { isolationSuite } from './internal/conformance/isolation.js'
import { type Capability, type Case, type KitContext, kitOf, type Suite } from './internal/conformance/kit.js'
import { limitSuite } from './internal/conformance/limits.js'
import { linearizabilitySuite } from './internal/conformance/linearizability.js'
import { listSuite } from './internal/conformance/list.js'
import { modelSuite } from './internal/conformance/model.js'
import { outboxSuite } from './internal/conformance/outbox.js'
import { outcomeSuite } from './internal/conformance/outcome.js'
import { stormSuite } from './internal/conformance/storms.js'
import { sweepSuite, timeSuite } from './internal/conformance/time.js'

export type { Capability, Case, KitContext } from './internal/conformance/kit.js'

/** A store and the means to lose the answer of its next commit, before or after it took effect. */
export interface Cuttable {
  readonly store: Store
  cut(when: 'before' | 'after'): void
}

export interface ConformanceOptions {
  /** Decides what the model suite tries; printed by a failure. @defaultValue 1 */
  readonly seed?: number
  /** What the driver has not got. */
  readonly skip?: readonly Capability[]
  /** More or fewer random runs. @defaultValue 1, which is 60 */
  readonly scale?: number
  /** Opens a store whose answers can be lost; without it the suite on unknown outcomes is left out. */
  readonly cuttable?: (context: KitContext) => Promise<Cuttable>
}

/**
 * The cases for a driver. Each opens stores of its own through `make` and closes them.
 * @param make - a fresh, empty store
 */
export function storeConformance(make: (context: KitContext) => Promise<Store>, o: ConformanceOptions = {}): readonly Case[] {
  const { seed = 1, skip = [], scale = 1, cuttable } = o
  const kit = kitOf(make, seed, scale)
  const with_ = (capability: Capability, suite: Suite): readonly Case[] => (skip.includes(capability) ? [] : suite(kit))
  let cuts = 0
  return [
    ...modelSuite(kit),
    ...linearizabilitySuite(kit),
    ...stormSuite(kit),
    ...allOrNothingSuite(kit),
    ...timeSuite(kit),
    ...with_('sweep', sweepSuite),
    ...isolationSuite(kit),
    ...limitSuite(kit),
    ...with_('list', listSuite),
    ...with_('outbox', outboxSuite),
    ...(cuttable ? outcomeSuite(kit, () => cuttable({ graceMs: kit.graceMs, count: -++cuts })) : []),
  ]
}
