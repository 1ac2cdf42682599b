/// <reference types="node" />
/** The platform behind a real HTTP server: what a phone sends goes over a socket, as anywhere. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toNode } from '@postern/platform/node'
import { afterAll } from 'vitest'
import { API, type World } from './world.js'

const ORIGIN = 'https://login.bank.example'
const closing: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const close of closing) await close()
})

/** The world again, with the platform at the other end of a socket. */
export async function served(world: World): Promise<World> {
  const server = createServer(toNode((request, host) => world.platform.fetch(request, host), { origin: ORIGIN }))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  closing.push(() => new Promise((done) => void server.close(() => done())))
  const { port } = server.address() as AddressInfo
  const inProcess = world.fetch
  return Object.assign(Object.create(world) as World, {
    async fetch(input: Parameters<World['fetch']>[0], init?: RequestInit) {
      const request = new Request(input, init)
      if (request.url.startsWith(API)) return inProcess(request)
      const url = request.url.replace(ORIGIN, `http://127.0.0.1:${port}`)
      const body = request.method === 'GET' || request.method === 'HEAD' ? null : await request.text()
      return fetch(url, {
        method: request.method,
        headers: request.headers,
        redirect: 'manual',
        signal: request.signal,
        ...(body === null ? {} : { body }),
      })
    },
  })
}
