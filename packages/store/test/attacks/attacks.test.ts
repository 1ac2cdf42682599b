/// <reference types="node" />
/** The rows over memory and over SQLite, and what a file alone can show. */
import { memoryStore } from '@postern/store/memory'
import { sqliteStore } from '@postern/store/sqlite'
import { describe, expect, it } from 'vitest'
import { openLibsql, sqliteFiles } from '../sqliteFiles.js'
import { attackRows, bytes, commit, fifty, now, won } from './rows.js'

const nextFile = sqliteFiles()

describe('over memory', () => attackRows(() => [memoryStore()]))
describe('over sqlite', () => attackRows(() => [sqliteStore(openLibsql(nextFile()))]))

it('T31 replay after a restart: the marker of SQLite outlives its process', async () => {
  const file = nextFile()
  const use = async () => {
    const store = sqliteStore(openLibsql(file))
    const answer = await commit(store, [{ op: 'put', key: 'j/1', value: new Uint8Array(0), rev: null, expiresAt: now + 60_000 }])
    await store.close()
    return answer.ok
  }
  expect([await use(), await use(), await use()]).toEqual([true, false, false])
})

it('T02, A01 over two nodes on one file: one redemption, and one count for both', async () => {
  const file = nextFile()
  const nodes = [sqliteStore(openLibsql(file)), sqliteStore(openLibsql(file))]
  const redeemed = await fifty((i) => commit(nodes[i % 2]!, [{ op: 'put', key: 'code/1', value: bytes(`${i}`), rev: null }]))
  expect(won(redeemed)).toBe(1)
  const taken = await fifty((i) => commit(nodes[i % 2]!, [{ op: 'add', key: 'pin', by: 1, max: 5 }]))
  expect(won(taken)).toBe(5)
  for (const node of nodes) await node.close()
})

it('C06 a counter that is reserved ahead never comes round again, after a crash between reserving and using', async () => {
  const file = nextFile()
  const block = 64
  const used: number[] = []
  for (let life = 0; life < 5; life++) {
    const store = sqliteStore(openLibsql(file))
    const answer = await commit(store, [{ op: 'add', key: 'nonces', by: block, max: Number.MAX_SAFE_INTEGER }])
    const upTo = answer.ok ? answer.recs[0]!.n : 0
    // Dies having used some of what it reserved; what is left over is never used.
    for (let n = upTo - block; n < upTo - life * 7; n++) used.push(n)
    await store.close()
  }
  expect(new Set(used).size).toBe(used.length)
})
