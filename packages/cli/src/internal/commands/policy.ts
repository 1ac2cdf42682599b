/** `policy check` and `policy explain`: what the server would say, before it is asked. */
import { isPosternError } from '@postern/core/errors'
import { anyObject } from '@postern/core/fields'
import { parseJson } from '@postern/core/json'
import { hashDocument, parseDocument } from '@postern/policy/document'
import { decide } from '@postern/policy/evaluate'
import { explain, type RuleReport } from '@postern/policy/explain'
import { encode } from '@postern/policy/facts'
import { type MobileSpec, mobileSchema } from '@postern/policy/mobile'
import { check, type Finding, openPolicy } from '@postern/policy/publish'
import type { FactInput } from '@postern/policy/schema'
import { clockIn } from '@postern/policy/time'
import type { Command, Io } from '../io.js'
import { fileOf, typed, Usage } from '../usage.js'

/** Everything that would keep a policy from being published; passes when nothing does. */
export const checkPolicy: Command = async (argv, io, out) => {
  const { files } = typed(argv, {}, ['file'])
  const report = await check(await fileOf(io, files[0]!), { schema: mobileSchema, crypto: io.ports.crypto })
  const failed = report.fixtures.filter(({ ok }) => !ok).length
  out.done(report, [
    `${report.ok ? 'ok' : 'refused'}  ${report.version ?? 'no version'}`,
    ...report.findings.flatMap(lines),
    ...(report.fixtures.length === 0 ? [] : [`fixtures: ${report.fixtures.length - failed} passed, ${failed} failed`]),
  ])
  return report.ok
}

function lines({ severity, at, text, witness }: Finding): readonly string[] {
  return [
    `  ${severity}  ${at === '' ? '/' : at}  ${text}`,
    ...(witness === undefined ? [] : [`         such as ${JSON.stringify(witness)}`]),
  ]
}

/** One decision, and why. The clock is this machine's unless the facts name a time. */
export const explainPolicy: Command = async (argv, io, out) => {
  const { values, files } = typed(argv, { facts: { type: 'string' }, audience: { type: 'string' } }, ['file'])
  const { facts, audience = 'operator' } = values
  if (typeof facts !== 'string') throw new Usage('Needed: --facts <file>.')
  if (audience !== 'operator' && audience !== 'user') throw new Usage('--audience is operator or user.')
  const { crypto, clock } = io.ports
  const { bytes, document } = parseDocument(await fileOf(io, files[0]!))
  const policy = await openPolicy(mobileSchema, { version: await hashDocument(bytes, crypto), bytes }, crypto)
  const asked = { ...clockIn(document.zone)(clock()), ...(await factsOf(io, facts)) } as unknown as FactInput<MobileSpec>
  const encoded = encodeAsked(asked)
  const decision = decide(policy, encoded)
  if (audience === 'user') {
    const explanation = explain(policy, encoded, { audience })
    out.done({ decision, explanation }, [`${decision.outcome}  ${explanation.reason ?? ''}`.trimEnd()])
    return true
  }
  const explanation = explain(policy, encoded, { audience })
  out.done({ decision, explanation }, [
    `${decision.outcome}  ${decision.reason ?? ''} (${decision.cause})`,
    ...(decision.obligation === null ? [] : [`needs  ${JSON.stringify(decision.obligation)}`]),
    ...explanation.rules.map(ruleLine),
    ...(explanation.ignored.length === 0 ? [] : [`ignored: ${explanation.ignored.join(', ')}`]),
  ])
  return true
}

function encodeAsked(asked: FactInput<MobileSpec>): ReturnType<typeof encode<MobileSpec>> {
  try {
    return encode(mobileSchema, asked)
  } catch (error) {
    if (isPosternError(error, 'policy.fact_unknown', 'policy.action_missing')) throw new Usage(error.publicMessage)
    throw error
  }
}

async function factsOf(io: Io, path: string): Promise<object> {
  const bytes = await fileOf(io, path)
  try {
    return anyObject(parseJson(bytes))
  } catch (cause) {
    throw new Usage(`${path} is not a JSON object of facts.`, { cause })
  }
}

const signs = { matched: '+', unknown: '?', failed: '-' } as const

function ruleLine({ id, effect, mode, result, unknown, failed }: RuleReport): string {
  const why =
    result === 'unknown'
      ? `  not known: ${unknown.join(', ')}`
      : failed
          .map(
            ({ fact, seen, needed }) =>
              `  ${fact} is ${seen === null ? 'not applicable' : JSON.stringify(seen)}, needs ${JSON.stringify(needed)}`,
          )
          .join(';')
  return `  ${signs[result]} ${id} (${effect}${mode === 'shadow' ? ', shadow' : ''})${why}`
}
