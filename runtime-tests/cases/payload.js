// @ts-check
import { concat, fromHex, hex } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { systemPorts } from '@postern/core/systemRuntime'
import { createSealedFetch } from '@postern/payload/client'
import { kemPrivateKey } from '@postern/payload/hpke'
import { createKemRing, openKemRing } from '@postern/payload/keys'
import { beginRequest, decodeKeyConfigs, openRequest, openResponse, sealResponse } from '@postern/payload/ohttp'
import { storeReplayGuard } from '@postern/payload/replay'
import { createPayloadServer } from '@postern/payload/server'
import { memoryStore } from '@postern/store/memory'
import { refuses, same } from './assert.js'

const crypto = createCrypto()
const ports = { ...systemPorts(), crypto }
const { clock, random } = ports
const origin = 'https://api.bank.example'

/** @param {string} text */
const bytes = (text) => fromHex(text) ?? new Uint8Array(0)

/** @type {readonly import('../suite.js').Case[]} */
export const cases = [
  [
    'payload: RFC 9458 Appendix A, both ways',
    async () => {
      const key = bytes('01002031e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e79815500080001000100010003')
      const request = bytes('00034745540568747470730b6578616d706c652e636f6d012f')
      const sealed =
        '010020000100014b28f881333e7c164ffc499ad9796f877f4e1051ee6d31bad19dec96c208b4726374e469135906992e1268c594d2a10c695d858c40a026e7965e7d86b83dd440b2c0185204b4d63525'
      const response = bytes('0140c8')
      const reply = 'c789e7151fcba46158ca84b04464910d86f9013e404feea014e7be4a441f234f857fbd'
      const skE = bytes('bc51d5e930bda26589890ac7032f70ad12e4ecb37abb1b65b1256c9c48999c73')
      const skR = bytes('3c168975674b2fa8e465970b79c8dcf09f1c741626480bd4c6162fc5b6a98e1a')
      const [config] = decodeKeyConfigs(concat(Uint8Array.of(0, key.length), key))
      if (!config) throw new Error('no key configuration')
      const client = await beginRequest({ crypto, random: () => skE }, config, 0x0001)
      same(hex(await client.seal(request)), sealed, 'encapsulated request')
      const privateKey = await kemPrivateKey(crypto, 0x0020, skR)
      const opened = await openRequest(crypto, () => ({ config, privateKey }), bytes(sealed))
      same(hex(opened.message), hex(request), 'request')
      const nonce = { crypto, random: () => bytes(reply).slice(0, 16) }
      same(hex(await sealResponse(nonce, opened.exchange, response)), reply, 'encapsulated response')
      same(hex(await openResponse(crypto, client, bytes(reply))), hex(response), 'response')
    },
  ],
  [
    'payload: a sealed call comes back; nothing of it is on the wire',
    async () => {
      const { api, wire } = await world()
      const answer = await api(`${origin}/transfers`, { method: 'POST', body: 'to Ada 2,500' })
      same([answer.status, await answer.text()], [200, 'POST /transfers to Ada 2,500'])
      const text = new TextDecoder('latin1').decode(concat(...wire))
      same([text.includes('Ada'), text.includes('transfers')], [false, false])
    },
  ],
  [
    'payload: a flipped bit is refused in a request and in a reply; a request replayed by the wire runs once',
    async () => {
      for (const [where, code, runs] of /** @type {const} */ ([
        ['request', 'payload.outcome_unknown', 1],
        ['reply', 'payload.reply_refused', 2],
      ])) {
        const { api, tamper, ran } = await world()
        await api(`${origin}/transfers`, { method: 'POST', body: '1' })
        tamper(where)
        await refuses(() => api(`${origin}/transfers`, { method: 'POST', body: '2' }), code)
        same(ran(), runs, where)
      }
      const { api, tamper, ran } = await world()
      tamper('twice')
      same((await api(`${origin}/transfers`, { method: 'POST', body: '3' })).status, 200)
      same(ran(), 1, 'runs')
    },
  ],
]

async function world() {
  const store = memoryStore()
  const root = await crypto.signer('ES256', await crypto.generateKey('ES256', random))
  const ring = await openKemRing(await createKemRing(ports), crypto)
  const replay = storeReplayGuard({ store, tenant: 'bank', clock, random })
  const runtime = { ...ports, store }
  const server = createPayloadServer({ runtime, tenant: 'bank', origin, ring, root, replay, requirement: () => 'sealed' })
  let runs = 0
  /** @param {Request} inner */
  const handle = async (inner) => {
    runs++
    return new Response(`${inner.method} ${new URL(inner.url).pathname} ${await inner.text()}`)
  }
  /** @type {Uint8Array[]} */
  const wire = []
  /** @type {'nothing' | 'request' | 'reply' | 'twice'} */
  let what = 'nothing'
  /** @param {Uint8Array} data */
  const flip = (data) => data.map((byte, i) => (i === data.length - 20 ? byte ^ 4 : byte))
  /** @param {Request | URL | string} input @param {RequestInit} [init] */
  const fetch = async (input, init) => {
    const request = new Request(input, init)
    const body = new Uint8Array(await request.arrayBuffer())
    const sent = what === 'request' ? flip(body) : body
    const arrives = () =>
      server.fetch(
        new Request(request.url, {
          method: request.method,
          headers: request.headers,
          ...(request.method === 'POST' ? { body: /** @type {BodyInit} */ (sent) } : {}),
        }),
        handle,
      )
    const reply = await arrives()
    if (what === 'twice' && request.method === 'POST') await arrives()
    const answer = new Uint8Array(await reply.arrayBuffer())
    wire.push(body, answer)
    const { status, headers } = reply
    return new Response(/** @type {BodyInit} */ (what === 'reply' ? flip(answer) : answer), { status, headers })
  }
  const api = createSealedFetch({ origin, roots: [root.publicJwk], runtime: { fetch, clock, random, crypto } })
  return {
    api,
    wire,
    ran: () => runs,
    /** @param {'request' | 'reply' | 'twice'} how */
    tamper(how) {
      what = how
    },
  }
}
