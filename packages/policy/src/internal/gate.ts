/** The checks of the gate, each a list of findings. */
import { isPosternError } from '@postern/core/errors'
import type { Compiled } from '../compile.js'
import { decide } from '../evaluate.js'
import type { Finding, GateReport } from '../publish.js'
import type { FactInput, SchemaSpec } from '../schema.js'
import { flatten } from './conditions.js'
import { boxesOf } from './rules.js'
import { type Space, spaceOf, witness } from './witness.js'

/** Rules that no request can match: an operator who wrote one meant something else. */
export function unsatisfiable(p: Compiled, steps: number): readonly Finding[] {
  const out: Finding[] = []
  p.document.rules.forEach((rule, i) => {
    const boxes = boxesOf(p.schema, rule, `/rules/${i}`)
    const space = spaceOf(p.schema, boxes)
    const found = boxes.map((box) => witness(space, [box], [], steps))
    const at = `/rules/${i}`
    if (found.every((one) => one === null))
      out.push({ kind: 'unsatisfiable', severity: 'error', at, text: `No request can match the rule ${rule.id}.` })
    else if (found.every((one) => one === null || one === 'undecided'))
      out.push({
        kind: 'undecided',
        severity: 'warning',
        at,
        text: `Whether a request can match the rule ${rule.id} took too many steps to decide.`,
      })
  })
  return out
}

/** The document's own examples, decided. */
export function runFixtures(p: Compiled): { readonly findings: readonly Finding[]; readonly results: GateReport['fixtures'] } {
  const findings: Finding[] = []
  const results: { name: string; ok: boolean; got: 'allow' | 'require' | 'deny' }[] = []
  p.document.fixtures.forEach(({ name, facts, expect }, i) => {
    const at = `/fixtures/${i}`
    try {
      const got = decide(p as Compiled<SchemaSpec>, facts as FactInput<SchemaSpec>)
      const ok =
        got.outcome === expect.outcome &&
        (expect.cause === undefined || got.cause === expect.cause) &&
        (expect.reason === undefined || got.reason === expect.reason)
      results.push({ name, ok, got: got.outcome })
      if (!ok)
        findings.push({
          kind: 'fixture',
          severity: 'error',
          at,
          text: `${name}: expected ${expect.outcome}, got ${got.outcome} (${got.cause}, ${got.reason}).`,
        })
    } catch (error) {
      if (!isPosternError(error, 'policy.fact_unknown', 'policy.action_missing')) throw error
      findings.push({ kind: 'fixture', severity: 'error', at, text: `${name}: ${error.publicMessage}` })
    }
  })
  return { findings, results }
}

/**
 * Requests inside an invariant's box that are allowed all the same. Complete requests suffice: what a missing fact allows, every completion
 * allows. Each witness is decided again before it is shown; one that is not confirmed is `undecided`, and refuses as well.
 */
export function broken(p: Compiled, steps: number): readonly Finding[] {
  const { schema, document } = p
  const rules = document.rules
    .map((rule, i) => ({ rule, boxes: boxesOf(schema, rule, `/rules/${i}`) }))
    .filter(({ rule }) => rule.mode === 'enforce')
  const of = (effect: string) => rules.filter(({ rule }) => rule.effect === effect).flatMap(({ boxes }) => boxes)
  const [allows, requires, denies] = [of('allow'), of('require'), of('deny')]
  const out: Finding[] = []
  document.invariants.forEach(({ when }, i) => {
    const at = `/invariants/${i}`
    const wheres = flatten(schema, [{ box: when, at: `${at}/when` }])
    const space = spaceOf(schema, [...wheres, ...allows, ...requires, ...denies])
    let open = false
    for (const where of wheres)
      for (const allow of allows) {
        const plain = witness(space, [where, allow], [...denies, ...requires], steps)
        const found = plain === null ? witness(space, [where, allow], denies, steps) : plain
        if (found === null) continue
        const request = found === 'undecided' ? null : confirm(p, space, found)
        if (request) {
          out.push({
            kind: 'invariant',
            severity: 'error',
            at,
            text: 'A request inside the invariant is allowed.',
            witness: request,
          })
          return
        }
        open = true
      }
    if (open)
      out.push({
        kind: 'undecided',
        severity: 'error',
        at,
        text: 'Whether a request inside the invariant is allowed could not be decided.',
      })
  })
  return out
}

/** The request if it is allowed, as it is or with a session that has every authenticator. */
function confirm(p: Compiled, { attributes }: Space, found: Readonly<Record<string, unknown>>): Finding['witness'] | null {
  const all = [...new Set(Object.keys(p.levels).flatMap((key) => key.split('+')))]
  const best: Record<string, unknown> = {
    'authenticator.methods': all,
    'authenticator.enrolled': all,
    'authenticator.usable': all,
    'authenticator.locked': [],
    'authenticator.acr': Math.max(0, ...Object.values(p.levels)),
    'authenticator.ageSec': 0,
  }
  const spoken = new Set(attributes.map(({ fact }) => fact))
  const session = Object.fromEntries(Object.entries(best).filter(([name]) => p.schema.index.has(name) && !spoken.has(name)))
  for (const request of [found, { ...found, ...session }])
    if (decide(p as Compiled<SchemaSpec>, request as FactInput<SchemaSpec>).outcome === 'allow')
      return request as Finding['witness']
  return null
}
