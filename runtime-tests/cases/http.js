// @ts-check
// The platform behind Node's HTTP server and the client with its file ports: nothing of Node is loaded before the case asks for it.
import { got, same } from './assert.js'
import { createBank, phone, user } from './platform.js'

/** @type {readonly import('../suite.js').Case[]} */
export const cases = [
  [
    'http: over a real connection a client with its keys in files registers, logs in, calls the API, and finds itself again',
    async () => {
      const [{ mkdtemp, rm }, { tmpdir }, { join }] = await Promise.all([
        import('node:fs/promises'),
        import('node:os'),
        import('node:path'),
      ])
      const { createFileKeystore } = await import('@postern/client/keystore/node')
      const { createFileStorage } = await import('@postern/client/storage/file')
      const [login, api] = [await listen(), await listen()]
      const folder = await mkdtemp(join(tmpdir(), 'postern-runtime-'))
      try {
        const bank = await createBank({ login: login.origin, api: api.origin, fetch: globalThis.fetch })
        await login.serve(bank.platform.fetch)
        await api.serve(bank.answer)
        const ports = () => ({ keystore: createFileKeystore({ folder }), storage: createFileStorage({ folder }) })
        const { client } = phone(bank, '5.2.0', undefined, ports())
        const { clientId } = got(await client.start())
        const { profile } = got(await client.register({ custom: 'letter', data: 'c-1001' }, user(['40718'])))
        if (profile === null) throw new Error('no profile')
        const again = phone(bank, '5.2.0', undefined, ports()).client
        same(got(await again.start()).clientId, clientId)
        got(await again.login(profile, user(['40718'])))
        const body = 'ü'.repeat(40_000)
        const answer = await again.fetch('/accounts', { method: 'POST', body })
        same(await answer.json(), { subject: 'c-1001', acr: 'pin', method: 'POST', body })
      } finally {
        await Promise.all([login.close(), api.close(), rm(folder, { recursive: true, force: true })])
      }
    },
    { only: ['node20', 'node22', 'node24', 'deno', 'bun'] },
  ],
]

/** A server on a port of its own that waits for its handler. */
async function listen() {
  const { createServer } = await import('node:http')
  const { toNode } = await import('@postern/platform/node')
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', () => resolve(null)))
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const origin = `http://127.0.0.1:${port}`
  return {
    origin,
    /** @param {Parameters<typeof toNode>[0]} handler */
    serve: async (handler) => void server.on('request', toNode(handler, { origin })),
    close: () =>
      new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      }),
  }
}
