/// <reference types="node" />
/** The child of the crash test: registers passkeys without end, several at once and some of one id, says each that is done, and waits to be killed. */
import { writeSync } from 'node:fs'
import { sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'
import { createBank, passkey } from '../passkey.js'
import { random } from '../world.js'

const [file = '', life = '0'] = process.argv.slice(2)
const bank = createBank({ store: sqliteStore(new Database(file)) })
random(1_000_000 * Number(life))
bank.time.now += Number(life) * 1000

const users = ['ada', 'bob', 'eve']
for (const user of users) await bank.user(user)
await Promise.all(users.flatMap((user) => [0, 1].map((lane) => enrol(user, lane))))

/** Every third id is one that others register, too. */
async function enrol(user: string, lane: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const id = i % 3 === 0 ? Uint8Array.of(Number(life), i, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7) : random(16)
    const { options, handle } = await bank.offer(user)
    const done = await bank.register(user, passkey({ id }).create(options), handle)
    // Synchronously: what is said is out before the next turn.
    writeSync(1, `${user} ${lane} ${done.ok ? done.value.facts.enrolment : done.code}\n`)
  }
}
