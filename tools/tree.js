// @ts-check
// The tree as the checks see it.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** The checkout, or another tree that a test planted a breach in. */
export const root = process.env.POSTERN_TREE ?? fileURLToPath(new URL('..', import.meta.url))

/** Short names of all packages. */
export function packages() {
  return readdirSync(join(root, 'packages')).filter((name) => existsSync(join(root, 'packages', name, 'package.json')))
}

/** @param {string} name */
export function manifest(name) {
  return JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'))
}

/** The sources of a package, relative to the root. @param {string} name */
export function sources(name) {
  return files(join(root, 'packages', name, 'src')).filter((file) => /\.tsx?$/.test(file))
}

/** @param {string} folder @returns {string[]} */
export function files(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort()
}

/** @param {string} file - relative to the root */
export function read(file) {
  return readFileSync(join(root, file), 'utf8')
}

/** Every module that a source names, types included. @param {string} file @returns {string[]} */
export function importsOf(file) {
  return ts.preProcessFile(read(file), true, true).importedFiles.map(({ fileName }) => fileName)
}
