import { capAcr, compile } from '@postern/policy/compile'
import type { Rule } from '@postern/policy/document'
import { type Decision, decide } from '@postern/policy/evaluate'
import { encode } from '@postern/policy/facts'
import { defineSchema, type FactInput } from '@postern/policy/schema'
import { describe, expect, it } from 'vitest'
import type { Node } from '../../src/internal/memo.js'
import type { Tables } from '../../src/internal/tables.js'
import { allow, deny, doc, small } from '../small.js'

type Input = FactInput<(typeof small)['spec']>
const step = (id: string, when: Rule['when'] & {}, require: object, more: object = {}): Rule => ({
  id,
  mode: 'enforce',
  effect: 'require',
  reason: 'step_up',
  when,
  require,
  ...more,
})
const session = {
  'authenticator.methods': [],
  'authenticator.enrolled': ['pin', 'device-key'],
  'authenticator.usable': ['pin', 'device-key'],
  'authenticator.locked': [],
  'authenticator.acr': 0,
  'authenticator.ageSec': 0,
} as const
const ask = (rules: readonly Rule[], facts: object): Decision => decide(compile(small, doc(rules)), facts as Input)

describe('a denial', () => {
  const rules = [
    deny(
      'b',
      { rooted: true },
      { reason: 'device.integrity', message: 'gone', messageUnknown: 'report', attach: [{ type: 'change-pin' }] },
    ),
    deny('a', { app: 'x' }, { reason: 'user.blocked', message: 'no', attach: [{ type: 'notification', id: 'n' }] }),
    allow('use'),
    step('up', {}, { acr: 2 }),
  ]
  it('says everything about itself, and nothing of what it overrides', () => {
    expect(ask(rules, { action: 'login', rooted: true, app: 'x', ...session })).toEqual({
      outcome: 'deny',
      cause: 'rule',
      reason: 'device.integrity',
      message: 'gone',
      obligation: null,
      attached: [{ type: 'change-pin' }, { type: 'notification', id: 'n' }],
      matched: ['b', 'a'],
      unknown: [],
      shadow: 'deny',
      policy: 'draft',
    })
  })
  it('for want of a fact says so, in other words if the rule has them', () => {
    expect(ask(rules, { action: 'login', app: 'z', ...session })).toMatchObject({
      cause: 'unknown-fact',
      message: 'report',
      matched: ['b'],
    })
    expect(ask(rules, { action: 'login', rooted: false, ...session })).toMatchObject({
      cause: 'unknown-fact',
      message: 'no',
      matched: ['a'],
    })
    expect(ask([deny('d', { rooted: true })], { action: 'login' }).message).toBeNull()
  })
  it('is certain when another box of the same rule matched, whichever', () => {
    for (const anyOf of [
      [{ rooted: true }, { app: 'x' }],
      [{ app: 'x' }, { rooted: true }],
    ]) {
      const one: Rule = { id: 'd', mode: 'enforce', effect: 'deny', reason: 'policy.denied', anyOf }
      expect(ask([one, allow('use')], { action: 'login', app: 'x' })).toMatchObject({ cause: 'rule', matched: ['d'] })
      expect(ask([one, allow('use')], { action: 'login', app: 'y' })).toMatchObject({ cause: 'unknown-fact', matched: ['d'] })
    }
    const two = [deny('a', { rooted: true }), deny('b', { app: 'x' })]
    expect(ask(two, { action: 'login', app: 'x' })).toMatchObject({ cause: 'unknown-fact', matched: ['a', 'b'] })
  })
  it('attaches once what a rule of several boxes attaches', () => {
    const anyOf = [{ app: 'x' }, { action: 'login' }] as const
    const one: Rule = {
      id: 'd',
      mode: 'enforce',
      effect: 'deny',
      reason: 'policy.denied',
      anyOf,
      attach: [{ type: 'change-pin' }],
    }
    expect(ask([one], { action: 'login', app: 'x' })).toMatchObject({ matched: ['d'], attached: [{ type: 'change-pin' }] })
  })
  it('by default has no rule', () => {
    expect(ask([allow('use', { app: 'x' })], { action: 'login', app: 'y' })).toEqual({
      outcome: 'deny',
      cause: 'default',
      reason: 'policy.denied',
      message: null,
      obligation: null,
      attached: [],
      matched: [],
      unknown: [],
      shadow: 'deny',
      policy: 'draft',
    })
  })
})

