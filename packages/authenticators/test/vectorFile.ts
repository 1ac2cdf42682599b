/// <reference types="node" />
import { existsSync, readFileSync } from 'node:fs'
import { vectorsAt } from './vectorsAt.js'

/** A published vector file, or `empty` where there is none and nobody insists. */
export function vectorFile<T>(path: string, empty: T): { readonly absent: boolean; readonly data: T } {
  const file = vectorsAt(path)
  const absent = !existsSync(file) && process.env['POSTERN_REQUIRE'] !== 'all'
  return { absent, data: absent ? empty : (JSON.parse(readFileSync(file, 'utf8')) as T) }
}
