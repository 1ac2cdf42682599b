// @ts-check
/**
 * One assessment (decode, score, encode) of simulated logins, beside one ES256 verification by node:crypto, which every login pays anyway.
 * No peer scores logins with reasons and a profile of its own in this form: the verification is a yardstick of the machine, not a competitor.
 */
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { simulateLogins } from '../../testkit/dist/logins.js'
import { decodeProfile, encodeProfile } from '../dist/profile.js'
import { factsWithoutResolver, factsWithResolver, riskModel } from '../dist/risk.js'

const rounds = 15
const text = new TextEncoder()
/** @param {string} name */
const id = (name) => text.encode(name.padEnd(16, '.'))
const key = Uint8Array.from({ length: 16 }, (_, i) => i)

/** @typedef {{ facts: import('../dist/risk.js').LoginFacts, profile: Uint8Array | null }} Call */
/** Every login beside the profile it met, so that each can be scored again. @param {import('../dist/risk.js').RiskModel} model */
function callsOf(model) {
  /** @type {Map<string, Uint8Array>} */
  const profiles = new Map()
  /** @type {Call[]} */
  const calls = []
  for (const { facts: seen, outcome } of simulateLogins({ seed: 5, users: 60, days: 40, start: Date.UTC(2026, 9, 1) })) {
    const facts = { ...seen, id: id('login'), subject: id(seen.subject), device: id(seen.device) }
    const profile = profiles.get(seen.subject) ?? null
    calls.push({ facts, profile })
    if (outcome === 'success') profiles.set(seen.subject, model.score(facts, profile, null).profile)
  }
  return calls
}

/** @type {Record<string, () => number>} Runs once over its work, answers how many times that was. */
const cases = {}
for (const [name, facts] of /** @type {const} */ ([
  ['resolvers', factsWithResolver],
  ['plain', factsWithoutResolver],
])) {
  const model = riskModel({ key, facts })
  const calls = callsOf(model)
  cases[`risk.score.${name}`] = () => {
    for (const { facts: f, profile } of calls) model.score(f, profile, null)
    return calls.length
  }
  const stored = calls.flatMap(({ profile }) => (profile === null ? [] : [profile]))
  if (name === 'resolvers')
    cases['risk.score.codec'] = () => {
      for (const profile of stored) encodeProfile(decodeProfile(profile))
      return stored.length
    }
}

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signed = new Uint8Array(300).fill(7)
const signature = sign('sha256', signed, { key: privateKey, dsaEncoding: 'ieee-p1363' })
cases.es256 = () => {
  for (let i = 0; i < 300; i++)
    if (!verify('sha256', signed, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)) throw new Error('not verified')
  return 300
}

/** Cases take turns, so that a busy moment falls on all. @type {Record<string, number[]>} */
const taken = {}
for (let round = -3; round < rounds; round++)
  for (const [name, run] of Object.entries(cases)) {
    const start = process.hrtime.bigint()
    const times = run()
    const us = Number(process.hrtime.bigint() - start) / 1000 / times
    taken[name] ??= []
    if (round >= 0) taken[name].push(us)
  }

/** @param {string} name */
const median = (name) => /** @type {number} */ ([...(taken[name] ?? [])].sort((a, b) => a - b)[Math.floor(rounds / 2)])
/** @param {number} x */
const round3 = (x) => Math.round(x * 1000) / 1000
const peer_us = median('es256')
for (const name of Object.keys(cases)) {
  if (name === 'es256') continue
  const postern_us = median(name)
  const line = {
    case: name,
    postern_us: round3(postern_us),
    peer: 'one ES256 verification, node:crypto',
    peer_us: round3(peer_us),
    ratio: round3(peer_us / postern_us),
    limit_us: round3(0.2 * peer_us),
  }
  console.log(JSON.stringify(line))
}
