/// <reference types="node" />
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { toNode } from '@postern/platform/node'
import express from 'express'
import { afterEach, describe, expect, it } from 'vitest'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function listen(app: RequestListener): Promise<string> {
  const server = createServer(app).listen(0, '127.0.0.1')
  servers.push(server)
  await new Promise((resolve) => server.once('listening', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The answer to one request, byte by byte as it is written here. */
function raw(url: string, line: string): Promise<string> {
  const { port } = new URL(url)
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(Number(port), '127.0.0.1', () =>
      socket.write(`${line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`),
    )
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
    })
    socket.on('end', () => resolve(text)).on('error', reject)
  })
}

const echo = async (request: Request) => {
  const headers = new Headers({ 'content-type': 'text/plain' })
  headers.append('set-cookie', 'a=1; Path=/')
  headers.append('set-cookie', 'b=2; Path=/')
  return new Response(`${request.method} ${request.url} ${await request.text()}`, { headers })
}

describe('toNode', () => {
  it('hands on the original path below a mount, under the configured origin and never the Host header (H10)', async () => {
    const app = express().use('/postern', toNode(echo, { origin: 'https://bank.example' }))
    const answer = await fetch(`${await listen(app)}/postern/token?x=1`, { headers: { 'x-forwarded-host': 'evil.example' } })
    expect(await answer.text()).toBe('GET https://bank.example/postern/token?x=1 ')
  })

  it('keeps both cookies, and the one an earlier middleware set, with X-Powered-By on', async () => {
    const app = express()
    app.use((_req, res, next) => {
      res.cookie('host', 'h')
      next()
    })
    app.use(toNode(echo, { origin: 'http://localhost' }))
    const answer = await fetch(await listen(app))
    expect(answer.headers.get('x-powered-by')).toBe('Express')
    expect(answer.headers.getSetCookie().map((cookie) => cookie.split(';')[0])).toEqual(['host=h', 'a=1', 'b=2'])
  })

  it.each([
    ['application/json', '{"a":1}', '{"a":1}'],
    ['application/x-www-form-urlencoded', 'a=1&b=two+words', 'a=1&b=two+words'],
    ['text/plain', 'left alone', 'left alone'],
  ])('works behind body parsers: %s', async (type, sent, seen) => {
    const app = express().use(
      express.json(),
      express.urlencoded({ extended: true }),
      toNode(echo, { origin: 'http://localhost' }),
    )
    const answer = await fetch(await listen(app), { method: 'POST', body: sent, headers: { 'content-type': type } })
    expect(await answer.text()).toBe(`POST http://localhost/ ${seen}`)
  })

  it('shows the strict parser a duplicate parameter that a parser folded into an array (H05)', async () => {
    const app = express().use(express.urlencoded({ extended: false }), toNode(echo, { origin: 'http://localhost' }))
    const answer = await fetch(await listen(app), { method: 'POST', body: new URLSearchParams('a=1&a=2') })
    expect(await answer.text()).toContain('a=1&a=2')
  })

  it('refuses a parsed body that cannot be rebuilt', async () => {
    const app = express().use(express.urlencoded({ extended: true }), toNode(echo, { origin: 'http://localhost' }))
    const answer = await fetch(await listen(app), {
      method: 'POST',
      body: 'a[b]=1',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(answer.status).toBe(400)
  })

  it('streams an answer, and tells the handler when the caller has gone', async () => {
    let gone: (value: boolean) => void = () => undefined
    const seen = new Promise<boolean>((resolve) => {
      gone = resolve
    })
    const url = await listen(
      toNode(
        async (request) => {
          request.signal.addEventListener('abort', () => gone(true))
          return new Response(new ReadableStream({ start: (out) => out.enqueue(new TextEncoder().encode('first')) }))
        },
        { origin: 'http://localhost' },
      ),
    )
    const abort = new AbortController()
    const answer = await fetch(url, { signal: abort.signal })
    const { value } = await answer.body!.getReader().read()
    expect(new TextDecoder().decode(value)).toBe('first')
    abort.abort()
    expect(await seen).toBe(true)
  })

  it('gives up an answer whose reader has gone: what made it is told, whether or not more was to come', async () => {
    let end: (value: string) => void = () => undefined
    const ended = new Promise<string>((resolve) => {
      end = resolve
    })
    const quiet = new ReadableStream({
      start: (out) => out.enqueue(new TextEncoder().encode('first')),
      cancel: () => end('cancelled'),
    })
    const abort = new AbortController()
    const url = await listen(toNode(async () => new Response(quiet), { origin: 'http://localhost' }))
    const answer = await fetch(url, { signal: abort.signal })
    await answer.body!.getReader().read()
    abort.abort()
    expect(await ended).toBe('cancelled')
  })

  it.each([
    '//evil.example/postern/admin/v1/apps',
    '/\\evil.example/postern/token',
    '/public/../postern/token',
    '/public/%2e%2E/postern/token',
    '/./postern/token',
    '/postern\\token',
    '/postern/"token"',
    '*',
  ])('refuses the target %s: it would be read as another path than was sent (H22)', async (target) => {
    const app = toNode(echo, { origin: 'https://bank.example' })
    expect((await raw(await listen(app), `GET ${target}`)).split('\r\n')[0]).toBe('HTTP/1.1 400 Bad Request')
    // Behind a mount as well, which sees what it was sent.
    const mounted = express().use('/', app)
    expect((await raw(await listen(mounted), `GET ${target}`)).split('\r\n')[0]).toContain('40')
  })

  it('takes a target in absolute form by its path alone, and every path that means one thing', async () => {
    const url = await listen(toNode(echo, { origin: 'https://bank.example' }))
    for (const [target, path] of [
      ['http://evil.example/postern/token?x=http://y', '/postern/token?x=http://y'],
      ['http://evil.example', '/'],
      ['/a%20b/%C3%A9;v=1?q=%2e%2e/..', '/a%20b/%C3%A9;v=1?q=%2e%2e/..'],
      ['/a..b/...', '/a..b/...'],
    ])
      expect(await raw(url, `GET ${target}`)).toContain(`GET https://bank.example${path} `)
  })

  it('refuses a method that no handler can be asked with', async () => {
    const answer = await raw(await listen(toNode(echo, { origin: 'https://bank.example' })), 'TRACE /')
    expect(answer.split('\r\n')[0]).toBe('HTTP/1.1 405 Method Not Allowed')
  })

  it('answers HEAD without a body', async () => {
    const answer = await fetch(await listen(toNode(echo, { origin: 'http://localhost' })), { method: 'HEAD' })
    expect([answer.status, await answer.text()]).toEqual([200, ''])
  })
})