describe('a grant', () => {
  it('names the rules that grant, with the first one’s words', () => {
    const rules = [
      { ...allow('b', { app: 'x' }), message: 'second' },
      { ...allow('a'), message: 'welcome', attach: [{ type: 'change-pin' as const }] },
      allow('c', { app: 'y' }),
    ]
    expect(ask(rules, { action: 'login', app: 'x' })).toEqual({
      outcome: 'allow',
      cause: 'rule',
      reason: null,
      message: 'welcome',
      obligation: null,
      attached: [{ type: 'change-pin' }],
      matched: ['a', 'b'],
      unknown: [],
      shadow: 'allow',
      policy: 'draft',
    })
    expect(ask([allow('a')], { action: 'login' }).message).toBeNull()
  })
  it('does not come from what a missing fact might be', () => {
    expect(ask([allow('a', { app: 'x' })], { action: 'login' })).toMatchObject({
      outcome: 'deny',
      cause: 'default',
      unknown: [{ fact: 'app', why: 'absent' }],
    })
  })
})

describe('a step-up', () => {
  const rules = [
    step(
      'up',
      { app: 'x' },
      { acr: 2, maxAgeSec: 60 },
      { message: 'again', messageUnknown: 'tell', attach: [{ type: 'change-pin' }] },
    ),
    allow('use'),
  ]
  it('says what would satisfy it', () => {
    expect(ask(rules, { action: 'login', app: 'x', ...session })).toEqual({
      outcome: 'require',
      cause: 'rule',
      reason: 'step_up',
      message: 'again',
      obligation: { acr: 2, maxAgeSec: 60, anyOf: [['device-key', 'pin']], fallback: [] },
      attached: [{ type: 'change-pin' }],
      matched: ['up'],
      unknown: [],
      shadow: 'require',
      policy: 'draft',
    })
  })
  it('is over once it was made', () => {
    const done = { ...session, 'authenticator.methods': ['pin', 'device-key'], 'authenticator.acr': 2 }
    expect(ask(rules, { action: 'login', app: 'x', ...done })).toMatchObject({ outcome: 'allow', matched: ['use'] })
    expect(ask([rules[0]!], { action: 'login', app: 'x', ...done })).toMatchObject({ outcome: 'deny', cause: 'default' })
  })
  it('may be asked for because a fact is missing, and says so', () => {
    expect(ask(rules, { action: 'login', ...session })).toMatchObject({
      outcome: 'require',
      cause: 'unknown-fact',
      message: 'tell',
      unknown: [{ fact: 'app', why: 'absent' }],
    })
    const sure = [...rules, step('also', {}, { acr: 1 })]
    expect(ask(sure, { action: 'login', ...session })).toMatchObject({
      outcome: 'require',
      cause: 'rule',
      matched: ['also', 'up'],
    })
  })
  it('demands what all the rules demand together', () => {
    const both = [
      step('a', {}, { acr: 1, maxAgeSec: 600 }),
      step('b', {}, { anyOf: [['device-key'], ['biometric']], maxAgeSec: 60 }),
      allow('use'),
    ]
    expect(ask(both, { action: 'login', ...session, 'authenticator.ageSec': 61 }).obligation).toMatchObject({
      acr: 1,
      maxAgeSec: 60,
      anyOf: [['device-key'], ['pin']],
    })
  })
  it('is refused where it could not be made', () => {
    expect(ask(rules, { action: 'login', app: 'x', ...session, 'authenticator.usable': ['pin'] })).toMatchObject({
      outcome: 'deny',
      cause: 'no-usable-authenticator',
      reason: 'authenticator.none_usable',
      message: 'again',
      obligation: null,
      matched: ['up'],
    })
  })
  it('is refused where it could not help', () => {
    const futile = [rules[0]!, allow('use', { rooted: true })]
    expect(ask(futile, { action: 'login', app: 'x', rooted: false, ...session })).toMatchObject({
      outcome: 'deny',
      cause: 'futile-step-up',
      reason: 'step_up',
      obligation: null,
      matched: ['up'],
    })
    // What the session shows may change, so that a rule about it does not speak against asking.
    for (const when of [{ 'authenticator.acr': { gte: 2 } }, { 'authenticator.methods': { has: 'pin' } }])
      expect(ask([rules[0]!, allow('use', when)], { action: 'login', app: 'x', ...session }).outcome).toBe('require')
    // A fact that is missing grants nothing afterwards either.
    expect(ask([rules[0]!, allow('use', { rooted: true })], { action: 'login', app: 'x', ...session }).cause).toBe(
      'futile-step-up',
    )
  })
})

