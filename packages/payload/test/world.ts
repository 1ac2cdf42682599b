/** A server with a store, and clients that reach it by a function: everything real but the wire. */
import { createCrypto } from '@postern/core/crypto/node'
import type { CryptoPort, Signer } from '@postern/core/cryptoPort'
import type { PosternEvent } from '@postern/core/events'
import type { Fetch } from '@postern/core/runtime'
import type { Runtime, Store } from '@postern/store'
import { memoryStore } from '@postern/store/memory'
import { createSealedFetch, type SealedFetch, type SealedFetchOptions } from '../src/client.js'
import { createKemRing, type KemRing, type KemRingDocument, openKemRing } from '../src/keys.js'
import { storeReplayGuard } from '../src/replay.js'
import { createPayloadServer, type PayloadServer, type PayloadServerOptions, type SealedCall } from '../src/server.js'

export const ORIGIN = 'https://api.bank.example'
export const random = (n: number): Uint8Array => globalThis.crypto.getRandomValues(new Uint8Array(n))

export interface World {
  now: number
  readonly crypto: CryptoPort
  readonly runtime: Runtime
  readonly store: Store
  readonly root: Signer
  readonly document: KemRingDocument
  readonly ring: KemRing
  readonly events: PosternEvent[]
  /** What handlers saw. */
  readonly seen: { method: string; url: string; headers: Headers; body: string; call: SealedCall }[]
  next: (inner: Request, call: SealedCall) => Promise<Response>
  server(options?: Partial<PayloadServerOptions>): PayloadServer
  client(server: PayloadServer, options?: Partial<SealedFetchOptions> & { wire?: (inner: Fetch) => Fetch }): SealedFetch
}

export async function world(crypto: CryptoPort = createCrypto()): Promise<World> {
  const store = memoryStore()
  const events: PosternEvent[] = []
  const clock = (): number => it.now
  const fetch: Fetch = () => Promise.reject(new Error('no network'))
  const runtime: Runtime = { clock, random, crypto, store, events: (list) => void events.push(...list), fetch }
  const root = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
  const seen: World['seen'] = []
  const it: World = {
    now: Date.parse('2026-03-01T12:00:00Z'),
    crypto,
    runtime,
    store,
    root,
    document: await createKemRing({ clock: () => Date.parse('2026-03-01T12:00:00Z'), random, crypto }),
    ring: undefined as unknown as KemRing,
    events,
    seen,
    async next(inner, call) {
      seen.push({ method: inner.method, url: inner.url, headers: inner.headers, body: await inner.text(), call })
      return new Response(`hello ${inner.method}`, { status: 200, headers: { 'content-type': 'text/plain' } })
    },
    server: (options) =>
      createPayloadServer({
        runtime,
        tenant: 'bank',
        origin: ORIGIN,
        ring: it.ring,
        root,
        replay: storeReplayGuard({ store, tenant: 'bank', clock, random }),
        ...options,
      }),
    client(server, { wire = (inner: Fetch): Fetch => inner, ...options } = {}) {
      const direct: Fetch = (input, init) => server.fetch(new Request(input, init), (inner, call) => it.next(inner, call))
      const ports = { fetch: wire(direct), clock, random, crypto }
      return createSealedFetch({ origin: ORIGIN, roots: [root.publicJwk], runtime: ports, ...options })
    },
  }
  return Object.assign(it, { ring: await openKemRing(it.document, crypto) })
}

/** A wire that keeps the outer requests to the gateway. */
export function recording(kept: { url: string; body: Uint8Array; headers: Headers }[]): (inner: Fetch) => Fetch {
  return (inner) => async (input, init) => {
    const request = new Request(input, init)
    const body = new Uint8Array(await request.clone().arrayBuffer())
    if (request.method === 'POST') kept.push({ url: request.url, body, headers: request.headers })
    return inner(request)
  }
}

/** The outer request of sealed bytes. */
export function outer(sealed: Uint8Array, type = 'message/ohttp-req'): Request {
  return new Request(`${ORIGIN}/ohttp`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: sealed as Uint8Array<ArrayBuffer>,
  })
}
