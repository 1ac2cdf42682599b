// @ts-check
// One tsup preset for every package: the entries are read from `exports`, so that a public path is written once.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { sourceFiles } from './exports.js'

/** @param {string} folder - the package's folder @returns {import('tsup').Options} */
export function preset(folder) {
  const pkg = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return {
    // One run over all entries with splitting: a class in two bundles would make `instanceof` lie.
    entry: Object.fromEntries(sourceFiles(pkg).map((file) => [file.replace(/\.tsx?$/, ''), `src/${file}`])),
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    splitting: true,
    treeshake: true,
    clean: true,
    removeNodeProtocol: false,
    external: [/^node:/, /^@postern\//],
    async onSuccess() {
      declarations(folder)
    },
  }
}

/**
 * Writes one declaration file a source file. `isolatedDeclarations` lets each be derived from its own text alone,
 * in milliseconds; `typecheck` has the say about types.
 * @param {string} folder
 */
function declarations(folder) {
  for (const file of walk(join(folder, 'src'))) {
    const { outputText } = ts.transpileDeclaration(readFileSync(file, 'utf8'), {
      fileName: file,
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, isolatedDeclarations: true },
    })
    const out = file.replace(`${join(folder, 'src')}`, join(folder, 'dist')).replace(/\.tsx?$/, '.d.ts')
    mkdirSync(dirname(out), { recursive: true })
    writeFileSync(out, outputText)
  }
}

/** @param {string} root @returns {string[]} */
function walk(root) {
  return ts.sys.readDirectory(root, ['.ts', '.tsx'])
}
