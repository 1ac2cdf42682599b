/// <reference types="node" />
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const workspace = fileURLToPath(new URL('../../../', import.meta.url))

/** A file of the published vectors, which live beside the checkout. */
export function vectorsAt(path: string): string {
  return resolve(workspace, process.env['POSTERN_VECTORS'] ?? '../shared/vectors', path)
}