describe('rules in shadow', () => {
  const shadow = (rule: Rule): Rule => ({ ...rule, mode: 'shadow' })
  it('decide nothing, and say what they would', () => {
    expect(ask([allow('use'), shadow(deny('d', { app: 'x' }))], { action: 'login', app: 'x' })).toMatchObject({
      outcome: 'allow',
      shadow: 'deny',
      matched: ['use'],
    })
    expect(ask([shadow(allow('use'))], { action: 'login' })).toMatchObject({ outcome: 'deny', shadow: 'allow' })
    const up = shadow(step('up', {}, { acr: 2 }))
    expect(ask([allow('use'), up], { action: 'login', ...session })).toMatchObject({
      outcome: 'allow',
      shadow: 'require',
      obligation: null,
    })
    // A demand in shadow is no reason to ask, a grant in shadow none to hope.
    expect(ask([shadow(allow('use')), step('up', {}, { acr: 2 })], { action: 'login', ...session })).toMatchObject({
      outcome: 'deny',
      cause: 'futile-step-up',
      shadow: 'require',
    })
    expect(
      ask([allow('use'), step('a', { app: 'y' }, { acr: 1 }), shadow(step('b', {}, { acr: 2 }))], {
        action: 'login',
        app: 'x',
        ...session,
      }).outcome,
    ).toBe('allow')
    expect(
      ask([allow('use'), step('a', { app: 'x' }, { acr: 1 }), shadow(step('b', { rooted: true }, { acr: 1 }))], {
        action: 'login',
        rooted: true,
        ...session,
      }),
    ).toMatchObject({
      outcome: 'require',
      cause: 'unknown-fact',
      matched: ['a'],
    })
  })
})

describe('unknown facts', () => {
  it('are those that leave a rule undecided, once each, by name; and those that could not be used', () => {
    const rules = [
      deny('d', { version: { lt: '1' }, amount: { gt: 2 } }),
      deny('e', { groups: { hasAll: ['a', 'b'] }, app: 'y' }),
      deny('f', { platform: 'ios', rooted: true }),
      allow('use'),
    ]
    expect(ask(rules, { action: 'confirm', version: 'x', rooted: 'yes', app: 'y', platform: 'android' }).unknown).toEqual([
      { fact: 'amount', why: 'absent' },
      { fact: 'groups', why: 'absent' },
      { fact: 'rooted', why: 'invalid' },
      { fact: 'version', why: 'invalid' },
    ])
  })
  it('are none that no rule in question speaks of', () => {
    expect(ask([deny('d', { app: 'x', rooted: true }), allow('use')], { action: 'login', app: 'y' }).unknown).toEqual([])
  })
  it('are those as well of which nobody knows whether they apply', () => {
    const rules = [deny('d', { boot: false }), allow('use')]
    expect(ask(rules, { action: 'login' }).unknown).toEqual([{ fact: 'boot', why: 'absent' }])
    expect(ask(rules, { action: 'login', boot: false })).toMatchObject({
      cause: 'unknown-fact',
      unknown: [{ fact: 'boot', why: 'absent' }],
    })
    expect(ask(rules, { action: 'login', boot: true })).toMatchObject({ outcome: 'allow', unknown: [] })
    expect(ask(rules, { action: 'login', boot: 7 }).unknown).toEqual([{ fact: 'boot', why: 'invalid' }])
  })
})

