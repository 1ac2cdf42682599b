// @ts-check
import { hex } from '@postern/core/bytes'
import { canonicalJson } from '@postern/core/canonicalJson'
import { createCrypto } from '@postern/core/crypto'
import { compile } from '@postern/policy/compile'
import { decide } from '@postern/policy/evaluate'
import { explain } from '@postern/policy/explain'
import { mobileSchema, mobileSpec, starterDocument } from '@postern/policy/mobile'
import { check } from '@postern/policy/publish'
import { hashSchema } from '@postern/policy/schema'
import { clockIn } from '@postern/policy/time'
import { drawsOf, same } from './assert.js'

const crypto = createCrypto()
const REQUESTS = 600

/** @type {readonly import('../suite.js').Case[]} */
export const cases = [
  [
    `policy: ${REQUESTS} generated requests get the same decisions and explanations, byte for byte, on every runtime`,
    async () => {
      const draft = await document()
      const report = await check(draft, { schema: mobileSchema, crypto })
      same(report.ok, true, 'publishable')
      const policy = compile(mobileSchema, draft)
      const draw = drawsOf(1)
      const decisions = []
      const tally = { allow: 0, deny: 0, require: 0 }
      for (let i = 0; i < REQUESTS; i++) {
        const facts = request(draw)
        const decision = decide(policy, facts)
        tally[decision.outcome]++
        decisions.push(decision, i % 8 === 0 ? explain(policy, facts, { audience: 'operator' }).rules : null)
      }
      same(tally, { allow: 196, deny: 379, require: 25 }, 'outcomes')
      const bytes = canonicalJson(/** @type {any} */ ([report.version, JSON.parse(JSON.stringify(decisions))]))
      same(
        hex(await crypto.digest('SHA-256', bytes)),
        'd3ae0ec23d394b561d5b6037042ecf2dfba5c255db030895d9a9e90ed6f03f95',
        'SHA-256 of all decisions',
      )
    },
  ],
  [
    'policy: the clock of a zone keeps its summer time, its midnight and its afternoon',
    () => {
      const zurich = clockIn('Europe/Zurich')
      const instants = [
        Date.UTC(2026, 2, 29, 0, 30),
        Date.UTC(2026, 2, 29, 1, 30),
        Date.UTC(2026, 0, 5, 23),
        Date.UTC(2026, 0, 5, 12),
      ]
      const seen = instants.map((at) => [zurich(at)['time.minuteOfDay'], zurich(at)['time.weekday']])
      same(seen, [
        [90, 'sun'],
        [210, 'sun'],
        [0, 'tue'],
        [780, 'mon'],
      ])
    },
  ],
]

async function document() {
  return starterDocument({
    id: 'retail',
    schema: await hashSchema(mobileSchema, crypto),
    levels: { pin: 1, 'device-key': 1, 'device-key+pin': 2 },
    login: 1,
    confirm: 2,
    osMinimum: { ios: '16.4', android: '13' },
    acceptUnchecked: ['web', 'other'],
  })
}

/** A request with most facts, most of them harmless. @param {(bound: number) => number} draw @returns {any} */
function request(draw) {
  /** @type {Record<string, unknown>} */
  const facts = {}
  for (const [name, spec] of Object.entries(mobileSpec.facts)) {
    if (name !== 'action' && draw(40) === 0) continue
    facts[name] = factOf(/** @type {any} */ (spec), draw)
  }
  return facts
}

/** @param {any} spec @param {(bound: number) => number} draw */
function factOf(spec, draw) {
  const usual = draw(12) !== 0
  switch (spec.type) {
    case 'enum':
      return spec.mandatory || !usual ? spec.values[draw(spec.values.length)] : spec.values[0]
    case 'ordered':
      return [spec.ranks[usual ? 0 : draw(spec.ranks.length)]].flat()[0]
    case 'bool':
      return !usual
    case 'int':
      return (spec.min ?? -5) + draw(usual ? 3 : 500)
    case 'version':
      return `${draw(usual ? 2 : 20) + 16}.${draw(10)}${draw(9) === 0 && spec.prerelease ? '-rc.1' : ''}`
    case 'set':
      return (spec.members ?? ['a', 'b', 'c']).filter((/** @type {string} */ member) => !member.includes('*') && draw(3) > 0)
    default:
      return `v${draw(4)}`
  }
}
