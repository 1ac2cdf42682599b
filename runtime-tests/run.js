// @ts-check
// One suite on Node 20, 22, 24, Deno, Bun, workerd and a stand-in for React Native, over the built packages.
import { bundle, execute, folder, ready, report, unstarted } from './tools.js'

ready()
const bin = `${folder}node_modules`
const module = `${folder}runners/module.js`
const [major = 20] = process.versions.node.split('.').map(Number)
const own = major >= 24 ? 'node24' : major >= 22 ? 'node22' : 'node20'
let failed = 0
failed += report(`Node ${process.versions.node}`, await execute(process.execPath, [module, own]))
failed += report('Node 22', await execute(`${bin}/node22/bin/node`, [module, 'node22']))
failed += report('Node 24', await execute(`${bin}/node24/bin/node`, [module, 'node24']))
failed += report('Deno', await execute(`${bin}/.bin/deno`, ['run', '-A', '--node-modules-dir=manual', module, 'deno']))
failed += report('Bun', await execute(`${bin}/.bin/bun`, ['--bun', module, 'bun']))
failed += report('workerd', await workerd())
const native = ['--conditions=react-native', `${folder}runners/reactNative.js`]
failed += report('React Native (Node without WebCrypto)', await execute(process.execPath, native))
process.exit(failed === 0 ? 0 : 1)

/** @returns {Promise<import('./suite.js').Result>} */
async function workerd() {
  const { Miniflare } = await import('miniflare')
  const script = await bundle('worker.js', ['workerd', 'worker', 'default'])
  const worker = new Miniflare({ modules: true, script, compatibilityDate: '2026-04-01' })
  try {
    const answer = await worker.dispatchFetch('http://postern.test/')
    return /** @type {any} */ (await answer.json())
  } catch (error) {
    return unstarted(String(error))
  } finally {
    await worker.dispose()
  }
}
