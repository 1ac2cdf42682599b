/// <reference types="node" />
/** Rules over the small schema as SMT-LIB 2, for z3: from what is written, sharing no code with the package but its types. */
import { spawnSync } from 'node:child_process'
import type { Box, Condition, Rule } from '@postern/policy/document'
import semver from 'semver'

const solver = process.env['POSTERN_Z3'] ?? 'z3'

/** Whether z3 is here; required where everything is. */
export const noZ3: boolean = spawnSync(solver, ['--version']).status !== 0

/** Every version that the generators write, in order. Between, below and above any two there is another one. */
const points = ['1.0.0', '1.9.0', '1.10.0-beta', '1.10.0', '2.0.0'].sort(semver.compare)
const levels: Readonly<Record<string, number>> = { none: 0, vendor: 1, strongbox: 2, enclave: 2 }
const names = { action: ['login', 'confirm'], platform: ['ios', 'android'] }
const sets: Readonly<Record<string, readonly string[]>> = {
  groups: ['a', 'b'],
  'authenticator.methods': ['pin', 'biometric', 'device-key'],
}

/** Constants, their domains, and where facts with a scope exist. */
const prelude = `
(declare-const action Int) (assert (<= 0 action 1))
(declare-const amount Int) (assert (<= 0 amount 5))
(declare-const rooted Bool)
(declare-const version Int)
(declare-const app String)
(declare-const level Int) (assert (<= 0 level 2))
(declare-const platform Int) (assert (<= 0 platform 1))
(declare-const boot Bool)
(declare-const |authenticator.acr| Int) (assert (<= 0 |authenticator.acr| 3))
${Object.entries(sets)
  .flatMap(([fact, members]) => members.map((member) => `(declare-const |${fact}/${member}| Bool)`))
  .join('\n')}
`
const scopes: Readonly<Record<string, string>> = { amount: '(= action 1)', boot: '(= platform 1)' }

const all = (of: 'and' | 'or', parts: readonly string[]): string =>
  parts.length === 0 ? String(of === 'and') : parts.length === 1 ? parts[0]! : `(${of} ${parts.join(' ')})`

/** A value as the number or text it stands for. */
function value(fact: string, v: unknown): string {
  if (typeof v === 'boolean' || typeof v === 'number') return String(v)
  if (fact === 'version') {
    const [release, pre] = (v as string).split('-') as [string, string | undefined]
    const full = [...release.split('.'), '0', '0'].slice(0, 3).join('.') + (pre ? `-${pre}` : '')
    return String(2 * points.findIndex((point) => semver.compare(point, full) === 0))
  }
  if (fact === 'level') return String(levels[v as string])
  if (fact === 'action' || fact === 'platform') return String(names[fact].indexOf(v as string))
  return `"${v}"`
}

function condition(fact: string, c: Condition): string {
  const name = `|${fact}|`
  const any = (values: readonly unknown[]): string =>
    all(
      'or',
      values.map((v) => `(= ${name} ${value(fact, v)})`),
    )
  if (typeof c !== 'object') return any([c])
  if (Array.isArray(c)) return any(c)
  return all(
    'and',
    Object.entries(c).map(([op, operand]: [string, unknown]) => {
      const list = (Array.isArray(operand) ? operand : [operand]) as readonly string[]
      const members = list.map((member) => `|${fact}/${member}|`)
      switch (op) {
        case 'in':
          return any(list)
        case 'not':
          return `(not ${any(list)})`
        case 'ranges':
          return all(
            'or',
            (operand as readonly Condition[]).map((range) => condition(fact, range)),
          )
        case 'has':
        case 'hasAll':
          return all('and', members)
        case 'hasAny':
          return all('or', members)
        case 'hasNone':
          return `(not ${all('or', members)})`
        default:
          return `(${{ lt: '<', lte: '<=', gt: '>', gte: '>=' }[op]} ${name} ${value(fact, operand)})`
      }
    }),
  )
}

/** A formula that holds where the box matches. */
export function boxFormula(box: Box): string {
  return all(
    'and',
    Object.entries(box).map(([fact, c]) => (scopes[fact] ? `(and ${scopes[fact]} ${condition(fact, c)})` : condition(fact, c))),
  )
}
export function ruleFormula(rule: Rule): string {
  const parts = [boxFormula(rule.when ?? {})]
  if (rule.anyOf) parts.push(all('or', rule.anyOf.map(boxFormula)))
  return all('and', parts)
}
export const not = (formula: string): string => `(not ${formula})`
export const or = (formulas: readonly string[]): string => all('or', formulas)
export const and = (...formulas: readonly string[]): string => all('and', formulas)

/** Which of the formulas some request satisfies, constraints (boxes that cannot occur) apart. */
export function satisfiable(formulas: readonly string[], constraints: readonly Box[] = []): readonly boolean[] {
  if (formulas.length === 0) return []
  const possible = constraints.map((box) => `(assert ${not(boxFormula(box))})`).join('\n')
  const asked = formulas.map((formula) => `(push)(assert ${formula})(check-sat)(pop)`).join('\n')
  const { stdout } = spawnSync(solver, ['-in', '-T:60'], { input: `${prelude}${possible}\n${asked}\n`, encoding: 'utf8' })
  const answers = stdout.trim().split(/\s+/)
  if (answers.length !== formulas.length || answers.some((one) => one !== 'sat' && one !== 'unsat')) throw new Error(stdout)
  return answers.map((one) => one === 'sat')
}
