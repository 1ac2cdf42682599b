import { concat, fromHex, hex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { kemPrivateKey } from '../../src/hpke.js'
import {
  beginChunkedRequest,
  decodeKeyConfigs,
  openChunkedRequest,
  openChunkedResponse,
  openRequestStream,
  openResponseStream,
  sealChunkedResponse,
  sealResponseStream,
} from '../../src/ohttp.js'
import { backends } from '../backends.js'
import { collected, streamOf } from '../streams.js'
import { absent, load } from '../vectors.js'

interface Vector {
  readonly [name: string]: string
}
interface Parts {
  readonly requestParts: readonly string[]
  readonly responseParts: readonly string[]
}

const FILE = 'payload/ohttp/chunked-ohttp-08-appendix.json'
const bytes = (text: string): Uint8Array => fromHex(text)!

describe.skipIf(absent(FILE))('draft-ietf-ohai-chunked-ohttp-08, appendix', () => {
  const v = absent(FILE) ? ({} as Vector & Parts) : load<Vector & Parts>(FILE)
  const parts = (lengths: readonly number[], whole: Uint8Array): Uint8Array[] => {
    let at = 0
    return lengths.map((length) => whole.subarray(at, (at += length)))
  }

  for (const crypto of backends)
    it(`${crypto.name}: the parts of the request and of the reply come out as printed, and open as a stream and whole`, async () => {
      const [config] = decodeKeyConfigs(concat(Uint8Array.of(0, bytes(v['keyConfig']!).length), bytes(v['keyConfig']!)))
      const offered = { config: config!, privateKey: await kemPrivateKey(crypto, 0x0020, bytes(v['skR']!)) }
      const begin = async () => {
        const ports = { crypto, random: () => bytes(v['skE']!) }
        return beginChunkedRequest(ports, config!, 0x0001, { flush: true })
      }
      const message = bytes(v['bhttpRequest']!)
      const [head, enc, ...chunks] = v.requestParts
      // The example ends with an empty last chunk: what a sender does that does not wait for more.
      const pieces = parts([12, 13], message)
      const client = await begin()
      expect(hex(client.enc)).toBe(v['enc'])
      const sent = await collected(client.sealStream(streamOf(pieces)))
      expect(sent.map(hex)).toEqual([`${head}${enc}${chunks[0]}`, ...chunks.slice(1)])
      expect(hex(concat(...sent))).toBe(v['encapsulatedRequest'])

      const whole = await openChunkedRequest(crypto, () => offered, bytes(v['encapsulatedRequest']!))
      expect(hex(whole.message)).toBe(v['bhttpRequest'])
      const opened = await openRequestStream(crypto, () => offered, streamOf(v.requestParts.map(bytes)))
      const released = await collected(opened.message)
      expect(released.map(hex)).toEqual(pieces.map(hex))

      const nonce = bytes(v.responseParts[0]!)
      const ports = { crypto, random: () => nonce.slice() }
      const reply = bytes(v['bhttpResponse']!)
      const stream = await sealResponseStream(ports, opened.exchange, streamOf(parts([1, 2], reply)), { flush: true })
      const answered = await collected(stream)
      const [nonceText, ...rest] = v.responseParts
      expect(answered.map(hex)).toEqual([`${nonceText}${rest[0]}`, ...rest.slice(1)])
      expect(hex(await openChunkedResponse(crypto, client, bytes(v['encapsulatedResponse']!)))).toBe(v['bhttpResponse'])
      const read = await collected(openResponseStream(crypto, client, streamOf(v.responseParts.map(bytes))))
      expect(read.map(hex)).toEqual(parts([1, 2], reply).map(hex))
      const again = await sealChunkedResponse(ports, opened.exchange, reply)
      expect(hex(await openChunkedResponse(crypto, client, again))).toBe(v['bhttpResponse'])
    })
})
