/** Checked by the compiler alone: each line that must not compile says so. */
import type { Reason } from '@postern/policy/document'
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
