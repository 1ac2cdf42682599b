/** bhttp-js reads and writes the same messages; jose believes the same key document. */
import { utf8 } from '@postern/core/bytes'
import { BHttpDecoder, BHttpEncoder } from 'bhttp-js'
import { importJWK, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from '../../src/bhttp.js'
import { world } from '../world.js'

describe('bhttp-js', () => {
  it('reads our request, and we read its', async () => {
    const fields = [
      ['content-type', 'text/plain'],
      ['x-a', 'b'],
    ] as const
    const message = {
      method: 'POST',
      scheme: 'https',
      authority: 'www.example.com',
      path: '/hello.txt?q=1',
      fields,
      content: utf8('body'),
      trailers: [],
    }
    const theirs = new BHttpDecoder().decodeRequest(encodeRequest(message, { pad: false }))
    expect([theirs.method, theirs.url, theirs.headers.get('x-a'), await theirs.text()]).toEqual([
      'POST',
      'https://www.example.com/hello.txt?q=1',
      'b',
      'body',
    ])
    // Without a query: bhttp-js 0.2.1 leaves it out when it encodes.
    const request = new Request('https://www.example.com/hello.txt', {
      method: 'POST',
      headers: [...fields].map((f) => [...f] as [string, string]),
      body: 'body',
    })
    const ours = decodeRequest(await new BHttpEncoder().encodeRequest(request))
    expect(ours).toMatchObject({
      method: 'POST',
      scheme: 'https',
      authority: 'www.example.com',
      path: '/hello.txt',
      content: utf8('body'),
    })
    expect(ours.fields).toContainEqual(['x-a', 'b'])
  })

  it('reads our response, and we read its', async () => {
    const content = utf8('Hello World! My content includes a trailing CRLF.\r\n')
    const theirs = new BHttpDecoder().decodeResponse(
      encodeResponse({ status: 203, fields: [['server', 'Apache']], content, trailers: [] }, { pad: false }),
    )
    expect([theirs.status, theirs.headers.get('server'), new Uint8Array(await theirs.arrayBuffer())]).toEqual([
      203,
      'Apache',
      content,
    ])
    const ours = decodeResponse(
      await new BHttpEncoder().encodeResponse(
        new Response(content as Uint8Array<ArrayBuffer>, { status: 203, headers: { server: 'Apache' } }),
      ),
    )
    expect(ours).toMatchObject({ status: 203, content })
    expect(ours.fields).toContainEqual(['server', 'Apache'])
  })
})

describe('jose', () => {
  it('verifies the key document that the server serves', async () => {
    const w = await world()
    const request = new Request('https://api.bank.example/.well-known/ohttp-gateway', {
      headers: { accept: 'application/vnd.postern.keys+jwt' },
    })
    const text = await (await w.server().keyDocument(request)).text()
    const options = { typ: 'postern-keys+jwt', algorithms: ['ES256'], currentDate: new Date(w.now) }
    const { payload } = await jwtVerify(text, await importJWK({ ...w.root.publicJwk }, 'ES256'), options)
    expect(payload).toMatchObject({
      v: 1,
      origin: 'https://api.bank.example',
      gateway: 'https://api.bank.example/ohttp',
      session: null,
    })
  })
})
