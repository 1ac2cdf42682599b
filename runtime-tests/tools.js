// @ts-check
// Installs the runtimes on first use, bundles the suite where a runtime takes one file, and says what came of each.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export const folder = fileURLToPath(new URL('.', import.meta.url))

/** Installs what package-lock.json names, once. */
export function ready() {
  const stamp = `${folder}node_modules/.postern-installed`
  const wanted = createHash('sha256')
    .update(readFileSync(`${folder}package-lock.json`))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  process.stderr.write('Installing the runtimes (about 750 MB, once) …\n')
  const { status } = spawnSync('npm', ['install', '--no-save', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    stdio: 'inherit',
  })
  if (status !== 0) {
    process.stderr.write('The runtimes could not be installed; check the network and run the command again.\n')
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
}

/** One self-contained module of an entry, resolved as the runtime's own bundler would. @param {string} entry @param {string[]} conditions */
export async function bundle(entry, conditions) {
  const { outputFiles } = await build({
    entryPoints: [`${folder}runners/${entry}`],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    conditions,
    platform: 'neutral',
    mainFields: ['module', 'main'],
  })
  return outputFiles[0].text
}

/** @param {string} command @param {string[]} args @returns {Promise<{ passed: number, failures: { name: string, error: string }[] }>} */
export function execute(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: folder })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk) => {
      out += chunk
    })
    child.stderr.on('data', (chunk) => {
      err += chunk
    })
    child.on('error', (error) => resolve({ passed: 0, failures: [{ name: 'start', error: String(error) }] }))
    child.on('close', () => {
      try {
        resolve(JSON.parse(out.trim().split('\n').at(-1) ?? ''))
      } catch {
        resolve({ passed: 0, failures: [{ name: 'start', error: `${out}\n${err}`.trim() }] })
      }
    })
  })
}

/** Prints a runtime's line and its failures. @param {string} name @param {{ passed: number, failures: { name: string, error: string }[] }} result */
export function report(name, { passed, failures }) {
  process.stdout.write(`runtime ${name}: ${passed} passed, ${failures.length} failed\n`)
  for (const failure of failures)
    process.stdout.write(`  ${failure.name}\n    ${failure.error.split('\n').slice(0, 6).join('\n    ')}\n`)
  return failures.length
}
