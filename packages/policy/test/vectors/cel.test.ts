/**
 * CEL and Cedar as witnesses: libraries that share no code with us evaluate the rendered rules and must match the same ones.
 * A CEL library is believed only about operators whose published cases it passes, all of them.
 */
import { isCelError, isCelUint, run } from '@bufbuild/cel'
import { evaluate } from '@marcbachmann/cel-js'
import type { Rule } from '@postern/policy/document'
import { encode } from '@postern/policy/facts'
import { celFacts, renderCel } from '@postern/policy/render-cel'
import type { FactInput } from '@postern/policy/schema'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { complete, rules } from '../arbitraries.js'
import { weMatch } from '../matched.js'
import { ruleMatches } from '../oracle.js'
import { small } from '../small.js'
import { missing, vector } from './files.js'

const numRuns = Number(process.env['POSTERN_RUNS'] ?? 100)

interface Case {
  readonly path: readonly [string, string, string]
  readonly expr: string
  readonly bindings?: Readonly<Record<string, unknown>>
  readonly container?: string
  readonly disableCheck?: true
  readonly expect: { readonly value?: unknown; readonly error?: true }
}
type Engine = (expr: string, bindings: Readonly<Record<string, unknown>>) => unknown

const failed = Symbol('error')
const engines: Readonly<Record<string, Engine>> = {
  '@bufbuild/cel': (expr, bindings) => {
    const value = run(expr, bindings as never)
    return isCelError(value) ? failed : value
  },
  '@marcbachmann/cel-js': (expr, bindings) => {
    try {
      return evaluate(expr, bindings)
    } catch {
      return failed
    }
  },
}

/** What the renderer emits: equality, order, `&&`, `||`, `!`, `in` a list or a map, look-up by text, literals of text, int and bool. */
const emitted: Readonly<Record<string, RegExp>> = {
  comparisons: /^(?:(?:eq|lt|gt|lte|gte)_literal|bound|in_list_literal|in_map_literal)$/,
  logic: /^(?:AND|OR|NOT)$/,
  fields: /^(?:map_fields|in)$/,
  lists: /^in$/,
  basic: /^(?:self_eval_zeroish|self_eval_nonzeroish|variables)$/,
}
/** Of other types than text, int and bool, equality or order of lists and maps, keys that are no text, or operators that never stand in a rule. */
const foreign = [
  /\d\.\d|\d[uU]\b|\d[eE][+-]\d|\bnull\b|\b[rRbB]+['"]|\bdyn\b|\b(?:duration|timestamp|double|uint|type|bytes)\(|TestAllTypes|[?*/+]/,
  /[\]}]\s*[=<>]|[=<>]=?\s*[[{]|==\s*x$|^\{[^']/,
  /^[[{][^\]}]*[\]}]$/,
]
/** A list of several types has no type: a checker refuses it, and no rule has one. */
const mixed = /mixed_type_list|map_key_mixed|map_value_(?:mixed|heterogen)/

describe.skipIf(missing)('published cases of the operators that are emitted', () => {
  const cases = (JSON.parse(missing ? '[]' : vector('cel/simple-cases.subset.json')) as Case[]).filter(
    ({ path: [file, section, name], expr, container, disableCheck }) =>
      container === undefined &&
      !disableCheck &&
      emitted[file]?.test(section) === true &&
      !foreign.some((one) => one.test(expr)) &&
      !mixed.test(name),
  )
  it('are many', () => expect(cases.length).toBeGreaterThan(100))

  it.each(Object.keys(engines))('%s passes all of them', (name) => {
    const wrong = cases.flatMap(({ path, expr, bindings = {}, expect: { value, error } }) => {
      const got = engines[name]!(expr, of(bindings) as Readonly<Record<string, unknown>>)
      const right = error ? got === failed : JSON.stringify(plain(got)) === JSON.stringify(plain(of(value)))
      return right ? [] : [`${path.join('/')}: ${expr} gives ${String(got)}`]
    })
    expect(wrong).toEqual([])
  })
})

/** `{ "$int": "1" }` is a 64-bit integer. */
function of(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(of)
  if ('$int' in value) return BigInt(value.$int as string)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, of(inner)]))
}
function plain(value: unknown): unknown {
  if (typeof value === 'bigint' || typeof value === 'number') return String(value)
  return isCelUint(value) ? String(value.value) : value
}

const matched = (engine: Engine, rule: Rule, facts: Readonly<Record<string, unknown>>): boolean => {
  const said = engine(renderCel(small, rule), { facts })
  if (typeof said !== 'boolean') throw new Error(`${renderCel(small, rule)} gives ${String(said)}`)
  return said
}

it.each(Object.keys(engines))('%s matches the rules that we match, on requests that lack nothing', (name) => {
  fc.assert(
    fc.property(rules, fc.array(complete, { minLength: 2, maxLength: 2 }), (found, requests) => {
      for (const request of requests) {
        const facts = celFacts(encode(small, request as unknown as FactInput<(typeof small)['spec']>))
        for (const rule of found) {
          const here = weMatch(rule, request)
          expect([rule, matched(engines[name]!, rule, facts), ruleMatches(rule, request)]).toEqual([rule, here, here])
        }
      }
    }),
    { numRuns },
  )
})
