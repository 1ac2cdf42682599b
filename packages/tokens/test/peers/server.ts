/// <reference types="node" />
/** A world behind node:http, whose issuer is the address it listens on. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type World, type WorldOptions, world } from '../world.js'

export interface Live {
  readonly w: World
  readonly issuer: string
  close(): Promise<void>
}

/** A handler behind node:http, on a free port. */
export async function serve(
  handle: (request: Request) => Promise<Response>,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server: Server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const headers = new Headers()
    for (let i = 0; i < incoming.rawHeaders.length; i += 2) headers.append(incoming.rawHeaders[i]!, incoming.rawHeaders[i + 1]!)
    const body = incoming.method === 'GET' ? null : Buffer.concat(chunks)
    const request = new Request(`http://localhost${incoming.url}`, { method: incoming.method!, headers, body })
    const reply = await handle(request)
    outgoing.writeHead(reply.status, [...reply.headers].flat())
    outgoing.end(Buffer.from(await reply.arrayBuffer()))
  })
  await new Promise<void>((done) => server.listen(0, 'localhost', done))
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

/** Time is the real one: independent clients have no other. */
export async function listen(o: WorldOptions = {}): Promise<Live> {
  let w: World | null = null
  const { port, close } = await serve(
    async (request) => (await w!.nodes[0]!.wellKnown(request)) ?? (await w!.nodes[0]!.fetch(request)),
  )
  const issuer = `http://localhost:${port}`
  w = await world({
    ...o,
    issuer,
    start: Date.now(),
    context: (context) => ({ runtime: { ...context.runtime, clock: Date.now }, ...o.context?.(context) }),
  })
  return { w, issuer, close }
}
