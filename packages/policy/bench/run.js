// @ts-check
/**
 * decide, 20 rules, 2,000 requests, beside CEL (@marcbachmann/cel-js 8), CASL (@casl/ability 7) and hand-written JavaScript as the limit.
 * Same rules, same requests, versions as integers and facts encoded beforehand for everyone; every engine must agree with the oracle on every
 * request. Unfair to Postern: CASL stops at the deciding rule, hand-written code gives no reason, and neither checks a fact nor knows a missing
 * one. In favour of CEL: a loop over parsed programs, denials first, which stops at the first that holds.
 */
import { createMongoAbility } from '@casl/ability'
import { parse } from '@marcbachmann/cel-js'
import { compile } from '../dist/compile.js'
import { decide } from '../dist/evaluate.js'
import { encode } from '../dist/facts.js'
import { defineSchema } from '../dist/schema.js'

const rounds = 15
const size = 2000
const schema = defineSchema({
  id: 'bench',
  facts: {
    action: { type: 'enum', values: ['login', 'confirm', 'call', 'enrol'], mandatory: true },
    app: { type: 'open' },
    platform: { type: 'enum', values: ['ios', 'android', 'web'] },
    os: { type: 'int' },
    version: { type: 'int' },
    status: { type: 'enum', values: ['enabled', 'login-only', 'disabled'] },
    rooted: { type: 'bool' },
    amount: { type: 'int' },
    score: { type: 'int' },
    country: { type: 'open' },
  },
})

/** @typedef {{ effect: 'allow' | 'deny', when: Record<string, any> }} Line */
/** @type {readonly Line[]} */
const lines = [
  { effect: 'deny', when: { platform: 'ios', os: { lt: 16_004 } } },
  { effect: 'deny', when: { platform: 'android', os: { lt: 12_000 } } },
  { effect: 'deny', when: { status: 'disabled' } },
  { effect: 'deny', when: { action: 'enrol', status: 'login-only' } },
  { effect: 'deny', when: { rooted: true } },
  { effect: 'deny', when: { score: { gt: 90 } } },
  { effect: 'deny', when: { action: 'confirm', score: { gt: 70 } } },
  { effect: 'deny', when: { action: 'confirm', amount: { gt: 1_000_000 } } },
  { effect: 'deny', when: { country: ['KP', 'IR'] } },
  { effect: 'deny', when: { app: 'legacy', version: { lt: 4_000 } } },
  { effect: 'deny', when: { app: 'legacy', action: 'enrol' } },
  { effect: 'deny', when: { platform: 'web', action: 'confirm', amount: { gt: 50_000 } } },
  { effect: 'deny', when: { app: 'retail', version: { lt: 5_002 } } },
  { effect: 'deny', when: { action: 'enrol', country: ['RU', 'BY'] } },
  { effect: 'allow', when: { action: ['login', 'call'], app: ['retail', 'business'] } },
  { effect: 'allow', when: { action: 'login', app: 'legacy', status: ['enabled', 'login-only'] } },
  { effect: 'allow', when: { action: 'confirm', app: 'retail', amount: { lte: 500_000 } } },
  { effect: 'allow', when: { action: 'confirm', app: 'business' } },
  { effect: 'allow', when: { action: 'enrol', status: 'enabled', platform: ['ios', 'android'] } },
  { effect: 'allow', when: { app: 'kiosk', platform: 'web', action: 'call' } },
]

let seed = 42
/** @template T @param {readonly T[]} all @returns {T} */
const pick = (all) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return /** @type {T} */ (all[Math.floor((seed / 2 ** 32) * all.length)])
}
/** Nine requests of ten are as a bank sees them and pass; a denial lets the loops of the peers stop early. @template T @param {T} usual @param {readonly T[]} odd @returns {T} */
const mostly = (usual, odd) =>
  pick([true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, false])
    ? usual
    : pick(odd)
const requests = Array.from({ length: size }, () => ({
  action: pick(/** @type {const} */ (['login', 'confirm', 'call', 'enrol'])),
  app: mostly(pick(['retail', 'business']), ['legacy', 'kiosk', 'other']),
  platform: pick(/** @type {const} */ (['ios', 'android'])),
  os: mostly(17_000, [11_000, 12_000, 16_003, 16_004]),
  version: mostly(6_000, [3_999, 4_000, 5_001, 5_002]),
  status: mostly(/** @type {'enabled' | 'login-only' | 'disabled'} */ ('enabled'), ['login-only', 'disabled']),
  rooted: mostly(false, [true]),
  amount: mostly(pick([100, 2_000, 50_000]), [50_001, 500_000, 500_001, 1_000_001]),
  score: mostly(pick([5, 10, 20]), [70, 71, 90, 91]),
  country: mostly(pick(['NL', 'DE', 'FR']), ['RU', 'KP']),
}))
/** @typedef {typeof requests[number]} Request */

/** The oracle: the lines read one by one. @param {Line} line @param {Request} f */
const holds = ({ when }, f) =>
  Object.entries(when).every(([name, c]) => {
    const seen = /** @type {any} */ (f)[name]
    if (Array.isArray(c)) return c.includes(seen)
    if (typeof c !== 'object') return seen === c
    return Object.entries(c).every(([op, v]) => (op === 'lt' ? seen < v : op === 'gt' ? seen > v : seen <= v))
  })
const expected = requests.map(
  (f) => !lines.some((l) => l.effect === 'deny' && holds(l, f)) && lines.some((l) => l.effect === 'allow' && holds(l, f)),
)

