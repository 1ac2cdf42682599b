/** Checked by the compiler alone: each line that must not compile says so. */
import type { FindingKind } from '@postern/policy/analyse'
import type { Compiled } from '@postern/policy/compile'
import type { Verdict } from '@postern/policy/diff'
import type { Reason } from '@postern/policy/document'
import { type Cause, type Decision, decide } from '@postern/policy/evaluate'
import type { MobileSpec } from '@postern/policy/mobile'
import { defineSchema, type FactInput, type FactValue, type Schema } from '@postern/policy/schema'

const spec = {
  id: 't',
  facts: {
    action: { type: 'enum', values: ['a', 'b'], mandatory: true },
    n: { type: 'int' },
    rank: { type: 'ordered', ranks: ['low', ['mid', 'also-mid']] },
    kinds: { type: 'set', members: ['pin', 'custom:*'] },
    twice: {
      type: 'int',
      derive: { revision: 1, from: ['n'], compute: ({ n }: Readonly<Record<string, FactValue>>): number => (n as number) * 2 },
    },
  },
} as const
const schema: Schema<typeof spec> = defineSchema(spec)
type Input = FactInput<(typeof schema)['spec']>

export const good: Input = { action: 'a', n: 1, rank: 'also-mid', kinds: ['pin', 'custom:bank-card'] }
// @ts-expect-error a mandatory fact
export const noAction: Input = { n: 1 }
// @ts-expect-error a closed enum
export const badAction: Input = { action: 'c' }
// @ts-expect-error a misspelt fact
export const misspelt: Input = { action: 'a', m: 1 }
// @ts-expect-error a derived fact is not sent
export const sent: Input = { action: 'a', twice: 2 }
// @ts-expect-error no member of the set
export const member: Input = { action: 'a', kinds: ['face'] }
// @ts-expect-error no rank
export const rank: Input = { action: 'a', rank: 'high' }

export const mobile: FactInput<MobileSpec> = {
  action: 'login',
  'device.integrity.evidence': 'vendor',
  'app.version': '1.0',
  'time.weekday': undefined,
}

declare const compiled: Compiled<typeof spec>
declare const decision: Decision
// @ts-expect-error a decision is no facts: none can stand in for a later one
export const again: Decision = decide(compiled, decision)
// @ts-expect-error a misspelt fact of a request that is decided at once
export const wrong: Decision = decide(compiled, { action: 'a', nn: 1 })

/** Every kind of finding, and every outcome of a diff. */
export function known(kind: FindingKind, verdict: Verdict, cause: Cause): void {
  kind satisfies
    | 'unsatisfiable'
    | 'overridden'
    | 'redundant'
    | 'conflict'
    | 'gap'
    | 'lock-out'
    | 'invariant'
    | 'declared-switch'
    | 'fallback'
    | 'alternatives'
  verdict satisfies 'deny' | 'default' | 'unachievable' | 'require' | 'allow'
  cause satisfies 'rule' | 'default' | 'unknown-fact' | 'no-usable-authenticator' | 'futile-step-up'
}

export function words(reason: Reason): string {
  switch (reason) {
    case 'app.outdated':
    case 'app.disabled':
    case 'app.registration_closed':
    case 'app.integrity':
      return 'app'
    case 'os.outdated':
    case 'device.integrity':
      return 'device'
    case 'user.blocked':
    case 'risk.high':
    case 'step_up':
    case 'authenticator.none_usable':
    case 'policy.denied':
      return 'other'
    default:
      return reason satisfies never
  }
}
