// What an app bundles of `/client`, without core and noble: bytes, minified and compressed. What is loaded on demand stands beside it.
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const LIMIT = 12_000

/** @param {(name: string) => boolean} wanted */
export async function sizeCases(wanted) {
  if (!wanted('size.client')) return
  const bytes = await size([later])
  const more = (await size([])) - bytes
  const none = { postern_us: null, peer: null, peer_us: null, ratio: null, limit_us: null }
  console.log(JSON.stringify({ case: 'size.client', ...none, bytes, limit_bytes: LIMIT, on_demand_bytes: more }))
}

/** Leaves out what is imported when it is first wanted. @type {import('esbuild').Plugin} */
const later = {
  name: 'later',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\./ }, ({ path, kind }) => (kind === 'dynamic-import' ? { path, external: true } : null)),
}

/** @param {import('esbuild').Plugin[]} plugins */
async function size(plugins) {
  const { outputFiles, metafile } = await build({
    stdin: { contents: "export { createSealedFetch } from '@postern/payload/client'", resolveDir: import.meta.dirname },
    ...{ bundle: true, minify: true, format: 'esm', target: 'es2022', platform: 'neutral', write: false, metafile: true },
    external: ['@postern/core/*', '@noble/*', '@postern/store', '@postern/store/*'],
    plugins,
  })
  const foreign = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  const store = foreign.filter((path) => path.startsWith('@postern/store'))
  if (store.length > 0) throw new Error(`the client entry imports ${store.join(', ')}`)
  return gzipSync(outputFiles[0].contents, { level: 9 }).length
}
