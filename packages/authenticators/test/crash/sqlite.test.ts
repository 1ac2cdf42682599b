/// <reference types="node" />
import { join } from 'node:path'
import { sqliteStore } from '@postern/store/sqlite'
import { killNine } from '@postern/testkit/crash'
import Database from 'libsql'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Bundle, bundle } from '../../../testkit/test/bundle.js'

const now = 1_800_000_000_000
const pins = 8
const most = 10
let child: Bundle

beforeAll(async () => {
  child = await bundle(new URL('./guesser.ts', import.meta.url))
})
afterAll(() => child.remove())

it.each([9, 30])(
  'A02 kill -9 after %i answers, and again: no PIN has more answers in all its lives than tries, and no try is answered twice',
  async (afterLines) => {
    const file = join(child.folder, `${afterLines}.db`)
    const known = await killNine({ script: child.script, args: [file, '1'], afterLines: pins })
    const told = new Map<string, number[]>(known.map((enrolment) => [enrolment, []]))
    // The third life is let to its end: every try that is left is taken, and then refused.
    for (const [life, lines] of [
      ['2', afterLines],
      ['3', afterLines],
      ['4', pins * 12],
    ] as const) {
      const answers = await killNine({ script: child.script, args: [file, life, known.join(',')], afterLines: lines })
      for (const line of answers) {
        const [enrolment = '', n = ''] = line.split(' ')
        if (/^\d+$/.test(n)) told.get(enrolment)!.push(Number(n))
        else expect(n).toBe('authenticator.locked')
      }
      const store = sqliteStore(new Database(file))
      for (const [i, enrolment] of known.entries()) {
        const [counter] = await store.read({ tenant: 'bank', id: `dev:d${i}` }, [`pin/${enrolment}`], { now })
        const counts = told.get(enrolment)!
        expect(counter!.n).toBeLessThanOrEqual(most)
        expect(counter!.n).toBeGreaterThanOrEqual(Math.max(0, ...counts))
        expect(new Set(counts).size).toBe(counts.length)
        if (life === '4') expect(counter!.n).toBe(most)
      }
      await store.close()
    }
    for (const counts of told.values()) expect(counts.length).toBeLessThanOrEqual(most)
  },
)
