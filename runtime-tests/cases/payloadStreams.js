// @ts-check
import { concat, fromHex, hex, utf8 } from '@postern/core/bytes'
import { createCrypto } from '@postern/core/crypto'
import { systemPorts } from '@postern/core/systemRuntime'
import { decodeRequestStream, encodeRequestStream } from '@postern/payload/bhttp'
import { kemPrivateKey } from '@postern/payload/hpke'
import {
  beginChunkedRequest,
  decodeKeyConfigs,
  openChunkedRequest,
  openRequestStream,
  openResponseStream,
  sealResponseStream,
} from '@postern/payload/ohttp'
import { createSealedRecords, kekFromHpke } from '@postern/payload/records'
import { refuses, same } from './assert.js'

const crypto = createCrypto()
const { random } = systemPorts()
const ports = { crypto, random }

/** @param {string} text */
const bytes = (text) => fromHex(text) ?? new Uint8Array(0)

/** @type {readonly import('../suite.js').Case[]} */
export const cases = [
  [
    'payload: the example of draft-ietf-ohai-chunked-ohttp-08 comes out as printed, and opens',
    async () => {
      const key = bytes('010020668eb21aace159803974a4c67f08b4152d29bed10735fd08f98ccdd6fe09570800080001000100010003')
      const skE = bytes('b26d565f3f875ed480d1abced3d665159650c99174fd0b124ac4bda0c64ae324')
      const skR = bytes('1c190d72acdbe4dbc69e680503bb781a932c70a12c8f3754434c67d8640d8698')
      const request = bytes('00034745540568747470730b6578616d706c652e636f6d012f')
      const sealed =
        '010020000100018811eb457e100811c40a0aa71340a1b81d804bb986f736f2f566a7199761a0321c2ad24942d4d692563012f2980c8fef437a336b9b2fc938ef77a5834f1d2e33d8fd25577afe31bd1c79d094f76b6250ae6549b473ecd950501311001c6c1395d0ef7c1022297966307b8a7f'
      const [config] = decodeKeyConfigs(concat(Uint8Array.of(0, key.length), key))
      if (!config) throw new Error('no key configuration')
      const client = await beginChunkedRequest({ crypto, random: () => skE }, config, 0x0001, { flush: true })
      const sent = await whole(client.sealStream(streamOf(request.subarray(0, 12), request.subarray(12))))
      same(hex(sent), sealed, 'encapsulated request')
      const privateKey = await kemPrivateKey(crypto, 0x0020, skR)
      const opened = await openChunkedRequest(crypto, () => ({ config, privateKey }), bytes(sealed))
      same(hex(opened.message), hex(request), 'request')
    },
  ],
  [
    'payload: a message streams through both ends, 300,000 bytes in chunks, and a cut one has no end',
    async () => {
      const privateKey = await kemPrivateKey(crypto, 0x0020, random(32))
      const config = /** @type {const} */ ({
        keyId: 1,
        kem: 0x0020,
        publicKey: privateKey.publicKey,
        suites: [{ kdf: 1, aead: 3 }],
      })
      const content = new Uint8Array(300_000).map((_, i) => i * 7)
      const control = { method: 'POST', scheme: 'https', authority: 'a.example', path: '/', fields: [] }
      const client = await beginChunkedRequest(ports, config, 3, { chunkBytes: 65_536 })
      const message = encodeRequestStream({
        ...control,
        content: streamOf(content.subarray(0, 99_999), content.subarray(99_999)),
      })
      const sent = await whole(client.sealStream(message))
      const find = () => ({ config, privateKey })
      const arriving = await openRequestStream(crypto, find, streamOf(sent.subarray(0, 70_000), sent.subarray(70_000)))
      const request = await decodeRequestStream(arriving.message)
      same([request.method, hex(await whole(request.content)) === hex(content)], ['POST', true])
      const reply = await whole(await sealResponseStream(ports, arriving.exchange, streamOf(utf8('answer'))))
      same(new TextDecoder().decode(await whole(openResponseStream(crypto, client, streamOf(reply)))), 'answer')
      const cut = await openRequestStream(crypto, find, streamOf(sent.subarray(0, 200_000)))
      await refuses(() => whole(cut.message), 'payload.truncated')
    },
  ],
  [
    'payload: a sealed record comes back; put back by an old one it is stale, and damaged it is told so',
    async () => {
      /** @type {Map<string, Uint8Array>} */
      const kept = new Map()
      const storage = {
        /** @param {string} key */
        get: async (key) => kept.get(key) ?? null,
        /** @param {string} key @param {Uint8Array} value */
        set: async (key, value) => void kept.set(key, value),
        /** @param {string} key */
        remove: async (key) => void kept.delete(key),
      }
      const kek = kekFromHpke(ports, await kemPrivateKey(crypto, 0x0010, random(32).fill(1, 0, 1)))
      const records = createSealedRecords({ storage, kek, store: 's', ...ports })
      const versions = []
      for (const value of ['one', 'two']) {
        await records.set('a', utf8(value))
        const [entry] = [...kept].filter(([key]) => key.startsWith('r.'))
        if (entry) versions.push(entry)
      }
      same(new TextDecoder().decode((await records.get('a')) ?? new Uint8Array(0)), 'two')
      const [old, now] = versions
      if (!old || !now) throw new Error('no versions')
      kept.set(now[0], old[1])
      await refuses(() => records.get('a'), 'record.stale')
      kept.set(
        now[0],
        now[1].map((byte, i) => (i === 80 ? byte ^ 1 : byte)),
      )
      await refuses(() => records.get('a'), 'record.tampered')
    },
  ],
]

/** @param {...Uint8Array} pieces */
function streamOf(...pieces) {
  /** @type {ReadableStream<Uint8Array>} */
  const stream = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    },
  })
  return stream
}

/** @param {ReadableStream<Uint8Array>} stream */
async function whole(stream) {
  const pieces = []
  const reader = stream.getReader()
  for (let part = await reader.read(); !part.done; part = await reader.read()) pieces.push(part.value)
  return concat(...pieces)
}
