/// <reference types="node" />
/** The child of the crash test: asks and decides without end, says each acknowledged state on stdout, and waits to be killed. */
import { writeSync } from 'node:fs'
import { sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'
import { createBank, random } from '../transactionWorld.js'

const [file = '', life = ''] = process.argv.slice(2)
// The seed is the same in every life; what follows is drawn elsewhere in the sequence.
const b = await createBank({ store: sqliteStore(new Database(file)) })
random(1_000_000 * Number(life))

await Promise.all(Array.from({ length: 8 }, (_, i) => decideOn(`c${life}.${i}`)))
setInterval(() => undefined, 1000)

async function decideOn(client: string): Promise<void> {
  for (let n = 0; n < 200; n++) {
    const done = await b.ask({ client, match: 1, replace: true })
    if (!done.ok) {
      // Held back, or ten an hour: the day after.
      b.w.time.now += 86_400_000
      continue
    }
    const { value: created } = done
    writeSync(1, `${created.id} pending\n`)
    const wrong = String((Number(created.number) + 1) % 100).padStart(2, '0')
    const numbers = n % 3 === 0 ? [wrong, wrong, wrong, created.number!] : [created.number!, created.number!, wrong]
    const inputs = await Promise.all(numbers.map((number) => b.answer(b.d, created, { number })))
    const all = await Promise.all(inputs.map((input) => b.decide(b.d, input)))
    // Synchronously: the answer is out before the next turn.
    for (const one of all) if (one.ok) writeSync(1, `${created.id} ${one.value.state}\n`)
    for (const one of all) if (!one.ok && one.body) writeSync(1, `${created.id} ${one.body['state']}\n`)
  }
}
