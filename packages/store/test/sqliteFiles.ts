/// <reference types="node" />
/** Fresh database files, removed when the tests of a file are over. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SqliteDatabase } from '@postern/store/sqlite'
import Database from 'libsql'
import { afterAll } from 'vitest'

/** A function that names a fresh file at each call. */
export function sqliteFiles(): () => string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-store-'))
  let count = 0
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return () => join(folder, `${++count}.db`)
}

/** A handle as a host opens it. */
export function openLibsql(file: string): SqliteDatabase {
  return new Database(file)
}
