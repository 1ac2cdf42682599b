/** Cedar as a witness: it validates the rendered rules against the rendered schema, and matches the same ones. */
import { checkParseSchema, isAuthorized, validate } from '@cedar-policy/cedar-wasm/nodejs'
import { encode } from '@postern/policy/facts'
import { mobileSchema, starterDocument } from '@postern/policy/mobile'
import { renderCedar } from '@postern/policy/render-cedar'
import type { FactInput } from '@postern/policy/schema'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { complete, rules } from '../arbitraries.js'
import { weMatch } from '../matched.js'
import { doc, small } from '../small.js'

const numRuns = Math.ceil(Number(process.env['POSTERN_RUNS'] ?? 100) / 4)
const request = {
  principal: { type: 'Subject', id: 's' },
  action: { type: 'Action', id: 'decide' },
  resource: { type: 'Resource', id: 'r' },
  entities: [],
}

it('cedar-wasm matches the rules that we match, on requests that lack nothing', () => {
  fc.assert(
    fc.property(rules, fc.array(complete, { minLength: 3, maxLength: 3 }), (found, requests) => {
      const enforced = found.map((rule) => ({ ...rule, mode: 'enforce' as const }))
      const { policies, schema, context } = renderCedar(small, doc(enforced))
      for (const facts of requests) {
        const answer = isAuthorized({
          ...request,
          schema,
          validateRequest: true,
          policies: { staticPolicies: { ...policies, always: 'permit (principal, action, resource);' } },
          context: context(encode(small, facts as unknown as FactInput<(typeof small)['spec']>)) as never,
        })
        if (answer.type !== 'success') throw new Error(JSON.stringify(answer.errors))
        const { diagnostics, decision } = answer.response
        expect(diagnostics.errors).toEqual([])
        const hit = enforced.filter((rule) => weMatch(rule, facts))
        const refusing = hit.filter(({ effect }) => effect !== 'allow').map(({ id }) => id)
        // Cedar names the policies that decide: every forbid that matched, or else every permit.
        const allowing = [...hit.map(({ id }) => id), 'always']
        expect([decision, [...diagnostics.reason].sort()]).toEqual(
          refusing.length > 0 ? ['deny', refusing.sort()] : ['allow', allowing.sort()],
        )
      }
    }),
    { numRuns },
  )
})

it('the starter document of the mobile schema validates in Cedar', () => {
  const draft = starterDocument({
    id: 'retail',
    schema: 'sha256:x',
    levels: { pin: 1, 'device-key': 1, 'device-key+pin': 2 },
    login: 1,
    confirm: 2,
    osMinimum: { ios: '16.4', android: '13' },
  })
  const { policies, schema } = renderCedar(mobileSchema, draft)
  expect(checkParseSchema(schema).type).toBe('success')
  const answer = validate({ schema, policies: { staticPolicies: policies } })
  if (answer.type !== 'success') throw new Error(JSON.stringify(answer.errors))
  expect(answer.validationErrors.map(({ error }) => error.message)).toEqual([])
  expect(Object.keys(policies).length).toBe(draft.rules.length)
})
