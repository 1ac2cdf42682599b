// What an app bundles of `/client`, without core and noble: bytes, minified and compressed.
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const LIMIT = 12_000

/** @param {(name: string) => boolean} wanted */
export async function sizeCases(wanted) {
  if (!wanted('size.client')) return
  const { outputFiles, metafile } = await build({
    stdin: { contents: "export { createSealedFetch } from '@postern/payload/client'", resolveDir: import.meta.dirname },
    ...{ bundle: true, minify: true, format: 'esm', target: 'es2022', platform: 'neutral', write: false, metafile: true },
    external: ['@postern/core/*', '@noble/*', '@postern/store', '@postern/store/*'],
  })
  const foreign = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  const store = foreign.filter((path) => path.startsWith('@postern/store'))
  if (store.length > 0) throw new Error(`the client entry imports ${store.join(', ')}`)
  const bytes = gzipSync(outputFiles[0].contents, { level: 9 }).length
  console.log(
    JSON.stringify({
      case: 'size.client',
      postern_us: null,
      peer: null,
      peer_us: null,
      ratio: null,
      limit_us: null,
      bytes,
      limit_bytes: LIMIT,
    }),
  )
}
