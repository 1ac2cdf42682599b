import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createOperator, registerApp } from '../demo/operator.js'
import { startKillable } from './support/killable.js'
import { API, freePort, sleep } from './support/world.js'
import { type Acknowledged, missing, nothingYet, writers } from './support/writers.js'

const ROUNDS = 3
const LONGEST_MS = 8_000

const counts = (done: Acknowledged): number[] => Object.values(done).map((list) => list.length)

it(`kill -9 while everybody writes, ${ROUNDS} times: nothing that was acknowledged is lost`, { timeout: 300_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-kill-'))
  const origin = `http://127.0.0.1:${await freePort()}`
  const operator = await createOperator(`${origin}/postern`)
  const bank = { issuer: `${origin}/postern`, api: API, folder, admin: operator.admin }
  const start = () => startKillable({ origin, folder, operatorKey: operator.key })
  const done = nothingYet()
  let running = await start()
  try {
    await registerApp(operator.admin)
    for (let round = 1; round <= ROUNDS; round++) {
      const before = counts(done)
      let killed = false
      const early: unknown[] = []
      // A writer ends when the bank is gone under it; before that, it may not.
      const writing = writers(bank, done).map((write) => write().catch((error) => killed || early.push(error)))
      // At a moment of chance, after each writer has been told something.
      for (let waited = 0; waited < LONGEST_MS && counts(done).some((count, i) => count === before[i]); waited += 20)
        await sleep(20)
      await sleep(Math.random() * 300)
      killed = true
      await running.kill()
      await Promise.all(writing)
      expect(early).toEqual([])
      running = await start()
      expect(await missing(bank, done), `round ${round}`).toEqual([])
    }
    for (const [what, list] of Object.entries(done)) expect(list.length, what).toBeGreaterThan(0)
  } finally {
    await running.kill()
    rmSync(folder, { recursive: true, force: true })
  }
})
