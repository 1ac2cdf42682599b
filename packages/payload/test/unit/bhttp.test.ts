/** The subset of RFC 9292 that is spoken here, rule by rule, over bytes and over streams, in known and in indeterminate length. */
import { concat, utf8 } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import {
  type BhttpResponse,
  decodeRequest,
  decodeRequestStream,
  decodeResponse,
  decodeResponseStream,
  encodeRequest,
  encodeRequestStream,
  encodeResponse,
  encodeResponseStream,
  type FieldLine,
} from '../../src/bhttp.js'
import { writerOf } from '../../src/internal/writer.js'
import { codeOf } from '../codeOf.js'
import { collected, streamOf } from '../streams.js'

interface Parts {
  readonly control?: readonly string[]
  readonly statuses?: readonly number[]
  readonly fields?: readonly FieldLine[]
  readonly content?: Uint8Array
  readonly trailers?: readonly FieldLine[]
}

const CONTROL = ['GET', 'https', 'a.example', '/'] as const
const many = (count: number): FieldLine[] => Array.from({ length: count }, (_, i) => [`x${i}`, ''])

/** A message with nothing checked. */
function raw(parts: Parts, known: boolean): Uint8Array {
  const { control = CONTROL, statuses, fields = [], content = new Uint8Array(0), trailers = [] } = parts
  const out = writerOf()
  const section = (lines: readonly FieldLine[]): void => (known ? out.fields(lines) : out.openFields(lines))
  out.varint((known ? 0 : 2) + (statuses === undefined ? 0 : 1))
  if (statuses === undefined) for (const text of control) out.latin1(text)
  for (const [i, status] of (statuses ?? []).entries()) {
    out.varint(status)
    if (i < statuses!.length - 1) section([])
  }
  section(fields)
  if (known || content.length > 0) {
    out.varint(content.length)
    out.bytes(content)
  }
  if (!known) out.varint(0)
  section(trailers)
  return out.finish((length) => length)
}

async function readRequest(bytes: Uint8Array, options?: { schemes?: string[]; maxBytes?: number }): Promise<Message> {
  const { fields, content, trailers } = await decodeRequestStream(streamOf([bytes]), options)
  return { fields, content: concat(...(await collected(content))), trailers: await trailers }
}

async function readResponse(bytes: Uint8Array, options?: { maxBytes?: number }): Promise<Message> {
  const { fields, content, trailers } = await decodeResponseStream(streamOf([bytes]), options)
  return { fields, content: concat(...(await collected(content))), trailers: await trailers }
}

type Message = Pick<BhttpResponse, 'fields' | 'content' | 'trailers'>

/** The verdict, which is the same for both lengths, whole and as a stream. */
async function verdict(parts: Parts, options?: { schemes?: string[]; maxBytes?: number }): Promise<string | null> {
  const codes = new Set<string | null>()
  for (const known of [true, false]) {
    const bytes = raw(parts, known)
    if (parts.statuses === undefined) {
      codes.add(await codeOf(() => decodeRequest(bytes, options)))
      codes.add(await codeOf(() => readRequest(bytes, options)))
    } else {
      codes.add(await codeOf(() => decodeResponse(bytes, options)))
      codes.add(await codeOf(() => readResponse(bytes, options)))
    }
  }
  expect([...codes]).toHaveLength(1)
  return [...codes][0]!
}

const control = (i: number, text: string): Parts => ({ control: CONTROL.map((own, at) => (at === i ? text : own)) })
const ok = [200]

describe('control data', () => {
  it.each<[string, Parts, string | null]>([
    ['a method is a token', control(0, 'M-SEARCH'), null],
    ['and no more than 32 characters', control(0, 'A'.repeat(33)), 'bhttp.malformed'],
    ['and not CONNECT', control(0, 'CONNECT'), 'bhttp.malformed'],
    ['and not empty', control(0, ''), 'bhttp.malformed'],
    ['and without a space', control(0, 'GE T'), 'bhttp.malformed'],
    ['a scheme is https', control(1, 'http'), 'bhttp.malformed'],
    ['an authority is not empty', control(2, ''), 'bhttp.malformed'],
    ['and has no userinfo', control(2, 'u@a.example'), 'bhttp.malformed'],
    ['and may have a port', control(2, '[::1]:8443'), null],
    ['a path begins with a slash', control(3, 'x'), 'bhttp.malformed'],
    ['and is not the star of OPTIONS', control(3, '*'), 'bhttp.malformed'],
    ['and has no fragment', control(3, '/#a'), 'bhttp.malformed'],
    ['and no control byte', control(3, '/\u0000'), 'bhttp.malformed'],
    ['and no byte above ASCII', control(3, '/\u00e4'), 'bhttp.malformed'],
    ['and 8 KiB at most', control(3, `/${'a'.repeat(8191)}`), null],
    ['and not one byte more', control(3, `/${'a'.repeat(8192)}`), 'bhttp.limit'],
  ])('%s', async (_, parts, code) => {
    expect(await verdict(parts)).toBe(code)
  })

  it('another scheme is taken where it is listed', async () => {
    expect(await verdict(control(1, 'http'), { schemes: ['https', 'http'] })).toBeNull()
  })
})

