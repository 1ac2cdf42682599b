/** What a login still needs: policy's decision and the client's demand as one obligation, and the enrolments that can meet it. */
import type { Enrolment } from '@postern/authenticators/enrolment'
import type { Edge } from '@postern/policy/document'
import type { Decision } from '@postern/policy/evaluate'
import { type AuthenticatorFacts, merge, type Obligation, type Requirement, resolve } from '@postern/policy/obligations'
import type { Policy } from '../policies.js'
import type { Factor } from './session.js'

/** An enrolment of the user on this device, as the login sees it. */
export interface Candidate {
  readonly id: string
  readonly rev: string
  readonly value: Enrolment
  readonly locked: boolean
  readonly preferred: boolean
}

export type Plan =
  | { readonly kind: 'satisfied'; readonly level: number }
  | { readonly kind: 'denied'; readonly decision: Decision }
  | { readonly kind: 'unreachable'; readonly code: 'acr.unreachable' | 'authenticator.none_usable' }
  | {
      readonly kind: 'open'
      readonly obligation: Obligation
      readonly choices: readonly Candidate[]
      readonly fallback: readonly Edge[]
    }

/** A login that still needs something. */
export type OpenPlan = Extract<Plan, { kind: 'open' }>

/** The level that these types reach together by the policy's table, 0 for none. */
export function levelOf(policy: Policy, types: readonly string[]): number {
  let level = 0
  for (const [set, reached] of Object.entries(policy.levels))
    if (reached > level && set.split('+').every((type) => types.includes(type))) level = reached
  return level
}

/** What policy's algebra asks about the user's authenticators. Factors of this session have just been proven. */
export function authenticatorFacts(
  policy: Policy,
  candidates: readonly Candidate[],
  done: readonly Factor[],
): AuthenticatorFacts {
  const active = candidates.filter(({ value }) => value.status === 'active' || value.status === 'locked')
  const isLocked = (c: Candidate): boolean => c.locked || c.value.status === 'locked'
  return {
    methods: new Set(done.map(({ type }) => type)),
    enrolled: new Set(active.map(({ value }) => value.type)),
    usable: new Set(active.filter((c) => !isLocked(c)).map(({ value }) => value.type)),
    locked: new Set(active.filter(isLocked).map(({ value }) => value.type)),
    acr: levelOf(
      policy,
      done.map(({ type }) => type),
    ),
    ageSec: done.length === 0 ? null : 0,
  }
}

/**
 * What comes next.
 * @param demanded - the level the client asked for; a login needs one factor in any case
 * @param order - registry order of types, the default preference
 */
export function planLogin(o: {
  policy: Policy
  decision: Decision
  candidates: readonly Candidate[]
  done: readonly Factor[]
  demanded: number
  order: readonly string[]
}): Plan {
  const { policy, decision, candidates, done, order } = o
  if (decision.outcome === 'deny') {
    if (decision.cause === 'no-usable-authenticator') return { kind: 'unreachable', code: 'authenticator.none_usable' }
    return { kind: 'denied', decision }
  }
  const have = authenticatorFacts(policy, candidates, done)
  const base: Requirement = { acr: Math.max(1, o.demanded), maxAgeSec: Infinity, anyOf: [[]], fallback: 'all' }
  const needed = decision.obligation === null ? base : merge(base, decision.obligation)
  const left = resolve(needed, have, policy.levels)
  if (left === 'satisfied') return { kind: 'satisfied', level: have.acr ?? 0 }
  if (left === null)
    return { kind: 'unreachable', code: (have.usable?.size ?? 0) === 0 ? 'authenticator.none_usable' : 'acr.unreachable' }
  const proven = new Set(done.map(({ type }) => type))
  const next = new Set(left.anyOf.flatMap((alternative) => alternative.filter((type) => !proven.has(type))))
  const choices = candidates
    .filter((c) => c.value.status === 'active' && !c.locked && next.has(c.value.type))
    .sort((a, b) => Number(b.preferred) - Number(a.preferred) || order.indexOf(a.value.type) - order.indexOf(b.value.type))
  if (choices.length === 0) return { kind: 'unreachable', code: 'authenticator.none_usable' }
  return { kind: 'open', obligation: left, choices, fallback: left.fallback }
}
