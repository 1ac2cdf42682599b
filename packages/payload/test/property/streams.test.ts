/// <reference types="node" />
/** Messages and sealed messages as streams: any split of the bytes reads alike, and nothing ends that was not ended. */
import { concat, equal, hex } from '@postern/core/bytes'
import { PosternError } from '@postern/core/errors'
import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type BhttpRequest,
  decodeRequest,
  decodeRequestStream,
  decodeResponse,
  decodeResponseStream,
  encodeRequest,
  encodeRequestStream,
  encodeResponseStream,
} from '../../src/bhttp.js'
import { CountingCipher } from '../../src/internal/cipher.js'
import { paddedLength } from '../../src/internal/padme.js'
import { createKemRing, type KemRing, openKemRing } from '../../src/keys.js'
import {
  openChunkedRequest,
  openChunkedResponse,
  openRequest,
  openRequestStream,
  openResponse,
  openResponseStream,
  sealChunkedResponse,
  sealRequestStream,
  sealResponseStream,
} from '../../src/ohttp.js'
import { backends } from '../backends.js'
import { codeOf } from '../codeOf.js'
import { collected, cutAt, streamOf, untilFailure } from '../streams.js'
import { random } from '../world.js'

const runs = { numRuns: Number(process.env['POSTERN_RUNS'] ?? 100) }
const places = fc.array(fc.nat(), { maxLength: 12 })
const content = fc.uint8Array({ maxLength: 2000 })
const lines = fc.array(fc.tuple(fc.constantFrom('a', 'x-long-name', 'set-cookie'), fc.constantFrom('', 'b', 'v'.repeat(70))), {
  maxLength: 8,
})
const message = fc.record({ fields: lines, content, trailers: lines })
const pad = fc.constantFrom(false as const, { floor: 256 })
const NONE = new Uint8Array(0)
const everyByte = (bytes: Uint8Array): Uint8Array[] => Array.from(bytes, (byte) => Uint8Array.of(byte))

type Whole = Pick<BhttpRequest, 'fields' | 'content' | 'trailers'>
const requestOf = (whole: Whole): BhttpRequest => ({
  method: 'POST',
  scheme: 'https',
  authority: 'a.example',
  path: '/x?y',
  ...whole,
})

async function read(pieces: readonly Uint8Array[]): Promise<BhttpRequest> {
  const request = await decodeRequestStream(streamOf(pieces))
  return { ...request, content: concat(...(await collected(request.content))), trailers: await request.trailers }
}

