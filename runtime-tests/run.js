// @ts-check
// One suite on Node 20, 22, 24, Deno, Bun, workerd and a stand-in for React Native, over the built packages.
import { bundle, execute, folder, ready, report, unstarted } from './tools.js'

ready()
const stopServers = await startServers()
const bin = `${folder}node_modules`
const module = `${folder}runners/module.js`
const [major = 20] = process.versions.node.split('.').map(Number)
const own = major >= 24 ? 'node24' : major >= 22 ? 'node22' : 'node20'
let failed = 0
failed += report(`Node ${process.versions.node}`, await execute(process.execPath, [module, own]))
failed += report('Node 22', await execute(`${bin}/node22/bin/node`, [module, 'node22']))
failed += report('Node 24', await execute(`${bin}/node24/bin/node`, [module, 'node24']))
failed += report('Deno', await execute(`${bin}/.bin/deno`, ['run', '-A', '--node-modules-dir=manual', module, 'deno']))
// Bun reads tsconfig: the packages' own would lead it past their builds to the sources, and to two copies of each class.
const built = `--tsconfig-override=${folder}bun.tsconfig.json`
failed += report('Bun', await execute(`${bin}/.bin/bun`, ['--bun', built, module, 'bun']))
failed += report('workerd', await workerd())
const native = ['--conditions=react-native', `${folder}runners/reactNative.js`]
failed += report('React Native (Node without WebCrypto)', await execute(process.execPath, native))
await stopServers()
process.exit(failed === 0 ? 0 : 1)

/** Databases for the runtimes that have sockets, by their ports in the environment. @returns {Promise<() => Promise<void>>} */
async function startServers() {
  const { present, startPostgres, startRedis } = await import('@postern/testkit/servers')
  /** @type {(() => Promise<void>)[]} */
  const stops = []
  for (const [name, there, start] of /** @type {const} */ ([
    // What is asked here is what runtimes do, not what disks do.
    ['POSTGRES', present.postgres, () => startPostgres({ settings: { fsync: 'off', synchronous_commit: 'off' } })],
    ['REDIS', present.redis, startRedis],
  ])) {
    if (!there && process.env['POSTERN_REQUIRE'] === 'all') throw new Error(`${name} is required here and not installed`)
    if (!there) process.stdout.write(`runtime tests without ${name}: it is not installed\n`)
    else {
      const server = await start()
      process.env[`POSTERN_TEST_${name}`] = String(server.port)
      stops.push(() => server.stop())
    }
  }
  return async () => {
    for (const stop of stops) await stop()
  }
}

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
