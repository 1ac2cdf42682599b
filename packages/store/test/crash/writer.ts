/// <reference types="node" />
/** The child of the crash test: 32 writers that acknowledge each commit on stdout, until they are killed. */
import { writeSync } from 'node:fs'
import { sqliteStore } from '@postern/store/sqlite'
import Database from 'libsql'

const [file = '', round = ''] = process.argv.slice(2)
const store = sqliteStore(new Database(file))
const now = 1_767_225_600_000
let count = 0

async function write(writer: number): Promise<void> {
  const part = { tenant: 'bank', id: `u:${writer % 4}` }
  for (;;) {
    const id = `${round}-${String(++count).padStart(8, '0')}`
    const answer = await store.commit(
      part,
      [
        { op: 'put', key: `marker/${id}`, value: new Uint8Array(300).fill(writer), rev: null },
        { op: 'add', key: 'tries', by: 1, max: 1e9 },
        { op: 'put', key: `e/${id}`, value: new Uint8Array(100), rev: null },
      ],
      { now, rev: `crash-${round}-${id.slice(-8)}`.padEnd(16, '_') },
    )
    if (!answer.ok) throw new Error('a fresh marker was refused')
    // Synchronously: what a line says has been committed, and the line is out before the next turn.
    writeSync(1, `${part.id} ${id} ${answer.recs[1]!.n}\n`)
  }
}

await Promise.all(Array.from({ length: 32 }, (_, i) => write(i)))
