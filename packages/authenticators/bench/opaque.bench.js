// Sizes of OPAQUE's two halves with suite 0001, and of the app's half of pin/v1, in bytes of min+gz; beside the wasm engine's one file.

import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

async function sizeOf(name, contents, external) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
    logLevel: 'error',
    platform: 'browser',
    plugins: [{ name: 'shared', setup: (b) => b.onResolve({ filter: external }, ({ path }) => ({ path, external: true })) }],
  })
  console.log(JSON.stringify({ case: name, gz: gzipSync(outputFiles[0].contents, { level: 9 }).length }))
}

const of = (...files) => files.map((file) => `export * from '@postern/authenticators/${file}'`).join('\n')
const halves = ['opaque/client', 'opaque/server', 'opaque/suite']
// The error class and its registry of codes are in every bundle once.
const errors = /(^|\/)errors(\.js)?$/
await sizeOf('size.opaque', of(...halves), errors)
await sizeOf('size.opaque.withErrors', of(...halves), /^$/)
await sizeOf('size.opaque.withCurve25519', of(...halves, 'opaque/curve25519'), errors)
await sizeOf('size.pin.client', of('pin/client'), errors)
await sizeOf('size.peer.serenity-kit.opaque', "export * from '@serenity-kit/opaque'", /^$/)