describe('fields', () => {
  const field = (name: string, value: string): Parts => ({ fields: [[name, value]] })

  it.each<[string, Parts, string | null]>([
    ['names are lower-case', field('Date', ''), 'bhttp.malformed'],
    ['and tokens', field('a b', ''), 'bhttp.malformed'],
    ['and no pseudo-fields', field(':path', '/'), 'bhttp.malformed'],
    ['connection is of one hop', field('connection', 'x'), 'bhttp.malformed'],
    ['keep-alive is', field('keep-alive', 'x'), 'bhttp.malformed'],
    ['proxy-connection is', field('proxy-connection', 'x'), 'bhttp.malformed'],
    ['transfer-encoding is', field('transfer-encoding', 'chunked'), 'bhttp.malformed'],
    ['upgrade is', field('upgrade', 'x'), 'bhttp.malformed'],
    ['te names trailers alone', field('te', 'gzip'), 'bhttp.malformed'],
    ['and may', field('te', 'trailers'), null],
    ['values have no CR', field('a', 'b\rc'), 'bhttp.malformed'],
    ['no LF', field('a', 'b\nc'), 'bhttp.malformed'],
    ['no NUL', field('a', 'b\0c'), 'bhttp.malformed'],
    ['and may have a tab and bytes above ASCII', field('a', 'b\tc\u00ff'), null],
    ['128 lines', { fields: many(128) }, null],
    ['and not one more', { fields: many(129) }, 'bhttp.limit'],
    ['32 KiB', field('a', 'b'.repeat(32_767)), null],
    ['and not one byte more', field('a', 'b'.repeat(32_768)), 'bhttp.limit'],
    ['host is the authority', field('host', 'a.example'), null],
    ['and no other', field('host', 'b.example'), 'bhttp.malformed'],
    ['content-length is that of the content', { ...field('content-length', '2'), content: utf8('ab') }, null],
    ['and no other', { ...field('content-length', '3'), content: utf8('ab') }, 'bhttp.malformed'],
    ['nor of content that is not there', field('content-length', '3'), 'bhttp.malformed'],
    ['nor written otherwise', { ...field('content-length', '02'), content: utf8('ab') }, 'bhttp.malformed'],
    [
      'nor two',
      {
        fields: [
          ['content-length', '2'],
          ['content-length', '3'],
        ],
        content: utf8('ab'),
      },
      'bhttp.malformed',
    ],
    [
      'but one twice',
      {
        fields: [
          ['content-length', '2'],
          ['content-length', '2'],
        ],
        content: utf8('ab'),
      },
      null,
    ],
    ['trailers are fields too', { trailers: [['a', 'b\nc']] }, 'bhttp.malformed'],
    ['as many of them', { trailers: many(129) }, 'bhttp.limit'],
    ['as large', { trailers: [['a', 'b'.repeat(32_768)]] }, 'bhttp.limit'],
  ])('%s', async (_, parts, code) => {
    expect(await verdict(parts)).toBe(code)
    if (parts.fields?.[0]?.[0] !== 'host') expect(await verdict({ ...parts, statuses: ok })).toBe(lengthMayLack(parts, code))
  })

  /** A reply to HEAD names a length and has no content. */
  function lengthMayLack({ fields, content }: Parts, code: string | null): string | null {
    return fields?.[0]?.[0] === 'content-length' && content === undefined ? null : code
  }

  it('two lengths that differ say nothing of a reply without content either', async () => {
    expect(
      await verdict({
        statuses: ok,
        fields: [
          ['content-length', '2'],
          ['content-length', '3'],
        ],
      }),
    ).toBe('bhttp.malformed')
  })

  it('repeated lines keep their order, and set-cookie stays several', async () => {
    const fields: FieldLine[] = [
      ['set-cookie', 'b=1'],
      ['a', '1'],
      ['set-cookie', 'a=2'],
    ]
    for (const known of [true, false]) {
      const bytes = raw({ statuses: ok, fields }, known)
      expect(decodeResponse(bytes).fields).toEqual(fields)
      expect((await readResponse(bytes)).fields).toEqual(fields)
    }
  })

  it('what is refused when it is read is not written either', async () => {
    const base = { method: 'GET', scheme: 'https', authority: 'a.example', path: '/', content: utf8('ab'), trailers: [] }
    for (const line of [
      ['connection', 'x'],
      ['A', ''],
      ['te', 'gzip'],
      ['host', 'b.example'],
    ] as FieldLine[]) {
      expect(await codeOf(() => encodeRequest({ ...base, fields: [line] }))).toBe('bhttp.malformed')
      expect(await codeOf(() => encodeRequestStream({ ...base, fields: [line], content: streamOf([]) }))).toBe('bhttp.malformed')
    }
    const fields: FieldLine[] = [['content-length', '3']]
    expect(await codeOf(() => encodeRequest({ ...base, fields }))).toBe('bhttp.malformed')
    const streamed = encodeRequestStream({ ...base, fields, content: streamOf([utf8('ab')]) })
    expect(await codeOf(() => collected(streamed))).toBe('bhttp.malformed')
    const trailing = { ...base, fields: [], content: streamOf([]), trailers: Promise.resolve([['B', '']] as const) }
    expect(await codeOf(() => collected(encodeRequestStream(trailing)))).toBe('bhttp.malformed')
  })
})

