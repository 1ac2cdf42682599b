// @ts-check
// The same suite in Chromium, in a page served from this machine.
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'
import { bundle, ready, report } from './tools.js'

const executablePath = process.env.CHROMIUM ?? found()
if (!executablePath) {
  process.stdout.write('skipped: no Chromium; set CHROMIUM to its path or install it\n')
  process.exit(process.env.POSTERN_REQUIRE === 'all' ? 1 : 0)
}
ready()
const { chromium } = await import('playwright-core')
const script = await bundle('page.js', ['browser', 'default'])
const server = createServer((req, res) => {
  res.setHeader('content-type', req.url === '/page.js' ? 'text/javascript' : 'text/html')
  res.end(req.url === '/page.js' ? script : '<!doctype html><title>Postern</title><script type="module" src="/page.js"></script>')
}).listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
})
let failed = 1
try {
  const page = await browser.newPage()
  await page.goto(`http://127.0.0.1:${port}/`)
  await page.waitForFunction(() => 'posternResult' in globalThis, undefined, { timeout: 60_000 })
  failed = report('Chromium', await page.evaluate(() => /** @type {any} */ (globalThis).posternResult))
} finally {
  await browser.close()
  server.close()
}
process.exit(failed === 0 ? 0 : 1)

function found() {
  try {
    return execFileSync('sh', ['-c', 'command -v chromium || command -v chromium-browser'], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}