describe('a decision', () => {
  const rules = [step('up', { app: 'x' }, { acr: 2 }), deny('d', { rooted: true }), allow('use')]
  it('that follows from the same pattern is the same one, and nobody can change it', () => {
    const p = compile(small, doc(rules), { version: 'sha256:v' })
    const facts = encode(small, { action: 'login', app: 'x', rooted: false, version: '1.0', ...session })
    const first = decide(p, facts)
    expect(first.policy).toBe('sha256:v')
    expect(decide(p, { action: 'login', app: 'x', rooted: false, version: '2.0', ...session })).toBe(first)
    expect(() => (first.matched as string[]).push('x')).toThrow(TypeError)
    expect(() => Object.assign(first.obligation!, { acr: 0 })).toThrow(TypeError)
    expect(decide(p, { action: 'login', app: 'x', rooted: false, ...session, 'authenticator.usable': ['pin'] })).not.toBe(first)
  })
  it('is not shared with a policy of lower ceilings', () => {
    const p = compile(small, doc(rules))
    const facts = encode(small, { action: 'login', app: 'x', rooted: false, ...session })
    expect(decide(p, facts).outcome).toBe('require')
    expect(decide(capAcr(p, 1), facts).cause).toBe('no-usable-authenticator')
    expect(decide(p, facts).outcome).toBe('require')
    expect(capAcr(p, 1)).toBe(capAcr(p, 1))
  })
  it('is not shared with a session whose level is below none: that is none, and says nothing about its locks', () => {
    const facts = { ...small.spec.facts, 'authenticator.acr': { type: 'int' } } as const
    const p = compile(
      defineSchema({ ...small.spec, facts }),
      doc([step('up', {}, { acr: 1 }), step('old', {}, {}), allow('use')]),
    )
    const of = (acr: number, locked: readonly 'pin'[]): Input =>
      ({
        action: 'login',
        ...session,
        'authenticator.methods': ['pin'],
        'authenticator.acr': acr,
        'authenticator.locked': locked,
      }) as never
    expect(decide(p, of(1023, [])).outcome).toBe('allow')
    expect(decide(p, of(-1, ['pin'])).outcome).toBe('require')
    const nothing = compile(p.schema, doc([step('old', {}, { maxAgeSec: 60 }), allow('use')]))
    expect([decide(nothing, of(0, [])).outcome, decide(nothing, of(-1, [])).outcome]).toEqual(['allow', 'allow'])
  })
  it('is not shared between sessions of an age that is young enough and one that is not, nor with one of no known age', () => {
    const p = compile(small, doc([step('a', {}, { maxAgeSec: 60 }), step('b', { app: 'y' }, { maxAgeSec: 600 }), allow('use')]))
    const at = (app: string, ageSec?: number) =>
      decide(p, { action: 'login', app, ...session, 'authenticator.methods': ['pin'], 'authenticator.ageSec': ageSec }).outcome
    expect([at('x', 61), at('x', 60), at('x'), at('x', 60), at('y', 61), at('y', 60)]).toEqual([
      'require',
      'allow',
      'require',
      'allow',
      'require',
      'allow',
    ])
  })
  it('is not shared where there are more ages than fit beside a level', () => {
    const ages = Array.from({ length: 70 }, (_, i) => step(`a${i}`, { app: `v${i}` }, { maxAgeSec: i + 1 }))
    const p = compile(small, doc([...ages, step('up', {}, { acr: 1 }), allow('use')]), { partitioned: false })
    const at = (acr: number, ageSec: number) =>
      decide(p, {
        action: 'login',
        app: 'x',
        ...session,
        'authenticator.methods': ['pin'],
        'authenticator.acr': acr,
        'authenticator.ageSec': ageSec,
      }).outcome
    expect([at(1, 0), at(0, 65), at(1, 0)]).toEqual(['allow', 'require', 'allow'])
  })
  it('is not shared where a rule about the session says whether a step-up could help: the bits do not', () => {
    const p = compile(
      small,
      doc([step('up', {}, { acr: 2 }), allow('use', { app: 'x', 'authenticator.methods': { has: 'pin' } })]),
    )
    const at = (app: string) => decide(p, { action: 'login', app, ...session }).outcome
    expect([at('x'), at('y'), at('x')]).toEqual(['require', 'deny', 'require'])
  })
  it('names what is missing among more facts than a number has bits', () => {
    const names = Array.from({ length: 40 }, (_, i) => `b${i}`)
    const action = { type: 'enum', values: ['login'], mandatory: true } as const
    const schema = defineSchema({
      id: 'long',
      facts: { action, ...Object.fromEntries(names.map((name) => [name, { type: 'bool' }] as const)) },
    })
    const all = Object.fromEntries(names.map((name) => [name, true]))
    const p = compile(schema, doc([deny('d', all), allow('use')]))
    for (const name of names)
      expect(decide(p, { action: 'login', ...all, [name]: undefined } as never).unknown).toEqual([{ fact: name, why: 'absent' }])
  })
  it('goes by no level that the schema does not have as a number, and by no set that it does not have as one', () => {
    const facts = {
      ...small.spec.facts,
      'authenticator.acr': { type: 'open' },
      'authenticator.usable': { type: 'open' },
    } as const
    const p = compile(defineSchema({ id: 'odd', facts }), doc([step('up', {}, { acr: 1 }), allow('use')]))
    const shown = { ...session, 'authenticator.methods': ['pin'], 'authenticator.acr': '3', 'authenticator.usable': 'pin' }
    expect(decide(p, { action: 'login', ...shown } as never)).toMatchObject({ outcome: 'deny', cause: 'no-usable-authenticator' })
  })
  it('is not shared between sessions that differ in an authenticator of the host’s own', () => {
    const sets = ['methods', 'enrolled', 'usable', 'locked'].map(
      (name) => [`authenticator.${name}`, { type: 'set', members: ['pin', 'custom:*'] }] as const,
    )
    const schema = defineSchema({ id: 'own', facts: { ...small.spec.facts, ...Object.fromEntries(sets) } })
    const rules = [step('up', {}, { acr: 1 }), allow('use')]
    const p = compile(schema, doc(rules, { acr: { levels: { 'custom:x': 1 } }, fallback: [] }))
    const of = (usable: readonly string[]) =>
      decide(p, { action: 'login', ...session, 'authenticator.usable': usable, 'authenticator.enrolled': [] } as never)
    expect([of(['custom:x']).outcome, of([]).outcome, of(['custom:x']).outcome]).toEqual(['require', 'deny', 'require'])
  })
  it('of facts with a value that could not be used is made anew each time', () => {
    const p = compile(small, doc(rules))
    const bad = { action: 'login', app: 'y', rooted: 'no' } as never
    expect(decide(p, bad)).toEqual(decide(p, bad))
    expect(decide(p, { action: 'login', app: 'y' })).toMatchObject({ unknown: [{ fact: 'rooted', why: 'absent' }] })
    // Also of a fact that no rule speaks of.
    const sound = { action: 'login', app: 'y', rooted: false } as const
    expect(decide(p, { ...sound, version: 'x' }).unknown).toEqual([{ fact: 'version', why: 'invalid' }])
    expect(decide(p, sound).unknown).toEqual([])
  })
  it('is remembered for some thousand patterns, and the memory starts anew when it is full', () => {
    const names = Array.from({ length: 14 }, (_, i) => `b${i}`)
    const action = { type: 'enum', values: ['login'], mandatory: true } as const
    const bools = Object.fromEntries(names.map((name) => [name, { type: 'bool' }] as const))
    const p = compile(
      defineSchema({ id: 'many', facts: { ...bools, action } }),
      doc(names.map((name) => allow(name, { [name]: true }))),
    )
    for (let n = 0; n < 2 ** names.length; n++) {
      const on = names.filter((_, i) => (n >> i) & 1)
      const { matched } = decide(p, {
        action: 'login',
        ...Object.fromEntries(names.map((name) => [name, on.includes(name)])),
      } as never)
      if (matched.join() !== [...on].sort().join()) expect(matched).toEqual([...on].sort())
    }
    const count = ({ next }: Node): number => [...next.values()].reduce((sum, node) => sum + count(node), 1)
    const kept = count((p.tables as Tables).memo.root)
    expect([kept > 100, kept <= 8200]).toEqual([true, true])
  })
  it('of facts that may not apply is made anew each time, too: the pattern does not tell what is missing', () => {
    const p = compile(small, doc([deny('d', { boot: true, app: 'x' }), allow('use')]))
    expect(decide(p, { action: 'login', app: 'x' }).unknown).toEqual([{ fact: 'boot', why: 'absent' }])
    expect(decide(p, { action: 'login', boot: true }).unknown.map(({ fact }) => fact)).toEqual(['app', 'boot'])
  })
  it('is not made of facts that were encoded for another schema, however alike', () => {
    const twin = defineSchema({ ...small.spec })
    const facts = encode(twin, { action: 'login', rooted: false })
    expect(() => decide(compile(small, doc(rules)), facts as never)).toThrow(
      expect.objectContaining({ code: 'policy.fact_unknown' }),
    )
  })
  it('leaves the document as it was', () => {
    const document = doc([{ ...allow('use'), attach: [{ type: 'change-pin' }] }])
    decide(compile(small, document), { action: 'login' })
    expect(Object.isFrozen((document.rules[0] as Rule).attach![0])).toBe(false)
  })
})
