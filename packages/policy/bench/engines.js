// @ts-check
/** Every engine over the same rules: `load` makes a function from the number of a request to its outcome. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { celEnv, parse as parseBuf, plan } from '@bufbuild/cel'
import { createMongoAbility } from '@casl/ability'
import * as cedar from '@cedar-policy/cedar-wasm/nodejs'
import { parse } from '@marcbachmann/cel-js'
import { compile } from '../dist/compile.js'
import { decide } from '../dist/evaluate.js'
import { encode } from '../dist/facts.js'
import { combine, documentOf, requests, schema, session } from './workload.js'

/** @typedef {import('./workload.js').Line} Line */
/** @typedef {import('./workload.js').Outcome} Outcome */
/** @typedef {{ name: string, version: string, load: (lines: readonly Line[]) => (i: number) => Outcome }} Engine */

const require = createRequire(import.meta.url)
/** @param {string} name */
export const versionOf = (name) => {
  const paths = require.resolve.paths(name) ?? []
  for (const path of paths)
    try {
      return JSON.parse(readFileSync(`${path}/${name}/package.json`, 'utf8')).version
    } catch {}
  return '?'
}

export const encoded = requests.map((f) => encode(schema, /** @type {any} */ ({ ...f, ...session })))

/** @param {Record<string, unknown>} [o] @returns {(lines: readonly Line[]) => (i: number) => Outcome} */
const postern =
  (o = {}) =>
  (lines) => {
    const policy = compile(schema, documentOf(lines), o)
    return (i) => decide(policy, /** @type {any} */ (encoded[i])).outcome
  }

/** A rule over plain variables, which is the fastest that CEL offers. @param {Line} line */
export const celOf = ({ when }) =>
  Object.entries(when)
    .map(([name, c]) => {
      if (Array.isArray(c)) return `${name} in ${JSON.stringify(c)}`
      if (typeof c !== 'object') return `${name} == ${JSON.stringify(c)}`
      return Object.entries(c)
        .map(([op, v]) => `${name} ${op === 'lt' ? '<' : '>'} ${v}`)
        .join(' && ')
    })
    .join(' && ')
const withBigInts = requests.map((f) => ({
  ...f,
  os: BigInt(f.os),
  version: BigInt(f.version),
  amount: BigInt(f.amount),
  score: BigInt(f.score),
}))

/** All rules, one after the other. @param {(text: string) => (context: any) => unknown} program */
const loop = (program) => (/** @type {readonly Line[]} */ lines) => {
  const programs = new Map(lines.map((line) => [line, program(celOf(line))]))
  return (/** @type {number} */ i) => combine(lines, (line) => /** @type {any} */ (programs.get(line))(withBigInts[i]) === true)
}

/** Ours, given to CEL: rules of the app alone, and no more of them than decide. @param {(text: string) => (context: any) => unknown} program */
const indexed = (program) => (/** @type {readonly Line[]} */ lines) => {
  /** @type {Map<string, Record<Line['effect'], ((context: any) => unknown)[]>>} */
  const byApp = new Map()
  for (const line of lines) {
    const { app, ...when } = line.when
    const mine = byApp.get(app) ?? { deny: [], require: [], allow: [] }
    byApp.set(app, mine)
    mine[line.effect].push(program(celOf({ ...line, when })))
  }
  return (/** @type {number} */ i) => {
    const context = withBigInts[i]
    const mine = byApp.get(/** @type {any} */ (context).app)
    const some = (/** @type {((context: any) => unknown)[]} */ programs) => programs.some((run) => run(context) === true)
    if (mine === undefined || some(mine.deny) || !some(mine.allow)) return 'deny'
    return some(mine.require) ? 'require' : 'allow'
  }
}

const marcbachmann = (/** @type {string} */ text) => /** @type {any} */ (parse(text))
const buf = (/** @type {string} */ text) => plan(celEnv({}), parseBuf(text))

/** @param {Line} line */
const mongo = ({ when }) =>
  Object.fromEntries(
    Object.entries(when).map(([name, c]) => [
      name,
      Array.isArray(c)
        ? { $in: c }
        : typeof c === 'object'
          ? Object.fromEntries(Object.entries(c).map(([op, v]) => [`$${op}`, v]))
          : c,
    ]),
  )
