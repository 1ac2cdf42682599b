import { concat, fromHex, hex } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import { decodeRequest, decodeResponse, encodeRequest } from '../../src/bhttp.js'
import { kemPrivateKey } from '../../src/hpke.js'
import { beginRequest, decodeKeyConfigs, encodeKeyConfigs, openRequest, openResponse, sealResponse } from '../../src/ohttp.js'
import { backends } from '../backends.js'
import { absent, load } from '../vectors.js'

const FILE = 'payload/ohttp/rfc9458-appendix-a.json'
const bytes = (text: string): Uint8Array => fromHex(text)!

describe.skipIf(absent(FILE))('RFC 9458 Appendix A', () => {
  const v = absent(FILE) ? {} : load<Record<string, string>>(FILE)

  for (const crypto of backends)
    it(`${crypto.name}: the request, the reply and the key configuration, both ways`, async () => {
      const list = concat(Uint8Array.of(0, bytes(v['keyConfig']!).length), bytes(v['keyConfig']!))
      const [config] = decodeKeyConfigs(list)
      expect(hex(encodeKeyConfigs([config!]))).toBe(hex(list))

      const client = await beginRequest({ crypto, random: () => bytes(v['skE']!) }, config!, 0x0001)
      expect(hex(client.enc)).toBe(v['enc'])
      expect(hex(await client.seal(bytes(v['bhttpRequest']!)))).toBe(v['encapsulatedRequest'])

      const privateKey = await kemPrivateKey(crypto, 0x0020, bytes(v['skR']!))
      const opened = await openRequest(crypto, () => ({ config: config!, privateKey }), bytes(v['encapsulatedRequest']!))
      expect(hex(opened.message)).toBe(v['bhttpRequest'])
      expect(hex(await opened.exchange.context.export(bytes(hex(utf8(v['responseLabel']!))), 16))).toBe(v['secret'])

      const nonce = bytes(v['encapsulatedResponse']!).slice(0, 16)
      const reply = await sealResponse({ crypto, random: () => nonce }, opened.exchange, bytes(v['bhttpResponse']!))
      expect(hex(reply)).toBe(v['encapsulatedResponse'])
      expect(hex(await openResponse(crypto, client, reply))).toBe(v['bhttpResponse'])
    })

  it('the messages inside are a request and a response with their empty sections left out', () => {
    const request = decodeRequest(bytes(v['bhttpRequest']!))
    expect(request).toMatchObject({ method: 'GET', scheme: 'https', authority: 'example.com', path: '/', fields: [] })
    expect(decodeResponse(bytes(v['bhttpResponse']!))).toMatchObject({ status: 200, fields: [] })
    expect(hex(encodeRequest(request, { pad: false }))).toBe(`${v['bhttpRequest']}000000`)
  })
})

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
