/// <reference types="node" />
/** A push service on this machine, behind TLS: over HTTP/1.1 as browsers' and Google's, or over HTTP/2 as Apple's. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createSecureServer } from 'node:http2'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Fetch } from '@postern/core/runtime'

/** What arrived. */
export interface Received {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** `1.1` or `2.0` */
  readonly version: string
}

/** What is answered; `hang` answers never. */
export type Said = { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string } | 'hang' | 'cut'

export interface Peer {
  readonly received: Received[]
  /** Resolves every name to the peer, and trusts its certificate alone. */
  readonly fetch: Fetch
  answer: (r: Received) => Said
  close(): Promise<void>
}

export const noOpenssl: boolean = spawnSync('openssl', ['version']).status !== 0 && process.env['POSTERN_REQUIRE'] !== 'all'

/** @param names - host names in its certificate */
export async function pushPeer(names: readonly string[], http2 = false): Promise<Peer> {
  const { key, cert } = certificate(names)
  const received: Received[] = []
  const server = http2 ? createSecureServer({ key, cert, allowHTTP1: false }) : createServer({ key, cert })
  const open = new Set<{ destroy(): void }>()
  server.on('secureConnection', (socket: { destroy(): void }) => open.add(socket))
  server.on('request', (req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      const headers = req.headers as Record<string, string>
      const host = headers[':authority'] ?? headers['host'] ?? ''
      const r = { method: req.method, host, path: req.url, headers, body: Buffer.concat(chunks), version: req.httpVersion }
      received.push(r)
      const said = peer.answer(r)
      if (said === 'hang') return
      if (said === 'cut') return req.socket.destroy()
      res.writeHead(said.status, said.headers ?? {})
      res.end(said.body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const peer: Peer = {
    received,
    fetch: http2 ? overHttp2(port, cert) : overHttp1(port, cert),
    answer: () => ({ status: 201 }),
    async close() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return peer
}

function certificate(names: readonly string[]): { readonly key: string; readonly cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'postern-push-'))
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key]
    const san = `subjectAltName=${names.map((name) => `DNS:${name}`).join()}`
    spawnSync('openssl', ['req', '-x509', ...ec, '-out', cert, '-days', '2', '-subj', '/CN=push', '-addext', san])
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function overHttp1(port: number, ca: string): Fetch {
  return (input, init = {}) =>
    new Promise((resolve, reject) => {
      const url = new URL(String(input))
      const headers = { ...(init.headers as Record<string, string>), host: url.host }
      const options = {
        host: '127.0.0.1',
        port,
        ca,
        servername: url.hostname,
        path: url.pathname,
        method: init.method ?? 'GET',
        headers,
        agent: false,
      }
      const req = request({ ...options, signal: init.signal! }, (res) => {
        const chunks: Buffer[] = []
        res.on('data', (chunk: Buffer) => chunks.push(chunk))
        res.on('end', () =>
          resolve(new Response(chunks.length === 0 ? null : Buffer.concat(chunks), { status: res.statusCode! })),
        )
        res.on('error', reject)
      })
      req.on('error', reject)
      req.end(init.body as string | Uint8Array)
    })
}

function overHttp2(port: number, ca: string): Fetch {
  return (input, init = {}) =>
    new Promise((resolve, reject) => {
      const url = new URL(String(input))
      const session = connect(`https://127.0.0.1:${port}`, { ca, servername: url.hostname })
      const fail = (error: unknown) => {
        session.destroy()
        reject(error)
      }
      session.on('error', fail)
      init.signal?.addEventListener('abort', () => fail(new Error('aborted')))
      const pseudo = { ':method': init.method!, ':path': url.pathname, ':authority': url.host }
      const req = session.request({ ...pseudo, ...(init.headers as Record<string, string>) })
      let status = 0
      const chunks: Buffer[] = []
      req.on('response', (headers) => {
        status = headers[':status']!
      })
      req.on('data', (chunk: Buffer) => chunks.push(chunk))
      req.on('error', fail)
      req.on('end', () => {
        session.close()
        if (status === 0) return fail(new Error('no answer'))
        resolve(new Response(chunks.length === 0 ? null : Buffer.concat(chunks), { status }))
      })
      req.end(init.body as string)
    })
}
