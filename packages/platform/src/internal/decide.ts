/** One question, everywhere: may this subject, on this device, with this app, do this now. */
import { PosternError } from '@postern/core/errors'
import type { Clock } from '@postern/core/runtime'
import { capAcr } from '@postern/policy/compile'
import type { Reason } from '@postern/policy/document'
import { type Decision, decide } from '@postern/policy/evaluate'
import { encode } from '@postern/policy/facts'
import type { MobileSpec } from '@postern/policy/mobile'
import type { FactInput } from '@postern/policy/schema'
import { clockIn } from '@postern/policy/time'
import type { Config, ConfigStore } from './config.js'
import { type Facts, osOutdated } from './facts.js'
import type { Policies, Policy } from './policies.js'

export type Action = FactInput<MobileSpec>['action']

export interface Decider {
  /** The configuration in force, for building facts. */
  config(): Promise<Config>
  /** The policy in force; `acr` is the ceiling of an instance whose platform nobody verified. */
  policy(ceiling?: number): Promise<Policy>
  decide(action: Action, facts: Facts, o?: { ceiling?: number }): Promise<Decision>
}

export function createDecider(o: { policies: Policies; config: ConfigStore; clock: Clock }): Decider {
  const zones = new Map<string, ReturnType<typeof clockIn>>()
  const timeIn = (zone: string) => {
    const known = zones.get(zone) ?? clockIn(zone)
    zones.set(zone, known)
    return known
  }
  const policy = async (ceiling?: number): Promise<Policy> => {
    const current = await o.policies.current()
    return ceiling === undefined ? current : capAcr(current, ceiling)
  }
  return {
    config: () => o.config.current(),
    policy,
    async decide(action, facts, { ceiling } = {}) {
      const [compiled, config] = [await policy(ceiling), await o.config.current()]
      const input = { ...timeIn(compiled.document.zone)(o.clock()), ...facts, action } as FactInput<MobileSpec>
      const decision = decide(compiled, encode(compiled.schema, input))
      // The operator's rule for systems stands beside the policy: it denies what the policy would not, never the reverse.
      const platform = facts['os.platform']
      if (
        platform !== undefined &&
        osOutdated(config, { platform: String(platform), os: (facts['os.version'] as string | undefined) ?? null })
      )
        return { ...decision, outcome: 'deny', cause: 'rule', reason: 'os.outdated', obligation: null, message: 'os.update' }
      return decision
    },
  }
}

/** The error of a denial: policy's own reason where the app may know it. */
export function denied(decision: Pick<Decision, 'reason' | 'message'>): PosternError {
  const reason: Reason = decision.reason ?? 'policy.denied'
  return new PosternError(
    reason === 'step_up' ? 'policy.denied' : reason,
    decision.message === null ? {} : { reason: decision.message },
  )
}
