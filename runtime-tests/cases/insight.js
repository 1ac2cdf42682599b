// @ts-check
import { riskModel } from '@postern/anomaly/risk'
import { hex, utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { graphOf } from '@postern/insight/graphs'
import { query } from '@postern/insight/query'
import { accept, emptyMinute, flush } from '@postern/insight/rollup'
import { renderSvg } from '@postern/insight/svg'
import { renderTable } from '@postern/insight/table'
import { memoryStore } from '@postern/store/memory'
import { seededRandom } from '@postern/testkit/simulation'
import { drawsOf, same } from './assert.js'

const crypto = createCrypto()

/** @type {readonly import('../suite.js').Case[]} */
export const cases = [
  [
    'anomaly: 400 logins of eight users get the same scores, reasons and profiles, bit for bit, on every runtime',
    async () => {
      const model = riskModel({ key: Uint8Array.from({ length: 16 }, (_, i) => i) })
      const draw = drawsOf(2)
      /** @type {Map<number, Uint8Array | null>} */
      const profiles = new Map()
      const lines = []
      const bands = { low: 0, raised: 0, high: 0 }
      for (let i = 0; i < 400; i++) {
        const user = draw(8)
        const odd = draw(10) === 0
        const facts = {
          id: utf8(`login-number-${i}`),
          subject: utf8(`user-number-${user}`),
          device: utf8(odd ? `stolen-phone-${draw(5)}` : `phone-of-user-${user}`),
          deviceAgeDays: odd ? 0 : 30 + user,
          app: 'bank',
          appVersion: `4.${draw(3)}.0`,
          platform: 'ios',
          osVersion: '26.1',
          model: 'iPhone16,1',
          at: Date.UTC(2026, 0, 5, odd ? draw(24) : 9) + Math.floor(i / 4) * 86_400_000,
          ip: Uint8Array.of(192, 0, odd ? draw(255) : 2, user),
          asn: null,
          kind: null,
          place: null,
          authenticator: 'pin',
          acr: 2,
          failuresBefore: odd ? draw(4) : 0,
          integrity: 3,
        }
        const { band, units, score, reasons, profile } = model.score(facts, profiles.get(user) ?? null, null)
        bands[/** @type {keyof bands} */ (band)]++
        profiles.set(user, profile)

        lines.push([band, units, score, reasons, hex(profile)])
      }
      same(bands, { low: 384, raised: 14, high: 2 }, 'bands')
      same(
        await hashed(JSON.stringify(lines)),
        '8821b70c97c35419a3520300c2780a4948a62263cd42841a1b2f0246e232fd20',
        'SHA-256 of all assessments',
      )
    },
  ],
  [
    'insight: a day of events draws the same SVG and the same table on every runtime',
    async () => {
      const store = memoryStore()
      const random = seededRandom(3)
      const from = Date.UTC(2026, 0, 5, 9)
      const draw = drawsOf(3)
      let acc = emptyMinute
      for (let i = 0; i < 180; i++) {
        const failed = draw(6) === 0
        acc = accept(acc, {
          at: from + i * 60_000,
          tenant: 'demo',
          app: 'bank',
          subject: `user-${draw(30)}`,
          authenticator: 'pin',
          id: `e${i}`,
          type: failed ? 'pin.failed' : 'pin.succeeded',
          outcome: failed ? 'failure' : 'success',
        })
      }
      const now = from + 3 * 3_600_000
      await flush(store, acc, { node: 'node-1', now, random })
      const table = await query(store, { tenant: 'demo', graph: 'pin', from, to: now, now })
      const graph = graphOf('pin')
      if (!graph) throw new Error('no graph')
      same(
        table.series.map(({ label, total }) => [label, total]),
        [
          ['Succeeded', 152],
          ['Failed', 28],
        ],
        'series',
      )
      const drawn = renderSvg(graph, table, { mode: 'standalone' }) + renderTable(graph, table)
      same(await hashed(drawn), '9c7752f57cbb23cb713163e270659e8058412463f39923633f1dad2c6988d303', 'SHA-256 of SVG and table')
    },
  ],
]

/** @param {string} text */
async function hashed(text) {
  return hex(await crypto.digest('SHA-256', utf8(text)))
}
