import type { Rule } from '@postern/policy/document'
import { encode } from '@postern/policy/facts'
import { renderCedar } from '@postern/policy/render-cedar'
import { celFacts, renderCel } from '@postern/policy/render-cel'
import { defineSchema } from '@postern/policy/schema'
import { expect, it } from 'vitest'
import { allow, deny, doc, small } from '../small.js'

const cel = (rule: Rule): string => renderCel(small, rule)
const cedar = (rule: Rule): string => renderCedar(small, doc([rule])).policies[rule.id]!.split('when ')[1]!

it.each<[Rule, string, string]>([
  [allow('a'), 'true', '{ true };'],
  [allow('a', { app: [] }), 'false', '{ false };'],
  [allow('a', { app: { not: [] } }), 'true', '{ true };'],
  [
    allow('a', { action: 'confirm', app: ['x', 'y'] }),
    'facts["action"] == "confirm" && facts["app"] in ["x", "y"]',
    '{ context["action"] == "confirm" && ["x", "y"].contains(context["app"]) };',
  ],
  [
    deny('a', { amount: { not: 3 } }),
    '"amount" in facts && !(facts["amount"] == 3)',
    '{ context has "amount" && !(context["amount"] == 3) };',
  ],
  [
    allow('a', { level: { gte: 'vendor' }, rooted: false }),
    'facts["level"] in ["vendor", "strongbox", "enclave"] && facts["rooted"] == false',
    '{ ["vendor", "strongbox", "enclave"].contains(context["level"]) && context["rooted"] == false };',
  ],
  [allow('a', { level: { lt: 'none' } }), 'false', '{ false };'],
  [
    allow('a', { version: { gte: '1.2', lt: '2.0-rc.1' } }),
    'facts["version"] >= "00000001.00000002.00000000.00000000~" && facts["version"] < "00000002.00000000.00000000.00000000-1rc!0011"',
    '{ context["version"].atLeast.contains("1.2") && !(context["version"].atLeast.contains("2.0-rc.1")) };',
  ],
  [
    allow('a', { version: '1.2' }),
    'facts["version"] == "00000001.00000002.00000000.00000000~"',
    '{ context["version"].atLeast.contains("1.2") && !(context["version"].above.contains("1.2")) };',
  ],
  [
    allow('a', { groups: { hasAny: ['a', 'b'], hasNone: ['b'] } }),
    '("a" in facts["groups"] || "b" in facts["groups"]) && !("b" in facts["groups"])',
    '{ (context["groups"].contains("a") || context["groups"].contains("b")) && !(context["groups"].contains("b")) };',
  ],
  [
    { ...allow('a', { app: 'say "\\\n' }), anyOf: [{ rooted: true }, { rooted: false, platform: 'ios' }] },
    'facts["app"] == "say \\"\\\\\\n" && (facts["rooted"] == true || (facts["rooted"] == false && facts["platform"] == "ios"))',
    '{ context["app"] == "say \\"\\\\\\u{a}" && (context["rooted"] == true || (context["rooted"] == false && context["platform"] == "ios")) };',
  ],
])('%j', (rule, asCel, asCedar) => {
  expect([cel(rule), cedar(rule)]).toEqual([asCel, asCedar])
})

it('a demand is rendered as a refusal, what is not in force not at all', () => {
  const { policies } = renderCedar(
    small,
    doc([
      { id: 'up', mode: 'enforce', effect: 'require', reason: 'step_up', require: { acr: 2 }, when: { action: 'confirm' } },
      { ...deny('off', { rooted: true }), mode: 'off' },
      { ...deny('shadow', { rooted: true }), mode: 'shadow' },
    ]),
  )
  expect(policies).toEqual({
    up: '@id("up")\n@effect("require")\n@reason("step_up")\nforbid (principal, action, resource)\nwhen { context["action"] == "confirm" };',
  })
})

it('a rule that does not fit the schema is not rendered, nor is half a character', () => {
  const invalid = expect.objectContaining({ code: 'policy.document_invalid', reason: '/when/nosuch' })
  expect(() => cel(allow('a', { nosuch: 1 }))).toThrow(invalid)
  expect(() => cedar(allow('a', { nosuch: 1 }))).toThrow(invalid)
  for (const render of [cel, cedar])
    expect(() => render(allow('a', { app: '\ud800' }))).toThrow(expect.objectContaining({ code: 'policy.render_unsupported' }))
})

it('what is missing, or does not exist here, is not among the facts of another engine', () => {
  const facts = encode(small, { action: 'login', amount: 3, version: '5.10-beta.2', groups: ['b', 'a'], level: 'enclave' })
  expect(celFacts(facts)).toEqual({
    action: 'login',
    version: '00000005.00000010.00000000.00000000-1beta!0012',
    groups: ['b', 'a'],
    level: 'enclave',
  })
  expect(celFacts(encode(small, { action: 'confirm', amount: 3, rooted: true, app: 'x' }))).toEqual({
    action: 'confirm',
    amount: 3n,
    rooted: true,
    app: 'x',
  })
  const { context } = renderCedar(
    small,
    doc([allow('a', { version: { gt: '5.9' } }), allow('b', { version: ['5.10', '5.10-beta.2'] })]),
  )
  expect(context(facts)).toEqual({
    action: 'login',
    version: { atLeast: ['5.10-beta.2', '5.9'], above: ['5.9'] },
    groups: ['b', 'a'],
    level: 'enclave',
  })
})

it('from and until are bounds of the instant', () => {
  const timed = defineSchema({
    id: 't',
    facts: { action: { type: 'enum', values: ['a'], mandatory: true }, 'time.at': { type: 'int' } },
  })
  const rule = { ...allow('a'), from: '2026-01-01T00:00:00Z', until: '2026-02-01T00:00:00Z' } as const
  expect(renderCel(timed, rule)).toBe('facts["time.at"] >= 1767225600000 && facts["time.at"] < 1769904000000')
  expect(renderCedar(timed, doc([rule])).policies['a']).toContain(
    '{ context["time.at"] >= 1767225600000 && context["time.at"] < 1769904000000 }',
  )
})
