/// <reference types="node" />
/** A bank in a process of its own: it holds the store, answers phones over IPC, and kills itself at the commit that it is told. */
import { fromPg, migratePostgres, postgresStore } from '@postern/store/postgres'
import { sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'
import pg from 'pg'
import { createWorld, type Device, Refused, random } from '../world.js'
import type { Asked, Death } from './pinBank.js'

const [kind = '', where = '', life = '', attempts = ''] = process.argv.slice(2)
const inner = kind === 'SQLite' ? sqliteStore(new Database(where)) : await postgres()
let death: Death | null = null
let commits = 0

const store: typeof inner = {
  ...inner,
  async commit(...args) {
    const mine = death !== null && ++commits === death.commit ? death.when : null
    if (mine === 'before') return die()
    const done = inner.commit(...args)
    // On its way: sent or half written, and nobody here will ever know.
    if (mine === 'during') return new Promise<never>(() => setImmediate(die))
    const result = await done
    return mine === 'after' ? die() : result
  },
}
// The seed is the same in every life, and so are the keys; what follows is drawn elsewhere in the sequence.
const w = createWorld({ store, maxAttempts: Number(attempts), maxFailures: 100, onExhausted: 'lock' })
random(1_000_000 * Number(life))

process.on('message', (asked: Asked) => {
  void answer(asked).then(
    (value) => process.send!({ id: asked.id, value }),
    (error: { code?: string }) =>
      process.send!({ id: asked.id, code: error instanceof Refused ? error.refusal.code : (error.code ?? String(error)) }),
  )
})
process.send!('ready')

async function answer({ call, device, purpose, enrolment, handle, step }: Asked): Promise<unknown> {
  const d = device as Device
  if (call === 'arm') {
    commits = 0
    death = step as Death
    return null
  }
  if (call === 'device') return w.put(d, 'd', new Uint8Array(1))
  if (call === 'confirm') return w.confirm(d, enrolment!)
  if (call === 'read') return (await w.read(d, ...(step as string[]))).map((rec) => rec?.n ?? null)
  const exchange = w.exchange(d, purpose, enrolment)
  if (call === 'begin') return exchange.begin(handle, step as never)
  const { facts } = (await exchange.finish(handle!, step as never)) as { readonly facts: unknown }
  return facts
}

async function postgres() {
  const port = fromPg(new pg.Pool({ connectionString: where, max: 8 }))
  await migratePostgres(port)
  return postgresStore({ port, topology: 'single' })
}

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => undefined)
}
