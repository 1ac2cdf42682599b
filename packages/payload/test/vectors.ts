/// <reference types="node" />
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = process.env.POSTERN_VECTORS ?? resolve(fileURLToPath(new URL('../../../../shared/vectors', import.meta.url)))
const required = process.env.POSTERN_REQUIRE === 'all'

/** Whether to skip: vectors are absent and nobody demanded them. */
export function absent(path: string): boolean {
  return !required && !existsSync(resolve(folder, path))
}

export function load<T>(path: string): T {
  return JSON.parse(readFileSync(resolve(folder, path), 'utf8')) as T
}

export function pathOf(path: string): string {
  return resolve(folder, path)
}
