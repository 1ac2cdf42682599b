/** Constants of rules are data in every language that rules are rendered to: whatever they hold, they say nothing but themselves. */
import { run } from '@bufbuild/cel'
import { isAuthorized } from '@cedar-policy/cedar-wasm/nodejs'
import { evaluate } from '@marcbachmann/cel-js'
import { encode } from '@postern/policy/facts'
import { renderCedar } from '@postern/policy/render-cedar'
import { celFacts, renderCel } from '@postern/policy/render-cel'
import { defineSchema } from '@postern/policy/schema'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { allow, doc } from '../small.js'

const schema = defineSchema({
  id: 'texts',
  facts: { action: { type: 'enum', values: ['a'], mandatory: true }, app: { type: 'open' }, tags: { type: 'set' } },
})
const numRuns = Math.ceil(Number(process.env['POSTERN_RUNS'] ?? 100) / 8)

const odd = fc.oneof(
  fc.constantFrom('"', '\\', '\n', '\r', '\t', '\0', '\x7f', '\x85', '\u2028', '\u{1f512}', "'", '*', '{{', '\\u0022', '\\x22'),
  fc.constantFrom(
    '" || true || "',
    '"] || true || facts["app"] in ["',
    '" }; permit (principal, action, resource); //',
    '\\" || true //',
  ),
  fc.string({ unit: 'binary', maxLength: 3 }),
)
const text = fc
  .array(odd, { maxLength: 4 })
  .map((parts) => parts.join(''))
  .filter((joined) => !/[\ud800-\udfff]/u.test(joined))

it('a text matches itself and no other, alone, in a list, negated and in a set, in three engines', () => {
  fc.assert(
    fc.property(text, text, text, (one, other, third) => {
      fc.pre(one !== other && other !== '' && one !== '')
      for (const when of [
        { app: one },
        { app: [one, third] },
        { app: { not: [one] } },
        { tags: { hasAny: [one, one] } },
        { tags: { hasNone: [one] } },
      ]) {
        const rule = allow('r', when)
        const { policies, schema: types, context } = renderCedar(schema, doc([rule]))
        for (const seen of [one, other]) {
          const facts = encode(schema, { action: 'a', app: seen, tags: [seen] })
          const listed = seen === one || ('app' in when && Array.isArray(when.app) && seen === third)
          const negated =
            JSON.stringify(when).startsWith('{"app":{"not"') || JSON.stringify(when).startsWith('{"tags":{"hasNone"')
          const wanted = listed !== negated
          const answer = isAuthorized({
            principal: { type: 'Subject', id: 's' },
            action: { type: 'Action', id: 'decide' },
            resource: { type: 'Resource', id: 'r' },
            entities: [],
            schema: types,
            validateRequest: true,
            policies: { staticPolicies: policies },
            context: context(facts) as never,
          })
          if (answer.type !== 'success') throw new Error(JSON.stringify(answer.errors))
          const expr = renderCel(schema, rule)
          const bindings = { facts: celFacts(facts) }
          expect([answer.response.decision, run(expr, bindings as never), evaluate(expr, bindings)]).toEqual([
            wanted ? 'allow' : 'deny',
            wanted,
            wanted,
          ])
        }
      }
    }),
    {
      numRuns,
      examples: [
        ['" || true || "', '\\', '\n'],
        ['\\" || true //', '\0', '\u2028'],
        ['" }; permit (principal, action, resource); //', '\x7f', '"'],
      ],
    },
  )
})
