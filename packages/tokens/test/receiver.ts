/// <reference types="node" />
/** A client's callback endpoint on a real socket: it takes, fails, stalls, redirects or hangs up, as it is told. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

export interface Receiver {
  readonly url: string
  readonly received: Received[]
  /** What it answers from here on: a status, a redirect to itself, silence, a cut connection. */
  behave(how: number | 'redirect' | 'stall' | 'hang up'): void
  close(): Promise<void>
}

export async function receiver(): Promise<Receiver> {
  const received: Received[] = []
  let how: number | 'redirect' | 'stall' | 'hang up' = 204
  const server = createServer(async (incoming, outgoing) => {
    let body = ''
    for await (const chunk of incoming) body += chunk
    received.push({ path: incoming.url ?? '', headers: incoming.headers, body })
    if (how === 'stall') return
    if (how === 'hang up') return void incoming.socket.destroy()
    if (how === 'redirect') return void outgoing.writeHead(307, { location: '/elsewhere' }).end()
    outgoing.writeHead(how).end(how === 204 ? undefined : 'a body that nobody reads')
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/cb`,
    received,
    behave: (next) => void (how = next),
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
