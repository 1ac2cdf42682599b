// @ts-check
// Makes a fresh clone ready with Node alone: installs when the lockfile is not the one installed last, builds what changed, and says so.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const stamp = `${root}node_modules/.postern-installed`
const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', ADBLOCK: '1', DISABLE_OPENCOLLECTIVE: '1' }

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19))
  end(`Postern needs Node 20.19 or newer; this is ${process.versions.node}. Install a current Node and run the command again.`)

const wanted = createHash('sha256')
  .update(readFileSync(`${root}package-lock.json`))
  .update(process.version)
  .digest('hex')
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  await step(
    'Installing what the lockfile names',
    'npm',
    ['install', '--no-save', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
    (output) => {
      if (/ENOSPC/.test(output)) return 'The disk is full: free about 1 GB and run the command again.'
      if (/EBADENGINE|notsup/.test(output))
        return `A package refuses this Node (${process.versions.node}); install the current Node 20, 22 or 24.`
      if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|network/.test(output))
        return 'The npm registry cannot be reached: check the network or the npm configuration and run the command again.'
      return 'npm could not install; its own words are above.'
    },
  )
  writeFileSync(stamp, wanted)
}
await step(
  'Building the packages',
  process.execPath,
  [`${root}node_modules/turbo/bin/turbo`, 'run', 'build', '--concurrency=2', '--output-logs=errors-only'],
  (output) =>
    /ENOSPC/.test(output)
      ? 'The disk is full: free about 1 GB and run the command again.'
      : 'The build failed; the first error above says where.',
)

/**
 * Runs one command, shows that it is at work, and ends the process with one sentence when it fails.
 * @param {string} title @param {string} command @param {string[]} args @param {(output: string) => string} explain
 */
async function step(title, command, args, explain) {
  const started = performance.now()
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(0)} s`
  const live = process.stderr.isTTY
  if (!live) process.stderr.write(`${title} …\n`)
  const tick = live ? setInterval(() => process.stderr.write(`\r${title} … ${seconds()} `), 200) : undefined
  const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  child.stderr.on('data', (chunk) => {
    output += chunk
  })
  const code = await new Promise((resolve) => {
    child.on('error', (error) => {
      output += String(error)
      resolve(1)
    })
    child.on('close', resolve)
  })
  clearInterval(tick)
  if (live) process.stderr.write(`\r${title}: ${seconds()}   \n`)
  if (code !== 0) {
    process.stderr.write(output.split('\n').slice(-60).join('\n'))
    end(explain(output))
  }
}

/** @param {string} sentence @returns {never} */
function end(sentence) {
  process.stderr.write(`\n${sentence}\n`)
  process.exit(1)
}
