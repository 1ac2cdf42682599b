// @ts-check
// README examples compile and run, as a reader would run them: each ```ts block of a package's README against the built packages.
import { execFile } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import ts from 'typescript'
import { packages, read, root } from './tree.js'

const run = promisify(execFile)

/** @returns {Promise<string[]>} one line a breach */
export async function readmes() {
  const breaches = []
  const folder = join(root, 'node_modules/.postern-examples')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const examples = []
  for (const name of packages()) {
    const blocks = [...read(`packages/${name}/README.md`).matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
    if (blocks.length === 0) breaches.push(`packages/${name}/README.md: no example`)
    blocks.forEach((text, i) => {
      const file = join(folder, `${name}-${i + 1}.mts`)
      writeFileSync(file, text)
      examples.push({ name: `packages/${name}/README.md, example ${i + 1}`, file, text })
    })
  }
  breaches.push(...compile(examples))
  for (const { name, file, text } of examples) {
    const script = file.replace(/\.mts$/, '.mjs')
    writeFileSync(
      script,
      ts.transpileModule(text, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } }).outputText,
    )
    try {
      const { stdout } = await run(process.execPath, [script], { cwd: root, timeout: 30_000 })
      if (stdout.trim() === '') breaches.push(`${name}: prints nothing`)
    } catch (error) {
      breaches.push(
        `${name}: ${/** @type {{ stderr?: string }} */ (error).stderr?.trim().split('\n').slice(0, 6).join(' | ') ?? error}`,
      )
    }
  }
  return breaches
}

/** @param {{ name: string, file: string }[]} examples @returns {string[]} */
function compile(examples) {
  const options = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  }
  const program = ts.createProgram(
    examples.map(({ file }) => file),
    options,
  )
  return ts.getPreEmitDiagnostics(program).map((found) => {
    const name = examples.find(({ file }) => file === found.file?.fileName)?.name ?? found.file?.fileName ?? 'options'
    const line = found.file && found.start !== undefined ? found.file.getLineAndCharacterOfPosition(found.start).line + 1 : 0
    return `${name}, line ${line}: ${ts.flattenDiagnosticMessageText(found.messageText, ' ')}`
  })
}