describe('responses', () => {
  it.each<[string, readonly number[], string | null]>([
    ['200', [200], null],
    ['599', [599], null],
    ['600', [600], 'bhttp.malformed'],
    ['99', [99], 'bhttp.malformed'],
    ['eight informational ones before it', [...Array<number>(8).fill(103), 204], null],
    ['nine of them', [...Array<number>(9).fill(103), 204], 'bhttp.limit'],
  ])('%s', async (_, statuses, code) => {
    expect(await verdict({ statuses })).toBe(code)
  })

  it('informational ones are never sent', async () => {
    const base = { fields: [], trailers: [] }
    for (const status of [100, 103, 199, 600, 200.5]) {
      expect(await codeOf(() => encodeResponse({ ...base, status, content: utf8('') }))).toBe('bhttp.malformed')
      expect(await codeOf(() => encodeResponseStream({ ...base, status, content: streamOf([]) }))).toBe('bhttp.malformed')
    }
  })
})

describe('framing', () => {
  it('a request is no response, nor the other way round, nor is anything else', async () => {
    expect(await codeOf(() => decodeRequest(raw({ statuses: ok }, true)))).toBe('bhttp.malformed')
    expect(await codeOf(() => readRequest(raw({ statuses: ok }, false)))).toBe('bhttp.malformed')
    expect(await codeOf(() => decodeResponse(raw({}, false)))).toBe('bhttp.malformed')
    expect(await codeOf(() => readResponse(raw({}, true)))).toBe('bhttp.malformed')
    for (const read of [decodeRequest, decodeResponse, readRequest, readResponse])
      for (const bytes of [Uint8Array.of(4), Uint8Array.of(63), new Uint8Array(0)])
        expect(await codeOf(() => read(bytes))).toBe('bhttp.malformed')
  })

  it('integers may be longer than they need be, and not above 2^53 - 1', async () => {
    const [head, rest] = [Uint8Array.of(0x40, 0, 0x80, 0, 0, 3), raw({}, true).subarray(2)]
    expect(decodeRequest(concat(head, rest)).method).toBe('GET')
    expect((await decodeRequestStream(streamOf([concat(head, rest)]))).method).toBe('GET')
    const huge = concat(Uint8Array.of(0), Uint8Array.of(0xc0, 0x20, 0, 0, 0, 0, 0, 0), rest)
    expect(await codeOf(() => decodeRequest(huge))).toBe('bhttp.malformed')
    expect(await codeOf(() => readRequest(huge))).toBe('bhttp.malformed')
  })

  it('sections are left out from the end alone, and none is cut', async () => {
    const parts = { fields: [['a', 'b']] as const, content: utf8('abc'), trailers: [['c', 'd']] as const }
    for (const known of [true, false]) {
      const whole = raw({}, known)
      // Without trailers, without content, without fields: each of them is one zero.
      for (const gone of [1, 2, 3]) {
        expect(await codeOf(() => decodeRequest(whole.subarray(0, whole.length - gone)))).toBeNull()
        expect(await codeOf(() => readRequest(whole.subarray(0, whole.length - gone)))).toBeNull()
      }
      expect(await codeOf(() => readRequest(whole.subarray(0, whole.length - 4)))).toBe('bhttp.malformed')
      const full = raw(parts, known)
      const between = [
        raw({}, known).length - 3,
        raw({ fields: parts.fields }, known).length - 2,
        raw({ ...parts, trailers: [] }, known).length - 1,
      ]
      for (let length = 0; length < full.length; length++) {
        const code = between.includes(length) ? null : 'bhttp.malformed'
        expect(await codeOf(() => decodeRequest(full.subarray(0, length)))).toBe(code)
        expect(await codeOf(() => readRequest(full.subarray(0, length)))).toBe(code)
      }
    }
  })

  it('every byte after the last section is zero', async () => {
    for (const known of [true, false])
      for (const at of [0, 1, 499, 70_000]) {
        const padded = concat(raw({}, known), new Uint8Array(70_001))
        expect(await codeOf(() => readRequest(padded))).toBeNull()
        padded[padded.length - 1 - at] = 1
        expect(await codeOf(() => decodeRequest(padded))).toBe('bhttp.malformed')
        expect(await codeOf(() => readRequest(padded))).toBe('bhttp.malformed')
      }
  })
})

