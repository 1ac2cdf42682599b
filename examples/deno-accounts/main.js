// @ts-check
// deno run -A main.js settings.json: serves the account API and prints its address. Node runs the same file.
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { createAccountApi } from './api.js'

const settings = JSON.parse(readFileSync(process.argv[2] ?? 'settings.json', 'utf8'))
const handler = await createAccountApi(settings)
const { hostname, port } = new URL(settings.origin)

const { Deno } = /** @type {any} */ (globalThis)

if (Deno) {
  Deno.serve({ hostname, port: Number(port), onListen: ready }, handler)
} else {
  const { createServer } = await import('node:http')
  const { toNode } = await import('@postern/platform/node')
  createServer(toNode(handler, { origin: settings.origin })).listen(Number(port), hostname, ready)
}

function ready() {
  console.log(`ready ${settings.origin}`)
}
