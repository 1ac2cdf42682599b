// @ts-check
// What is quick and refuses most. `node tools/check.js [name …]` runs some of them; without names, all.
import { spawnSync } from 'node:child_process'
import { ambient } from './ambient.js'
import { floors } from './floors.js'
import { packed } from './packed.js'
import { publicFiles } from './publicFiles.js'
import { readmes } from './readmes.js'
import { root } from './tree.js'

/** @type {Record<string, () => string[] | Promise<string[]>>} */
const checks = {
  floors,
  publicFiles,
  ambient,
  readmes,
  packed,
  knip: () => command('knip', ['--no-progress']),
}

const chosen = process.argv.slice(2)
let failed = 0
for (const [name, check] of Object.entries(checks)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue
  const started = performance.now()
  const breaches = await check()
  process.stdout.write(
    `${breaches.length === 0 ? 'ok  ' : 'FAIL'} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)\n`,
  )
  for (const breach of breaches) process.stdout.write(`     ${breach}\n`)
  failed += breaches.length
}
process.exit(failed === 0 ? 0 : 1)

/** @param {string} name @param {string[]} args @returns {string[]} */
function command(name, args) {
  const { status, stdout, stderr } = spawnSync(`${root}node_modules/.bin/${name}`, args, { cwd: root, encoding: 'utf8' })
  return status === 0 ? [] : `${stdout}${stderr}`.trim().split('\n')
}
