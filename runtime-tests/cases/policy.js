// @ts-check
import { hex } from '@postern/core/bytes'
import { canonicalJson } from '@postern/core/canonicalJson'
import { createCrypto } from '@postern/core/crypto'
import { analyse } from '@postern/policy/analyse'
import { compile } from '@postern/policy/compile'
import { diff } from '@postern/policy/diff'
import { decide } from '@postern/policy/evaluate'
import { explain } from '@postern/policy/explain'
import { mobileSchema, mobileSpec, starterDocument } from '@postern/policy/mobile'
import { check } from '@postern/policy/publish'
import { remedy } from '@postern/policy/remedy'
import { residual } from '@postern/policy/residual'
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
        '4e00c1c0f8b8b01599f60559bbbc663abc2cf7b815e1500ae9965ebf85444585',
        'SHA-256 of all decisions',
      )
    },
  ],
  [
    'policy: the same findings, differences, residuals and remedies, byte for byte, on every runtime',
    async () => {
      const draft = await document()
      const steps = 20_000
      const edited = {
        ...draft,
        rules: [
          ...draft.rules.filter(({ id }) => id !== 'device-rooted'),
          {
            id: 'big',
            mode: 'enforce',
            effect: 'deny',
            reason: 'risk.high',
            when: { 'transaction.amount': { gt: 50_000 }, 'os.platform': 'web' },
          },
        ],
      }
      const [before, after] = [compile(mobileSchema, draft), compile(mobileSchema, /** @type {any} */ (edited))]
      const draw = drawsOf(2)
      const requests = Array.from({ length: 60 }, () => request(draw))
      const bytes = canonicalJson(
        JSON.parse(
          JSON.stringify([
            analyse(/** @type {any} */ (after), { steps }),
            diff(/** @type {any} */ (before), /** @type {any} */ (after), { steps }),
            requests.map((facts) => remedy(after, facts, { want: 'require', audience: 'operator', steps: 60 })),
            requests.map((facts) => decide(residual(after, facts), facts)),
          ]),
        ),
      )
      same(
        hex(await crypto.digest('SHA-256', bytes)),
        '5253c65fb75064a8bc11d7e61898d67f71b63a8cb91f5c43e162237a3b8129ca',
        'SHA-256 of all that was found',
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
