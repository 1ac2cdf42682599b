// @ts-check
/**
 * The rules and requests that every engine gets: 20 rules, or the same 20 for each of 50 apps. Versions are integers and requests are prepared
 * for everyone beforehand. Where a step-up falls due something would grant afterwards: peers cannot say "futile".
 */
import { defineSchema } from '../dist/schema.js'

const kinds = /** @type {const} */ (['pin', 'device-key'])
export const schema = defineSchema({
  id: 'bench',
  facts: {
    action: { type: 'enum', values: ['login', 'confirm', 'call', 'enrol'], mandatory: true, provenance: 'verified' },
    app: { type: 'open', provenance: 'verified' },
    platform: { type: 'enum', values: ['ios', 'android', 'web'], provenance: 'verified' },
    os: { type: 'int', min: 0, provenance: 'verified' },
    version: { type: 'int', min: 0, provenance: 'verified' },
    status: { type: 'enum', values: ['enabled', 'login-only', 'disabled'], provenance: 'verified' },
    rooted: { type: 'bool', provenance: 'verified' },
    amount: { type: 'int', min: 0, provenance: 'verified' },
    score: { type: 'int', min: 0, max: 100, provenance: 'verified' },
    country: { type: 'open', provenance: 'verified' },
    'authenticator.methods': { type: 'set', members: kinds, provenance: 'verified' },
    'authenticator.enrolled': { type: 'set', members: kinds, provenance: 'verified' },
    'authenticator.usable': { type: 'set', members: kinds, provenance: 'verified' },
    'authenticator.locked': { type: 'set', members: kinds, provenance: 'verified' },
    'authenticator.acr': { type: 'int', min: 0, max: 3, provenance: 'verified' },
  },
})

/** @typedef {{ id: string, effect: 'allow' | 'deny' | 'require', when: Record<string, any> }} Line */

/** The 20 rules, with thresholds of their own for each app. @param {number} k @returns {Line[]} */
function twenty(k) {
  /** @type {[Line['effect'], Record<string, any>][]} */
  const all = [
    ['deny', { platform: 'ios', os: { lt: 16_004 } }],
    ['deny', { platform: 'android', os: { lt: 12_000 } }],
    ['deny', { status: 'disabled' }],
    ['deny', { action: 'enrol', status: 'login-only' }],
    ['deny', { rooted: true }],
    ['deny', { score: { gt: 90 } }],
    ['deny', { action: 'confirm', score: { gt: 70 } }],
    ['deny', { action: 'confirm', amount: { gt: 1_000_000 } }],
    ['deny', { country: ['KP', 'IR'] }],
    ['deny', { version: { lt: 4_000 + k } }],
    ['deny', { action: 'enrol', country: ['RU', 'BY'] }],
    ['deny', { platform: 'web', action: 'confirm', amount: { gt: 50_000 } }],
    ['deny', { platform: 'web', action: 'enrol', version: { lt: 5_000 } }],
    ['deny', { action: 'call', score: { gt: 80 }, platform: ['ios', 'android'] }],
    ['require', { action: 'confirm', amount: { gt: 100_000 } }],
    ['require', { action: 'login', score: { gt: 50 } }],
    ['allow', { action: ['login', 'call'], status: ['enabled', 'login-only'] }],
    ['allow', { action: 'confirm', status: ['enabled', 'login-only'], platform: ['ios', 'android', 'web'] }],
    ['allow', { action: 'enrol', status: 'enabled', platform: ['ios', 'android'] }],
    ['allow', { action: 'enrol', status: 'enabled', platform: 'web', country: ['NL', 'DE'] }],
  ]
  return all.map(([effect, when], i) => ({ id: `r${i}`, effect, when }))
}

export const apps = Array.from({ length: 50 }, (_, k) => `app${k}`)

