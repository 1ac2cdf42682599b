/// <reference types="node" />
/** The example bank with Postern in it, listening on a loopback port, in this process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CustomAuthenticator } from '@postern/authenticators/custom'
import { createCrypto } from '@postern/core/crypto'
import type { CryptoPort } from '@postern/core/cryptoPort'
import type { Store } from '@postern/store'
import { slowStore } from '@postern/testkit/latency'
import { createBank } from '../../bank.js'
import { type Admin, createOperator, registerApp } from '../../demo/operator.js'
import { mountPostern, openStore } from '../../postern.js'

export const crypto: CryptoPort = createCrypto()
/** The API that tokens are for, where no test calls it. */
export const API = 'https://accounts.bank.example'
/** Where the portal's users come back to; nobody listens there. */
export const REDIRECT = 'http://127.0.0.1:4999/cb'

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

export interface World {
  readonly origin: string
  readonly issuer: string
  /** The API that tokens are for. */
  readonly api: string
  readonly folder: string
  readonly admin: Admin
  readonly operatorToken: string
  close(): Promise<void>
}

export interface WorldOptions {
  readonly api?: string
  /** Round trip of each call of the store. */
  readonly storeMs?: number
  readonly apiKey?: JsonWebKey
  /** The bank's own authenticator, or a broken one in its place. */
  readonly word?: CustomAuthenticator
  /** What the bank has ahead of the mount. */
  readonly before?: (bank: ReturnType<typeof createBank>) => void
}

export async function startWorld({ api = API, storeMs = 0, apiKey, word, before }: WorldOptions = {}): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-test-'))
  const bank = createBank()
  before?.(bank)
  const server = createServer(bank)
  const origin = `http://127.0.0.1:${await listen(server)}`
  const operator = await createOperator(`${origin}/postern`)
  const file: Store = openStore(folder)
  const store = storeMs === 0 ? file : slowStore(file, { ms: storeMs, sleep })
  const postern = await mountPostern(bank, {
    origin,
    api,
    folder,
    operatorKey: operator.key,
    store,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(word === undefined ? {} : { word }),
  })
  await registerApp(operator.admin)
  return {
    origin,
    issuer: postern.issuer,
    api,
    folder,
    admin: operator.admin,
    operatorToken: operator.token,
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
      await postern.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A port to listen on more than once: below those that systems hand out, so that nobody takes it between two starts. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = createServer()
    const free = await listen(probe, port).then(
      () => true,
      () => false,
    )
    await new Promise((done) => probe.close(done))
    if (free) return port
  }
}

async function listen(server: Server, port = 0): Promise<number> {
  await new Promise<void>((done, fail) => server.once('error', fail).listen(port, '127.0.0.1', done))
  return (server.address() as AddressInfo).port
}
