/** Whether the package matches one rule, whatever its effect and mode: as the only refusal of a policy. */
import { compile } from '@postern/policy/compile'
import type { Rule } from '@postern/policy/document'
import { decide } from '@postern/policy/evaluate'
import type { FactInput } from '@postern/policy/schema'
import { allow, doc, small } from './small.js'

export function weMatch(rule: Rule, request: Readonly<Record<string, unknown>>): boolean {
  const { require: _, ...common } = { require: null, ...rule }
  const alone = { ...common, mode: 'enforce', effect: 'deny', reason: 'policy.denied' } as Rule
  const found = decide(compile(small, doc([alone, allow('all')])), request as unknown as FactInput<(typeof small)['spec']>)
  return found.outcome === 'deny' && found.cause === 'rule' && found.matched.includes(rule.id)
}
