/// <reference types="node" />
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = process.env['POSTERN_VECTORS'] ?? join(import.meta.dirname, '../../../../../shared/vectors')

/** Published data that is not part of the project; required where everything is. */
export const missing: boolean = !existsSync(join(root, 'policy'))
if (missing && process.env['POSTERN_REQUIRE'] === 'all') throw new Error(`No vectors at ${root}`)

export function vector(path: string): string {
  return readFileSync(join(root, 'policy', path), 'utf8')
}
