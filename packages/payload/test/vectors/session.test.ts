/** The known answer of a session call. Each value follows from RFC 9180's schedule; nothing here is taken from what the code said. */
import { concat, fromHex, hex, u16, utf8 } from '@postern/core/bytes'
import type { CryptoPort } from '@postern/core/cryptoPort'
import { describe, expect, it } from 'vitest'
import { decodeRequest, decodeResponse } from '../../src/bhttp.js'
import {
  beginSessionRequest,
  type HeldSession,
  openSessionRequest,
  openSessionResponse,
  sealSessionResponse,
} from '../../src/session.js'
import { backends } from '../backends.js'

const bytes = (text: string): Uint8Array => fromHex(text.replaceAll(' ', ''))!
const run = (from: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => from + i)

const secret = run(0x00, 32)
const id = run(0x40, 16)
const enc = concat(id, new Uint8Array(8), run(0x60, 8))
const request = bytes('00034745540568747470730b6578616d706c652e636f6d012f')
const sealedRequest = concat(
  bytes('00ff0100010002'),
  enc,
  bytes('00 b41b03d8c22063c64c07d1fed724f50820c3679e724c8e855e48c3ca5c1c10ba857b0966a1271de479'),
)
const reply = bytes('0140c8')
const sealedReply = concat(run(0x80, 32), bytes('00 45b72b880d5b88881c44d2876f6d2df290c705'))

async function held(crypto: CryptoPort): Promise<HeldSession> {
  const key = await crypto.hmacKey('SHA-256', secret)
  return { id, key, aead: 2, max: 10, chunkBytes: 65_536, expiresAt: 1, binding: null }
}

describe.each(backends)('a session call on $name', (crypto) => {
  it('has the shared secret, key, base nonce and exporter secret of the schedule', async () => {
    const hmac = async (key: Uint8Array, ...data: Uint8Array[]) =>
      crypto.hmac(await crypto.hmacKey('SHA-256', key), concat(...data))
    const shared = await hmac(secret, utf8('postern session kem v1\0'), enc)
    const suite = concat(utf8('HPKE'), u16(0xff01), u16(1), u16(2))
    const info = concat(utf8('application/vnd.postern.session request\0'), bytes('00ff0100010002'))
    const labelled = (label: string) => concat(utf8('HPKE-v1'), suite, utf8(label))
    const none = new Uint8Array(32)
    const context = concat(
      Uint8Array.of(0),
      await hmac(none, labelled('psk_id_hash')),
      await hmac(none, labelled('info_hash'), info),
    )
    const prk = await hmac(shared, labelled('secret'))
    const out = async (label: string, length: number) =>
      hex((await hmac(prk, u16(length), labelled(label), context, Uint8Array.of(1))).slice(0, length))
    expect(hex(shared)).toBe('4c9d9d3096bfdd9a2a47b707164635789c50f344d0ddba0d46d6f44c3f549903')
    expect(await out('key', 32)).toBe('66e38f5c08e3edebc40ab0044da8d5ff9685c30782590401c673d78bbf76aba7')
    expect(await out('base_nonce', 12)).toBe('1d6d5ea9a3a45d2b3cfcd0b4')
    expect(await out('exp', 32)).toBe('86bdd71324ba5b094464043deadd14ce7595d054213b6d3948266d83c81b4872')
  })

  it('is sealed and opened to the byte, and so is its reply', async () => {
    const session = await held(crypto)
    const call = await beginSessionRequest({ crypto, random: () => run(0x60, 8) }, session, 0)
    expect(hex(await call.seal(request))).toBe(hex(sealedRequest))
    const there = await openSessionRequest(crypto, () => session, sealedRequest)
    expect([hex(there.message), there.counter]).toEqual([hex(request), 0])
    expect(decodeRequest(there.message)).toMatchObject({ method: 'GET', authority: 'example.com', path: '/' })
    expect(hex(await sealSessionResponse({ crypto, random: () => run(0x80, 32) }, there.exchange, reply))).toBe(hex(sealedReply))
    expect(hex(await openSessionResponse(crypto, call, sealedReply))).toBe(hex(reply))
    expect(decodeResponse(reply).status).toBe(200)
  })
})

it('on a synchronous backend no part of a call is a promise', () => {
  const [crypto] = backends
  const key = crypto!.hmacKey('SHA-256', secret) as HeldSession['key']
  const session: HeldSession = { id, key, aead: 2, max: 10, chunkBytes: 65_536, expiresAt: 1, binding: null }
  const opened = openSessionRequest(crypto!, () => session, sealedRequest)
  expect(opened).not.toBeInstanceOf(Promise)
  const { exchange } = opened as Awaited<typeof opened>
  expect(sealSessionResponse({ crypto: crypto!, random: () => run(0x80, 32) }, exchange, reply)).not.toBeInstanceOf(Promise)
})