export const few = twenty(0)
export const many = apps.flatMap((app, k) => twenty(k).map((l) => ({ ...l, id: `${app}-${l.id}`, when: { app, ...l.when } })))
/** The next version of the many: one rule of each app is stricter, and every fifth app loses one. */
export const edited = apps.flatMap((app, k) =>
  twenty(k)
    .map((l, i) => (i === 6 ? { ...l, when: { ...l.when, score: { gt: 60 + (k % 5) } } } : l))
    .filter((_, i) => !(k % 5 === 0 && i === 13))
    .map((l) => ({ ...l, id: `${app}-${l.id}`, when: { app, ...l.when } })),
)

/** @param {readonly Line[]} lines @returns {any} */
export const documentOf = (lines) => ({
  format: 1,
  id: 'bench',
  parent: null,
  schema: 'sha256:bench',
  zone: 'UTC',
  acr: { levels: { pin: 1, 'device-key+pin': 2 } },
  fallback: [],
  invariants: [],
  fixtures: [],
  rules: lines.map(({ id, effect, when }) => ({
    id,
    mode: 'enforce',
    effect,
    when,
    ...(effect === 'allow' ? {} : { reason: effect === 'deny' ? 'policy.denied' : 'step_up' }),
    ...(effect === 'require' ? { require: { acr: 2 } } : {}),
  })),
})

let seed = 42
/** @template T @param {readonly T[]} all @returns {T} */
const pick = (all) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return /** @type {T} */ (all[Math.floor((seed / 2 ** 32) * all.length)])
}
/** Usual in 19 of 20. @template T @param {T} usual @param {readonly T[]} odd @returns {T} */
const mostly = (usual, odd) => (pick(Array.from({ length: 20 }, (_, i) => i)) > 0 ? usual : pick(odd))

/** 2,000 requests as a bank sees them. */
export const requests = Array.from({ length: 2000 }, () => ({
  action: pick(/** @type {const} */ (['login', 'confirm', 'call', 'enrol'])),
  app: mostly(pick(apps), ['unknown']),
  platform: mostly(/** @type {'ios' | 'android' | 'web'} */ (pick(['ios', 'android'])), ['web']),
  os: mostly(17_000, [11_000, 12_000, 16_003, 16_004]),
  version: mostly(6_000, [3_999, 4_000, 4_010, 4_051]),
  status: mostly(/** @type {'enabled' | 'login-only' | 'disabled'} */ ('enabled'), ['login-only', 'disabled']),
  rooted: mostly(false, [true]),
  amount: mostly(pick([100, 2_000, 50_000]), [50_001, 100_000, 100_001, 1_000_001]),
  score: mostly(pick([5, 10, 20]), [50, 51, 70, 71, 81, 91]),
  country: mostly(pick(['NL', 'DE', 'FR']), ['RU', 'KP']),
}))
/** @typedef {typeof requests[number]} Request */

/** Someone logged in with a PIN, who could use the device's key. */
export const session = {
  'authenticator.methods': ['pin'],
  'authenticator.enrolled': ['pin', 'device-key'],
  'authenticator.usable': ['pin', 'device-key'],
  'authenticator.locked': [],
  'authenticator.acr': 1,
}

/** The oracle: lines read one by one. @param {Line} line @param {any} f */
export const holds = ({ when }, f) =>
  Object.entries(when).every(([name, c]) => {
    const seen = f[name]
    if (Array.isArray(c)) return c.includes(seen)
    if (typeof c !== 'object') return seen === c
    return Object.entries(c).every(([op, v]) => (op === 'lt' ? seen < v : seen > v))
  })

/** @typedef {'allow' | 'require' | 'deny'} Outcome */

/** @param {readonly Line[]} lines @param {(line: Line) => boolean} matched @returns {Outcome} */
export function combine(lines, matched) {
  let [allow, require, deny] = [false, false, false]
  for (const line of lines)
    if (matched(line)) {
      if (line.effect === 'deny') deny = true
      else if (line.effect === 'require') require = true
      else allow = true
    }
  return deny || !allow ? 'deny' : require ? 'require' : 'allow'
}

/** @param {readonly Line[]} lines @returns {Outcome[]} */
export const expectedOf = (lines) => requests.map((f) => combine(lines, (line) => holds(line, f)))