/** The last rule that fits wins: denials come last; step-ups are asked for as an action of their own. */
const casl = (/** @type {readonly Line[]} */ lines) => {
  const of = (/** @type {Line['effect']} */ effect) => lines.filter((line) => line.effect === effect)
  const ability = createMongoAbility(
    [
      ...of('allow').map((line) => ({ action: 'do', subject: 'Request', conditions: mongo(line) })),
      ...of('deny').map((line) => ({ action: 'do', subject: 'Request', inverted: true, conditions: mongo(line) })),
      ...of('require').map((line) => ({ action: 'step', subject: 'Request', conditions: mongo(line) })),
    ],
    { detectSubjectType: () => 'Request' },
  )
  return (/** @type {number} */ i) => {
    const f = /** @type {any} */ (requests[i])
    if (!ability.can('do', f)) return 'deny'
    return ability.can('step', f) ? 'require' : 'allow'
  }
}

/** @param {Line} line */
const cedarText = ({ effect, when }) =>
  `${effect === 'deny' ? 'forbid' : 'permit'} (principal, action == Action::"${effect === 'require' ? 'step' : 'do'}", resource) when { ${Object.entries(
    when,
  )
    .map(([name, c]) => {
      if (Array.isArray(c)) return `${JSON.stringify(c)}.contains(context.${name})`
      if (typeof c !== 'object') return `context.${name} == ${JSON.stringify(c)}`
      return Object.entries(c)
        .map(([op, v]) => `context.${name} ${op === 'lt' ? '<' : '>'} ${v}`)
        .join(' && ')
    })
    .join(' && ')} };`

let sets = 0
/** A policy set that stays loaded. @param {readonly Line[]} lines */
export function loadCedar(lines) {
  const id = `set${sets++}`
  const answer = cedar.preparsePolicySet(id, {
    staticPolicies: Object.fromEntries(lines.map((line) => [line.id, cedarText(line)])),
  })
  if (answer.type !== 'success') throw new Error(JSON.stringify(answer))
  return id
}
const stateful = (/** @type {readonly Line[]} */ lines) => {
  const id = loadCedar(lines)
  const ask = (/** @type {string} */ action, /** @type {any} */ context) => {
    const answer = cedar.statefulIsAuthorized({
      principal: { type: 'S', id: 's' },
      action: { type: 'Action', id: action },
      resource: { type: 'R', id: 'r' },
      context,
      preparsedPolicySetId: id,
      entities: [],
    })
    if (answer.type !== 'success') throw new Error(JSON.stringify(answer))
    return answer.response.decision === 'allow'
  }
  return (/** @type {number} */ i) => {
    if (!ask('do', requests[i])) return 'deny'
    return ask('step', requests[i]) ? 'require' : 'allow'
  }
}

/** What no engine can pass: the 20 rules as code, without a reason, a check of facts or a notion of missing. @param {number} i @returns {Outcome} */
function byHand(i) {
  const f = /** @type {import('./workload.js').Request} */ (requests[i])
  if (f.rooted || f.status === 'disabled' || f.score > 90 || f.version < 4_000) return 'deny'
  if (f.platform === 'ios' ? f.os < 16_004 : f.platform === 'android' && f.os < 12_000) return 'deny'
  if (f.country === 'KP' || f.country === 'IR') return 'deny'
  switch (f.action) {
    case 'confirm':
      if (f.score > 70 || f.amount > 1_000_000 || (f.platform === 'web' && f.amount > 50_000)) return 'deny'
      return f.amount > 100_000 ? 'require' : 'allow'
    case 'enrol':
      if (f.status === 'login-only' || f.country === 'RU' || f.country === 'BY') return 'deny'
      if (f.platform !== 'web') return 'allow'
      return f.version >= 5_000 && (f.country === 'NL' || f.country === 'DE') ? 'allow' : 'deny'
    case 'login':
      return f.score > 50 ? 'require' : 'allow'
    default:
      return f.score > 80 && f.platform !== 'web' ? 'deny' : 'allow'
  }
}

/** @type {(name: string, pkg: string, load: Engine['load']) => Engine} */
const engine = (name, pkg, load) => ({ name, version: versionOf(pkg), load })
export const engines = {
  postern: engine('@postern/policy', '@postern/policy', postern()),
  flat: engine('@postern/policy, not partitioned', '@postern/policy', postern({ partitioned: false })),
  cel: engine('@marcbachmann/cel-js', '@marcbachmann/cel-js', /** @type {any} */ (loop(marcbachmann))),
  celIndexed: engine('@marcbachmann/cel-js, our index', '@marcbachmann/cel-js', /** @type {any} */ (indexed(marcbachmann))),
  buf: engine('@bufbuild/cel', '@bufbuild/cel', /** @type {any} */ (loop(buf))),
  casl: engine('@casl/ability', '@casl/ability', /** @type {any} */ (casl)),
  cedar: engine('@cedar-policy/cedar-wasm stateful', '@cedar-policy/cedar-wasm', /** @type {any} */ (stateful)),
  hand: { name: 'by hand', version: '', load: () => byHand },
}