describe('Binary HTTP as a stream', () => {
  it('any request comes back, however its content and its bytes are cut', () =>
    fc.assert(
      fc.asyncProperty(message, places, places, pad, async (whole, cuts, places, p) => {
        const request = requestOf(whole)
        const streamed = { ...request, content: streamOf(cutAt(whole.content, cuts)), trailers: Promise.resolve(whole.trailers) }
        const bytes = concat(...(await collected(encodeRequestStream(streamed, { pad: p }))))
        const known = encodeRequest(request, { pad: p })
        for (const encoded of [bytes, known])
          for (const pieces of [[encoded], cutAt(encoded, places), everyByte(encoded)])
            expect(await read(pieces)).toEqual({ ...request, content: Uint8Array.from(whole.content) })
        expect(decodeRequest(bytes)).toEqual(decodeRequest(known))
      }),
      runs,
    ))

  it('any response comes back; its padding depends on its length alone', () =>
    fc.assert(
      fc.asyncProperty(message, places, places, fc.integer({ min: 200, max: 599 }), async (whole, cuts, places, status) => {
        const streamed = (p: false | { floor: number }) =>
          encodeResponseStream(
            { status, fields: whole.fields, content: streamOf(cutAt(whole.content, cuts)), trailers: whole.trailers },
            { pad: p },
          )
        const bytes = concat(...(await collected(streamed({ floor: 256 }))))
        const bare = concat(...(await collected(streamed(false))))
        expect(bytes.length).toBe(paddedLength(bare.length, { floor: 256 }))
        const response = await decodeResponseStream(streamOf(cutAt(bytes, places)))
        const found = { ...response, content: concat(...(await collected(response.content))), trailers: await response.trailers }
        expect(found).toEqual({ status, ...whole, content: Uint8Array.from(whole.content) })
        expect(decodeResponse(bytes)).toEqual(found)
      }),
      runs,
    ))

  it('a message that is cut anywhere but between sections fails, in its head, its content or its trailers', () =>
    fc.assert(
      fc.asyncProperty(message, fc.nat(), async (whole, n) => {
        const request = requestOf({ ...whole, trailers: [['x', 'y']] })
        const streamed = { ...request, content: streamOf([whole.content]) }
        const bytes = concat(...(await collected(encodeRequestStream(streamed, { pad: false }))))
        const cut = bytes.subarray(0, n % bytes.length)
        const outcome = await codeOf(() => read([cut]))
        // The same verdict as where the message is here whole.
        expect(outcome).toBe(await codeOf(() => decodeRequest(cut)))
      }),
      runs,
    ))

  it('bytes of any kind give a message or a coded error, the same as where they are here whole', () =>
    fc.assert(
      fc.asyncProperty(
        message,
        places,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
        async (whole, places, noise) => {
          const bytes = encodeRequest(requestOf(whole))
          for (const [at, byte] of noise) bytes[at % bytes.length] = byte
          const streamed = await settled(() => read(cutAt(bytes, places)))
          const together = await settled(() => decodeRequest(bytes))
          if (together instanceof PosternError) expect(streamed).toHaveProperty('code')
          else expect(streamed).toEqual(together)
        },
      ),
      runs,
    ))

  it('content is read from its source when it is asked for, and no earlier', async () => {
    let read = 0
    const source = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          read++
          controller.enqueue(new Uint8Array(1000))
        },
      },
      { highWaterMark: 0 },
    )
    const request = { ...requestOf({ fields: [], content: new Uint8Array(0), trailers: [] }), content: source, trailers: [] }
    const decoded = await decodeRequestStream(encodeRequestStream(request))
    expect(read).toBe(0)
    const reader = decoded.content.getReader()
    for (let i = 1; i <= 5; i++) {
      await reader.read()
      expect(read).toBe(i)
    }
    await reader.cancel('enough')
    await expect(decoded.trailers).rejects.toBe('enough')
  })

  it('a source that fails midway fails the message with the same error, and its reader with it', async () => {
    let pulls = 0
    const failing = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulls++ < 3) controller.enqueue(new Uint8Array(10))
        else controller.error(new Error('disk'))
      },
    })
    const request = { ...requestOf({ fields: [], content: new Uint8Array(0), trailers: [] }), content: failing, trailers: [] }
    const decoded = await decodeRequestStream(encodeRequestStream(request))
    expect((await untilFailure(decoded.content)).error).toEqual(new Error('disk'))
    await expect(decoded.trailers).rejects.toThrow('disk')
  })
})