describe('limits', () => {
  it('count the padding, and hold in both lengths', async () => {
    const size = raw({ content: utf8('abc') }, true).length
    expect(await verdict({ content: utf8('abc') }, { maxBytes: size + 1 })).toBeNull()
    for (const known of [true, false]) {
      const padded = concat(raw({ content: utf8('abc') }, known), new Uint8Array(20))
      expect(await codeOf(() => decodeRequest(padded, { maxBytes: padded.length - 1 }))).toBe('bhttp.limit')
      expect(await codeOf(() => readRequest(padded, { maxBytes: padded.length - 1 }))).toBe('bhttp.limit')
      expect(await codeOf(() => readRequest(padded, { maxBytes: padded.length }))).toBeNull()
    }
  })

  it('are held against an announced length before what it announces is waited for', async () => {
    const control = raw({}, true).slice(0, -3)
    const section = Uint8Array.of(0x80, 0x10, 0, 0)
    for (const [bytes, code] of [
      [concat(Uint8Array.of(0), Uint8Array.of(0x80, 0x10, 0, 0)), 'bhttp.limit'],
      [concat(control, section), 'bhttp.limit'],
      [concat(control, Uint8Array.of(0, 0), section), 'bhttp.limit'],
    ] as const) {
      let pulls = 0
      const endless = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            controller.enqueue(pulls++ === 0 ? bytes : new Uint8Array(1000))
          },
        },
        { highWaterMark: 0 },
      )
      const reading = async () => collected((await decodeRequestStream(endless)).content)
      expect([await codeOf(reading), pulls]).toEqual([code, 1])
    }
  })

  it('are 64 MiB of known length, refused where the length is read, and none where it is not known', async () => {
    const upToContent = raw({}, true).slice(0, -2)
    const above = concat(upToContent, Uint8Array.of(0x84, 0, 0, 1))
    const request = await decodeRequestStream(streamOf([above]))
    expect(await codeOf(() => collected(request.content))).toBe('bhttp.limit')

    let left = 70
    const piece = concat(Uint8Array.of(0x80, 0x10, 0, 0), new Uint8Array(1024 * 1024))
    const head = raw({}, false).slice(0, -2)
    const endless = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (left === 70) controller.enqueue(head)
          if (left-- > 0) controller.enqueue(piece)
          else {
            controller.enqueue(Uint8Array.of(0, 0))
            controller.close()
          }
        },
      },
      { highWaterMark: 0 },
    )
    const reader = (await decodeRequestStream(endless)).content.getReader()
    let length = 0
    for (let part = await reader.read(); !part.done; part = await reader.read()) length += part.value.length
    expect(length).toBe(70 * 1024 * 1024)
  })
})
