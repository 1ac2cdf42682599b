// @ts-check
// One suite on Node 20, 22, 24, Deno, Bun and workerd, over the built packages.
import { bundle, execute, folder, ready, report } from './tools.js'

ready()
const bin = `${folder}node_modules`
const module = `${folder}runners/module.js`
let failed = 0
failed += report(`Node ${process.versions.node}`, await execute(process.execPath, [module]))
failed += report('Node 22', await execute(`${bin}/node22/bin/node`, [module]))
failed += report('Node 24', await execute(`${bin}/node24/bin/node`, [module]))
failed += report('Deno', await execute(`${bin}/.bin/deno`, ['run', '-A', '--node-modules-dir=manual', module]))
failed += report('Bun', await execute(`${bin}/.bin/bun`, ['--bun', module]))
failed += report('workerd', await workerd())
process.exit(failed === 0 ? 0 : 1)

async function workerd() {
  const { Miniflare } = await import('miniflare')
  const worker = new Miniflare({
    modules: true,
    script: await bundle('worker.js', ['workerd', 'worker', 'default']),
    compatibilityDate: '2026-04-01',
  })
  try {
    const answer = await worker.dispatchFetch('http://postern.test/')
    return /** @type {any} */ (await answer.json())
  } catch (error) {
    return { passed: 0, failures: [{ name: 'start', error: String(error) }] }
  } finally {
    await worker.dispose()
  }
}
