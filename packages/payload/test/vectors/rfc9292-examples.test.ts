/// <reference types="node" />
import { readFileSync } from 'node:fs'
import { utf8 } from '@postern/core/bytes'
import { describe, expect, it } from 'vitest'
import {
  type BhttpResponse,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type FieldLine,
} from '../../src/bhttp.js'
import { writerOf } from '../../src/internal/writer.js'
import { absent, pathOf } from '../vectors.js'

const folder = 'payload/ohttp/bhttp-example'
const read = (name: string): string => readFileSync(pathOf(`${folder}-${name}.txt`), 'utf8').replaceAll('\r\n', '\n')

function linesOf(block: string): FieldLine[] {
  return block
    .split('\n')
    .slice(1)
    .filter((line) => line.includes(':'))
    .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()])
}

describe.skipIf(absent(`${folder}-request.txt`))('RFC 9292 §5 examples, as messages', () => {
  it('the request comes back', () => {
    const fields = linesOf(read('request'))
    const authority = fields.find(([name]) => name === 'host')![1]
    const message = {
      method: 'GET',
      scheme: 'https',
      authority,
      path: '/hello.txt',
      fields,
      content: new Uint8Array(0),
      trailers: [],
    }
    expect(decodeRequest(encodeRequest(message))).toEqual(message)
  })

  it('the response comes back, its informational ones skipped', () => {
    const [processing, hints, final, ...rest] = read('response').split('\n\n')
    const content = utf8(rest.join('\n\n'))
    const fields = linesOf(final!).filter(([name]) => name !== 'content-length')
    const message: BhttpResponse = { status: 200, fields, content, trailers: [] }
    expect(decodeResponse(encodeResponse(message))).toEqual(message)
    const out = writerOf()
    out.varint(1)
    for (const [status, block] of [
      [102, processing!],
      [103, hints!],
    ] as const) {
      out.varint(status)
      out.fields(linesOf(block))
    }
    out.varint(200)
    out.fields(fields)
    out.varint(content.length)
    out.bytes(content)
    expect(decodeResponse(out.finish((length) => length))).toEqual(message)
  })

  it('the chunked response: its trailer comes after the content, its framing is gone', () => {
    const message: BhttpResponse = {
      status: 200,
      fields: [],
      content: utf8('This content contains CRLF.\r\n'),
      trailers: [['trailer', 'text']],
    }
    expect(decodeResponse(encodeResponse(message))).toEqual(message)
    expect(() => encodeResponse({ ...message, fields: [['transfer-encoding', 'camel, chunked']] })).toThrow('bhttp.malformed')
  })
})