describe('chunked Oblivious HTTP', () => {
  const crypto = backends[0]!
  const ports = { crypto, random }
  let ring: KemRing
  const find = (id: number) => ring.find(id, 1e12)
  const config = () => ring.offered(1e12)[0]!.config
  const chunk = fc.integer({ min: 1, max: 700 })

  beforeAll(async () => {
    ring = await openKemRing(await createKemRing({ clock: () => 1e12, random, crypto }), crypto)
  })

  async function sealed(pieces: readonly Uint8Array[], chunkBytes = 50, flush = false) {
    const made = await sealRequestStream(ports, config(), 2, streamOf(pieces), { chunkBytes, flush })
    return { pieces: await collected(made.sealed), exchange: made.exchange }
  }

  async function openedRequest(pieces: readonly Uint8Array[]): Promise<Uint8Array> {
    return concat(...(await collected((await openRequestStream(crypto, find, streamOf(pieces))).message)))
  }

  it('any message comes back, however it and its bytes are cut, both ways and on every backend', () =>
    fc.assert(
      fc.asyncProperty(content, places, places, chunk, fc.nat({ max: 9 }), async (bytes, cuts, places, chunkBytes, n) => {
        const flush = n % 2 === 1
        // The slower two now and then.
        for (const crypto of backends.slice(0, n > 7 ? 3 : 1)) {
          const made = await sealRequestStream({ crypto, random }, config(), 3, streamOf(cutAt(bytes, cuts)), {
            chunkBytes,
            flush,
          })
          const request = concat(...(await collected(made.sealed)))
          const whole = await openChunkedRequest(crypto, find, request)
          expect(equal(whole.message, bytes)).toBe(true)
          for (const pieces of [cutAt(request, places), everyByte(request)])
            expect(equal(await openedRequest(pieces), bytes)).toBe(true)
          const reply = concat(
            ...(await collected(
              await sealResponseStream({ crypto, random }, whole.exchange, streamOf(cutAt(bytes, cuts)), { chunkBytes, flush }),
            )),
          )
          expect(equal(await openChunkedResponse(crypto, made.exchange, reply), bytes)).toBe(true)
          for (const pieces of [cutAt(reply, places), everyByte(reply)])
            expect(equal(concat(...(await collected(openResponseStream(crypto, made.exchange, streamOf(pieces))))), bytes)).toBe(
              true,
            )
        }
      }),
      { numRuns: Math.ceil(runs.numRuns / 2) },
    ))

  it('as a stream and as bytes a message becomes the same bytes, in chunks that are full but the last', () =>
    fc.assert(
      fc.asyncProperty(content, places, chunk, async (bytes, cuts, chunkBytes) => {
        const { exchange } = await sealed([])
        const nonce = random(32)
        const fixed = { crypto, random: () => nonce.slice() }
        const whole = await sealChunkedResponse(fixed, exchange, bytes, { chunkBytes })
        const pieces = await collected(await sealResponseStream(fixed, exchange, streamOf(cutAt(bytes, cuts)), { chunkBytes }))
        expect(equal(concat(...pieces), whole)).toBe(true)
        expect(pieces.length).toBe(Math.max(1, Math.ceil(bytes.length / chunkBytes)))
      }),
      runs,
    ))

  it('C01 a flipped bit: refused, and of its chunk and what follows nothing is handed on', () =>
    fc.assert(
      fc.asyncProperty(content, fc.nat(), fc.nat({ max: 7 }), async (bytes, at, bit) => {
        const { pieces, exchange } = await sealed([bytes])
        const request = concat(...pieces)
        request[at % request.length]! ^= 1 << bit
        expect(await codeOf(() => openChunkedRequest(crypto, find, request))).toMatch(/^payload\.(refused|key_unknown)$/)
        const verdict = await releasedOf(() => openRequestStream(crypto, find, streamOf([request])).then((o) => o.message))
        expect(verdict.code).toMatch(/^payload\.(refused|truncated|key_unknown)$/)
        expect(startsWith(bytes, verdict.released)).toBe(true)
        const reply = await sealChunkedResponse(ports, exchange, bytes, { chunkBytes: 50 })
        const flipped = reply.slice()
        flipped[at % reply.length]! ^= 1 << bit
        const answer = await releasedOf(async () => openResponseStream(crypto, exchange, streamOf([flipped])))
        expect(answer.code).toMatch(/^payload\.(reply_refused|truncated)$/)
        expect(startsWith(bytes, answer.released)).toBe(true)
      }),
      runs,
    ))

  it('C02, C14 cut at any byte: an error in place of the end, whole chunks at most before it', async () => {
    const bytes = random(120)
    const { pieces, exchange } = await sealed([bytes])
    const request = concat(...pieces)
    const reply = await sealChunkedResponse(ports, exchange, bytes, { chunkBytes: 50 })
    for (let length = 0; length < request.length; length++) {
      const cut = request.subarray(0, length)
      expect(await codeOf(() => openChunkedRequest(crypto, find, cut))).toBe('payload.refused')
      const told = await releasedOf(() => openRequestStream(crypto, find, streamOf([cut])).then((o) => o.message))
      expect(told.code).toMatch(/^payload\.(refused|truncated)$/)
      expect([0, 50, 100]).toContain(told.released.length)
    }
    for (let length = 0; length < reply.length; length++) {
      const cut = reply.subarray(0, length)
      expect(await codeOf(() => openChunkedResponse(crypto, exchange, cut))).toMatch(/^payload\.(reply_refused|truncated)$/)
      const told = await releasedOf(async () => openResponseStream(crypto, exchange, streamOf([cut])))
      expect(told.code).toMatch(/^payload\.(reply_refused|truncated)$/)
      expect([0, 50, 100]).toContain(told.released.length)
    }
  })

  it('C14 the chunk before the end is no end, and the end in the place of a chunk is none', async () => {
    const { pieces } = await sealed([random(100)], 50, false)
    const [first, last] = pieces as [Uint8Array, Uint8Array]
    const head = first.subarray(0, 39)
    const chunk = first.subarray(41)
    const asEnd = concat(head, Uint8Array.of(0), chunk)
    const asChunk = concat(head, Uint8Array.of(0x40, last.length - 1), last.subarray(1))
    for (const bad of [asEnd, asChunk, concat(first, first.subarray(39)), concat(head, last)])
      expect(await codeOf(() => openedRequest([bad]))).toMatch(/^payload\.(refused|truncated)$/)
  })

  it('C01, C02 large chunks, whose tags are apart: they come back, and a flipped bit or a cut is refused where it is', async () => {
    const bytes = new Uint8Array(200_000).map((_, i) => i * 7)
    for (const crypto of backends) {
      const made = await sealRequestStream({ crypto, random }, config(), 2, streamOf([bytes]), { chunkBytes: 65_536 })
      const request = concat(...(await collected(made.sealed)))
      const opened = await openChunkedRequest(crypto, find, request)
      expect(equal(opened.message, bytes)).toBe(true)
      expect(equal(await openedRequest(cutAt(request, [70_000, 100_001])), bytes)).toBe(true)
      const reply = await sealResponseStream({ crypto, random }, opened.exchange, streamOf([bytes]), { chunkBytes: 65_536 })
      expect(equal(await openChunkedResponse(crypto, made.exchange, concat(...(await collected(reply)))), bytes)).toBe(true)
      for (const at of [45, 65_594, 65_600, 131_200, request.length - 1]) {
        const chunk = Math.floor((at - 39) / (65_536 + 20))
        const flipped = request.slice()
        flipped[at]! ^= 1
        for (const [bad, codes] of [
          [flipped, ['payload.refused']],
          [request.subarray(0, at), ['payload.truncated', 'payload.refused']],
        ] as const) {
          const told = await releasedOf(() => openRequestStream(crypto, find, streamOf([bad])).then((o) => o.message))
          expect(codes).toContain(told.code)
          expect(told.released.length).toBe(chunk * 65_536)
        }
      }
    }
  })

  it('C03 chunks swapped, dropped, repeated or spliced from another call: refused at the first that is out of place', async () => {
    const bytes = random(200)
    const a = (await sealed([bytes])).pieces
    const b = (await sealed([bytes])).pieces
    const [first, second, third, last] = a as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    const bad: [readonly Uint8Array[], number][] = [
      [[first, third, second, last], 50],
      [[first, third, last], 50],
      [[first, second, last], 100],
      [[first, second, second, third, last], 100],
      [[first, b[1]!, third, last], 50],
      [[first, second, third, b[3]!], 150],
      [[first, second, third, last, last], 150],
    ]
    for (const [pieces, released] of bad) {
      const told = await releasedOf(() => openRequestStream(crypto, find, streamOf(pieces)).then((o) => o.message))
      expect(told.code).toBe('payload.refused')
      expect(told.released.length).toBe(released)
      expect(await codeOf(() => openChunkedRequest(crypto, find, concat(...pieces)))).toBe('payload.refused')
    }
  })

  it('C05 a request is no reply, chunked is not single-shot, and neither the other way round', async () => {
    const { pieces, exchange } = await sealed([random(10)])
    const request = concat(...pieces)
    expect(await codeOf(() => openChunkedResponse(crypto, exchange, request))).toMatch(/^payload\.(reply_refused|truncated)$/)
    expect(await codeOf(() => openRequest(crypto, find, request))).toBe('payload.refused')
    const reply = await sealChunkedResponse(ports, exchange, random(10))
    expect(await codeOf(() => openResponse(crypto, exchange, reply))).toBe('payload.reply_refused')
    expect(await codeOf(() => openChunkedRequest(crypto, find, reply))).toMatch(/^payload\.(refused|key_unknown)$/)
  })

  it('an announced length above the limit is refused before anything of the chunk is read, as is an empty chunk', async () => {
    const { pieces } = await sealed([random(10)])
    const head = concat(...pieces).subarray(0, 39)
    for (const [prefix, reads] of [
      [[0x80, 0x01, 0x00, 0x11], 1],
      [[0xc0, 0, 0, 0, 0x80, 0, 0, 0], 1],
      [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1],
      [[16], 1],
      [[1], 1],
    ] as const) {
      let read = 0
      const endless = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            controller.enqueue(read++ === 0 ? concat(head, Uint8Array.from(prefix)) : new Uint8Array(1000))
          },
        },
        { highWaterMark: 0 },
      )
      const told = await releasedOf(() => openRequestStream(crypto, find, endless).then((o) => o.message))
      expect([told.code, read]).toEqual(['payload.refused', reads])
    }
  })

  it('a last chunk that does not end is refused at the limit', async () => {
    const { pieces } = await sealed([random(10)])
    const head = concat(...pieces).subarray(0, 40)
    let sent = 0
    const endless = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          controller.enqueue(sent++ === 0 ? head : new Uint8Array(10_000))
        },
      },
      { highWaterMark: 0 },
    )
    const told = await releasedOf(() => openRequestStream(crypto, find, endless).then((o) => o.message))
    expect([told.code, sent]).toEqual(['payload.refused', 8])
  })

  it('C06 a reply has no more than 2^24 chunks, so that no nonce comes again', async () => {
    const key = await crypto.aeadKey('A128GCM', random(16))
    const nonces: string[] = []
    const cipher = new CountingCipher({ ...crypto, seal: (_, nonce) => noted(nonces, nonce) }, key, random(12))
    for (let i = 0; i < 1000; i++) cipher.seal(NONE, NONE)
    expect(new Set(nonces).size).toBe(1000)
    const silent = new CountingCipher({ ...crypto, seal: (_, nonce) => nonce }, key, random(12))
    for (let i = 0; i < 2 ** 24; i++) silent.seal(NONE, NONE)
    expect(() => silent.seal(NONE, NONE)).toThrow('hpke.exhausted')
  }, 300_000)

  it('an upload that fails midway is never ended, and its reader sees an error', async () => {
    let pulls = 0
    const failing = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (pulls++ < 3) controller.enqueue(new Uint8Array(60))
          else controller.error(new Error('disk'))
        },
      },
      { highWaterMark: 0 },
    )
    const made = await sealRequestStream(ports, config(), 2, failing, { chunkBytes: 50 })
    const sent = await untilFailure(made.sealed)
    expect(sent.error).toEqual(new Error('disk'))
    expect(await codeOf(() => openedRequest(sent.pieces))).toBe('payload.truncated')
  })

  it('a chunk that comes byte by byte is read in linear time', async () => {
    const size = 200_000
    const made = await sealRequestStream(ports, config(), 2, streamOf([new Uint8Array(size)]), { chunkBytes: size })
    const request = concat(...(await collected(made.sealed)))
    const cpuFor = async (pieces: readonly Uint8Array[]): Promise<number> => {
      const before = process.cpuUsage()
      const { message } = await openRequestStream(crypto, find, streamOf(pieces), { maxChunkBytes: size })
      expect(concat(...(await collected(message))).length).toBe(size)
      return process.cpuUsage(before).user
    }
    const fours = Array.from({ length: Math.ceil(request.length / 4) }, (_, i) => request.subarray(4 * i, 4 * i + 4))
    const ones = everyByte(request)
    await cpuFor(fours)
    expect(await cpuFor(ones)).toBeLessThan(10 * (await cpuFor(fours)))
  }, 300_000)

  it('whoever stops reading stops the source, on both ends', async () => {
    for (const end of ['seal', 'open'] as const) {
      const { pieces, exchange } = await sealed([random(200)])
      let told: unknown
      const source = streamOf(pieces, (reason) => void (told = reason))
      const stream =
        end === 'seal'
          ? await sealResponseStream(ports, exchange, source, { chunkBytes: 50 })
          : (await openRequestStream(crypto, find, source)).message
      const reader = stream.getReader()
      await reader.read()
      await reader.cancel('enough')
      expect(told).toBe('enough')
    }
  })
})

function noted(nonces: string[], nonce: Uint8Array): Uint8Array {
  nonces.push(hex(nonce))
  return nonce
}

async function settled(call: () => unknown): Promise<unknown> {
  try {
    return await call()
  } catch (error) {
    return error
  }
}

async function releasedOf(open: () => Promise<ReadableStream<Uint8Array>>): Promise<{ released: Uint8Array; code: string }> {
  try {
    const { pieces, error } = await untilFailure(await open())
    return { released: concat(...pieces), code: error instanceof PosternError ? error.code : String(error) }
  } catch (error) {
    return { released: new Uint8Array(0), code: error instanceof PosternError ? error.code : String(error) }
  }
}

function startsWith(whole: Uint8Array, part: Uint8Array): boolean {
  return equal(whole.subarray(0, part.length), part)
}
