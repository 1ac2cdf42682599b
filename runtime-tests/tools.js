// @ts-check
// Installs the runtimes on first use, builds what changed, bundles the suite where a runtime takes one file, and says what came of each.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** @typedef {import('./suite.js').Result} Result */

export const folder = fileURLToPath(new URL('.', import.meta.url))
const root = fileURLToPath(new URL('..', import.meta.url))

/** The repository installed and built, the runtimes as package-lock.json names them. Both say so when they have work to do. */
export function ready() {
  // Builds are taken by the hash of their sources; whoever forces them has done so in the step before.
  const { TURBO_FORCE: _, ...env } = process.env
  step(process.execPath, [`${root}tools/ready.js`], root, env, 'The packages could not be made ready.')
  const stamp = `${folder}node_modules/.postern-installed`
  const wanted = createHash('sha256')
    .update(readFileSync(`${folder}package-lock.json`))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  process.stderr.write('Installing the runtimes (about 750 MB, once) …\n')
  step(
    'npm',
    ['install', '--no-save', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
    folder,
    process.env,
    'The runtimes could not be installed; check the network and run the command again.',
  )
  writeFileSync(stamp, wanted)
}

/** @param {string} command @param {string[]} args @param {string} cwd @param {NodeJS.ProcessEnv} env @param {string} sentence */
function step(command, args, cwd, env, sentence) {
  const { status } = spawnSync(command, args, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status === 0) return
  process.stderr.write(`${sentence}\n`)
  process.exit(1)
}

/** One self-contained module of an entry, resolved as the runtime's own bundler would. @param {string} entry @param {string[]} conditions */
export async function bundle(entry, conditions) {
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: [`${folder}runners/${entry}`],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    conditions,
    platform: 'neutral',
    mainFields: ['module', 'main'],
    // The packages' own tsconfig would lead past their builds to the sources, and to two copies of each class.
    tsconfigRaw: '{}',
    plugins: [withoutNode],
    logLevel: 'error',
  })
  return outputFiles[0]?.text ?? ''
}

/** Node's modules and native ones are imported only by cases that a bundled runtime does not promise. @type {import('esbuild').Plugin} */
const withoutNode = {
  name: 'without-node',
  setup(build) {
    build.onResolve({ filter: /^(?:libsql$|pg$|postgres$|ioredis$|redis$|node:|bun:)/ }, ({ path }) => ({
      path,
      namespace: 'absent',
    }))
    build.onLoad({ filter: /.*/, namespace: 'absent' }, ({ path }) => ({ contents: `throw new Error('no ${path} here')` }))
  },
}

/** Runs a command whose last line is the result. @param {string} command @param {string[]} args @returns {Promise<Result>} */
export function execute(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], timeout: 180_000 })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk) => {
      out += chunk
    })
    child.stderr.on('data', (chunk) => {
      err += chunk
    })
    child.on('error', (error) => resolve(unstarted(String(error))))
    child.on('close', (code, signal) => {
      try {
        resolve(JSON.parse(out.trim().split('\n').at(-1) ?? ''))
      } catch {
        resolve(unstarted(`ended with ${signal ?? code}\n${out}\n${err}`.trim()))
      }
    })
  })
}

/** The result of a runtime that gave none. @param {string} error @returns {Result} */
export function unstarted(error) {
  return { passed: 0, notPromised: 0, failures: [{ name: 'start', error }] }
}

/** Prints a runtime's line and its failures; how many there were. @param {string} name @param {Result} result */
export function report(name, { passed, notPromised, failures }) {
  const more = notPromised === 0 ? '' : `, ${notPromised} not promised`
  process.stdout.write(`runtime ${name}: ${passed} passed, ${failures.length} failed${more}\n`)
  for (const failure of failures)
    process.stdout.write(`  ${failure.name}\n    ${failure.error.split('\n').slice(0, 8).join('\n    ')}\n`)
  return passed === 0 ? Math.max(1, failures.length) : failures.length
}