const policy = compile(schema, {
  format: 1,
  id: 'bench',
  parent: null,
  schema: '',
  zone: 'UTC',
  acr: { levels: {} },
  fallback: [],
  invariants: [],
  fixtures: [],
  rules: lines.map(({ effect, when }, i) =>
    effect === 'allow'
      ? { id: `r${i}`, mode: 'enforce', effect, when }
      : { id: `r${i}`, mode: 'enforce', effect, reason: 'policy.denied', when },
  ),
})
const encoded = requests.map((f) => encode(schema, f))

/** @param {Line} line */
const toCel = ({ when }) =>
  Object.entries(when)
    .map(([name, c]) => {
      if (Array.isArray(c)) return `${name} in ${JSON.stringify(c)}`
      if (typeof c !== 'object') return `${name} == ${JSON.stringify(c)}`
      return Object.entries(c)
        .map(([op, v]) => `${name} ${op === 'lt' ? '<' : op === 'gt' ? '>' : '<='} ${v}`)
        .join(' && ')
    })
    .join(' && ')
const celDeny = lines.filter((l) => l.effect === 'deny').map((l) => parse(toCel(l)))
const celAllow = lines.filter((l) => l.effect === 'allow').map((l) => parse(toCel(l)))
const contexts = requests.map((f) => ({
  ...f,
  os: BigInt(f.os),
  version: BigInt(f.version),
  amount: BigInt(f.amount),
  score: BigInt(f.score),
}))

/** @param {Line} line */
const toMongo = ({ when }) =>
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
const ability = createMongoAbility(
  [...lines].reverse().map((l) => ({ action: 'do', subject: 'Request', inverted: l.effect === 'deny', conditions: toMongo(l) })),
  { detectSubjectType: () => 'Request' },
)

/** @param {Request} f */
const byHand = (f) => {
  if (f.rooted || f.status === 'disabled' || f.score > 90) return false
  if (f.platform === 'ios' ? f.os < 16_004 : f.platform === 'android' && f.os < 12_000) return false
  if (f.country === 'KP' || f.country === 'IR') return false
  if (f.app === 'legacy' && (f.version < 4_000 || f.action === 'enrol')) return false
  if (f.app === 'retail' && f.version < 5_002) return false
  switch (f.action) {
    case 'confirm':
      if (f.score > 70 || f.amount > 1_000_000 || (f.platform === 'web' && f.amount > 50_000)) return false
      return f.app === 'business' || (f.app === 'retail' && f.amount <= 500_000)
    case 'enrol':
      if (f.status === 'login-only' || f.country === 'RU' || f.country === 'BY') return false
      return f.status === 'enabled' && f.platform !== 'web'
    case 'login':
      return f.app === 'retail' || f.app === 'business' || f.app === 'legacy'
    default:
      return f.app === 'retail' || f.app === 'business' || (f.app === 'kiosk' && f.platform === 'web')
  }
}

/** @type {Record<string, (i: number) => boolean>} */
const engines = {
  postern: (i) => decide(policy, /** @type {any} */ (encoded[i])).outcome === 'allow',
  cel: (i) =>
    !celDeny.some((run) => run(/** @type {any} */ (contexts[i]))) &&
    celAllow.some((run) => run(/** @type {any} */ (contexts[i]))),
  casl: (i) => ability.can('do', /** @type {any} */ (requests[i])),
  limit: (i) => byHand(/** @type {Request} */ (requests[i])),
  encode: (i) => encode(schema, /** @type {Request} */ (requests[i])) !== null,
}

let wrong = 0
for (const [name, run] of Object.entries(engines)) {
  if (name === 'encode') continue
  const mismatches = expected.filter((want, i) => run(i) !== want).length
  if (mismatches > 0) console.error(`${name}: ${mismatches} of ${size} requests decided otherwise than by the oracle`)
  wrong += mismatches
}

/** @type {Record<string, number[]>} */
const taken = Object.fromEntries(Object.keys(engines).map((name) => [name, []]))
const repeats = { postern: 20, limit: 50, encode: 5, cel: 2, casl: 2 }
for (let round = -3; round < rounds; round++)
  for (const [name, run] of Object.entries(engines)) {
    const times = repeats[/** @type {keyof typeof repeats} */ (name)]
    const start = process.hrtime.bigint()
    let allowed = 0
    for (let k = 0; k < times; k++) for (let i = 0; i < size; i++) if (run(i)) allowed++
    const us = Number(process.hrtime.bigint() - start) / 1000 / times / size
    if (round >= 0 && allowed >= 0) taken[name]?.push(us)
  }
/** @param {string} name */
const median = (name) => /** @type {number} */ ([...(taken[name] ?? [])].sort((a, b) => a - b)[Math.floor(rounds / 2)])
/** @param {number} x */
const round3 = (x) => Math.round(x * 1000) / 1000

for (const [engine, peer] of /** @type {const} */ ([
  ['cel', '@marcbachmann/cel-js 8'],
  ['casl', '@casl/ability 7'],
])) {
  const ratio = median(engine) / median('postern')
  console.log(
    JSON.stringify({
      case: `decide.20.${engine}`,
      postern_us: round3(median('postern')),
      peer,
      peer_us: round3(median(engine)),
      ratio: round3(ratio),
      limit_us: round3(median('limit')),
      target: 5,
    }),
  )
}
console.log(
  JSON.stringify({
    case: 'encode.10',
    postern_us: round3(median('encode')),
    peer: null,
    peer_us: null,
    ratio: null,
    limit_us: null,
  }),
)
if (wrong > 0) process.exitCode = 1
