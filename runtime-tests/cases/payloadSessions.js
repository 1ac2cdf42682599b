// @ts-check
// Sessions and the hybrid KEM: the published values, and calls over a server, also where bodies do not stream.
import { concat, fromHex, hex } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { systemPorts } from '@postern/core/systemRuntime'
import { createSealedFetch } from '@postern/payload/client'
import { kemPrivateKey, setupReceiver, setupSender } from '@postern/payload/hpke'
import { createKemRing, openKemRing } from '@postern/payload/keys'
import { storeReplayGuard } from '@postern/payload/replay'
import { createPayloadServer } from '@postern/payload/server'
import {
  beginSessionRequest,
  localSessions,
  openSessionRequest,
  openSessionResponse,
  sealSessionResponse,
} from '@postern/payload/session'
import { memoryStore } from '@postern/store/memory'
import { same } from './assert.js'

const crypto = createCrypto()
const ports = { ...systemPorts(), crypto }
const { clock, random } = ports
const origin = 'https://api.bank.example'

/** @param {string} text */
const bytes = (text) => fromHex(text) ?? new Uint8Array(0)
/** @param {number} from @param {number} length */
const run = (from, length) => Uint8Array.from({ length }, (_, i) => from + i)

/** @type {readonly import('../suite.js').Case[]} */
export const cases = [
  [
    'payload: the known answer of a session call, both ways',
    async () => {
      const key = await crypto.hmacKey('SHA-256', run(0, 32))
      const session = {
        id: run(0x40, 16),
        key,
        aead: /** @type {2} */ (2),
        max: 1,
        chunkBytes: 65_536,
        expiresAt: 1,
        binding: null,
      }
      const request = bytes('00034745540568747470730b6578616d706c652e636f6d012f')
      const call = await beginSessionRequest({ crypto, random: () => run(0x60, 8) }, session, 0)
      const sealed = await call.seal(request)
      same(
        hex(sealed.slice(39)),
        '00b41b03d8c22063c64c07d1fed724f50820c3679e724c8e855e48c3ca5c1c10ba857b0966a1271de479',
        'request',
      )
      const opened = await openSessionRequest(crypto, () => session, sealed)
      same(hex(opened.message), hex(request), 'opened')
      const reply = await sealSessionResponse({ crypto, random: () => run(0x80, 32) }, opened.exchange, bytes('0140c8'))
      same(hex(reply.slice(32)), '0045b72b880d5b88881c44d2876f6d2df290c705', 'reply')
      same(hex(await openSessionResponse(crypto, call, reply)), '0140c8', 'opened reply')
    },
  ],
  [
    'payload: a hybrid key opens what it was sealed to',
    async () => {
      const suite = /** @type {const} */ ({ kem: 0x647a, kdf: 1, aead: 3 })
      const key = await kemPrivateKey(crypto, 0x647a, run(0, 32))
      const { enc, context } = await setupSender(ports, suite, { kem: 0x647a, bytes: key.publicKey }, run(0, 3))
      const sealed = await context.seal(run(0, 2), run(0, 100))
      const receiver = await setupReceiver(crypto, suite, key, enc, run(0, 3))
      same([enc.length, hex(await receiver.open(run(0, 2), sealed))], [1120, hex(run(0, 100))])
    },
  ],
  [
    'payload: calls in a session, in parallel, whether bodies stream or not; nothing of them is on the wire',
    async () => {
      for (const streams of [true, false]) {
        const { api, wire, levels } = await world(streams)
        const first = await api(`${origin}/a`)
        same([first.status, await first.text()], [200, 'GET /a '])
        const all = await Promise.all(
          [1, 2, 3, 4].map((i) => api(`${origin}/b${i}`, { method: 'POST', body: `to Ada Lovelace ${i}` })),
        )
        same(
          await Promise.all(all.map((answer) => answer.text())),
          [1, 2, 3, 4].map((i) => `POST /b${i} to Ada Lovelace ${i}`),
        )
        const large = await api(`${origin}/c`, { method: 'POST', body: 'Ada Lovelace'.repeat(12_500) })
        same((await large.text()).length, 'POST /c '.length + 150_000)
        same(levels, ['single', 'session', 'session', 'session', 'session', 'session'])
        // Long enough to come about by chance nowhere in what is sealed.
        same(new TextDecoder('latin1').decode(concat(...wire)).includes('Ada Lovelace'), false)
      }
    },
  ],
]

/** @param {boolean} streams - whether the app's fetch gives bodies as streams */
async function world(streams) {
  const store = memoryStore()
  const root = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
  const ring = await openKemRing(await createKemRing(ports), crypto)
  const replay = storeReplayGuard({ store, tenant: 'bank', clock, random })
  const sessions = localSessions(ports)
  const runtime = { ...ports, store }
  const server = createPayloadServer({
    runtime,
    tenant: 'bank',
    origin,
    ring,
    root,
    replay,
    sessions,
    requirement: () => 'sealed',
  })
  /** @type {string[]} */
  const levels = []
  /** @type {Uint8Array[]} */
  const wire = []
  /** @param {Request | URL | string} input @param {RequestInit} [init] */
  const fetch = async (input, init) => {
    const request = new Request(input, init)
    const sent = new Uint8Array(await request.arrayBuffer())
    const { url, method, headers } = request
    const body = method === 'POST' ? /** @type {BodyInit} */ (sent) : null
    const answer = await server.fetch(new Request(url, { method, headers, body }), async (inner, { level }) => {
      levels.push(level)
      return new Response(`${inner.method} ${new URL(inner.url).pathname} ${await inner.text()}`)
    })
    const bytes = await answer.arrayBuffer()
    if (method === 'POST') wire.push(sent, new Uint8Array(bytes))
    if (streams) return new Response(bytes, answer)
    return /** @type {Response} */ (
      /** @type {unknown} */ ({ status: answer.status, headers: answer.headers, body: undefined, arrayBuffer: async () => bytes })
    )
  }
  return { wire, levels, api: createSealedFetch({ origin, roots: [root.publicJwk], runtime: { fetch, clock, random, crypto } }) }
}
