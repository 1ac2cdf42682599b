// @ts-check
// npm start: the bank with Postern in it, the account API beside it, a phone that tells the story, and a page of graphs.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createConsole } from '@postern/console'
import { createCrypto } from '@postern/core/crypto'
import { systemPorts } from '@postern/core/systemRuntime'
import { createKemRing } from '@postern/payload/keys'
import { toNode } from '@postern/platform/node'
import { createBank } from '../bank.js'
import { acr, mountPostern, openStore } from '../postern.js'
import { createOperator, hasHistory, registerApp, removePhones } from './operator.js'
import { seedHistory } from './seed.js'
import { tellStory } from './story.js'

const here = dirname(fileURLToPath(import.meta.url))
const { once, asJson } = { once: process.argv.includes('--once'), asJson: process.argv.includes('--json') }
const folder = once ? mkdtempSync(join(tmpdir(), 'postern-')) : join(here, '../.postern-data')
const ports = systemPorts()
const crypto = createCrypto()
const cleanups = /** @type {(() => unknown)[]} */ ([])

try {
  await main()
} catch (error) {
  console.error(
    `\n${error instanceof Error ? (/** @type {any} */ (error).code ? `${error.message}` : (error.stack ?? error.message)) : error}`,
  )
  await end(1)
}

async function main() {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  rmSync(join(folder, 'phones'), { recursive: true, force: true })
  const bank = createBank()
  const server = createServer(bank)
  const origin = `http://127.0.0.1:${await listen(server, 8080)}`
  cleanups.push(() => server.close())
  const api = `http://127.0.0.1:${await freePort(8081)}`

  const operator = await createOperator(`${origin}/postern`)
  const counted = countCommits(openStore(folder))
  const postern = await mountPostern(bank, { origin, api, folder, operatorKey: operator.key, store: counted.store })
  cleanups.unshift(() => postern.close())
  await registerApp(operator.admin)
  await removePhones(operator.admin, ['c-1001', 'c-1002'])

  const root = await crypto.generateKey('Ed25519', ports.random)
  const settings = {
    origin: api,
    issuer: postern.issuer,
    root,
    kemRing: await createKemRing({ ...ports, crypto }),
    acr,
    operatorToken: operator.token,
  }
  const served = await startAccounts(settings)
  const operatorPages = createConsole({
    adminUrl: `${postern.issuer}/admin/v1`,
    token: () => operator.token,
    fetch: ports.fetch,
    basePath: '/console',
  })
  bank.use('/console', toNode(operatorPages.fetch, { origin }))

  if (!asJson) console.log(`\nThe bank: ${origin} (Express)   the account API: ${api} (${served})\n`)
  await tellStory({
    issuer: postern.issuer,
    api,
    keyRoots: [(await crypto.signer('Ed25519', root)).publicJwk],
    folder: join(folder, 'phones'),
    admin: operator.admin,
    commits: () => counted.commits(),
    print: ({ step, ms, commits, text }) =>
      console.log(
        asJson
          ? JSON.stringify({ step, ms, commits, text })
          : `${`${ms.toFixed(0)} ms`.padStart(8)}  ${`${commits} commits`.padStart(11)}   ${text}`,
      ),
  })
  if (!(await hasHistory(operator.admin, ports.clock()))) await recordHistory(postern.platform)
  await postern.platform.sweep(ports.clock(), 1_000)
  const page = `${origin}/console/graphs?range=30d`
  if (asJson) console.log(JSON.stringify({ step: 'ready', graphs: page }))
  else console.log(`Graphs: ${page}${once ? '' : '   (Ctrl-C ends)'}`)
  if (once) {
    const picture = await fetch(`${origin}/console/graphs/logins.svg?range=30d`)
    if ((await fetch(page)).status !== 200 || !(await picture.text()).includes('<path'))
      throw new Error('The page of graphs does not show.')
    await end(0)
  }
}

/** @param {import('@postern/platform').Platform} platform */
async function recordHistory(platform) {
  const started = performance.now()
  const { logins, attacks } = await seedHistory(platform, { random: ports.random, now: ports.clock(), progress })
  const ms = Math.round(performance.now() - started)
  const text = `thirty days of 1,000 simulated users: ${logins} logins, ${attacks} of them one attack, scored and recorded`
  console.log(asJson ? JSON.stringify({ step: 'history', ms, commits: 0, text }) : `\n${text} in ${(ms / 1000).toFixed(1)} s`)
}

/** Shows that the long part is under way. @param {number} done - 0 to 1 */
function progress(done) {
  if (process.stderr.isTTY)
    process.stderr.write(`\rRecording thirty days of 1,000 simulated users … ${Math.round(done * 100)} % `)
}

/** The account API in its own process: Deno where one is at hand, otherwise Node with the same handler. @param {object} settings */
async function startAccounts(settings) {
  const file = join(folder, 'accounts.json')
  writeFileSync(file, JSON.stringify(settings), { mode: 0o600 })
  const main = join(here, '../../deno-accounts/main.js')
  const deno = ['deno', join(here, '../../../runtime-tests/node_modules/.bin/deno')].find(
    (path) => spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0,
  )
  const [command, args, name] = deno
    ? [deno, ['run', '-A', '--node-modules-dir=manual', main, file], 'Deno']
    : [process.execPath, [main, file], 'Node, since no Deno is at hand']
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: here })
  cleanups.unshift(() => child.kill())
  let said = ''
  await new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      said += chunk
      if (said.includes('ready ')) resolve(undefined)
    })
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    child.on('exit', () => reject(new Error(`The account API did not start.\n${said}`)))
  })
  rmSync(file)
  return name
}

/**
 * Counts what an answer waits for: not the log, the rollups and the emptied outbox, which follow it.
 * @param {import('@postern/store').Store} store
 */
function countCommits(store) {
  let count = 0
  /** @type {import('@postern/store').Store} */
  const counted = {
    ...store,
    commit(part, ops, o) {
      if (!/^(ev|evu|evd|ins)[:.]?/.test(part.id) && ops.some(({ op }) => op !== 'del')) count++
      return store.commit(part, ops, o)
    },
  }
  return { store: counted, commits: () => count }
}

/** @param {import('node:http').Server} server @param {number} wanted @returns {Promise<number>} */
function listen(server, wanted) {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      /** @type {any} */ (error).code === 'EADDRINUSE' && wanted !== 0 ? resolve(listen(server, 0)) : reject(error),
    )
    server.listen(wanted, '127.0.0.1', () => resolve(/** @type {import('node:net').AddressInfo} */ (server.address()).port))
  })
}

/** @param {number} wanted */
async function freePort(wanted) {
  const probe = createServer()
  const port = await listen(probe, wanted)
  await new Promise((resolve) => probe.close(resolve))
  return port
}

/** @param {number} status */
async function end(status) {
  for (const cleanup of cleanups) await cleanup()
  if (once && existsSync(folder)) rmSync(folder, { recursive: true, force: true })
  process.exit(status)
}

process.on('SIGINT', () => end(0))
process.on('SIGTERM', () => end(0))
