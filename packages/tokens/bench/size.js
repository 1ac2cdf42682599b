// What a host ships: each subpath by itself, minified and compressed, with all it needs of the suite; jose is counted where it is loaded.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'tsup'
import { line } from './report.js'

const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
// Inside node_modules, where the suite is found by its public names.
const folder = fileURLToPath(new URL(`../../../node_modules/.cache/postern-size-${process.pid}/`, import.meta.url))

async function gz(source) {
  mkdirSync(folder, { recursive: true })
  try {
    writeFileSync(`${folder}host.js`, source)
    await build({
      entry: [`${folder}host.js`],
      outDir: `${folder}out`,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      minify: true,
      splitting: false,
      noExternal: [/./],
      config: false,
      silent: true,
    })
    return gzipSync(readFileSync(`${folder}out/host.js`)).length
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const host = (more) => `
  export { createAuthorizationServer } from '@postern/tokens'
  export { clientsInConfig } from '@postern/tokens/clients'
  export { parseConfig } from '@postern/tokens/config'
  ${more}`
const hosts = {
  'host.plain': host(''),
  'host.with.exchange': host(`export { exchange } from '@postern/tokens/grants/exchange'`),
  'host.with.logout': host(`export { endSession } from '@postern/tokens/logout'`),
  'host.with.registration': host(`export { registration } from '@postern/tokens/register'`),
  'host.with.ciba': host(
    `export { backchannelAuthentication } from '@postern/tokens/ciba'; export { ciba } from '@postern/tokens/grants/ciba'`,
  ),
  'host.with.jwe': host(`export * from '@postern/tokens/jwe'`),
}

/** @param {(name: string) => boolean} wanted */
export async function sizeCases(wanted) {
  for (const [name, source] of Object.entries(hosts))
    if (wanted(`size.${name}`)) line({ case: `size.${name}`, gz: await gz(source) })
  for (const path of Object.keys(exports)) {
    if (path.endsWith('.json')) continue
    const name = `size.${path === '.' ? 'authorizationServer' : path.slice(2)}`
    if (wanted(name)) line({ case: name, gz: await gz(`export * from '@postern/tokens${path.slice(1)}'`) })
  }
}
