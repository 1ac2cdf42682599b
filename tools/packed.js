// @ts-check
// What npm would publish, judged as a stranger would install it: publint and attw over each built package.
import { spawn } from 'node:child_process'
import { packages, root } from './tree.js'

/** @returns {Promise<string[]>} one line a breach */
export async function packed() {
  const breaches = []
  for (const name of packages()) {
    breaches.push(...(await command(name, 'publint', ['--strict'])))
    breaches.push(...(await command(name, 'attw', ['--pack', '--profile', 'esm-only', '--format', 'ascii', '--quiet'])))
  }
  return breaches
}

/** @param {string} name @param {string} tool @param {string[]} args @returns {Promise<string[]>} */
function command(name, tool, args) {
  return new Promise((resolve) => {
    const child = spawn(`${root}node_modules/.bin/${tool}`, args, {
      cwd: `${root}packages/${name}`,
      env: { ...process.env, NO_COLOR: '1' },
    })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      output += chunk
    })
    child.on('close', (code) =>
      resolve(code === 0 ? [] : [`packages/${name}: ${tool}: ${output.trim().split('\n').slice(-12).join('\n       ')}`]),
    )
  })
}
